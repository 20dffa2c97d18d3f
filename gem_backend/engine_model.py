"""The model inside the engine process: loaded once, with the adapters that were asked for."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from peft import PeftModel

from gem_backend.branching import branch
from gem_backend.config import PromptConfig
from gem_backend.engine import EngineConfig, OnProgress
from gem_backend.engine_requests import (
    BranchRequest,
    MeaningRequest,
    Request,
    RereadRequest,
    SampleRequest,
    ScoredAnswer,
    ScoreRequest,
)
from gem_backend.errors import DataError, ModelLoadError
from gem_backend.meaning import SentenceModel
from gem_backend.policy import Policy, add_adapter, load_policy
from gem_backend.sampling import PolicySampler, reread, score_completion
from gem_backend.types import Candidate


class _Watch:
    """Joins what sampling says of itself, finished candidates and their tokens, in one message."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0

    def done(self, done: int, total: int) -> None:
        self._done = done
        self._on_progress(done, total)

    def tokens(self, tokens: Sequence[int]) -> None:
        self._on_progress(self._done, self._total, tuple(tokens))


class EngineModel:
    """One base model on the device; adapters are added once each and switched.

    Args:
        config: the model and the device.

    Raises:
        ModelLoadError: the model cannot be loaded.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._sentences: SentenceModel | None = None
        self._policy = load_policy(
            config.model, device=config.device, trust_remote_code=config.trust_remote_code
        )

    def answer(
        self, request: Request, on_progress: OnProgress
    ) -> Sequence[list[Candidate] | Candidate | ScoredAnswer | tuple[int, ...] | None]:
        """Do what a request asks for; see ``Engine``."""
        match request:
            case SampleRequest():
                return self.sample(request, on_progress)
            case BranchRequest():
                return self.branch(request, on_progress)
            case RereadRequest():
                return self.reread(request, on_progress)
            case ScoreRequest():
                return self.score(request, on_progress)
            case MeaningRequest():
                return self.group_by_meaning(request)
        raise TypeError(f"no request: {request!r}")

    def sample(self, request: SampleRequest, on_progress: OnProgress) -> list[list[Candidate]]:
        """Sample and score a group for each prompt, under the adapter that was asked for."""
        watch = _Watch(on_progress, len(request.prompts) * request.sampling.num_candidates)
        with self._under(request.adapter_dir) as policy:
            sampler = PolicySampler(policy, request.prompt_config, on_tokens=watch.tokens)
            return sampler.sample(list(request.prompts), request.sampling, watch.done)

    def branch(self, request: BranchRequest, on_progress: OnProgress) -> list[Candidate]:
        """Sample and score other ways to go on, under the adapter that was asked for."""
        watch = _Watch(on_progress, request.sampling.num_candidates)
        with self._under(request.adapter_dir) as policy:
            return branch(policy, request, watch.done, watch.tokens)

    def reread(self, request: RereadRequest, on_progress: OnProgress) -> list[Candidate]:
        """Score the same tokens under the adapter that was asked for."""
        read = []
        with self._under(request.adapter_dir) as policy:
            for candidate in request.candidates:
                read.append(reread(policy, candidate, request.prompt_config))
                on_progress(len(read), len(request.candidates))
        return read

    def score(
        self, request: ScoreRequest, on_progress: OnProgress | None = None
    ) -> list[ScoredAnswer | None]:
        """Score written answers under the adapter that was asked for, and under the base as well.

        An answer that is empty, or too long for the model with its prompt, gets None.
        """
        scored: list[ScoredAnswer | None] = []
        with self._under(request.adapter_dir) as policy:
            for prompt, answer in request.answers:
                scored.append(_scored(policy, prompt, answer, request.prompt_config))
                if on_progress is not None:
                    on_progress(len(scored), len(request.answers))
        return scored

    def group_by_meaning(self, request: MeaningRequest) -> list[tuple[int, ...]]:
        """Group answers by what they say; the sentence model is loaded when first asked for."""
        folder = self._config.sentence_model
        if folder is None:
            raise ModelLoadError("This engine was started without a sentence model.")
        self._sentences = self._sentences or SentenceModel(folder, str(self._policy.device))
        return self._sentences.group(request.answers, request.least_likeness)

    @contextlib.contextmanager
    def _under(self, adapter_dir: str | None) -> Iterator[Policy]:
        """Yield the policy with exactly that adapter on, or with none."""
        model = self._policy.model
        if adapter_dir is None:
            off = model.disable_adapter() if isinstance(model, PeftModel) else None
            with off or contextlib.nullcontext():
                yield self._policy
            return
        self._switch_to(adapter_dir)
        yield replace(self._policy, adapter=Path(adapter_dir).parent.name)

    def _switch_to(self, adapter_dir: str) -> None:
        model = self._policy.model
        # peft takes no dots in an adapter's name; two paths must never share one.
        name = adapter_dir.encode().hex()
        if isinstance(model, PeftModel) and name in model.peft_config:
            model.set_adapter(name)
            return
        model = add_adapter(model, Path(adapter_dir), name)
        self._policy = replace(self._policy, model=model.eval())


def _scored(
    policy: Policy, prompt: str, answer: str, prompt_config: PromptConfig
) -> ScoredAnswer | None:
    try:
        candidate = score_completion(policy, prompt, answer, prompt_config)
    except DataError:
        return None
    if policy.adapter is None or not isinstance(policy.model, PeftModel):
        return ScoredAnswer(candidate, None)
    with policy.model.disable_adapter():
        base = score_completion(policy, prompt, answer, prompt_config)
    return ScoredAnswer(candidate, base.token_logprob)
