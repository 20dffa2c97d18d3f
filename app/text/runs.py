"""Every sentence of the pages Align, Results and Data, for clinicians: plain, short, with its n."""

from gem_backend.types import Estimate, Preset, RunState, RunVerdict

# --- figures in words -------------------------------------------------------------------------


def percent(share: float) -> str:
    """Return a share in [0, 1] as a whole percentage: "81 %"."""
    return f"{100 * share:.0f} %"


def interval(figure: Estimate) -> str:
    """Return the 95 % interval and n behind a share: "95 % interval 62 to 92 %, n = 24"."""
    return f"95 % interval {100 * figure.low:.0f} to {percent(figure.high)}, n = {figure.n}"


def with_interval(figure: Estimate) -> str:
    """Return a share with its interval and n: "81 % (95 % interval 62 to 92 %, n = 24)"."""
    return f"{percent(figure.value)} ({interval(figure)})"


def signed_points(share: float) -> str:
    """Return a difference of two shares in percentage points, with its sign: "+61"."""
    points = round(100 * share)
    return f"{points:+d}".replace("-", "\N{MINUS SIGN}") if points else "0"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 pair", "2,400 pairs"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return a duration as a person says it: "40 seconds", "3 minutes", "2 h 10 min"."""
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return counted(minutes, "minute")
    return f"{minutes // 60} h {minutes % 60:02d} min"


def model_size(size_bytes: int) -> str:
    """Return a model's size on disk: "3.4 MB", "16,000 MB"; 0 is a model that has a name only."""
    if size_bytes == 0:
        return "Not known. The model is downloaded first if it is not on this machine yet."
    size = size_bytes / 1e6
    return f"{size:.1f} MB" if size < 100 else f"{size:,.0f} MB"


# --- Align: before the run ----------------------------------------------------------------------

ALIGN_BUTTON = "Align the model"
STOP_BUTTON = "Stop and save"
STOPPING_BUTTON = "Stopping…"
RESUME_BUTTON = "Resume"
ANOTHER_BUTTON = "Plan another run"
LINE_UP_BUTTON = "Put it in line"
TAKE_OUT_BUTTON = "Take it out of the line"
CHOOSE_WAITING = "Choose a run in the table to stop it or to take it out of the line."
LINE_TITLE = "Other runs at work or in line"
PLAN_TITLE = "Before you start"
SETTINGS_TITLE = "How thorough"
ADVANCED_TITLE = "Advanced settings"
EXAMPLE_TITLE = "One example, exactly as the model will see it"
EXAMPLE_EMPTY = "No pair trains yet, so there is no example to show."
NOTHING_LEFT_OUT = "None. Every judged pair is used."
MEMORY_NOT_KNOWN = "Not known. The run tries its largest step first."
NOT_MEASURED = "Not yet measured on this machine. The first run will tell."
CANNOT_START = "The run cannot start yet"
SEED_LABEL = "Seed"
SEED_HINT = "The same seed, labels and settings give the same run."
SETTING_MISSING = "A setting is empty. Type a number, or choose a preset to put all settings back."
NO_PROJECT = "No project is open. Create one on the Data page, or choose one."

PRESETS: tuple[tuple[str, Preset], ...] = (
    ("Quick: a first look, a minute or so with the embedded model", "quick"),
    ("Standard: more rounds, for an adapter to keep", "standard"),
    ("Paper: the settings of the published method", "paper"),
)


def gigabytes(size_bytes: int) -> str:
    """Return an amount of memory: "0.4 GB", "43 GB"."""
    size = size_bytes / 1e9
    return f"{size:.1f} GB" if size < 10 else f"{size:,.0f} GB"


def expected_memory(low_bytes: int, high_bytes: int) -> str:
    """Return what a run should need of the device's memory."""
    expected = f"{gigabytes(low_bytes)} to {gigabytes(high_bytes)}, going by the model's sizes."
    return f"{expected} The run tries its largest step first, and takes smaller ones if need be."


def needed_memory(peak_bytes: int, available_bytes: int) -> str:
    """Return what a run's largest step needs of what there is."""
    return f"Memory: {gigabytes(peak_bytes)} of the {gigabytes(available_bytes)} there are."


def expected_time(expected_s: float | None, runs: int) -> str:
    """Return how long a run should take and how that is known."""
    if expected_s is None or runs == 0:
        return NOT_MEASURED
    return f"About {duration(expected_s)}, going by {counted(runs, 'earlier run')} on this machine."


def behind(num_ahead: int) -> str:
    """Return what happens to a run that is started now, empty where it begins at once."""
    if not num_ahead:
        return ""
    return f"When {_those_before(num_ahead)} over; it waits in line and begins by itself."


