"""What the Label page's parts show: a screen as one value for each of its outputs."""

from typing import NamedTuple

import gradio as gr

from app import text
from app.actions.label import offered_reasons
from app.actions.label_records import Choice, Draft, LabelScreen
from app.components.order import Order, order_value
from app.components.verdict import recent_value
from app.live_text import said
from app.sides import to_choice
from app.text.order import open_board
from app.views.cases import case_html, empty_html, guidelines_markdown, progress_html


class Frame(NamedTuple):
    """What is there around a case: whether one is shown, or how it ended, and what can be ranked.

    It is a state of the page whose change shows and hides parts. To make a part visible that is
    visible already would cost the server more than all the rest of a save.
    """

    has_case: bool
    is_any_done: bool
    num_to_order: int


def frame_values(frame: Frame) -> tuple[object, ...]:
    """Return the parts of a frame: the panel, what stands in its place, and the buttons."""
    words = (
        (text.ALL_DONE, text.ALL_DONE_NEXT)
        if frame.is_any_done
        else (text.NO_CASES, text.NO_CASES_NEXT)
    )
    return (
        gr.Column(visible=frame.has_case),
        gr.HTML(empty_html(*words), visible=not frame.has_case),
        gr.Button(visible=frame.has_case),
        gr.Button(visible=frame.has_case),
        gr.Button(open_board(frame.num_to_order), visible=frame.num_to_order > 0),
    )


def screen_values(screen: LabelScreen) -> tuple[object, ...]:
    """Return a screen as one value for each of the page's outputs."""
    case = screen.case
    is_any_done = case is None and screen.progress.done > 0
    return (
        case,
        case_html(case),
        _choice(screen),
        screen.draft.words.rationale,
        screen.draft.words.written,
        progress_html(screen.progress, screen.pace_s),
        said(screen.receipt),
        guidelines_markdown(screen.project.guidelines),
        recent_value(screen.recent),
        _order(screen),
        Frame(case is not None, is_any_done, screen.num_to_order),
    )


def refreshed_values(
    screen: LabelScreen, choice: Choice, order: Order | None = None
) -> tuple[object, ...]:
    """Return the outputs' values for a page that holds ``choice`` and the board ``order``.

    Where that is about the very case, what was pressed, typed and moved stays as it is: a hand may
    have been quicker than this answer. Only the reasons to tick follow the project. A receipt stays
    too, unless the page held another case: a page that comes back may be drawn once more after it
    was told that its last case is saved.
    """
    case, shown, stored, rationale, written, progress, receipt, *rest = screen_values(screen)
    held, own = choice.get("case"), screen.case.comparison.pair_id if screen.case else ""
    is_other = bool(held) and held != own
    rest = [progress, receipt if is_other or screen.receipt else gr.skip(), *rest]
    if order and _is_same_board(order, _order(screen)):
        rest[-2] = gr.skip()
    if not own or held != own:
        return case, shown, stored, rationale, written, *rest
    ticked = Draft(reasons=tuple(choice.get("reasons", ())))
    words = offered_reasons(screen.project, ticked)
    needs_reason = screen.project.is_reason_required
    is_current = choice.get("words") == words and choice.get("needs_reason") == needs_reason
    kept = gr.skip() if is_current else {**choice, "words": words, "needs_reason": needs_reason}
    return case, gr.skip(), kept, gr.skip(), gr.skip(), *rest


def _order(screen: LabelScreen) -> Order:
    case, board = screen.case, screen.board
    if case is None or board is None:
        return order_value(case.comparison.pair_id if case else "", {}, ())
    return order_value(case.comparison.pair_id, board.cards, board.places)


def _is_same_board(one: Order, other: Order) -> bool:
    return (one.get("case"), one.get("cards")) == (other["case"], other["cards"])


def _choice(screen: LabelScreen) -> Choice:
    case, draft = screen.case, screen.draft
    return Choice(
        case=case.comparison.pair_id if case else "",
        choice=to_choice(draft.verdict, case) if case else None,
        strength=draft.strength,
        is_acceptable=draft.is_acceptable,
        reasons=list(draft.reasons),
        words=offered_reasons(screen.project, draft),
        needs_reason=screen.project.is_reason_required,
    )
