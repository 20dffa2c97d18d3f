"""The studio's work without a browser: what the command line calls."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from app.demo_project import ensure_demo_project
from app.run_specs import new_run_spec, snapshot
from app.studio_base import DATABASE_FILE
from gem_backend import runner
from gem_backend.config import RunConfig, preset_config
from gem_backend.engine import Device
from gem_backend.errors import NO_SPACE, DataError, NoSpaceError, TrainingError
from gem_backend.model_folder import find_model
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.training_data import split_training_data
from gem_backend.types import Estimate, Preset, RunResult
from storage import exchange, export, projects, runs
from storage.database import Database
from storage.errors import ExportError, ImportFileError, NotFoundError
from storage.opening import open_database

Say = Callable[[str], None]
Json = dict[str, object]
Engine = Mapping[str, object]
"""What draws a run's answers, as settings of ``RunConfig``."""
HERE: Engine = {}
POLL_S = 0.2
COMMAND_LINE = "command line"  # who brought a file: whoever sat there had no login


def demo(data_dir: Path, seed: int, on_progress: Say, engine: Engine = HERE) -> Json:
    """Carry the whole loop on the embedded model: import, sample, score, rank, align, evaluate.

    Raises:
        TrainingError: the run failed; the sentence names its log.
        StorageError: the data folder is in use or cannot be opened.
    """
    started = time.monotonic()
    with open_database(data_dir / DATABASE_FILE) as db:
        project = ensure_demo_project(db)
        config = preset_config("quick", "demo", seed).model_copy(update=engine)
        spec = new_run_spec(config, project, *snapshot(db, project.project_id))
        run = RunDir.create(data_dir / "runs" / spec.run_id, spec)
        runs.register_run(db, spec, run.path)
        try:
            result = _carry(run, on_progress, resume=False)
        finally:
            runs.ingest(db, spec.run_id, run)
    return _result_json(result, time.monotonic() - started)


def align(file: Path, config: RunConfig, out: Path, *, resume: bool, on_progress: Say) -> Json:
    """Carry one run on a file of pairs, without the studio and its database.

    Args:
        file: JSONL or CSV with prompt, chosen, rejected.
        config: the run's settings; a resumed run keeps the ones it began with.
        out: the run's folder.
        resume: go on with the run in that folder, if there is one.
        on_progress: told in words what happens.

    Raises:
        DataError: the file's pairs do not suffice for a run.
        ImportFileError: nothing of the file can be read.
        ModelLoadError: there is no such model folder.
        RunDirError: the folder holds a run already, and it was not to be resumed.
        TrainingError: the run failed.
    """
    started = time.monotonic()
    run = RunDir(out)
    if not (resume and run.spec_file.exists()):
        run = RunDir.create(out, _spec_of_file(file, config, on_progress))
    result = run.result() or _carry(run, on_progress, resume=resume)
    return _result_json(result, time.monotonic() - started)


def prepare(file: Path, config: RunConfig, out: Path, on_progress: Say) -> Json:
    """Make the folder of a run on a file of pairs, for another machine to carry; see ``align``."""
    run = RunDir.create(out, _spec_of_file(file, config, on_progress))
    return {"run_id": run.spec().run_id, "run_dir": str(out.resolve())}


def run_config(
    preset: Preset,
    model: str,
    seed: int,
    device: Device,
    trust_remote_code: bool,
    engine: Engine = HERE,
) -> RunConfig:
    """Return a preset's settings for a model, which a local folder names by its full path."""
    source = find_model(model)
    name = str(source.resolve()) if model != "demo" and isinstance(source, Path) else model
    where = {"device": device, "trust_remote_code": trust_remote_code, **engine}
    return preset_config(preset, name, seed).model_copy(update=where)


def import_file(data_dir: Path, file: Path, project: str, mapping: Mapping[str, str]) -> Json:
    """Import a file, or a run's folder, into the project of that name, made if it is not there.

    ``mapping`` goes from the file's column names to ours.

    Raises:
        ImportFileError: nothing of the file can be used; nothing is stored.
        StorageError: the data folder is in use or cannot be opened.
    """
    with open_database(data_dir / DATABASE_FILE) as db, db.transaction():
        ensure_demo_project(db)
        found = projects.find_project(db, project) or projects.create_project(db, project)
        if RunDir(file).spec_file.is_file():
            return _import_run(db, file, found.project_id)
        report = exchange.import_file(db, found.project_id, file, mapping, imported_by=COMMAND_LINE)
        if report.skipped and not report.imported and not report.already_there:
            first = report.skipped[0]
            raise ImportFileError(
                f"None of the {report.num_skipped} rows could be imported; "
                f"line {first.line}: {first.reason}"
            )
    return {
        "imported": report.imported,
        "already_there": report.already_there,
        "skipped": [asdict(row) for row in report.skipped],
        "num_skipped": report.num_skipped,
    }


