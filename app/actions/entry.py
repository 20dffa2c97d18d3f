"""Free entry: a pair that a rater types themselves, judged at once or for later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from app import text
from app.actions.label import LabelActions, read_strength
from app.actions.label_records import Choice, Draft, LabelScreen, Words
from app.drafts import DraftStore
from app.studio import Studio
from gem_backend.errors import DataError
from gem_backend.types import Case, Verdict
from storage.pairs import Judgement


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the form; strength and what follows it are asked where A or B is preferred."""

    prompt: str = ""
    answer_a: str = ""
    answer_b: str = ""
    preferred: str = "later"
    strength: int = 1
    is_acceptable: bool = True
    reasons: tuple[str, ...] = ()
    rationale: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """What is said of the form's answers, None for later."""
        return next((said for said in get_args(Verdict) if said == self.preferred), None)


def read_entry(said: Sequence[object]) -> Entry:
    """Take what came from the form's fields, in the order of an entry's; nonsense is left out."""
    prompt, answer_a, answer_b, preferred, strength, is_acceptable, reasons, rationale = said
    return Entry(
        str(prompt or ""),
        str(answer_a or ""),
        str(answer_b or ""),
        str(preferred or "later"),
        read_strength(strength),
        is_acceptable is not False,
        tuple(str(word) for word in reasons) if isinstance(reasons, list | tuple) else (),
        str(rationale or ""),
    )


class EntryActions:
    """The form: what stands in it, and its button."""

    def __init__(self, studio: Studio, labels: LabelActions) -> None:
        """Act on a studio, beside the buttons that judge a pair."""
        self._studio = studio
        self._labels = labels
        self._drafts = DraftStore(Entry(), "entry", studio.drafts)
        self._added: dict[tuple[str, str], Entry] = {}

    @property
    def _rater(self) -> str:
        return self._studio.access.current().rater

    def entry(self, project_id: str) -> Entry:
        """Return what the rater has typed and not added."""
        return self._drafts.get(self._rater, project_id)

    def reasons(self, project_id: str) -> list[str]:
        """Return the reasons to tick."""
        return list(self._studio.project(project_id).reasons) if project_id else []

    def keep(self, project_id: str, entry: Entry) -> None:
        """Keep what is being typed; the last words of what was just added may come late."""
        if project_id and entry != self._added.get((self._rater, project_id)):
            self._drafts.put(self._rater, project_id, entry)

    def enter(self, project_id: str, entry: Entry) -> LabelScreen:
        """Store a pair as it was typed, labelled or for later; the form is empty then.

        One that the rater has judged before is opened with what they said, as by undo.

        Raises:
            DataError: a reason is missing, or the rater's label on that pair cannot be opened.
            StorageError: a text is empty, or the answers are the same.
        """
        self.keep(project_id, entry)
        verdict, reasons = entry.verdict, self._known(project_id, entry.reasons)
        if verdict and self._labels.lacks_reason(project_id, Draft(verdict, reasons=reasons)):
            raise DataError(text.REASON_FIRST)
        case = self._studio.enter_pair(project_id, entry.prompt, entry.answer_a, entry.answer_b)
        if self._studio.is_judged(case):
            screen = self._open(project_id, case)
        elif verdict is None:
            screen = self._labels.next(project_id, text.PAIR_ADDED)
        else:
            is_sided = verdict in ("a", "b")  # what was set before another choice does not count
            said = Judgement(
                _stored_verdict(case, entry.answer_a, verdict),
                entry.strength if is_sided else 1,
                entry.is_acceptable or not is_sided,
                entry.rationale.strip(),
                reasons=reasons,
            )
            is_saved = self._studio.save_label(case, said)  # else another tab judged it just now
            words = text.PAIR_LABELLED if is_saved else text.PAIR_ADDED
            screen = self._labels.next(project_id, words)
        self._added[self._rater, project_id] = entry
        self._drafts.drop(self._rater, project_id)
        return screen

    def _known(self, project_id: str, ticked: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for word in self.reasons(project_id) if word in ticked)

    def _open(self, project_id: str, case: Case) -> LabelScreen:
        """Withdraw the rater's label and show the pair with it; labels of other kinds stay."""
        pair_id = case.comparison.pair_id
        screen = self._labels.reopen(project_id, None, Choice(), Words(), pair_id)
        if screen.case is None or screen.case.comparison.pair_id != pair_id:
            raise DataError(text.ENTERED_IN_ANOTHER_WAY)
        return self._labels.screen(project_id, screen.case, text.ENTERED_BEFORE)


def _stored_verdict(case: Case, answer_a: str, verdict: Verdict) -> Verdict:
    """Return what was said of the stored answers: the pair may be there the other way round."""
    if verdict not in ("a", "b") or case.comparison.answer_a == answer_a:
        return verdict
    return "b" if verdict == "a" else "a"
