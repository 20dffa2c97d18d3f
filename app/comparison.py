"""Which runs of other methods a run can be set beside: same labels, same model, same cases."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.text import calibration as say
from gem_backend.types import RunResult, RunSummary
from storage.runs import RunTraits


class Rival(NamedTuple):
    """A finished run of another method; ``obstacle`` says why it is not comparable, if so."""

    run: RunSummary
    method: str
    obstacle: str = ""


class MethodComparison(NamedTuple):
    """A run and the newest ones of other methods; of a rival, the newest run of GEM alone."""

    own: RunSummary
    method: str
    rivals: tuple[Rival, ...]


def compare_methods(
    own: RunSummary, history: Sequence[RunSummary], traits: Mapping[str, RunTraits]
) -> MethodComparison | None:
    """Return what a run can be compared with; None for a run without a result.

    Args:
        own: the run.
        history: all runs of its project, the newest first.
        traits: of each run, by its id.
    """
    if own.result is None or own.run_id not in traits:
        return None
    is_gem = traits[own.run_id].method == "gem"
    found: dict[str, Rival] = {}
    for run in history:
        known = traits.get(run.run_id)
        if run.result is None or known is None or (known.method == "gem") is is_gem:
            continue
        rival = Rival(run, _words(known), _obstacle(own, run, traits))
        # The newest that can be compared; where none can, the newest says why.
        if known.method not in found or (found[known.method].obstacle and not rival.obstacle):
            found[known.method] = rival
    return MethodComparison(own, _words(traits[own.run_id]), tuple(found.values()))


def method_names(traits: Mapping[str, RunTraits]) -> dict[str, str]:
    """Return the method of each run in words, by its id."""
    return {run_id: _words(one) for run_id, one in traits.items()}


def _words(traits: RunTraits) -> str:
    return say.method_words(traits.method, traits.ranking)


def _obstacle(own: RunSummary, other: RunSummary, traits: Mapping[str, RunTraits]) -> str:
    if own.model != other.model:
        return say.OTHER_MODEL
    if traits[own.run_id].labels_hash != traits[other.run_id].labels_hash:
        return say.OTHER_LABELS
    counts = _num_cases(own.result), _num_cases(other.result)
    return "" if counts[0] == counts[1] else say.other_cases(*counts)


def _num_cases(result: RunResult | None) -> int:
    return result.after.preference_accuracy.n if result else 0
