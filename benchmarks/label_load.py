"""Many raters labelling at once, over real HTTP: is a label lost or doubled, how long is a save?

Usage: python -m benchmarks.label_load [--raters 50] [--labels 100000] [--pace 5] [--seconds 60]
       [--data-page] [--require-p95-ms 150]

Fills a data folder with stored labels, starts the studio on it as a process of its own, and lets
each rater log in and do what the page does: poll, judge the case on screen, save. A
save takes from the request to the answer with the next case. With ``--data-page`` an admin opens
Data again and again meanwhile. In the end the log is compared with what was acknowledged. Prints
one JSON object; exits with 1 where a label was lost, doubled or refused, or a save took too long.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from app.studio_base import DATABASE_FILE
from benchmarks.page_client import Client
from storage.database import Database
from storage.identity import new_id, pair_id, prompt_id, utc_now
from storage.projects import create_project, update_project
from storage.raters import invite, set_password
from storage.standing import stand_project

PROJECT = "load"
OWNER = "owner"  # the admin
DATA_PAUSE_S = 2.0  # between two looks at Data
RATERS_PER_CASE = 3
LABELS_PER_CASE = 2  # stored: each case still needs one more
ANSWERS = ("Yes, in most cases. " * 20, "No, only in some cases. " * 20)  # ours: 400 characters
_PART = 10_000  # rows

Json = dict[str, object]


def main() -> None:
    """Fill, serve, label, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--labels", type=int, default=100_000, help="stored before the start")
    parser.add_argument("--pace", type=float, default=5.0, help="seconds between a rater's saves")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they label")
    parser.add_argument("--data-page", action="store_true", help="an admin opens Data meanwhile")
    parser.add_argument("--require-p95-ms", type=float, help="the most that 95 % of saves may take")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        passwords = fill(data_dir, options.raters, options.labels)
        with studio_on(data_dir) as url:
            owner = passwords.pop(OWNER)
            admin = owner if options.data_page else None
            clients, opened_s = asyncio.run(
                label(url, passwords, options.pace, options.seconds, admin)
            )
        found = compare(data_dir, clients, options.labels)
    if opened_s:
        found["data_page_ms"] = quantiles(opened_s)
    setting = {"raters": options.raters, "stored_labels": options.labels, "pace_s": options.pace}
    print(json.dumps(setting | found | {"cores": os.cpu_count()}))
    if wrong := faults(found, options.require_p95_ms):
        sys.exit("\n".join(wrong))


# --- the data folder and the studio on it -----------------------------------------------------


