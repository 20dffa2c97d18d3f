"""What the board on the Label page does: several answers in order, instead of pair by pair."""

import math

from app import text
from app.actions.label import LabelActions, seconds
from app.actions.label_records import Choice, LabelScreen, Words
from app.boards import cards_of, read_places
from app.components.order import Order
from app.studio import Studio
from app.text import order as text_order
from gem_backend.expert_orders import Places
from gem_backend.types import Case
from storage.orders import AnswerOrder


class OrderActions:
    """The board's buttons; every method but ``keep`` returns the screen that follows."""

    def __init__(self, studio: Studio, labels: LabelActions) -> None:
        """Act on a studio, beside the buttons that judge a pair."""
        self._studio = studio
        self._labels = labels
        self._boards = labels.boards

    @property
    def _rater(self) -> str:
        return self._studio.access.current().rater

    def open(self, project_id: str, case: Case | None, choice: Choice, words: Words) -> LabelScreen:
        """Swap the pair for the board; what was said of the pair is kept."""
        if case is None:
            return self._labels.next(project_id, "")
        self._labels.keep_draft(case, choice, words)
        offered = self._studio.answers_to_order(case)
        self._boards.open(self._rater, case, offered)
        receipt = "" if offered else text_order.ORDER_CHANGED
        return self._labels.screen(project_id, case, receipt)

    def close(
        self, project_id: str, case: Case | None, choice: Choice, words: Words, order: Order
    ) -> LabelScreen:
        """Swap the board for the pair; the order so far is kept."""
        self._labels.keep_draft(case, choice, words)
        self.keep(case, order)
        if case is not None:
            self._boards.close(self._rater, case)
        return self._labels.show(project_id, case)

    def keep(self, case: Case | None, order: Order) -> None:
        """Keep the order that is being made, so that a reload of the page does not lose it."""
        places = self._read(case, order)
        if case is not None and places is not None:
            self._boards.keep(self._rater, case, places, order.get("sent_ms", math.inf))

    def save(
        self, project_id: str, case: Case | None, choice: Choice, words: Words, order: Order
    ) -> LabelScreen:
        """Store the order, then show the next case; the receipt follows what is stored only."""
        if case is None:
            return self._labels.next(project_id, "")
        self._labels.keep_draft(case, choice, words)
        places = self._read(case, order)
        if places is None:
            return self._refused(project_id, case, order)
        self._boards.keep(self._rater, case, places)
        offered = self._studio.answers_to_order(case)
        if self._boards.needs_warning(self._rater, case, offered):
            return self._labels.screen(project_id, case, text_order.NOT_MOVED)
        reasons = self._labels.read(case, choice, words).reasons
        if self._studio.project(project_id).is_reason_required and len(places) > 1 and not reasons:
            return self._labels.screen(project_id, case, text.REASON_FIRST)
        elapsed_s = seconds(choice.get("elapsed_s"))
        said = AnswerOrder(places, words.rationale.strip(), elapsed_s, reasons)
        self._studio.save_order(case, said)
        self._labels.forget(case)
        return self._labels.next(project_id, _receipt(said))

    def _refused(self, project_id: str, case: Case, order: Order) -> LabelScreen:
        """Say why an order does not fit the case; the next one where it is labelled already."""
        if order.get("case") != case.comparison.pair_id:
            return self._labels.screen(project_id, case, text.CASE_CHANGED)
        if self._studio.is_judged(case):
            return self._labels.next(project_id, text.LABELLED_ELSEWHERE)
        return self._labels.screen(project_id, case, text_order.ORDER_CHANGED)

    def _read(self, case: Case | None, order: Order) -> Places | None:
        """Return the places that the browser sent, None where an answer cannot be placed.

        Whether the board counts as open does not matter: another window may have closed it.
        """
        if case is None or order.get("case") != case.comparison.pair_id:
            return None
        return read_places(order.get("order"), cards_of(self._studio.answers_to_order(case)))


def _receipt(said: AnswerOrder) -> str:
    words = text_order.order_words(said.places)
    saved = text.saved_receipt(words, said.reasons, has_written=False)
    return f"{saved} {text_order.pairs_at_once(said.places)}"
