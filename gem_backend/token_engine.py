"""What draws tokens for a run outside of its process, and what everybody else sees of it.

An engine gives ids and nothing else that is kept: entropies and log-probabilities are those of our
own pass over these ids (METHOD section 2).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from gem_backend.config import SamplingConfig
from gem_backend.generation import OnProgress, OnTokens, Row, Sampled, end_ids
from gem_backend.policy import Policy
from gem_backend.sampling import TokenSource


class Drawn(NamedTuple):
    """The ids that came, and where it was asked for the log-probability of each, nats."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...] = ()


class TokenEngine(Protocol):
    """vLLM in a child of the run, or servers by their addresses; ``version`` says which."""

    version: str

    def draw(
        self,
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        on_progress: OnProgress | None = None,
        *,
        has_logprobs: bool = False,
    ) -> list[Drawn]:
        """Continue every row under the policy's adapter as it stands at this call.

        Args:
            policy: which adapter is on, if any, and which ids end an answer.
            rows: what to continue; each has its own chance.
            config: temperature and top-p; None takes the most likely token each time.
            on_progress: told while it works; an error that it raises ends the work.
            has_logprobs: whether to give the log-probability of each token.

        Raises:
            EngineError: the engine is gone, or refuses.
        """
        ...

    def close(self) -> None:
        """End it, or let it go where it is somebody else's."""
        ...


def token_source(engine: TokenEngine, name: str) -> TokenSource:
    """Return an engine as what a sampler draws its tokens with, under a name for its candidates."""

    def draw_tokens(
        policy: Policy,
        rows: Sequence[Row],
        config: SamplingConfig | None,
        max_batch_tokens: int,  # an engine makes batches of its own
        on_progress: OnProgress | None = None,
        on_tokens: OnTokens | None = None,
    ) -> list[Sampled]:
        ends = end_ids(policy)
        drawn = engine.draw(policy, rows, config, on_progress)
        return [Sampled(one.ids, bool(one.ids) and one.ids[-1] in ends) for one in drawn]

    return TokenSource(draw_tokens, name, engine.version)


def row_seed(row: Row) -> int:
    """Return the seed of a row's own chance, 0 to 2**32 - 1."""
    return int(np.random.SeedSequence(row.seed_words).generate_state(1)[0])
