"""Projects and their prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gem_backend.types import Project, Prompt, Split
from storage.database import Database
from storage.errors import EntryError, NotFoundError
from storage.identity import new_id, prompt_id, utc_now

DEMO_PROJECT_ID = "demo"
MAX_RATERS_PER_CASE = 20
MAX_REPEAT_PERCENT = 50
MAX_REASONS = 12  # ours: what can be read at a glance
MAX_REASON_LENGTH = 40  # characters, ours: a word or two

_PROJECT = (
    "SELECT project_id, name, guidelines, answer_marker, reasons, is_reason_required,"
    " raters_per_case, repeat_percent, is_blind_first FROM projects"
)
_PROMPT = "SELECT prompt_id, project_id, prompt, split, gold_answer FROM prompts"

_FOUND = "FROM prompts WHERE project_id = $project AND contains(lower(prompt), lower($words))"
_PROMPT_AS_FOUND = f"SELECT prompt_id, project_id, prompt, split, gold_answer {_FOUND}"
_AS_LISTED = "ORDER BY split = 'held_out', seq"
_BY_USE = """
ORDER BY
    prompt_id NOT IN (SELECT prompt_id FROM candidates WHERE prompt_id IS NOT NULL),
    prompt_id NOT IN (
        SELECT prompt_id FROM standing JOIN pairs USING (pair_id)
        WHERE standing.project_id = $project AND label_seq IS NOT NULL
    ),
    split = 'held_out', seq
"""


def create_project(
    db: Database,
    name: str,
    *,
    guidelines: str = "",
    answer_marker: str = "Final Answer:",
    project_id: str | None = None,
) -> Project:
    """Make an empty project.

    Args:
        db: the open database.
        name: what people call it; spaces around it are dropped.
        guidelines: what raters are told.
        answer_marker: the words that begin a final answer.
        project_id: for a project with a fixed id, ``DEMO_PROJECT_ID``; a new one otherwise.

    Raises:
        EntryError: the name is empty or taken.
    """
    name = name.strip()
    if not name:
        raise EntryError("Give the project a name.")
    project = Project(project_id or new_id(), name, guidelines, answer_marker)
    with db.transaction():
        if find_project(db, name) is not None:
            raise EntryError(f"There is already a project called '{name}'; choose another name.")
        db.execute(
            "INSERT INTO projects (project_id, name, guidelines, answer_marker, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            [project.project_id, name, guidelines, answer_marker, utc_now()],
        )
        db.forget()
    return project


def update_project(  # noqa: PLR0913 - one for each thing that can be changed
    db: Database,
    project_id: str,
    *,
    guidelines: str,
    reasons: Sequence[str],
    is_reason_required: bool,
    raters_per_case: int = 1,
    repeat_percent: int = 0,
    is_blind_first: bool = False,
) -> Project:
    """Change what raters are told and asked; labels keep the reasons they were given.

    Args:
        db: the open database.
        project_id: the project.
        guidelines: what raters are told, Markdown.
        reasons: words to tick beside a verdict; spaces around them, empty and repeated ones go.
        is_reason_required: ask for a reason beside every preference.
        raters_per_case: how many raters judge each case, each without seeing what others said.
        repeat_percent: the share of a rater's cases that are shown a second time, unannounced.
        is_blind_first: show the machine's order of answers only to who put them in order before.

    Raises:
        EntryError: a number is too small or too large, there are too many reasons, one is too long,
            or none can be chosen though one is required.
        NotFoundError: there is no such project.
    """
    if not 1 <= raters_per_case <= MAX_RATERS_PER_CASE:
        raise EntryError(f"Between 1 and {MAX_RATERS_PER_CASE} raters can judge a case.")
    if not 0 <= repeat_percent <= MAX_REPEAT_PERCENT:
        raise EntryError(f"Between 0 and {MAX_REPEAT_PERCENT} percent of cases can be repeated.")
    words = _distinct(reasons)
    if len(words) > MAX_REASONS:
        raise EntryError(f"A project has at most {MAX_REASONS} reasons; leave some out.")
    if any(len(word) > MAX_REASON_LENGTH for word in words):
        raise EntryError(f"A reason has at most {MAX_REASON_LENGTH} characters; shorten it.")
    if is_reason_required and not words:
        raise EntryError("Name at least one reason, or do not require one.")
    with db.transaction():
        get_project(db, project_id)
        db.execute(
            "UPDATE projects SET guidelines = ?, reasons = ?, is_reason_required = ?,"
            " raters_per_case = ?, repeat_percent = ?, is_blind_first = ? WHERE project_id = ?",
            [
                *(guidelines, words, is_reason_required),
                *(raters_per_case, repeat_percent, is_blind_first, project_id),
            ],
        )
        db.forget()
        return get_project(db, project_id)


def _distinct(words: Sequence[str]) -> list[str]:
    """Return the words in their order, each once in whatever case it is written."""
    kept: dict[str, str] = {}
    for word in words:
        trimmed = " ".join(word.split())
        if trimmed:
            kept.setdefault(trimmed.casefold(), trimmed)
    return list(kept.values())


def list_projects(db: Database) -> list[Project]:
    """Return all projects, the demo first, then the oldest first."""
    order = " ORDER BY project_id <> ?, seq"
    return db.records(Project, _PROJECT + order, [DEMO_PROJECT_ID])


def find_project(db: Database, name: str) -> Project | None:
    """Return the project of that name, None if there is none."""
    return db.one(Project, _PROJECT + " WHERE name = ?", [name.strip()])


def get_project(db: Database, project_id: str) -> Project:
    """Return a project.

    Raises:
        NotFoundError: there is none with that id.
    """
    project = db.kept(
        ("project", project_id),
        lambda: db.one(Project, _PROJECT + " WHERE project_id = ?", [project_id]),
    )
    if project is None:
        raise NotFoundError("This project is no longer there; choose another one.")
    return project


def upsert_prompt(
    db: Database,
    project_id: str,
    prompt: str,
    split: Split = "pool",
    gold_answer: str | None = None,
) -> Prompt:
    """Store a prompt, or add what is new about one that is there.

    A prompt keeps its split, but one of the pool may move to "train" or "held_out". A missing
    ``gold_answer`` is filled in, a present one kept.

    Raises:
        EntryError: the prompt is empty.
        NotFoundError: there is no such project.
    """
    if not prompt.strip():
        raise EntryError("The question is empty; write it first.")
    with db.transaction():
        get_project(db, project_id)
        key = prompt_id(project_id, prompt)
        db.execute(
            "INSERT INTO prompts (prompt_id, project_id, prompt, split, gold_answer, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (prompt_id) DO UPDATE SET"
            " split = if(split = 'pool', excluded.split, split),"
            " gold_answer = coalesce(gold_answer, excluded.gold_answer)",
            [key, project_id, prompt, split, gold_answer, utc_now()],
        )
        return get_prompt(db, key)


def list_prompts(db: Database, project_id: str) -> list[Prompt]:
    """Return a project's prompts in the order they came, held-out ones last."""
    order = " WHERE project_id = ? ORDER BY split = 'held_out', seq"
    return db.records(Prompt, _PROMPT + order, [project_id])


