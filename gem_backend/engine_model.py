"""The model inside the engine process: loaded once, with the adapters that were asked for."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from peft import PeftModel

from gem_backend.config import PromptConfig
from gem_backend.engine import (
    EngineConfig,
    OnProgress,
    Request,
    SampleRequest,
    ScoredAnswer,
    ScoreRequest,
)
from gem_backend.errors import DataError
from gem_backend.policy import Policy, add_adapter, load_policy
from gem_backend.sampling import TransformersSampler, score_completion
from gem_backend.types import Candidate


class EngineModel:
    """One base model on the device; adapters are added once each and switched.

    Args:
        config: the model and the device.

    Raises:
        ModelLoadError: the model cannot be loaded.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._policy = load_policy(
            config.model, device=config.device, trust_remote_code=config.trust_remote_code
        )

    def answer(
        self, request: Request, on_progress: OnProgress
    ) -> Sequence[list[Candidate] | ScoredAnswer | None]:
        """Do what a request asks for; one entry for each of its prompts or written answers."""
        if isinstance(request, ScoreRequest):
            return self.score(request, on_progress)
        return self.sample(request, on_progress)

    def sample(
        self, request: SampleRequest, on_progress: OnProgress | None = None
    ) -> list[list[Candidate]]:
        """Sample and score a group for each prompt, under the adapter that was asked for."""
        with self._under(request.adapter_dir) as policy:
            sampler = TransformersSampler(policy, request.prompt_config)
            return sampler.sample(list(request.prompts), request.sampling, on_progress)

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
