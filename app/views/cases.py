"""A case as HTML: the question and the two answers as plain text, nothing that favours a side."""

from html import escape

from app import text
from app.records import TaskState
from gem_backend.types import Case, LabelProgress


def case_html(case: Case | None, has_keys: bool = True) -> str:
    """Return the question above the two answers; empty without a case.

    Texts are shown as written, line breaks kept, nothing interpreted. Where an answer comes from is
    not in the page. ``data-pair`` names the case whose texts these are: keys count for no other.
    ``has_keys`` says whether the keys of the sides work where this is shown.
    """
    if case is None:
        return ""
    question = _text_block(text.PROMPT, case.comparison.prompt)
    answers = "".join(
        f'<article class="gs-answer" data-side="{side}">'
        f"<h3><span>{title}</span>{_key(key) if has_keys else ''}</h3>"
        f"{_text_block(title, answer)}</article>"
        for side, key, title, answer in (
            ("left", "1", text.LEFT_ANSWER, case.left_text),
            ("right", "2", text.RIGHT_ANSWER, case.right_text),
        )
    )
    return (
        f'<article class="gs-question" data-pair="{escape(case.comparison.pair_id)}">'
        f"<h2>{text.PROMPT}</h2>{question}</article>"
        f'<div class="gs-answers">{answers}</div>'
    )


def _key(key: str) -> str:
    return f'<kbd aria-hidden="true">{key}</kbd>'


def _text_block(name: str, content: str) -> str:
    return (
        f'<div class="gs-text" role="region" aria-label="{escape(name)}" tabindex="0" dir="auto">'
        f"{escape(content)}</div>"
    )


def prompt_html(prompt: str) -> str:
    """Return a question in full, as plain text; empty without one."""
    return _text_block(text.PROMPT, prompt) if prompt else ""


def progress_html(progress: LabelProgress, pace_s: float | None = None) -> str:
    """Return how far the rater is, in words and as a bar."""
    words = text.progress_line(progress.done, progress.skipped, progress.pending, pace_s)
    share = 100 * progress.done / progress.total if progress.total else 0
    return (
        f'<div class="gs-progress"><span>{words}</span>'
        f'<div class="gs-bar" role="progressbar" aria-label="{words}" aria-valuemin="0" '
        f'aria-valuemax="{progress.total}" aria-valuenow="{progress.done}">'
        f'<div style="width:{share:.1f}%"></div></div></div>'
    )


def guidelines_markdown(guidelines: str) -> str:
    """Return a project's guidelines as Markdown without HTML or pictures.

    A picture would be fetched from somewhere, and tags are no part of what people write here.
    """
    if not guidelines.strip():
        return text.NO_GUIDELINES
    return guidelines.replace("<", "&lt;").replace("![", "!\\[")


def empty_html(title: str, next_step: str) -> str:
    """Return what stands where a page has nothing to show: what is so, and what to do next."""
    return f'<div class="gs-empty"><h2>{escape(title)}</h2><p>{escape(next_step)}</p></div>'


def task_line(task: TaskState, running: str, done: str) -> str:
    """Return how a piece of background work stands, in one line; empty when nothing was asked."""
    if task.state == "running":
        return f"{running} {task.done} of {task.total}" if task.total else running
    return {"idle": "", "done": done, "stopped": text.STOPPED, "failed": task.error}[task.state]


def listed_html(words: str) -> str:
    """Return what a list to choose from holds, as a line below it; empty without words."""
    return f'<p role="status" class="gem-quiet">{escape(words)}</p>' if words else ""
