"""What Explore shows, as the values of its components."""

from collections.abc import Sequence

import gradio as gr
import plotly.graph_objects as go

from app import text
from app.actions.explore_records import Choices, Group, Lesson
from app.components.heatmap import Against, Packed, heatmap_value, ranking_value
from app.components.meters import meters_value
from app.desks.priority import QueueOrder
from app.live_text import said
from app.ordering import Weighing, find_placed
from app.records import TaskState
from app.text import calibration as say
from app.text import difference as say_difference
from app.text import meaning as say_meaning
from app.text import priority as text_priority
from app.text import sampling as say_sampling
from app.views.blind import tau_html
from app.views.calibration import calibration_card
from app.views.cases import empty_html, task_line
from app.views.rankings import agreement_html, ranking
from app.views.trace import entropy_trace
from gem_backend.automation_bias import Tau
from gem_backend.config import MOST_NEW_TOKENS, SamplingConfig
from gem_backend.errors import ConfigError

_DEFAULT_SAMPLING = SamplingConfig()


def sampling_config(how: Sequence[float | None]) -> SamplingConfig:
    """Return settings of the controls, in the order of ``Controls.how``.

    Empty fields are 0; those at the end that are not given are as by default.

    Raises:
        ConfigError: a value is out of its range.
    """
    count, temperature, seed, *more = how
    defaults = (_DEFAULT_SAMPLING.top_p, _DEFAULT_SAMPLING.max_new_tokens)
    top_p, longest = (one or 0.0 for one in (*more, *defaults[len(more) :]))
    if not 0 < top_p <= 1:
        raise ConfigError(say_sampling.TOP_P_REFUSED, say_sampling.OUT_OF_RANGE)
    if not (1 <= longest <= MOST_NEW_TOKENS and longest == int(longest)):
        refused = say_sampling.longest_refused(MOST_NEW_TOKENS)
        raise ConfigError(refused, say_sampling.OUT_OF_RANGE)
    return SamplingConfig(
        num_candidates=int(count or 0),
        temperature=temperature or 0.0,
        top_p=top_p,
        max_new_tokens=int(longest),
        seed=int(seed or 0),
    )


def groups_value(choices: Choices, group_id: str | None) -> gr.Dropdown:
    """Return the list of a prompt's groups, which is seen where there are several."""
    chosen = group_id if choices else None
    return gr.Dropdown(choices=choices, value=chosen, visible=bool(choices))


def rerank(group: Group, weighing: Weighing) -> Packed:
    """Order the cards again from the stored entropies."""
    return ranking_value(ranking(group, weighing))


def trace_of(group: Group, candidate_id: str | None, weighing: Weighing) -> go.Figure | None:
    """Return a candidate's curve; the best one's where no candidate is named."""
    found = find_placed(group, weighing, candidate_id)
    if found is None:
        return None
    ranked = found.ranked
    name = text.rank_words(ranked.rank, len(group))
    return entropy_trace(ranked.candidate, ranked.score.fork_tokens, name)


def blind_values(is_withheld: bool, tau: Tau | None) -> tuple[object, ...]:
    """Return what stands in place of a group that is withheld, and above one that was not."""
    return gr.Column(visible=is_withheld), said(""), tau_html(tau)


def group_values(
    group: Group, weighing: Weighing, against: Against | None = None, is_withheld: bool = False
) -> tuple[object, ...]:
    """Return a group as the values of the eight parts that show it; a withheld one is empty."""
    is_missing = not group and not is_withheld
    return (
        group,
        gr.HTML(empty_html(text.NO_CANDIDATES, text.NO_CANDIDATES_NEXT), visible=is_missing),
        gr.Column(visible=bool(group)),
        gr.Column(visible=bool(group)),
        agreement_html(group),
        heatmap_value(*group, against=against),
        rerank(group, weighing),
        trace_of(group, None, weighing),
    )


def lesson_values(lesson: Lesson | None) -> tuple[object, ...]:
    """Return what the labels say as the values of its card and its button."""
    if lesson is None:
        return "", gr.Button(interactive=False)
    has_learned = lesson.view.calibration is not None
    words = say.LEARN_AGAIN if has_learned else say.LEARN
    card = calibration_card(lesson.view, lesson.model, lesson.is_adapter)
    return card, gr.Button(words, interactive=True)


def status_words(task: TaskState, count: int = 0) -> dict[str, str]:
    """Return how sampling stands, as the value of the status line."""
    return said(task_line(task, text.SAMPLING, text.candidate_count(count)))


def progress_values(task: TaskState, count: int = 0) -> tuple[object, ...]:
    """Return how sampling stands as the values of its line, its meters and "Stop"."""
    is_running = task.state == "running"
    stop = gr.Button(visible=True) if is_running else gr.Button(visible=False, interactive=True)
    most = task.most_tokens or _DEFAULT_SAMPLING.max_new_tokens
    return status_words(task, count), meters_value(task, most), stop


def learning_words(task: TaskState) -> dict[str, str]:
    """Return how learning stands, as the value of its line."""
    return said(task_line(task, say.LEARNING, say.LEARNED))


def rereading_words(task: TaskState) -> dict[str, str]:
    """Return how reading with another model stands, as the value of its line."""
    return said(task_line(task, say_difference.READING, say_difference.READ))


def meaning_words(
    task: TaskState, meanings: Sequence[Sequence[str]] | None, group: Group
) -> dict[str, str]:
    """Return how grouping by meaning stands, or what it found, as the value of its line."""
    found = "" if meanings is None else say_meaning.meanings_words(meanings, len(group))
    return said(task_line(task, say_meaning.GROUPING, found) or found)


def ordering_values(
    project_id: str, task: TaskState, order: QueueOrder | None
) -> tuple[object, ...]:
    """Return the button that orders the cases and its line: how it stands, or what it made."""
    can_press = bool(project_id) and task.state != "running"
    made = order_words(order)
    words = task_line(task, text_priority.READING, made)
    return gr.Button(interactive=can_press), said(words or made)


def order_words(order: QueueOrder | None) -> str:
    """Return the order of the waiting cases in words; empty where they come as stored."""
    if order is None:
        return ""
    if not order.created_at:
        return text_priority.order_there(order.num_cases)
    is_learned, num_conflicts = order.is_by_labels, order.num_conflicts
    how = text_priority.by_labels(num_conflicts) if is_learned else text_priority.BY_ENTROPY
    return text_priority.order_made(order.created_at, order.num_cases, how, order.num_unread)
