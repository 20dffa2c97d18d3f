"""Every sentence of the header, of Label and of Explore, and those that all pages share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.text.branches import HEATMAP_KEYS
from app.text.order import ORDER_KEYS
from gem_backend.types import CaseSource

# --- shared -----------------------------------------------------------------------------------
NAME: Final = "GEM Studio"
REFUSED_TITLE: Final = "The computer refused"
UNEXPECTED_TITLE: Final = "Something unexpected happened"
UNEXPECTED: Final = (
    "The studio could not do this. What you saved before is safe. Try again; if it happens again, "
    "the log file says more."
)
NO_PROJECT: Final = "Create a project first."
RESEARCH_NOTICE: Final = "Research software. Not a medical device."
CONNECTION_LOST: Final = (
    "The studio does not answer: what you typed for this case is kept, and the page goes on by "
    "itself as soon as the studio is open again."
)
DEMO_NOTICE: Final = "Demonstration: invented cases and a very small model. Not for clinical use."


def shortened(question: str, characters: int = 80) -> str:
    """Return the beginning of a question, on one line."""
    line = " ".join(question.split())
    if len(line) <= characters:
        return line
    return line[: characters - 2].rsplit(" ", 1)[0] + " …"


def local_time(stored: str) -> str:
    """Return a stored time (ISO 8601, UTC where it names no zone) by this machine's clock."""
    try:
        moment = datetime.fromisoformat(stored)
    except ValueError:
        return stored or "no date"
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{known.astimezone():%Y-%m-%d %H:%M}"


# --- header -----------------------------------------------------------------------------------
TABS: Final = {
    "label": "Label",
    "explore": "Explore",
    "align": "Align",
    "results": "Results",
    "data": "Data",
}
PROJECT: Final = "Project"
MODEL: Final = "Model"
ADAPTER: Final = "Adapter"
RATER: Final = "Rater"
ACTIVITY: Final = "Now"
NO_ADAPTER: Final = "none yet"
NO_ACTIVITY: Final = "nothing is running"
NEW_PROJECT: Final = "New project"
NEW_PROJECT_NAME: Final = "Name of the new project"
CREATE: Final = "Create"
KEYS: Final = "Keys"
KEYS_TITLE: Final = "Keys"
CLOSE: Final = "Close"

