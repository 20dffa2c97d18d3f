"""What happened in a run, one plain sentence for each thing, from its events."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from app import run_facts
from app.records import RunView
from app.run_facts import Check
from app.text import calibration as words
from app.text import story as say
from app.views.runs import said
from gem_backend.types import RunEvent

_TOLD_TOGETHER = ("sft_step", "baseline_step")


def story(view: RunView | None) -> str:
    """Return what happened, one plain sentence for each thing, in order."""
    if view is None:
        return ""
    items = "".join(f"<li>{said(sentence)}</li>" for sentence in story_sentences(view.events))
    title = f'<h2 class="gem-title">{escape(say.TITLE)}</h2>'
    return f'{title}<ol class="gem-story">{items}</ol>' if items else ""


def story_sentences(events: Sequence[RunEvent]) -> list[str]:
    """Return the sentences of the story; steps are told together, once they are over."""
    sentences: list[str] = []
    losses: list[float] = []
    is_rival = False
    for event in events:
        loss = run_facts.number(event, "loss") if event.kind in _TOLD_TOGETHER else None
        if loss is not None:
            is_rival = event.kind == "baseline_step"
            losses.append(loss)
        elif losses and event.kind != "checkpoint":  # each pass of the warm start saves once
            learned = words.story_rival if is_rival else say.learned
            sentences.append(learned(len(losses), losses[0], losses[-1]))
            losses = []
        sentence = _sentence(event, is_rival)
        if sentence:
            sentences.append(sentence)
    return sentences


def _sentence(event: RunEvent, is_rival: bool) -> str:
    kind = event.kind
    if kind == "started":
        pairs, held_out, pool = (
            run_facts.whole(event, key) for key in ("num_pairs", "num_held_out", "num_pool")
        )
        device = run_facts.text(event, "device") or "this machine"
        return say.started(pairs, held_out, pool, device)
    if kind == "resumed":
        return say.resumed(run_facts.whole(event, "from_round"))
    if kind == "calibration":
        found = run_facts.calibration([event])
        return words.story_calibrated(found.num_comparisons) if found else ""
    if kind == "canary":
        gap, change = (run_facts.number(event, key) for key in ("gap", "change"))
        return say.canary(gap or 0.0, change or 0.0, run_facts.whole(event, "n"))
    if kind == "memory":
        sizes = (run_facts.whole(event, key) for key in ("peak", "low", "high", "tokens"))
        return say.memory(*sizes)
    if kind == "evaluation":
        return _checked_sentence(run_facts.checks([event]), is_rival)
    if kind == "warning":
        return run_facts.text(event, "message")
    return _closing_sentence(event, is_rival)


def _closing_sentence(event: RunEvent, is_rival: bool) -> str:
    if event.kind == "candidates" and run_facts.text(event, "stage") == "round":
        return say.sampled(
            run_facts.whole(event, "round"),
            run_facts.whole(event, "count"),
            run_facts.whole(event, "uncommitted"),
        )
    if event.kind == "checkpoint" and event.data.get("is_best") is True:
        number = run_facts.whole(event, "round")
        return words.rival_best(number) if is_rival and number else say.best(number)
    if event.kind == "ended":
        wall_s = run_facts.number(event, "wall_s")
        ended = say.ended(run_facts.text(event, "state"), wall_s)
        return f"{ended} {run_facts.text(event, 'message')}".strip()
    return ""


def moment(check: Check) -> str:
    """Return when an evaluation was made, in words."""
    if check.name == "round":
        return words.rival_moment(check.round) if check.is_rival else f"After round {check.round}"
    return say.MOMENTS.get(check.name, check.name)


def _checked_sentence(checks: Sequence[Check], is_rival: bool) -> str:
    if not checks:
        return ""
    check = replace(checks[0], is_rival=is_rival)
    kind = say.FINAL_CHECK if check.is_final else say.ROUND_CHECK
    return say.checked(kind, moment(check), check.evaluation.preference_accuracy)
