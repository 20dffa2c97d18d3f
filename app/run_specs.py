"""What a run is made of, before it starts: settings, a snapshot of the labels, versions."""

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gem_backend.config import RunConfig
from gem_backend.run_dir import PoolPrompt, RunSpec, labels_hash
from gem_backend.types import PreferencePair, Project
from storage import pairs, projects
from storage.database import Database

_VERSIONED = ("torch", "transformers", "peft", "accelerate")
_SOURCE_ROOT = Path(__file__).resolve().parent.parent


def snapshot(
    db: Database, project_id: str
) -> tuple[tuple[PreferencePair, ...], tuple[PoolPrompt, ...]]:
    """Return a project's labels as they are now, and the prompts a run may sample from."""
    pool = tuple(
        PoolPrompt(prompt.prompt, prompt.gold_answer)
        for prompt in projects.list_prompts(db, project_id)
        if prompt.split != "held_out"
    )
    return tuple(pairs.training_pairs(db, project_id)), pool


def new_run_spec(
    config: RunConfig,
    project: Project,
    labels: Sequence[PreferencePair],
    pool: Sequence[PoolPrompt],
) -> RunSpec:
    """Freeze settings and labels under a new id that sorts by time."""
    now = datetime.now(UTC)
    prompt = config.prompt.model_copy(update={"answer_marker": project.answer_marker})
    return RunSpec(
        run_id=f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}",
        config=config.model_copy(update={"prompt": prompt}),
        pairs=tuple(labels),
        pool=tuple(pool),
        project_id=project.project_id,
        created_at=now.isoformat(timespec="seconds"),
        labels_hash=labels_hash(tuple(labels)),
        commit=_commit(),
        versions={name: version(name) for name in _VERSIONED},
    )


def _commit() -> str:
    """The commit of the program's own source, empty where it is no checkout."""
    if not (_SOURCE_ROOT / ".git").exists() or shutil.which("git") is None:
        return ""
    answer = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=_SOURCE_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return answer.stdout.strip()