def fill(data_dir: Path, num_raters: int, num_labels: int) -> dict[str, str]:
    """Store a project with that many labels and raters; return their and the admin's passwords."""
    names = [f"rater {number}" for number in range(num_raters)]
    with Database(data_dir / DATABASE_FILE) as db, db.transaction():
        create_project(db, "Load", project_id=PROJECT)
        update_project(
            db,
            PROJECT,
            guidelines="",
            reasons=("accuracy", "safety"),
            is_reason_required=False,
            raters_per_case=RATERS_PER_CASE,
        )
        passwords = {name: f"{name}'s own password" for name in (OWNER, *names)}
        for name, password in passwords.items():
            invited = invite(db, name, "admin" if name == OWNER else "rater")
            set_password(db, name, invited[1], password)
        for start in range(0, num_labels // LABELS_PER_CASE, _PART):
            stop = min(start + _PART, num_labels // LABELS_PER_CASE)
            _fill_part(db, range(start, stop), names)
        stand_project(db, PROJECT)
    return passwords


def _fill_part(db: Database, numbers: range, names: list[str]) -> None:
    prompts = [f"Question {number}: is this treatment of use?" for number in numbers]
    prompt_ids = [prompt_id(PROJECT, prompt) for prompt in prompts]
    pair_ids = [pair_id(key, *ANSWERS) for key in prompt_ids]
    owner = {"project_id": [PROJECT] * len(numbers), "created_at": [utc_now()] * len(numbers)}
    asked = {"prompt_id": prompt_ids, "prompt": prompts, "split": ["train"] * len(numbers)}
    db.insert("prompts", pa.table(asked | owner))
    texts = {"answer_a": [ANSWERS[0]] * len(numbers), "answer_b": [ANSWERS[1]] * len(numbers)}
    keys = {"pair_id": pair_ids, "prompt_id": prompt_ids, "source": ["imported"] * len(numbers)}
    db.insert("pairs", pa.table(keys | texts | owner))
    labels = [
        {
            "event_id": new_id(),
            "pair_id": key,
            "rater": names[(number + place * (len(names) // 2)) % len(names)],
            "kind": "label",
            "verdict": "ab"[place],
            "left": "a",
            "elapsed_s": 20.0,
            "created_at": utc_now(),
            "monotonic_s": time.monotonic(),
        }
        for number, key in zip(numbers, pair_ids, strict=True)
        for place in range(LABELS_PER_CASE)
    ]
    db.insert("label_events", pa.Table.from_pylist(labels))


@contextmanager
def studio_on(data_dir: Path) -> Iterator[str]:
    """Serve the folder in a process of its own; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "studio", "--data-dir", str(data_dir)]
    options = ["--port", str(port), "--no-browser"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as studio:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_open(url, studio)
            yield url
        finally:
            studio.terminate()


def _wait_until_open(url: str, studio: "subprocess.Popen[bytes]") -> None:
    while studio.poll() is None:
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError("the studio ended before it opened")


# --- raters -----------------------------------------------------------------------------------


async def label(
    url: str, passwords: dict[str, str], pace_s: float, seconds: float, admin: str | None = None
) -> tuple[list[Client], list[float]]:
    """Let all raters label at the same time.

    Args:
        url: the studio's address.
        passwords: each rater's.
        pace_s: seconds between a rater's saves.
        seconds: how long they label.
        admin: the password of an admin who opens Data again and again meanwhile; None for nobody.

    Returns:
        The raters' pages, and the seconds that each opening of Data took.
    """
    clients = [await _client(url, rater, password) for rater, password in passwords.items()]
    owner = await _client(url, OWNER, admin) if admin else None
    opened_s: list[float] = []
    until = time.monotonic() + seconds
    work = [_work(client, pace_s, until) for client in clients]
    looks = [_look(owner, until, opened_s)] if owner else []
    await asyncio.gather(*work, *looks)
    for client in (*clients, *([owner] if owner else [])):
        await client.http.aclose()
    return clients, opened_s


async def _client(url: str, rater: str, password: str) -> Client:
    http = httpx.AsyncClient(base_url=url, timeout=60.0, follow_redirects=True)
    client = Client(http, rater, PROJECT)
    await client.open(password)
    return client


async def _look(owner: Client, until: float, opened_s: list[float]) -> None:
    while time.monotonic() < until:
        started = time.perf_counter()
        await owner.open_tab("data")
        opened_s.append(time.perf_counter() - started)
        await asyncio.sleep(DATA_PAUSE_S)


async def _work(client: Client, pace_s: float, until: float) -> None:
    due = time.monotonic() + random.uniform(0, pace_s)
    await asyncio.sleep(random.uniform(0, pace_s))  # pages are not opened in the same second
    while time.monotonic() < until:
        tick = time.monotonic() + client.pace_s
        if time.monotonic() >= due:
            due += pace_s
            await client.save()
        await client.poll()
        await asyncio.sleep(max(0.0, min(tick, due) - time.monotonic()))


# --- what came of it --------------------------------------------------------------------------


def compare(data_dir: Path, clients: list[Client], stored: int) -> Json:
    """Compare the log with what was acknowledged."""
    with Database(data_dir / DATABASE_FILE) as db:
        log = (
            "SELECT label_events.rater, pair_id FROM label_events JOIN pairs USING (pair_id)"
            " WHERE project_id = ? AND kind = 'label' ORDER BY label_events.seq OFFSET ?"
        )
        logged = Counter(db.query(log, [PROJECT, stored]))
        crowded = db.count(f"SELECT count(*) FROM queue WHERE num_labels > {RATERS_PER_CASE}")  # noqa: S608
    saved = Counter((client.rater, case) for client in clients for case in client.saved)
    saves = [seconds for client in clients for seconds in client.saves_s]
    polls = [seconds for client in clients for seconds in client.polls_s]
    return {
        "saves": len(saves),
        "lost": (saved - logged).total(),
        "doubled": sum(count - 1 for count in logged.values()),
        "not_acknowledged": (logged - saved).total(),
        "refused": sum(client.refused for client in clients),
        "cases_with_too_many_raters": crowded,
        "save_ms": quantiles(saves),
        "poll_ms": quantiles(polls),
    }


def faults(found: Json, most_p95_ms: float | None = None) -> list[str]:
    """Return in words what may not be, each fault of its own.

    Args:
        found: what ``compare`` returns.
        most_p95_ms: what 95 % of the saves may take; None for any time.
    """
    wrong = [
        f"{found[name]} labels: {words}"
        for name, words in (
            ("lost", "acknowledged, and not in the log"),
            ("doubled", "in the log twice"),
            ("refused", "refused"),
        )
        if found[name]
    ]
    if not found["saves"]:
        wrong.append("nothing was saved")
    p95 = dict(found["save_ms"]).get("p95", 0.0)  # type: ignore[call-overload]
    if most_p95_ms is not None and p95 > most_p95_ms:
        wrong.append(f"5 % of the saves took over {p95:.0f} ms; {most_p95_ms:.0f} ms are allowed")
    return wrong


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Return the median, the 95th percentile and the longest, in milliseconds."""
    if not seconds:
        return {}
    p50, p95, most = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.95, 1.0))
    return {"p50": round(p50, 1), "p95": round(p95, 1), "max": round(most, 1)}


if __name__ == "__main__":
    main()
