"""A project with very many labels: how long an import takes, and whether others wait for it.

Usage: python -m benchmarks.large_project [--rows 200000] [--raters 50]

Writes a file with that many labels (two on each pair, answers of 400 characters), imports it into a
new data folder while somebody saves a label every tenth of a second in another project, and then
asks for what each page asks for when it is opened. Prints one JSON object. Peak memory is that of
this process, of which the database may use 1 GB.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.actions.explore import ExploreActions
from app.desks.imports import ImportDesk
from app.main import build_app
from app.studio import Studio
from app.studio_base import DATABASE_FILE
from app.tasks import Tasks
from benchmarks.label_load import ANSWERS, LABELS_PER_CASE
from storage.database import Database
from storage.opening import open_database
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import create_project

PAUSE_S = 0.1  # between two labels of the one who labels meanwhile

Json = dict[str, object]


def main() -> None:
    """Write, import, open, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000, help="labels in the file")
    parser.add_argument("--raters", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.jsonl"
        write_labels(file, options.rows, options.raters)
        before_mb = _peak_mb()
        with open_database(Path(folder) / DATABASE_FILE) as db:
            project_id, imported = import_beside_a_rater(db, file)
        found: Json = {"rows": options.rows, "raters": options.raters, **imported}
        found["import_peak_mb"] = round(_peak_mb() - before_mb)
        print(json.dumps(found), file=sys.stderr)
        file.unlink()
        found |= open_pages(Path(folder), project_id)
    print(json.dumps(found | {"peak_mb": round(_peak_mb()), "cores": os.cpu_count()}))


def write_labels(file: Path, rows: int, raters: int) -> None:
    """Write labels of several raters, two on each pair; every seventh pair divides them."""
    with file.open("w", encoding="utf-8") as lines:
        for row in range(rows):
            number, place = divmod(row, LABELS_PER_CASE)
            better = place if number % 7 == 0 else number % 2
            line = {
                "prompt": f"Question {number}: is this treatment of use?",
                "chosen": ANSWERS[better],
                "rejected": ANSWERS[1 - better],
                "rater": f"rater {(number + place * (raters // 2)) % raters}",
            }
            lines.write(json.dumps(line) + "\n")


def import_beside_a_rater(db: Database, file: Path) -> tuple[str, Json]:
    """Import a file while somebody labels; return the project and what that took, in seconds."""
    project_id = create_project(db, "Large").project_id
    desk = ImportDesk(db, Tasks())
    with _rater_at_work(db) as saves_s:
        started = time.perf_counter()
        desk.start(project_id, file, {})
        storing_from = 0.0
        while (state := desk.state(project_id)).is_under_way:
            if state.stored_of and not storing_from:
                storing_from = time.perf_counter()
            time.sleep(0.05)
        ended = time.perf_counter()
    if state.report is None:
        raise SystemExit(f"the import failed: {state.error}")
    return project_id, {
        "imported": state.report.imported,
        "import_s": round(ended - started, 1),
        "of_it_storing_s": round(ended - storing_from, 1),
        "saves_meanwhile": len(saves_s),
        "save_longest_s": round(max(saves_s), 3),
        "save_p95_s": round(sorted(saves_s)[int(0.95 * len(saves_s))], 3),
    }


@contextmanager
def _rater_at_work(db: Database) -> Iterator[list[float]]:
    """Let somebody save labels all the time; yields how long each took."""
    project_id = create_project(db, "Small").project_id
    saves_s: list[float] = []
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(PAUSE_S):
            prompt = f"Question {len(saves_s)}"
            started = time.perf_counter()
            case = show_case(add_comparison(db, project_id, prompt, *ANSWERS), "ann")
            save_label(db, case, "ann", Judgement("a"))
            saves_s.append(time.perf_counter() - started)

    rater = threading.Thread(target=work)
    rater.start()
    try:
        yield saves_s
    finally:
        is_over.set()
        rater.join()


def open_pages(data_dir: Path, project_id: str) -> Json:
    """Do what each page does when it is opened; return the seconds."""
    with Studio(data_dir, device="cpu") as studio:
        build_app(studio)  # what is loaded once does not count
        explore = ExploreActions(studio)
        found = {
            "label": _seconds(lambda: studio.next_turn(project_id)),
            "explore": _seconds(lambda: explore.screen(project_id, None, None)),
            "explore list": _seconds(lambda: explore.prompt_list(project_id, "", None)),
            "plan": _seconds(lambda: studio.plan(project_id, studio.preset("quick"))),
            "agreement asked": _seconds(lambda: studio.agreement(project_id)),
            "agreement there": _seconds(lambda: _wait_for_figures(studio, project_id)),
            "disputes": _seconds(lambda: studio.disputes(project_id)),
        }
    return {"open_s": found}


def _wait_for_figures(studio: Studio, project_id: str) -> None:
    while studio.is_agreement_busy(project_id):
        time.sleep(0.05)


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    seconds = round(time.perf_counter() - started, 2)
    print(seconds, file=sys.stderr)
    return seconds


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
