"""What the Label page's buttons do, without the page: use cases in, screens out."""

import math
from dataclasses import replace
from pathlib import Path

from app import text
from app.actions.label_records import Choice, Draft, Kept, LabelScreen, Words
from app.boards import Boards, cards_of, read_places
from app.drafts import DraftStore, Shelf
from app.records import RecentLine, TaskState
from app.sides import to_choice, to_verdict
from app.studio import Studio
from app.text import order as text_order
from gem_backend.types import Case, LabelProgress, Project, Verdict
from storage.pairs import Judgement
from storage.recent import StoredLabel, median_elapsed_s

_LONGEST_CASE_S = 24 * 3600.0


class Drafts(DraftStore[Draft]):
    """Unsaved words and the last verdicts.

    The browser keeps in its tab what may not have arrived here, and gives it back after a reload.
    """

    def __init__(self, shelf: Shelf | None = None) -> None:
        """Begin with what is on the shelf."""
        super().__init__(Draft(), "label", shelf)


class LabelActions:
    """What the page's buttons do; every method returns the screen that follows."""

    def __init__(self, studio: Studio, drafts: Drafts) -> None:
        """Act on a studio."""
        self._studio = studio
        self._drafts = drafts
        self.boards = Boards(studio.drafts)

    @property
    def _rater(self) -> str:
        return self._studio.access.current().rater

    def show(self, project_id: str, case: Case | None) -> LabelScreen:
        """Show the case at hand as it stood, or the next one when there is none of this project.

        One that the rater asked for comes before both; what was said of the other is kept. One that
        was judged meanwhile is not at hand any more: a page that draws itself anew may have asked
        before its own last press was answered.
        """
        called = self._studio.called_case(project_id)
        if called is not None:
            return self.screen(project_id, called, "")
        is_other = case is None or case.comparison.project_id != project_id
        if case is None or is_other or self._studio.is_judged(case):
            return self.next(project_id, "")
        return self.screen(project_id, case, "")

    def save(self, project_id: str, case: Case | None, choice: Choice, words: Words) -> LabelScreen:
        """Store the verdict, then show the next case; the receipt follows the stored label only."""
        if case is None:
            return self.next(project_id, "")
        draft = self.read(case, choice, words)
        self._drafts.put(self._rater, case, draft, choice.get("sent_ms", math.inf))
        if choice.get("case") != case.comparison.pair_id:
            return self.screen(project_id, case, text.CASE_CHANGED)
        if draft.verdict is None:
            return self.screen(project_id, case, text.CHOOSE_FIRST)
        if self.lacks_reason(project_id, draft) and not self._studio.is_judged(case):
            return self.screen(project_id, case, text.REASON_FIRST)
        judgement = _judgement(draft.verdict, draft, choice.get("elapsed_s"))
        is_stored = self._studio.save_label(case, judgement)
        self.forget(case)
        return self.next(
            project_id, _receipt(case, judgement) if is_stored else text.LABELLED_ELSEWHERE
        )

    def skip(self, project_id: str, case: Case | None, choice: Choice, words: Words) -> LabelScreen:
        """Put the case at the end of the queue, with what was said about it so far."""
        if case is not None:
            self.keep_draft(case, choice, words)
            self._studio.skip_case(case)
        return self.next(project_id, text.SKIPPED)

    def undo(self, project_id: str, case: Case | None, choice: Choice, words: Words) -> LabelScreen:
        """Reopen the last labelled case with what was said about it."""
        return self.reopen(project_id, case, choice, words, None)

    def reopen(
        self,
        project_id: str,
        case: Case | None,
        choice: Choice,
        words: Words,
        pair_id: str | None,
    ) -> LabelScreen:
        """Withdraw the label of one case, or the last one, and show its case as it was said."""
        self.keep_draft(case, choice, words)
        label = self._studio.undo(project_id, pair_id)
        if label is None:
            return replace(self.show(project_id, case), receipt=text.NOTHING_TO_UNDO)
        self._drafts.put(self._rater, label.case, _as_draft(label))
        self.boards.drop(self._rater, label.case)
        if label.order:
            self.boards.reopen(self._rater, label.case, label.order)
        return self.screen(project_id, label.case, text.REOPENED if pair_id else text.UNDONE)

    def keep_draft(self, case: Case | None, choice: Choice, words: Words) -> None:
        """Keep what is being said, so that a reload of the page does not lose it.

        Words that left the browser before this case was on its screen belong to another one.
        """
        if case is not None and choice.get("case") == case.comparison.pair_id:
            draft = self.read(case, choice, words)
            self._drafts.hear(self._rater, case, draft, choice.get("sent_ms", math.inf))

    def forget(self, case: Case) -> None:
        """Drop what was said about a case: it is a label now."""
        self._drafts.drop(self._rater, case)
        self.boards.drop(self._rater, case)

    def restore(self, project_id: str, case: Case | None, kept: Kept) -> LabelScreen:
        """Take back what may not have reached the studio, unless it was saved before.

        It is shown with its case, also where the page has got another one meanwhile. Somebody else
        may have logged in at that browser: they do not get it.
        """
        said = kept.get("choice", Choice())
        if kept.get("rater") != self._rater:
            return self.show(project_id, case)
        key, was_lost = said.get("case", ""), kept.get("was_lost") is True
        is_at_hand = case is not None and case.comparison.pair_id == key
        spoken_of = case if case is not None and is_at_hand else self._studio.case(key)
        if self._studio.is_judged(spoken_of):
            receipt = text.SAVED_BEFORE if was_lost else ""
            return replace(self.show(project_id, case), receipt=receipt)
        words = Words(str(kept.get("rationale", "")), str(kept.get("written", "")))
        self.keep_draft(spoken_of, said, words)
        if spoken_of.comparison.project_id != project_id:
            return self.show(project_id, case)
        offered = self._studio.answers_to_order(spoken_of)
        places = read_places(kept.get("order"), cards_of(offered))
        if places is not None:
            self.boards.keep(self._rater, spoken_of, places)
            self.boards.open(self._rater, spoken_of, offered)
        self._studio.hold(spoken_of)
        return self.screen(project_id, spoken_of, text.RESTORED if was_lost else "")

    def ask_model(self, project_id: str, num_answers: int) -> TaskState:
        """Begin sampling some answers to the next question without a label."""
        return self._studio.start_sampled_case(project_id, num_answers)

    def sampling(self, project_id: str) -> TaskState:
        """Return how that sampling stands."""
        return self._studio.sampled_case_state(project_id)

    def next(self, project_id: str, receipt: str) -> LabelScreen:
        """Show the next case."""
        if not project_id:
            return self.screen(project_id, None, receipt)
        turn = self._studio.next_turn(project_id)
        return self.screen(project_id, turn.case, receipt, turn.progress)

    def screen(
        self,
        project_id: str,
        case: Case | None,
        receipt: str,
        progress: LabelProgress | None = None,
    ) -> LabelScreen:
        """Show a case as it stands, with what was said so far about it.

        Args:
            project_id: the project.
            case: what to show.
            receipt: what became of the last press.
            progress: as it is now, where it is known already.
        """
        draft = self._drafts.get(self._rater, case) if case else Draft()
        if not project_id:
            return LabelScreen(case, LabelProgress(0, 0, 0), draft, receipt)
        offered = self._studio.answers_to_order(case) if case else ()
        labels = self._studio.recent_labels(project_id)
        return LabelScreen(
            case,
            progress or self._studio.label_progress(project_id),
            draft,
            receipt,
            self._studio.project(project_id),
            tuple(_line(label) for label in labels),
            median_elapsed_s(labels),
            self.boards.board(self._rater, case, offered) if case else None,
            len(offered),
        )

    def read(self, case: Case, choice: Choice, words: Words) -> Draft:
        """Read what the browser sent; what was pressed for another case does not count here."""
        if choice.get("case") != case.comparison.pair_id:
            return Draft(words=words)
        verdict = to_verdict(choice.get("choice") or "", case)
        return Draft(
            verdict,
            read_strength(choice.get("strength")) if verdict in ("a", "b") else 1,
            choice.get("is_acceptable") is not False or verdict in ("both_bad", "cannot_judge"),
            self._known_reasons(case, choice.get("reasons")),
            words,
        )

    def _known_reasons(self, case: Case, ticked: object) -> tuple[str, ...]:
        """Keep the project's own reasons and those the case has already, in that order."""
        if not isinstance(ticked, list) or not ticked:
            return ()
        offered = offered_reasons(
            self._studio.project(case.comparison.project_id), self._drafts.get(self._rater, case)
        )
        return tuple(word for word in offered if word in ticked)

    def lacks_reason(self, project_id: str, draft: Draft) -> bool:
        """Whether the project asks for a reason beside this verdict and there is none."""
        if draft.verdict not in ("a", "b") or draft.reasons:
            return False
        return self._studio.project(project_id).is_reason_required