def begins(num_ahead: int | None, *, is_stopping: bool = False) -> str:
    """Return when a run begins that waits, or that it has (None), as a cell of a table."""
    if num_ahead is None:
        return "has begun, is stopping" if is_stopping else "has begun"
    return "now" if not num_ahead else f"when {_those_before(num_ahead)} over"


def waits(num_ahead: int) -> str:
    """Return what a waiting run waits for, in one sentence."""
    if not num_ahead:
        return "It begins in a moment."
    return (
        f"It begins by itself when {_those_before(num_ahead)} over. The studio must be open then; "
        "if it is closed, the run begins when it is opened again."
    )


def _those_before(num_ahead: int) -> str:
    return "a run before it is" if num_ahead == 1 else f"{num_ahead} runs before it are"


# --- Align: during and after the run --------------------------------------------------------------

NO_RUN_YET = "Nothing runs now. Check the plan below, then press the button."
STATE_TITLES: dict[RunState, str] = {
    "queued": "Waiting to start",
    "running": "Aligning the model",
    "stopping": "Saving and stopping",
    "stopped": "Stopped",
    "failed": "The run failed",
    "done": "The run is finished",
    "interrupted": "The run was interrupted",
}
STATE_WORDS: dict[RunState, str] = {
    "queued": "waiting",
    "running": "running",
    "stopping": "stopping",
    "stopped": "stopped",
    "failed": "failed",
    "done": "finished",
    "interrupted": "interrupted",
}
WAITING = "The model is being loaded."
WAITING_ELSEWHERE = "This run was prepared for another machine, where it has not begun yet."
STOPPING = "The run ends after the current step."
STOPPED = "Resume goes on from the last saved version."
INTERRUPTED = (
    "The run ended without saying why: perhaps the machine was restarted or ran out of memory. "
    "Resume goes on from the last saved point."
)
FAILED_WITHOUT_REASON = "The run ended with an error. The log below says where."
LOG_TITLE = "The end of the log"
ETA_UNKNOWN = "Time left: not known yet"
SEE_RESULTS = "Open Results to read what changed."
CURVES_HINT = (
    "Some held-out pairs are used after every round, to choose the best version (round check); "
    "the others only at the start and at the end (final check). "
    "Whiskers are 95 % intervals; the dashed line is what guessing would give. "
    "Titles compare the mean of the first 5 steps with that of the last 5."
)
BEFORE_PHASE = "Before training: answering the held-out prompts with the model as it is…"
AFTER_PHASE = "After training: answering the held-out prompts with the best version…"


def curves_title(date: str) -> str:
    """Return the heading of the curves."""
    return f"Curves of the run of {date}"


def time_left(eta_s: float | None) -> str:
    """Return the time left, in words."""
    return ETA_UNKNOWN if eta_s is None else f"About {duration(eta_s)} left"


def sft_phase(num_pairs: int, epoch: int | None, epochs: int) -> str:
    """Return the sentence for the warm start on the preferred answers."""
    passes = "" if epoch is None else f", pass {epoch} of {epochs}"
    return f"Learning from your {counted(num_pairs, 'preferred answer')}{passes}…"


def sampling_phase(number: int, rounds: int, most: int) -> str:
    """Return the sentence for a round that samples."""
    return f"Round {number} of {rounds}: sampling up to {counted(most, 'answer')}…"


def learning_phase(number: int, rounds: int, count: int) -> str:
    """Return the sentence for a round that updates the model."""
    return f"Round {number} of {rounds}: learning from {counted(count, 'ranked answer')}…"


def checking_phase(number: int, rounds: int) -> str:
    """Return the sentence for a round that has been evaluated."""
    return f"Round {number} of {rounds}: checked on the held-out pairs, saving…"


# --- Results ---------------------------------------------------------------------------------

HISTORY_TITLE = "All runs"
HISTORY_EMPTY = (
    "No run yet. Label some pairs on the Label page, then open Align and press the button."
)
CHOOSE_RUN = "Choose a run in the table to read its result."
FIGURES_TITLE = "The figures"
CONFIG_TITLE = "Settings as they ran"
EXAMPLES_TITLE = "Before and after, on prompts that were held out"
EXAMPLE_LABEL = "Held-out prompt"
EXAMPLES_EMPTY = "Examples appear when a run has finished: one for each held-out prompt."
BEFORE_TITLE = "Before: base model, no adapter"
AFTER_TITLE = "After: with the adapter of this run"
GOLD_TITLE = "Reference answer"
NO_GOLD = "No reference answer was given for this prompt."
WARNINGS_TITLE = "Warnings"
ADAPTER_TITLE = "Adapter folder"
TAKE_ADAPTER_BUTTON = "Make a file of the adapter"
ADAPTER_FILE = "The adapter, with a card that says what it is and a list of the labels behind it"
NO_ADAPTER = "No adapter was kept."
NOT_OFFERED = "The adapter of this run is not offered for use."
CONFIDENT_BUT_WORSE_TITLE = "More confident but worse"
MATCHES = "matches the reference"
MATCHES_NOT = "does not match the reference"
NO_ANSWER = "gave no final answer"

