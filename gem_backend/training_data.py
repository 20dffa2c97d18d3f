"""From labels to the parts of a run: what trains, what chooses the checkpoint, what is measured;
torch-free.

The part that picks the best round ("validation") and the part that the verdict is measured on
("test") share no prompt, so the verdict is not flattered by the choice.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gem_backend.run_dir import PoolPrompt
from gem_backend.types import PairVerdict, PreferencePair

VALIDATION_SHARE = 1 / 3  # ours
MIN_HELD_OUT_TO_SPLIT = 24  # ours: with fewer, all measure and none choose
KEPT_ASIDE_SHARE = 1 / 5  # ours: of the labelled prompts, where nobody chose held-out pairs
MIN_TRAIN_PAIRS = 2


@dataclass(frozen=True, slots=True)
class TooLong:
    """How much was left out because the settings or the model have no room for it."""

    chosen: int = 0  # training pairs with their chosen answer
    held_out: int = 0  # held-out pairs with either answer
    prompts: int = 0  # prompts to sample from

    @property
    def total(self) -> int:
        """All of them."""
        return self.chosen + self.held_out + self.prompts


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The parts of a run; no prompt is in two of ``train``, ``validation`` and ``test``.

    ``judged`` are the comparisons outside the held-out prompts: what trains, ties, and preferences
    for an answer that is not acceptable. They calibrate the ranking.
    """

    train: tuple[PreferencePair, ...]
    validation: tuple[PreferencePair, ...]
    test: tuple[PreferencePair, ...]
    prompts: tuple[PoolPrompt, ...]
    left_out: tuple[tuple[str, int], ...]
    too_long: TooLong = TooLong()
    judged: tuple[PreferencePair, ...] = ()

    @property
    def obstacle(self) -> str:
        """Why a run cannot start on this, in one sentence; empty if it can."""
        is_short_of_pairs = len(self.train) < MIN_TRAIN_PAIRS or not self.test
        if is_short_of_pairs and (self.too_long.chosen or self.too_long.held_out):
            return (
                "Too few pairs are short enough for this run: choose a model that reads longer "
                "texts, raise 'max_length', or shorten the answers."
            )
        return obstacle(len(self.train), len(self.test), len(self.prompts))


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """How large the parts of a run would be, before it is known what the model has room for."""

    num_train: int
    num_held_out: int
    num_prompts: int
    left_out: tuple[tuple[str, int], ...]

    @property
    def obstacle(self) -> str:
        """Why a run cannot start on this, in one sentence; empty if it can."""
        # Of held-out pairs at least two thirds of the prompts measure, so one pair is enough.
        return obstacle(self.num_train, self.num_held_out, self.num_prompts)


def obstacle(num_train: int, num_test: int, num_prompts: int) -> str:
    """Return why a run cannot start on so much, in one sentence; empty if it can."""
    if num_train < MIN_TRAIN_PAIRS:
        return (
            f"Label at least {MIN_TRAIN_PAIRS} pairs with a clear preference first; "
            f"there {'is' if num_train == 1 else 'are'} {num_train} so far."
        )
    if not num_test:
        return "Label a few more pairs on other prompts: none is left to measure the result on."
    if not num_prompts:
        return "Add prompts that are not held out: none is left for the model to answer."
    return ""


def split_training_data(
    pairs: Sequence[PreferencePair], pool: Sequence[PoolPrompt] = ()
) -> TrainingData:
    """Sort labels into the parts of a run, and count what is left out with its reason.

    Args:
        pairs: every current label, in any order.
        pool: prompts without a label that may be sampled from.
    """
    usable = [pair for pair in pairs if not _reason_to_leave_out(pair)]
    held_out_prompts = _held_out_prompts(usable)
    train = [pair for pair in usable if pair.prompt not in held_out_prompts]
    held_out = [pair for pair in usable if pair.prompt in held_out_prompts]
    validation_prompts = _validation_prompts(held_out)
    forbidden = held_out_prompts | {pair.prompt for pair in pairs if pair.split == "held_out"}
    prompts = {pair.prompt: PoolPrompt(pair.prompt, pair.gold_answer) for pair in pairs}
    prompts |= {item.prompt: item for item in pool}
    return TrainingData(
        train=tuple(train),
        validation=tuple(pair for pair in held_out if pair.prompt in validation_prompts),
        test=tuple(pair for pair in held_out if pair.prompt not in validation_prompts),
        prompts=tuple(item for item in prompts.values() if item.prompt not in forbidden),
        left_out=_count_left_out(pairs),
        judged=tuple(
            pair for pair in pairs if _is_comparison(pair) and pair.prompt not in forbidden
        ),
    )