def _import_run(db: Database, path: Path, project_id: str) -> Json:
    """Take in a run that was carried elsewhere; its folder stays where it is."""
    before = {run.run_id for run in runs.list_runs(db, project_id)}
    run = runs.import_run_dir(db, path, project_id)
    if run.project_id != project_id:
        name = projects.get_project(db, run.project_id).name
        raise ImportFileError(f"This run is in the project '{name}' already; it stays there.")
    is_new = run.run_id not in before
    return {
        "imported": int(is_new),
        "already_there": int(not is_new),
        "skipped": [],
        "num_skipped": 0,
        "run_id": run.run_id,
        "state": run.status.state,
        "verdict": run.result.verdict if run.result else None,
    }


def export_file(
    data_dir: Path,
    project: str,
    file_format: export.ExportFormat | Literal["log"],
    out: Path,
    contents: export.Contents | None = None,
) -> Json:
    """Export what a project holds, or with "log" everything that was ever said.

    Args:
        data_dir: the studio's data folder.
        project: the project's name.
        file_format: "jsonl", "csv", "parquet", "hf" for a folder, or "log".
        out: the file or folder to write.
        contents: "trains", "labels" (where None is said) or "unjudged"; a log has contents of its
            own.

    Raises:
        ExportError: the file cannot be written, or contents were chosen for a log.
        NotFoundError: there is no such project.
        StorageError: the data folder is in use or cannot be opened.
    """
    if file_format == "log" and contents is not None:
        raise ExportError("The log always holds every event; leave out --what, or choose a format.")
    with open_database(data_dir / DATABASE_FILE) as db:
        ensure_demo_project(db)
        found = projects.find_project(db, project)
        if found is None:
            names = ", ".join(f"'{one.name}'" for one in projects.list_projects(db))
            raise NotFoundError(f"There is no project '{project}'; there are {names}.")
        if file_format == "log":
            count = export.export_label_log(db, found.project_id, out)
        else:
            count = export.export_pairs(
                db, found.project_id, out, file_format, contents or "labels"
            )
    return {"exported": count, "path": str(out.resolve())}


def _spec_of_file(file: Path, config: RunConfig, on_progress: Say) -> RunSpec:
    """Read a file of pairs through the same door as the studio, into a database in memory."""
    with Database(None) as db:
        project = projects.create_project(db, file.stem or "pairs")
        report = exchange.import_file(db, project.project_id, file)
        for row in report.skipped[:10]:
            on_progress(f"Line {row.line} left out: {row.reason}")
        if report.num_skipped > 10:
            on_progress(f"{report.num_skipped - 10} more lines were left out.")
        labels, pool = snapshot(db, project.project_id)
    if obstacle := split_training_data(labels, pool).obstacle:
        raise DataError(obstacle)
    return new_run_spec(config, project, labels, pool)


def _carry(run: RunDir, on_progress: Say, *, resume: bool) -> RunResult:
    """Start a worker, pass on what it says, and return the result; Ctrl-C stops the worker too.

    Raises:
        NoSpaceError: the disk is full; what was saved stays, and the run can be resumed.
        TrainingError: the run ended without a result.
    """
    runner.start_worker(run, resume=resume)
    said = ""
    try:
        while (status := runner.observe(run)).state in runner.ACTIVE:
            if status.message != said:
                said = status.message
                on_progress(said)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        runner.stop_worker(run)
        raise
    result = run.result()
    if status.message == NO_SPACE:
        raise NoSpaceError(f"{NO_SPACE} It is in {run.path}.")
    if status.state != "done" or result is None:
        raise TrainingError(f"{status.message} Its log is {run.log_file}.")
    return result


def _result_json(result: RunResult, wall_s: float) -> Json:
    """The JSON of ``demo`` and ``align``: figures before and after, each with n and interval."""
    before, after = result.before, result.after
    return {
        "run_id": result.run_id,
        "preference_accuracy": _change(before.preference_accuracy, after.preference_accuracy),
        "preference_accuracy_per_token": _change(
            before.preference_accuracy_per_token, after.preference_accuracy_per_token
        ),
        "final_answer_accuracy": _change(before.final_answer_accuracy, after.final_answer_accuracy),
        "preference_change": result.preference_change._asdict(),
        "verdict": result.verdict,
        "message": result.message,
        "warnings": list(result.warnings),
        "best_round": result.best_round,
        "wall_s": round(wall_s, 1),
        "adapter_dir": result.adapter_dir,
    }


def _change(before: Estimate | None, after: Estimate | None) -> Json | None:
    """A figure before and after with 95 % intervals; None where the data has no such figure."""
    if before is None or after is None:
        return None
    return {
        "before": before.value,
        "before_interval": [before.low, before.high],
        "after": after.value,
        "after_interval": [after.low, after.high],
        "n": after.n,
    }
