"""Stopping a run where it can be resumed, between two steps or two batches of samples."""

from collections.abc import Sequence
from dataclasses import dataclass

from gem_backend.config import SamplingConfig
from gem_backend.generation import OnProgress
from gem_backend.reporter import Reporter
from gem_backend.sampling import Draws, Sampler
from gem_backend.types import Candidate


class StopRequestedError(Exception):
    """Somebody asked the run to stop; the latest checkpoint stands."""


def stop_if_asked(reporter: Reporter) -> None:
    """Raise ``StopRequestedError`` if somebody asked the run to stop."""
    if reporter.is_stop_requested():
        raise StopRequestedError


@dataclass(frozen=True, slots=True)
class StoppableSampler:
    """A sampler that looks at the stop flag after each of its batches."""

    sampler: Sampler
    reporter: Reporter

    def sample(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> list[list[Candidate]]:
        """Return candidates as ``Sampler.sample`` does.

        Raises:
            StopRequestedError: somebody asked the run to stop.
        """
        return self.sampler.sample(prompts, config, self._watching(on_progress))

    def draw(
        self,
        prompts: Sequence[str],
        config: SamplingConfig,
        on_progress: OnProgress | None = None,
    ) -> Draws:
        """Return ids as ``Sampler.draw`` does.

        Raises:
            StopRequestedError: somebody asked the run to stop.
        """
        return self.sampler.draw(prompts, config, self._watching(on_progress))

    def greedy(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_progress: OnProgress | None = None,
    ) -> list[Candidate]:
        """Return candidates as ``Sampler.greedy`` does.

        Raises:
            StopRequestedError: somebody asked the run to stop.
        """
        return self.sampler.greedy(prompts, max_new_tokens, self._watching(on_progress))

    def _watching(self, on_progress: OnProgress | None) -> OnProgress:
        def watch(done: int, total: int) -> None:
            stop_if_asked(self.reporter)
            if on_progress is not None:
                on_progress(done, total)

        return watch
