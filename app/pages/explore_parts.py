"""The components of Explore, as they are laid out; nothing is wired here."""

from dataclasses import dataclass

import gradio as gr
from gradio.blocks import Block

from app import text
from app.components.heatmap import heatmap, ranking_for
from app.components.meters import meters
from app.desks.priority import MOST_CASES
from app.live_text import live_text
from app.text import blind as say_blind
from app.text import branches as say_branches
from app.text import calibration as say
from app.text import difference as say_difference
from app.text import meaning as say_meaning
from app.text import offline as say_offline
from app.text import priority as text_priority
from app.text import prompts as say_prompts
from app.text import sampling as say_sampling
from app.text import trace as say_trace
from app.views.cases import empty_html
from app.views.heatmap import legend_html
from gem_backend.config import SamplingConfig, ScoringConfig

_HEATMAP = "explore-heatmap"
_DEFAULT_SAMPLING = SamplingConfig()
_DEFAULT_SCORING = ScoringConfig()
_MOST_CANDIDATES = 16
_HALF = 400  # pixels: two controls with their hints side by side


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn, behind a fold."""

    temperature: gr.Slider
    top_p: gr.Slider
    longest: gr.Number
    seed: gr.Number


@dataclass(frozen=True)
class Controls:
    """What decides the next group."""

    search: gr.Textbox
    prompt: gr.Dropdown
    listed: gr.HTML
    model: gr.Dropdown
    count: gr.Slider
    drawing: Drawing
    sample: gr.Button
    stop: gr.Button
    status: gr.HTML
    meters: gr.HTML
    shown_prompt: gr.HTML

    @property
    def progress(self) -> list[Block]:
        """How sampling stands: in words, candidate by candidate, and the button that ends it."""
        return [self.status, self.meters, self.stop]

    @property
    def how(self) -> list[Block]:
        """Number, temperature, seed, top-p and the longest answer."""
        drawing = self.drawing
        more = (drawing.temperature, drawing.seed, drawing.top_p, drawing.longest)
        return [self.count, *more]


@dataclass(frozen=True)
class OrderControls:
    """What decides the order of a group; hidden without one."""

    column: gr.Column
    ranking: gr.Radio
    lambda_fork: gr.Slider
    top_m: gr.Slider

    @property
    def settings(self) -> list[Block]:
        """The two sliders and the choice of order."""
        return [self.lambda_fork, self.top_m, self.ranking]


@dataclass(frozen=True)
class LessonParts:
    """What the labels say, the button that learns it, and the one that orders what waits."""

    card: gr.HTML
    learn: gr.Button
    status: gr.HTML
    ask_first: gr.Button
    ordered: gr.HTML


@dataclass(frozen=True)
class Results:
    """The parts that show a group; ``group`` holds it, ``groups`` lists those of the prompt."""

    groups: gr.Dropdown
    group: gr.State
    empty: gr.HTML
    column: gr.Column
    agreed: gr.HTML
    by_meaning: gr.Button
    meant: gr.HTML
    difference: gr.Row
    against: gr.Dropdown
    read_again: gr.Button
    reread: gr.HTML
    cards: gr.HTML
    order: gr.HTML
    paired: gr.HTML
    trace: gr.Plot
    save: gr.Button
    saved: gr.File
    rank: gr.Button
    withheld: gr.Column
    put_in_order: gr.Button
    called: gr.HTML
    tau: gr.HTML

    @property
    def blind(self) -> list[Block]:
        """What stands in place of a group that is withheld, and above one that was not."""
        return [self.withheld, self.called, self.tau]


def build_controls() -> Controls:
    """Lay out what decides the next group."""
    with gr.Column(elem_classes="gs-panel", elem_id="explore-controls"):
        search = gr.Textbox(
            label=say_prompts.FIND,
            info=say_prompts.FIND_HINT,
            max_lines=1,
            visible=False,
            elem_id="explore-search",
        )
        prompt = gr.Dropdown(label=text.EXPLORE_PROMPT, filterable=True, elem_id="explore-prompt")
        listed = gr.HTML("", apply_default_css=False, elem_id="explore-listed")
        shown_prompt = gr.HTML(apply_default_css=False)
        with gr.Row():
            model = gr.Dropdown(label=text.EXPLORE_MODEL, filterable=False, min_width=240)
            count = gr.Slider(
                1,
                _MOST_CANDIDATES,
                value=_DEFAULT_SAMPLING.num_candidates,
                step=1,
                label=text.NUM_CANDIDATES,
                min_width=200,
            )
        drawing = _build_drawing()
        with gr.Row(elem_classes="gs-actions"):
            # Inert until the first refresh has chosen a prompt, so that none is asked for in vain.
            sample = gr.Button(
                text.SAMPLE,
                variant="primary",
                elem_id="explore-sample",
                scale=0,
                interactive=False,
            )
            stop = gr.Button(
                say_branches.STOP, elem_id="explore-stop", scale=0, min_width=120, visible=False
            )
            status = live_text("explore-status")
        lines = (status, meters("explore-meters"), shown_prompt)
    return Controls(search, prompt, listed, model, count, drawing, sample, stop, *lines)


def _build_drawing() -> Drawing:
    with (
        gr.Accordion(say_sampling.FOLD, open=False, elem_id="explore-drawing"),
        gr.Row(),
    ):
        temperature = gr.Slider(
            0.1,
            2.0,
            value=_DEFAULT_SAMPLING.temperature,
            step=0.1,
            label=text.TEMPERATURE,
            info=say_sampling.TEMPERATURE_HINT,
            min_width=_HALF,
        )
        top_p = gr.Slider(
            0.05,
            1.0,
            value=_DEFAULT_SAMPLING.top_p,
            step=0.05,
            label=say_sampling.TOP_P,
            info=say_sampling.TOP_P_HINT,
            min_width=_HALF,
        )
        # Its range is ours to tell: Gradio's own sentence would not name the field.
        longest = gr.Number(
            _DEFAULT_SAMPLING.max_new_tokens,
            label=say_sampling.LONGEST,
            info=say_sampling.LONGEST_HINT,
            min_width=_HALF,
        )
        seed = gr.Number(
            _DEFAULT_SAMPLING.seed,
            label=text.SEED,
            info=say_sampling.SEED_HINT,
            precision=0,
            minimum=0,
            maximum=2**32 - 1,
            min_width=_HALF,
        )
    return Drawing(temperature, top_p, longest, seed)


def build_order_and_lesson() -> tuple[OrderControls, LessonParts]:
    """Lay out, side by side, how the cards are ordered and what the labels say of that."""
    with gr.Row(equal_height=False):
        with gr.Column(
            visible=False, min_width=420, elem_classes="gs-panel", elem_id="explore-order"
        ) as column:
            gr.HTML(legend_html(), apply_default_css=False)
            ranking = gr.Radio(
                say.RANKINGS, value="paper", label=say.RANKING, elem_id="explore-ranking"
            )
            lambda_fork = gr.Slider(
                0,
                3,
                value=_DEFAULT_SCORING.lambda_fork,
                step=0.1,
                label=text.LAMBDA,
                info=text.LAMBDA_INFO,
            )
            top_m = gr.Slider(
                0.05,
                1,
                value=_DEFAULT_SCORING.top_m,
                step=0.05,
                label=text.TOP_M,
                info=text.TOP_M_INFO,
            )
        with gr.Column(min_width=420, elem_classes="gs-panel", elem_id="explore-lesson"):
            card = gr.HTML(apply_default_css=False)
            with gr.Row(elem_classes="gs-actions"):
                learn = gr.Button(say.LEARN, elem_id="explore-learn", scale=0, min_width=200)
                status = live_text("explore-learn-status")
            ask_first, ordered = _build_ask_first()
    lesson = LessonParts(card, learn, status, ask_first, ordered)
    return OrderControls(column, ranking, lambda_fork, top_m), lesson


def _build_ask_first() -> tuple[gr.Button, gr.HTML]:
    hint = text_priority.hint(MOST_CASES)
    gr.HTML(
        f'<h2 class="gem-title">{text_priority.TITLE}</h2><p class="gem-quiet">{hint}</p>',
        apply_default_css=False,
    )
    with gr.Row(elem_classes="gs-actions"):
        button = gr.Button(
            text_priority.ASK_FIRST,
            elem_id="explore-ask-first",
            scale=0,
            min_width=360,
            interactive=False,
        )
    return button, live_text("explore-ordered")


def build_results(can_group: bool) -> Results:
    """Lay out the cards and the curve; ``can_group``: answers can be grouped by meaning."""
    groups = gr.Dropdown(
        label=say_sampling.GROUPS,
        info=say_sampling.GROUPS_HINT,
        filterable=False,
        visible=False,
        elem_id="explore-groups",
    )
    group = gr.State(())
    empty = gr.HTML(visible=False, apply_default_css=False)
    withheld, put_in_order, called = _build_withheld()
    with gr.Column(visible=False, elem_id="explore-results") as column:
        tau = gr.HTML(apply_default_css=False, elem_id="explore-tau")
        agreed = gr.HTML(apply_default_css=False)
        with gr.Row(visible=can_group, elem_classes="gs-actions"):
            by_meaning = gr.Button(
                say_meaning.BUTTON, elem_id="explore-by-meaning", scale=0, min_width=320
            )
            meant = live_text("explore-meant")
        with gr.Row(
            visible=False, elem_classes="gs-actions", elem_id="explore-difference"
        ) as difference:
            against = gr.Dropdown(
                label=say_difference.MODEL, filterable=False, scale=0, min_width=320
            )
            read_again = gr.Button(
                say_difference.SHOW, elem_id="explore-read-again", scale=0, min_width=200
            )
            reread = live_text("explore-reread")
        cards = heatmap(_HEATMAP, can_go_on=True)
        order = ranking_for(_HEATMAP)
        paired = live_text("explore-paired")
        with gr.Column(elem_classes="gs-panel gem-plot"):
            gr.HTML(f'<p class="gem-quiet">{say_trace.HINT}</p>', apply_default_css=False)
            trace = gr.Plot(show_label=False, container=False, elem_id="explore-trace")
        with gr.Row(elem_classes="gs-actions"):
            rank = gr.Button(
                say_blind.PUT_THESE_IN_ORDER, elem_id="explore-rank", scale=0, min_width=320
            )
            save = gr.Button(say_offline.BUTTON, elem_id="explore-save", scale=0, min_width=320)
        saved = gr.File(
            label=say_offline.FILE, visible=False, interactive=False, elem_id="explore-saved"
        )
    blind = (rank, withheld, put_in_order, called, tau)
    other = (difference, against, read_again, reread)
    alike = (agreed, by_meaning, meant)
    shown = (groups, group, empty, column, *alike, *other, cards, order, paired, trace, save, saved)
    return Results(*shown, *blind)


def _build_withheld() -> tuple[gr.Column, gr.Button, gr.HTML]:
    with gr.Column(visible=False, elem_id="explore-withheld") as column:
        gr.HTML(empty_html(say_blind.WITHHELD, say_blind.WITHHELD_NEXT), apply_default_css=False)
        with gr.Row(elem_classes="gs-actions"):
            button = gr.Button(
                say_blind.PUT_IN_ORDER, elem_id="explore-put-in-order", scale=0, min_width=240
            )
            called = live_text("explore-called")
    return column, button, called