# --- label ------------------------------------------------------------------------------------
PROMPT: Final = "Question"
LEFT_ANSWER: Final = "Left answer"
RIGHT_ANSWER: Final = "Right answer"
VERDICT_QUESTION: Final = "Which answer is better?"
# Choice on screen, its key, its words.
CHOICES: Final = (
    ("left", "1", "Left is better"),
    ("right", "2", "Right is better"),
    ("tie", "3", "Equally good"),
    ("both_bad", "4", "Both are bad"),
    ("cannot_judge", "5", "Cannot judge"),
)
CANNOT_JUDGE_HINT: Final = "Information is missing. Such a case never trains the model."
STRENGTH_QUESTION: Final = "By how much?"
STRENGTHS: Final = ((1, "Slightly"), (2, "Clearly"), (3, "Very much"))
STRENGTH_HINT: Final = "press the number again"
ACCEPTABLE_QUESTION: Final = "Is the better one acceptable to use?"
ACCEPTABLE_TIE: Final = "Are they acceptable to use?"
ACCEPTABLE: Final = "Yes"
NOT_ACCEPTABLE: Final = "No"
REASONS: Final = "What decided it?"
REASON_REQUIRED: Final = "(needed)"
RATIONALE: Final = "In your words (optional)"
RATIONALE_HINT: Final = "What should the next reader know?"
WRITTEN: Final = "Write the better answer (optional)"
WRITTEN_HINT: Final = "It becomes the preferred answer over each of these two."
GUIDELINES: Final = "Guidelines"
NO_GUIDELINES: Final = "This project has no guidelines yet. Write them on the Data page."
RATER_FORM: Final = "For those who label"
RATER_FORM_HINT: Final = "What the Label page shows beside each case of this project."
GUIDELINES_FIELD: Final = "Guidelines (Markdown)"
REASONS_FIELD: Final = "Reasons to choose from, one a line (the first four get a key)"
REASON_REQUIRED_FIELD: Final = "Ask for a reason beside every preference"
RATER_FORM_SAVE: Final = "Save for this project"
RATER_FORM_UNSAVED: Final = "Not saved yet: this is the form as you left it."
RATER_FORM_SAVED: Final = "Saved. The Label page shows it from now on."
RECENT: Final = "Your last ten"
NO_RECENT: Final = "Labels you save are listed here; each can be reopened."
REOPEN: Final = "Reopen"
SAVE: Final = "Save"
SKIP: Final = "Skip"
UNDO: Final = "Undo"
CHOOSE_FIRST: Final = "Choose one of the five answers first."
CASE_CHANGED: Final = "The case on screen had changed. Please judge the one you see now."
REASON_FIRST: Final = "This project asks for a reason: choose what decided it, then save."
LABELLED_ELSEWHERE: Final = (
    "You labelled that case already, in another window. Reopen it under “Your last ten” to change "
    "it."
)
NOTHING_TO_UNDO: Final = "There is nothing to undo."
RESTORED: Final = (
    "The studio answers again. What you had said of your case is kept; it is not saved yet."
)
SAVED_BEFORE: Final = "The studio answers again. Your last case is saved."
SKIPPED: Final = "Skipped. The case comes back at the end."
UNDONE: Final = "Reopened your last case. The label was withdrawn."
REOPENED: Final = "Reopened. The label was withdrawn; save to label the case again."
PAIR_ADDED: Final = "Added. The pair waits in the queue."
PAIR_LABELLED: Final = "Saved: your pair with your choice."
ENTERED_BEFORE: Final = (
    "You have judged this pair before: it is open again as you judged it, and your label was "
    "withdrawn; save to label it again."
)
ENTERED_IN_ANOTHER_WAY: Final = (
    "You have judged this pair before, together with others or in a file that was imported: that "
    "label stands."
)
ALL_DONE: Final = "Every case is labelled"
ALL_DONE_NEXT: Final = (
    "Ask the model for answers to a new question, enter a pair yourself, or go to Align."
)
NO_CASES: Final = "There are no cases yet"
NO_CASES_NEXT: Final = (
    "Import a file under Data, ask the model for answers, or enter a pair yourself."
)
SAMPLE_CASE: Final = "Ask the model for answers"
SAMPLING_CASE: Final = "The model is writing answers …"
SAMPLED_CASE: Final = "New answers are ready. They come next."
ENTER_PAIR: Final = "Enter a pair yourself"
ENTER_PROMPT: Final = "Question"
ENTER_A: Final = "Answer A"
ENTER_B: Final = "Answer B"
ENTER_WHICH: Final = "Which is better?"
ENTER_CHOICES: Final = (
    ("A", "a"),
    ("B", "b"),
    ("Equally good", "tie"),
    ("Both bad", "both_bad"),
    ("Cannot judge", "cannot_judge"),
    ("Decide later", "later"),
)
ENTER_ACCEPTABLE: Final = "The better one is acceptable to use"
ADD_PAIR: Final = "Add this pair"
ANSWER_COUNT: Final = "Answers"
KEY_LIST: Final = (
    ("1", "left is better (again: clearly, then very much, then slightly)"),
    ("2", "right is better (again: clearly, then very much, then slightly)"),
    ("3", "equally good"),
    ("4", "both are bad (again: write a better answer)"),
    ("5", "cannot judge"),
    ("a", "the better one is acceptable to use: yes or no"),
    ("q w e r", "the first four reasons"),
    ("Enter", "save and go on"),
    ("Backspace", "undo the last label"),
    ("s", "skip this case"),
    *ORDER_KEYS,
    ("g", "show or hide the guidelines"),
    ("Esc", "leave a text field, so that the keys work again"),
    *HEATMAP_KEYS,
    ("?", "show these keys"),
)
KEYS_NOTE: Final = "Keys rest while you type in a field."


def verdict_words(choice: str, strength: int, is_acceptable: bool) -> str:
    """Return a verdict in words, in lower case: side, how much, and whether it may be used."""
    words = {name: label for name, _, label in CHOICES}[choice].lower()
    if choice in ("left", "right"):
        words = f"{words}, {dict(STRENGTHS)[strength].lower()}"
    if choice in ("left", "right", "tie"):
        words = f"{words}, {'acceptable' if is_acceptable else 'not acceptable'} to use"
    return words


def source_words(source: CaseSource, model: str, run_id: str = "") -> str:
    """Return where an answer comes from.

    Args:
        source: of the case.
        model: empty where it is not known.
        run_id: of the run whose adapter was on the model, empty without one.
    """
    if source == "sampled":
        aligned = f" with the adapter of run {run_id[:8]}" if run_id else ""
        return f"sampled by {model or 'a model'}{aligned}"
    return {"imported": "from a file", "entered": "entered by hand"}[source]


def sources_line(left: str, right: str) -> str:
    """Return where the two answers of a case come from."""
    return f"Both answers: {left}" if left == right else f"Left: {left} · right: {right}"


def saved_receipt(verdict: str, reasons: Sequence[str], has_written: bool) -> str:
    """Return the line that confirms a stored label."""
    line = f"Saved: {verdict}."
    if reasons:
        line += f" {'Reason' if len(reasons) == 1 else 'Reasons'}: {', '.join(reasons)}."
    if has_written:
        line += " Your answer is preferred to both."
    return line