@dataclass(frozen=True, slots=True)
class FoundPrompts:
    """Some prompts of ``num_found`` that have what was looked for, of ``num_prompts`` in all."""

    prompts: tuple[Prompt, ...]
    num_found: int
    num_prompts: int


def find_prompts(db: Database, project_id: str, words: str, most: int) -> FoundPrompts:
    """Return the first prompts whose text has some words, in whatever case.

    They come as in ``list_prompts``; of more than ``most`` those come first to which answers were
    sampled, then those with a label.
    """
    where = {"project": project_id, "words": " ".join(words.split())}
    num_found = db.count(f"SELECT count(*) {_FOUND}", where)
    order = _BY_USE if num_found > most else _AS_LISTED
    found = db.records(Prompt, f"{_PROMPT_AS_FOUND} {order} LIMIT {most}", where)
    num_prompts = sum(count_prompts(db, project_id).values())
    return FoundPrompts(tuple(found), num_found, num_prompts)


def count_prompts(db: Database, project_id: str) -> dict[Split, int]:
    """Return how many prompts a project has in each split that has any."""
    counts = "SELECT split, count(*) FROM prompts WHERE project_id = ? GROUP BY split"
    rows: list[tuple[Any, ...]] = db.query(counts, [project_id])
    return dict(rows)


def get_prompt(db: Database, prompt_id: str) -> Prompt:
    """Return a prompt.

    Raises:
        NotFoundError: there is none with that id.
    """
    prompt = find_prompt(db, prompt_id)
    if prompt is None:
        raise NotFoundError("This question is no longer there; choose another one.")
    return prompt


def find_prompt(db: Database, prompt_id: str) -> Prompt | None:
    """Return a prompt, None where there is none with that id."""
    return db.one(Prompt, _PROMPT + " WHERE prompt_id = ?", [prompt_id])


def next_pool_prompt(db: Database, project_id: str) -> Prompt | None:
    """Return the oldest pool prompt or None; a pair moves its prompt from there to "train"."""
    condition = " WHERE project_id = ? AND split = 'pool' ORDER BY seq LIMIT 1"
    return db.one(Prompt, _PROMPT + condition, [project_id])
