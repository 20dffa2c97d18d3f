"""Every sentence about files that come in: the look at a file, its columns, the import."""

from typing import Final

from app.text.runs import counted

IMPORT_TITLE: Final = "Import"
IMPORT_HINT: Final = (
    "Questions with a better and another answer or with ranked ones, or an export of PandaLM, "
    "Argilla, Label Studio or this studio. You see first what the file would become; nothing is "
    "stored before you press “Import”."
)
FILE: Final = "File (.jsonl, .json, .csv, .tsv, .parquet, or a .zip of a “datasets” folder)"
PLACE: Final = "Or a file or folder on this machine"
PLACE_HINT: Final = "The whole path; a folder as “datasets” saves it. For files over 100 MB too."
LOOK: Final = "Look at it"
NO_PLACE: Final = "Write the path of a file or folder first."
IMPORT: Final = "Import"
CANCEL: Final = "Cancel"
STOP: Final = "Stop the import"

# --- what a file was taken for ----------------------------------------------------------------
FORMATS: Final = {
    "preference pairs": "pairs with a better and another answer",
    "cases to judge": "pairs of answers that nobody has judged yet; they join the queue",
    "judged answers": "pairs of answers with a verdict",
    "ranked answers": "answers in order; every two answers to a question become a judgement",
    "answers to rank": "questions with several answers that wait for a ranking",
    "questions": "questions alone; name the columns of the answers below, if there are any",
    "graded answers": "answers with grades; every two answers to a question become a judgement",
    "label log": "the label log of a studio",
    "judged claims": (
        "claims that several people checked against an answer: it follows, it contradicts, or "
        "neither"
    ),
    "PandaLM": "a test set of PandaLM: two answers and what each annotator said",
    "Label Studio": "an export of Label Studio",
    "Argilla": "an export of Argilla",
}
UNKNOWN: Final = (
    "The columns of this file have names that say nothing. Choose below which one is the question "
    "and which are the answers."
)
NONE_GOOD: Final = "None of these rows can be taken as the columns are now; the reasons are below."
PREVIEW_TITLE: Final = "The first rows, as they would be stored"
PREVIEW_HEAD: Final = (
    "Question",
    "Better, or answer A",
    "Other, or answer B",
    "Verdict",
    "By how much",
    "Rater",
)
REFUSED_TITLE: Final = "Refused rows"
REFUSED_HEAD: Final = ("Line", "Reason")
REFUSED_SHOWN: Final = 200
VERDICTS: Final = {
    "a": "A is better",
    "b": "B is better",
    "tie": "equally good",
    "both_bad": "both are bad",
    "cannot_judge": "cannot judge",
}
# What a row without a verdict is.
KINDS: Final = {"case": "to be judged", "prompt": "question alone", "event": "skipped or undone"}
STRENGTHS: Final = {1: "slightly", 2: "clearly", 3: "very much"}
NOTHING: Final = "\N{EN DASH}"

# --- which column is what ---------------------------------------------------------------------
COLUMNS_TITLE: Final = "Which column is what"
COLUMNS_HINT: Final = "Chosen from the names. Change what is wrong, and the rows above follow."
MORE_COLUMNS: Final = "More columns"
NO_COLUMN: Final = "none"
COLUMNS: Final = {
    "prompt": "Question",
    "chosen": "Better answer",
    "rejected": "Other answer",
    "rater": "Rater",
    "answer_a": "Answer A",
    "answer_b": "Answer B",
    "verdict": "Verdict on A and B",
    "strength": "How much better (1 to 3)",
    "answer": "Single answer",
    "grade": "Its grade",
    "gold_answer": "Correct answer",
    "split": "Used for (train, held_out or pool)",
    "reasons": "Reasons",
    "rationale": "In the rater's words",
    "is_acceptable": "May be used (true or false)",
    "answers": "Answers to rank (a list)",
    "rank": "Place of a single answer (1 is best)",
    "ranks": "Places of the answers (a list, 1 is best)",
    "scores": "Scores of the answers (a list, higher is better)",
}
FIRST_COLUMNS: Final = 8  # of them are shown at once, the others in a fold

# --- the import -------------------------------------------------------------------------------
ACTIVITY: Final = "Importing a file"
ANOTHER_RUNS: Final = (
    "An import into this project is under way; wait for its end, or stop it while its rows are "
    "read."
)
NO_FILE: Final = "Choose a file first."
NOT_THERE: Final = "There is no file or folder of that name on this machine."
STOPPED: Final = "The import was stopped; nothing was stored."
STOPPING: Final = "Stopping the import."


def chosen_twice(column: str) -> str:
    """Return that a column cannot be two things."""
    return f"The column “{column}” is chosen twice; choose it in one place only."


def looked_at(num_rows: int) -> str:
    """Return how many rows a preview rests on."""
    return "This is its first row." if num_rows == 1 else f"These are its first {num_rows:,} rows."


def rows_read(file: str, rows: int) -> str:
    """Return how far an import is."""
    return f"Importing {file}: {counted(rows, 'row')} read."


def storing(file: str, done: int, total: int) -> str:
    """Return how far an import is that has read all rows."""
    return (
        f"Importing {file}: all rows read, {100 * done // total} % stored. What is stored shows "
        "already. It cannot be stopped now; if the studio ends, the rest follows at its next start."
    )


def import_summary(imported: int, already_there: int, refused: int) -> str:
    """Return what an import did, in one sentence."""
    parts = [f"{counted(imported, 'entry', 'entries')} imported"]
    parts.append(f"{already_there:,} already there")
    parts.append(f"{counted(refused, 'row')} refused")
    return ", ".join(parts) + "."


def refused_more(hidden: int) -> str:
    """Return that the list of refused rows is longer than shown."""
    return f"And {counted(hidden, 'further row')}, most likely for the same reasons."
