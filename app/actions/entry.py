"""Free entry: a pair that a rater types themselves, judged at once or for later."""

from app import text
from app.actions.label import Choice, Draft, LabelActions, LabelScreen, Words
from app.studio import Studio
from gem_backend.errors import DataError
from gem_backend.types import Answer, Case
from storage.pairs import Judgement


class EntryActions:
    """The form's button; it returns the screen that follows."""

    def __init__(self, studio: Studio, labels: LabelActions) -> None:
        """Act on a studio, beside the buttons that judge a pair."""
        self._studio = studio
        self._labels = labels

    def enter(
        self, project_id: str, texts: tuple[str, str, str], preferred: str | None
    ) -> LabelScreen:
        """Store a pair (question, answer A, answer B) as it was typed, labelled or for later.

        One that the rater has judged before is opened with what they said, as by undo.

        Raises:
            DataError: a reason is missing, or the rater's label on that pair cannot be opened.
        """
        chosen: Answer | None = "a" if preferred == "a" else "b" if preferred == "b" else None
        if chosen and self._labels.lacks_reason(project_id, Draft(chosen)):
            raise DataError(text.ENTER_LATER)
        case = self._studio.enter_pair(project_id, *texts)
        if self._studio.is_judged(case):
            return self._open(project_id, case)
        if chosen is None:
            return self._labels.next(project_id, text.PAIR_ADDED)
        self._studio.save_label(case, Judgement(_stored_answer(case, texts[1], chosen)))
        return self._labels.next(project_id, text.PAIR_LABELLED)

    def _open(self, project_id: str, case: Case) -> LabelScreen:
        """Withdraw the rater's label and show the pair with it; labels of other kinds stay."""
        pair_id = case.comparison.pair_id
        screen = self._labels.reopen(project_id, None, Choice(), Words(), pair_id)
        if screen.case is None or screen.case.comparison.pair_id != pair_id:
            raise DataError(text.ENTERED_IN_ANOTHER_WAY)
        return self._labels.screen(project_id, screen.case, text.ENTERED_BEFORE)


def _stored_answer(case: Case, answer_a: str, chosen: Answer) -> Answer:
    """Return which stored answer was chosen: the pair may be there the other way round."""
    if case.comparison.answer_a == answer_a:
        return chosen
    return "b" if chosen == "a" else "a"