def offered_reasons(project: Project, draft: Draft) -> list[str]:
    """Return the reasons to tick: the project's, then those ticked before the list changed."""
    return [*project.reasons, *(word for word in draft.reasons if word not in project.reasons)]


def _judgement(verdict: Verdict, draft: Draft, elapsed: object) -> Judgement:
    return Judgement(
        verdict,
        draft.strength,
        draft.is_acceptable,
        draft.words.rationale.strip(),
        seconds(elapsed),
        draft.reasons,
        draft.words.written.strip() if verdict == "both_bad" else "",
    )


def _as_draft(label: StoredLabel) -> Draft:
    said = label.judgement
    words = Words(said.rationale, said.written)
    if label.order:  # what that says of the two is no verdict on them as a pair
        return Draft(reasons=said.reasons, words=words)
    return Draft(said.verdict, said.strength, said.is_acceptable, said.reasons, words)


def _receipt(case: Case, said: Judgement) -> str:
    return text.saved_receipt(_in_words(case, said), said.reasons, bool(said.written))


def _line(label: StoredLabel) -> RecentLine:
    question = text.shortened(label.case.comparison.prompt)
    verdict = _in_words(label.case, label.judgement)
    if label.order:
        verdict = text_order.order_words(label.order)
    return RecentLine(
        label.case.comparison.pair_id,
        question,
        verdict,
        text.local_time(label.created_at),
        _source(label),
    )


def _source(label: StoredLabel) -> str:
    """Say where the answers come from, as nobody is told before the label is saved."""
    source = label.case.comparison.source
    a, b = (text.source_words(source, Path(by.model).name, by.adapter) for by in label.models)
    return text.sources_line(*((a, b) if label.case.left == "a" else (b, a)))


def _in_words(case: Case, said: Judgement) -> str:
    choice = to_choice(said.verdict, case) or ""
    return text.verdict_words(choice, said.strength, said.is_acceptable)


def read_strength(value: object) -> int:
    """Accept a step that there is; anything else is the first."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 3:
        return value
    return 1


def seconds(value: object) -> float | None:
    """Accept a plausible time only: it comes from the browser."""
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= _LONGEST_CASE_S:
        return round(float(value), 2)
    return None