VERDICT_TITLES: dict[RunVerdict, str] = {
    "better": "Better: the model agrees with you more often than before.",
    "no_change": "No change: the held-out pairs show no clear difference.",
    "worse": "Worse: the model lost ground on the held-out cases.",
}
VERDICT_WORDS: dict[RunVerdict, str] = {
    "better": "better",
    "no_change": "no change",
    "worse": "worse",
}
VERDICT_ADVICE: dict[RunVerdict, str] = {
    "better": "Read some answers below before you use the adapter.",
    "no_change": "More labelled pairs, or the Standard preset, may show a difference.",
    "worse": "Check the labels for contradictions, then try a smaller learning rate.",
}
UNFINISHED: dict[RunState, str] = {
    "queued": "This run has not started yet. There is no result to show.",
    "running": "This run is still going on. Open Align to watch it.",
    "stopping": "This run is being saved. Its result follows if you resume it.",
    "stopped": "This run was stopped before its end. Open Align to resume it.",
    "failed": "This run failed, so there is no result. Open Align to resume it.",
    "interrupted": "This run was interrupted. Open Align to resume it.",
    "done": "This run finished without a result.",
}

FIGURE_NAMES = {
    "preference_accuracy": "Held-out preference accuracy",
    "preference_accuracy_per_token": "The same, per token (long answers gain nothing)",
    "final_answer_accuracy": "Final answers that match the reference",
    "mean_entropy": "Mean uncertainty per token (nats)",
    "mean_length": "Mean answer length (tokens)",
    "uncommitted": "Answers without a final answer",
    "kl": "Distance from the base model (KL, nats per token)",
}
FIGURE_HINTS = {
    "preference_accuracy": "How often the model finds the answer you preferred more likely.",
    "final_answer_accuracy": "One greedy answer for each held-out prompt.",
}


def verdict_change(before: Estimate, after: Estimate, change: Estimate) -> str:
    """Return the change that decides the verdict, in one sentence."""
    low, high = signed_points(change.low), signed_points(change.high)
    return (
        f"Held-out preference accuracy went from {percent(before.value)} to "
        f"{percent(after.value)}: {signed_points(change.value)} points "
        f"(95 % interval {low} to {high}, n = {change.n} pairs)."
    )


def confident_but_worse(before: float, after: float, what: str) -> str:
    """Return the warning for a model that became surer and worse; entropies in nats per token."""
    return (
        f"Uncertainty fell from {before:.2f} to {after:.2f} nats per token while {what}. "
        "Do not read confidence as correctness."
    )


def fell(name: str, before: Estimate, after: Estimate) -> str:
    """Return that an accuracy fell: part of a sentence."""
    return (
        f"{name[0].lower()}{name[1:]} fell from {percent(before.value)} to {percent(after.value)} "
        f"(n = {after.n})"
    )


# --- Data ------------------------------------------------------------------------------------

DATA_COUNTS_TITLE = "In this project"
DATA_EMPTY = "This project is empty. Import a file below, or type pairs on the Label page."
EXPORT_TITLE = "Export"
EXPORT_HINT = (
    "What this project holds, as one file. Each of them but the first comes back as it was."
)
EXPORT_WHAT = "What the file holds"
EXPORT_CONTENTS = {
    "trains": "Pairs that train",
    "labels": "All labels",
    "unjudged": "Cases without a label",
    "log": "Label log",
}
EXPORT_HOLDS = {
    "trains": (
        "Exactly what a run would train on now, under the names that training programs know: "
        "prompt, chosen, rejected. The better answer of each may be used. Held-out pairs, ties and "
        "all other verdicts are not in it."
    ),
    "labels": (
        "Every label that holds, of all raters: ties, “both are bad”, “cannot judge” and answers "
        "that may not be used too, each with its verdict, and what settled a case. Not for "
        "training as it is. Cases without a label and questions without answers are not in it."
    ),
    "unjudged": (
        "Pairs of answers that nobody has judged yet, and questions without answers, for another "
        "studio to label."
    ),
    "log": (
        "Every event: who said what and when, and what was taken back, as JSONL. Cases without a "
        "label and questions without answers are not in it."
    ),
}
EXPORT_BUTTON = "Make the export file"
EXPORT_FORMAT = "Format"
EXPORT_FILE = "Your file"
