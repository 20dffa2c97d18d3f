"""What the engine can be asked for; torch-free."""

from dataclasses import dataclass
from typing import NamedTuple

from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.types import Branch, Candidate

LEAST_LIKENESS = 0.8  # ours: the cosine from which on two answers may be one meaning


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Candidates for each prompt; ``adapter_dir`` None means the base model."""

    prompts: tuple[str, ...]
    sampling: SamplingConfig
    prompt_config: PromptConfig
    adapter_dir: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Written answers, each with its prompt; ``adapter_dir`` None means the base model."""

    answers: tuple[tuple[str, str], ...]
    prompt_config: PromptConfig
    adapter_dir: str | None = None


@dataclass(frozen=True, slots=True)
class BranchRequest:
    """Other ways to go on from a token of a candidate; see ``branching.branch``.

    ``point.token`` is the place of the first token that is not taken over. ``alternative`` is the
    place, 0 to 4, among the most likely tokens there of the one to go on with; None draws it too.
    ``sampling.max_new_tokens`` bounds the new part.
    """

    prompt: str
    parent_ids: tuple[int, ...]
    point: Branch
    sampling: SamplingConfig
    prompt_config: PromptConfig
    alternative: int | None = None
    adapter_dir: str | None = None


@dataclass(frozen=True, slots=True)
class RereadRequest:
    """The same tokens under another adapter; ``adapter_dir`` None means the base model."""

    candidates: tuple[Candidate, ...]
    prompt_config: PromptConfig
    adapter_dir: str | None = None


@dataclass(frozen=True, slots=True)
class MeaningRequest:
    """Answers to group by what they say; see ``meaning.group_by_meaning``."""

    answers: tuple[str, ...]
    least_likeness: float = LEAST_LIKENESS


class ScoredAnswer(NamedTuple):
    """A written answer with its exact statistics under the model that was asked for.

    ``base_logprob`` holds the base model's log-probability of each of its tokens, nats; None where
    the base model itself was asked.
    """

    candidate: Candidate
    base_logprob: tuple[float, ...] | None


Request = SampleRequest | ScoreRequest | BranchRequest | RereadRequest | MeaningRequest