def leave_out_too_long(
    data: TrainingData,
    count_tokens: Callable[..., int],
    max_length: int,
    context_length: int | None,
) -> TrainingData:
    """Leave out what a run has no room for, and count it; no answer is ever cut.

    Args:
        data: the parts of the run.
        count_tokens: tokens of a prompt with the longest of the answers that follow it, end token
            included.
        max_length: of what is trained on, tokens, prompt and answer together.
        context_length: what the model can read, tokens; None for no limit.
    """
    context = context_length or sys.maxsize
    limit = min(max_length, context)

    def fits(pair: PreferencePair) -> bool:
        return count_tokens(pair.prompt, pair.chosen, pair.rejected) <= context

    train = tuple(p for p in data.train if count_tokens(p.prompt, p.chosen) <= limit)
    validation, test, judged = (
        tuple(filter(fits, part)) for part in (data.validation, data.test, data.judged)
    )
    prompts = tuple(item for item in data.prompts if count_tokens(item.prompt) < limit)
    too_long = TooLong(
        len(data.train) - len(train),
        len(data.validation) + len(data.test) - len(validation) - len(test),
        len(data.prompts) - len(prompts),
    )
    return replace(
        data,
        train=train,
        validation=validation,
        test=test,
        prompts=prompts,
        too_long=too_long,
        judged=judged,
    )


def _is_comparison(pair: PreferencePair) -> bool:
    return pair.verdict in ("preferred", "tie") and pair.chosen != pair.rejected


def _reason_to_leave_out(pair: PreferencePair) -> str:
    if pair.verdict == "preferred" and pair.chosen == pair.rejected:
        return "both answers are the same"
    return reason_to_leave_out(pair.verdict, pair.is_acceptable)


def reason_to_leave_out(verdict: PairVerdict, is_acceptable: bool) -> str:
    """Return why a label trains nothing, empty where it trains."""
    if verdict == "preferred" and not is_acceptable:
        return "the better answer is not acceptable to use"
    return {
        "preferred": "",
        "tie": "judged a tie",
        "both_bad": "both answers judged bad",
        "cannot_judge": "could not be judged",
    }[verdict]


def _count_left_out(pairs: Iterable[PreferencePair]) -> tuple[tuple[str, int], ...]:
    reasons = Counter(reason for pair in pairs if (reason := _reason_to_leave_out(pair)))
    return tuple(sorted(reasons.items()))


def _held_out_prompts(usable: Sequence[PreferencePair]) -> set[str]:
    """The prompts that somebody held out; else a fifth of them, the same fifth every time."""
    chosen = {pair.prompt for pair in usable if pair.split == "held_out"}
    if chosen:
        return chosen
    prompts = _in_hash_order({pair.prompt for pair in usable})
    return set(prompts[: int(len(prompts) * KEPT_ASIDE_SHARE)])


def _validation_prompts(held_out: Sequence[PreferencePair]) -> set[str]:
    if len(held_out) < MIN_HELD_OUT_TO_SPLIT:
        return set()
    prompts = _in_hash_order({pair.prompt for pair in held_out})
    return set(prompts[: int(len(prompts) * VALIDATION_SHARE)])


def _in_hash_order(prompts: Iterable[str]) -> list[str]:
    """An order that depends on the texts alone, so that every run keeps the same prompts aside."""
    return sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode()).digest())
