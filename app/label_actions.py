"""What the Label page's buttons do, without the page: use cases in, screens out."""

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypedDict

from app import text
from app.records import TaskState
from app.studio import Studio
from gem_backend.types import Answer, Case, LabelProgress, Verdict

_KEPT_DRAFTS = 500
_LONGEST_CASE_S = 24 * 3600.0


class Choice(TypedDict, total=False):
    """What the five buttons hold: the case they were pressed for, the side, the strength."""

    case: str
    choice: str | None
    strength: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rater said about a case so far, in terms of the answers, not of the sides."""

    verdict: Verdict | None = None
    strength: int = 1
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class LabelScreen:
    """Everything the page shows at one moment."""

    case: Case | None
    progress: LabelProgress
    draft: Draft = Draft()
    receipt: str = ""


class Drafts:
    """Unsaved words and the last verdicts, in this process only: never in the browser's storage."""

    def __init__(self) -> None:
        """Start empty."""
        self._drafts: OrderedDict[str, Draft] = OrderedDict()

    def get(self, case: Case) -> Draft:
        """Return what is known of a case."""
        return self._drafts.get(case.comparison.pair_id, Draft())

    def put(self, case: Case, draft: Draft) -> None:
        """Keep a draft; the oldest goes when there are many."""
        self._drafts[case.comparison.pair_id] = draft
        self._drafts.move_to_end(case.comparison.pair_id)
        while len(self._drafts) > _KEPT_DRAFTS:
            self._drafts.popitem(last=False)


def to_verdict(choice: str, case: Case) -> Verdict | None:
    """Translate a side into the answer that stood there; None for a word that is no choice."""
    right: Answer = "b" if case.left == "a" else "a"
    verdicts: dict[str, Verdict] = {
        "left": case.left,
        "right": right,
        "tie": "tie",
        "both_bad": "both_bad",
        "cannot_judge": "cannot_judge",
    }
    return verdicts.get(choice)


def to_choice(verdict: Verdict | None, case: Case) -> str | None:
    """Translate a verdict into the side or word that stands for it on screen."""
    if verdict in ("a", "b"):
        return "left" if verdict == case.left else "right"
    return verdict


class LabelActions:
    """What the page's buttons do; every method returns the screen that follows."""

    def __init__(self, studio: Studio, drafts: Drafts) -> None:
        """Act on a studio."""
        self._studio = studio
        self._drafts = drafts

    def show(
        self, project_id: str, case: Case | None, choice: Choice | None = None, rationale: str = ""
    ) -> LabelScreen:
        """Show the case at hand as it stood, or the next one when there is none of this project."""
        if case is None or case.comparison.project_id != project_id:
            return self._next(project_id, "")
        self.keep_draft(case, choice or Choice(), rationale)
        return self._stay(project_id, case, "")

    def save(
        self, project_id: str, case: Case | None, choice: Choice, rationale: str
    ) -> LabelScreen:
        """Store the verdict, then show the next case; the receipt follows the stored label only."""
        if case is None:
            return self._next(project_id, "")
        draft = _draft(case, choice, rationale)
        self._drafts.put(case, draft)
        if choice.get("case") != case.comparison.pair_id:
            return self._stay(project_id, case, text.CASE_CHANGED)
        if draft.verdict is None:
            return self._stay(project_id, case, text.CHOOSE_FIRST)
        self._studio.save_label(
            case,
            draft.verdict,
            strength=draft.strength,
            rationale=rationale.strip(),
            elapsed_s=_seconds(choice.get("elapsed_s")),
        )
        return self._next(project_id, _receipt(case, draft))

    def skip(self, project_id: str, case: Case | None) -> LabelScreen:
        """Put the case at the end of the queue."""
        if case is not None:
            self._studio.skip_case(case)
        return self._next(project_id, text.SKIPPED)

    def undo(self, project_id: str, case: Case | None) -> LabelScreen:
        """Reopen the last labelled case with what was said about it."""
        reopened = self._studio.undo(project_id)
        if reopened is None:
            return replace(self.show(project_id, case), receipt=text.NOTHING_TO_UNDO)
        return self._stay(project_id, reopened, text.UNDONE)

    def keep_draft(self, case: Case | None, choice: Choice, rationale: str) -> None:
        """Keep what is being said, so that a reload of the page does not lose it.

        Words that left the browser before this case was on its screen belong to another one.
        """
        if case is not None and choice.get("case") == case.comparison.pair_id:
            self._drafts.put(case, _draft(case, choice, rationale))

    def enter(
        self, project_id: str, texts: tuple[str, str, str], preferred: str | None
    ) -> LabelScreen:
        """Store a pair (question, answer A, answer B) as it was typed, labelled or for later."""
        prompt, answer_a, answer_b = texts
        chosen: Answer | None = "a" if preferred == "a" else "b" if preferred == "b" else None
        self._studio.enter_pair(project_id, prompt, answer_a, answer_b, chosen)
        return self._next(project_id, text.PAIR_LABELLED if chosen else text.PAIR_ADDED)

    def ask_model(self, project_id: str) -> TaskState:
        """Begin sampling two answers to the next question without a label."""
        return self._studio.start_sampled_case(project_id)

    def sampling(self, project_id: str) -> TaskState:
        """Return how that sampling stands."""
        return self._studio.sampled_case_state(project_id)

    def _next(self, project_id: str, receipt: str) -> LabelScreen:
        case = self._studio.next_case(project_id) if project_id else None
        if case is None:
            return LabelScreen(None, self._progress(project_id), receipt=receipt)
        return self._stay(project_id, case, receipt)

    def _stay(self, project_id: str, case: Case, receipt: str) -> LabelScreen:
        return LabelScreen(case, self._progress(project_id), self._drafts.get(case), receipt)

    def _progress(self, project_id: str) -> LabelProgress:
        return self._studio.label_progress(project_id) if project_id else LabelProgress(0, 0, 0)


def _draft(case: Case, choice: Choice, rationale: str) -> Draft:
    """Read what the browser sent; a choice pressed for another case does not count for this one."""
    if choice.get("case") != case.comparison.pair_id:
        return Draft(rationale=rationale)
    verdict = to_verdict(choice.get("choice") or "", case)
    is_clear = verdict in ("a", "b") and choice.get("strength") == 2
    return Draft(verdict, 2 if is_clear else 1, rationale)


def _receipt(case: Case, draft: Draft) -> str:
    return text.saved_receipt(to_choice(draft.verdict, case) or "", draft.strength)


def _seconds(value: object) -> float | None:
    """Accept a plausible time only: it comes from the browser."""
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= _LONGEST_CASE_S:
        return round(float(value), 2)
    return None