def progress_line(done: int, skipped: int, pending: int, pace_s: float | None = None) -> str:
    """Return how far the rater is and how long a case takes them, in words."""
    parts = [f"{done} of {done + skipped + pending} labelled"]
    if skipped:
        parts.append(f"{skipped} skipped" if pending else f"{skipped} skipped, back now")
    if pending:
        parts.append(f"{pending} to do")
    if pace_s is not None:
        parts.append(f"about {pace_words(pace_s)} a case")
    return " · ".join(parts)


def pace_words(seconds: float) -> str:
    """Return a time in seconds, or in minutes where it is long."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


# --- explore ----------------------------------------------------------------------------------
EXPLORE_PROMPT: Final = "Question to the model"
EXPLORE_MODEL: Final = "Which model answers"
BASE_MODEL: Final = "Base model"
NUM_CANDIDATES: Final = "Answers"
TEMPERATURE: Final = "Variety"
SEED: Final = "Seed"
SAMPLE: Final = "Sample answers"
SAMPLING: Final = "Sampling"
STOPPED: Final = "Stopped; nothing was kept."
SAMPLED: Final = "Ready"
NO_CANDIDATES: Final = "No answers yet"
NO_CANDIDATES_NEXT: Final = (
    "Choose a question and press “Sample answers” to read how the model reasons."
)
CHOOSE_PROMPT: Final = "Choose a question first."
LAMBDA: Final = "Weight of exploring (λ)"
LAMBDA_INFO: Final = "0 ranks by confidence in the answer alone."
TOP_M: Final = "Share of forks (m)"
TOP_M_INFO: Final = "The part of the reasoning that counts as forks."
HELD_OUT_MARK: Final = "held out"
LEGEND: Final = "How unsure the model was at each word"
# Number of equally likely continuations, and its words on the scale.
LEGEND_TICKS: Final = ((1, "sure"), (2, "2 choices"), (4, "4"), (8, "8 or more"))
AGREES: Final = "agrees with most"
DIFFERS: Final = "differs from most"
NOT_COMMITTED: Final = "no committed answer"
OTHER_ANSWERS: Final = "The others:"
NO_ANSWER: Final = "None given; the last fifth of the text stands in for it."
CUT_OFF: Final = "cut off at the length limit"
# What the heatmap's script says; it adds the figures.
HEATMAP_WORDS: Final = {
    "card": "Candidate",
    "tokens": "Words of the candidate. Arrow keys move, n and p jump between forks.",
    "entropy": "Entropy",
    "nats": "nats",
    "probability": "Probability of what was written",
    "instead": "Most likely here",
    "pieces": "One character, written in pieces:",
    "fork": "fork",
    "space": "space",
    "newline": "line break",
    "tab": "tab",
    "end": "end",
    "cut": "cut off",
    "nothing": "nothing visible",
    "answer": "Answer",
    "marker": "answer marker",
    "trace": "Show as a curve",
}


def legend_note(threshold: float) -> str:
    """Return what the heatmap's second cue and its threshold are."""
    return (
        f"Entropy in nats, the same scale on every card; below {threshold:.1f} nothing is tinted. "
        "A thick underline marks a fork: one of the most uncertain words of the reasoning. "
        "The answer is framed."
    )


def rank_words(rank: int, total: int) -> str:
    """Return a candidate's place."""
    return f"Rank {rank} of {total}"


def score_words(score: float) -> str:
    """Return the score S, equation (1), in nats."""
    return f"S = {_signed(score)} nats"


def term_words(final_entropy: float, fork_entropy: float, lambda_fork: float) -> list[str]:
    """Return the two terms of S: entropy of the answer, entropy at the forks times its weight."""
    return [
        f"Answer: {_signed(-final_entropy)} (surer is higher)",
        f"Forks: {_signed(lambda_fork * fork_entropy)} = {lambda_fork:.1f} × {fork_entropy:.2f}",  # noqa: RUF001 - the sign as printed
    ]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")  # noqa: RUF001 - the minus sign as printed


def agreement_words(count: int, total: int) -> str:
    """Return how many of a group's answers are the same."""
    if count > 1:
        return f"{count} of {total} answers agree:"
    return f"All {total} answers differ." if count else f"None of {total} gave a final answer."


def candidate_count(count: int) -> str:
    """Return the line after sampling."""
    return f"{SAMPLED}: {count} answers." if count != 1 else f"{SAMPLED}: 1 answer."


NO_PROMPT_TITLE: Final = "No question chosen"


def adapter_label(preset: str, created_at: str, method: str = "") -> str:
    """Return how a run's adapter is called in a list; ``method`` is that of a rival of GEM."""
    return f"Adapter of {local_time(created_at)} ({', '.join(filter(None, (preset, method)))})"
