"""Changing the past is impossible: whatever a page or a request asks for, the log only grows."""

import json

import httpx
import pytest

from app.studio import Studio
from gem_backend.ranking import rank_candidates
from storage.candidates import save_group
from storage.export import export_label_log
from storage.pairs import Judgement
from tests.app.fakes import make_candidate
from tests.app.serving import serving

SQL = (
    "'); DELETE FROM label_events; DELETE FROM reveals; UPDATE label_events SET verdict = 'b'; "
    "DROP TABLE pairs; --"
)
HOSTILE = (SQL, -1, [[SQL]], {"kind": "undo", "seq": 1, "path": "studio.duckdb"}, None)
ANSWER_MS = 4000  # a stream that goes on for ever is left after this


@pytest.fixture
def studio(tmp_path):
    """A project with every kind of event in its log, too few labels for a run."""
    with Studio(tmp_path / "data", device="cpu") as studio:
        project = studio.create_project("Past").project_id
        cases = [
            studio.enter_pair(project, f"Question {number}", "Wait.", "Operate now.")
            for number in range(6)
        ]
        for case, verdict in zip(cases, ("a", "tie", "both_bad", "b"), strict=False):
            studio.save_label(case, Judgement(verdict, rationale="as it was", reasons=("safety",)))
        studio.undo(project, cases[1].comparison.pair_id)
        studio.skip_case(cases[4])
        show_order(studio, project)
        yield studio


def show_order(studio, project_id):
    """Shows the machine's order of two answers to somebody who has judged them."""
    answers = ("Wait.\nFinal Answer: wait", "Do it.\nFinal Answer: operate")
    case = studio.enter_pair(project_id, "Question 7", *answers)
    studio.save_label(case, Judgement("a"))
    studio.update_project(
        project_id, guidelines="", reasons=(), is_reason_required=False, is_blind_first=True
    )
    group = [
        make_candidate(answer, place, f"c{place}", "Question 7")
        for place, answer in enumerate(answers)
    ]
    save_group(studio._db, case.comparison.prompt_id, group)
    assert studio.reveal(project_id, rank_candidates(group), False) is not None


@pytest.fixture
def project_id(studio):
    return next(one.project_id for one in studio.projects() if one.name == "Past")


@pytest.fixture
def app(studio):
    with serving(studio) as app:
        yield app


@pytest.fixture
def client(app):
    with httpx.Client(base_url=app.local_url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def unchanged(studio):
    """Whether all that was in the logs is there, as it was; new events may follow."""
    before, shown_before = log(studio), shown(studio)

    def unchanged():
        is_same = shown(studio)[: len(shown_before)] == shown_before
        return is_same and log(studio)[: len(before)] == before

    assert len(before) >= 6
    assert len(shown_before) == 1
    return unchanged


def log(studio):
    return [repr(row) for row in studio._db.query("SELECT * FROM label_events ORDER BY seq")]


def shown(studio):
    return studio._db.query("SELECT * FROM reveals ORDER BY seq")


def forged_log(studio, project_id, folder):
    """The project's own log with every event turned round, under the same ids."""
    export_label_log(studio._db, project_id, folder / "log.jsonl")
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
    for event in events:
        event |= {"rationale": "forged", "left": "b" if event["left"] == "a" else "a"}
        if event["verdict"] in ("a", "b"):
            event["verdict"] = "b" if event["verdict"] == "a" else "a"
    path = folder / "forged.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
    return path


def upload(client, path):
    with path.open("rb") as file:
        [stored] = client.post("/gradio_api/upload", files={"files": file}).json()
    return {"path": stored, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def plausible(component, project_id, pair_ids, file):
    """What the page itself would send for a component: the case at hand and one with a label."""
    props = component["props"]
    choice = {"case": pair_ids[0], "choice": "left", "strength": 3, "is_acceptable": True}
    said = {**choice, "reasons": ["safety"], "words": [], "elapsed_s": 1.0, "sent_ms": 1e15}
    kept = {"rater": "expert", "choice": said, "rationale": "forged", "written": "forged"}
    values = {
        "file": file,
        "textbox": "forged",
        "html": {**said, "kept": kept, "reopen": pair_ids[1], "lines": [], "order": pair_ids},
        "dropdown": project_id if props.get("elem_id") == "project" else props.get("value"),
    }
    return values.get(component["type"], props.get("value"))


def send(client, index, data, project_id):
    """Call an event as the browser does and wait for its end; True where it did what it does."""
    body = {"fn_index": index, "data": data, "session_hash": "one", "event_data": {"index": 0}}
    address = f"/gradio_api/queue/join?project={project_id}"  # as in the page's own address
    if client.post(address, json=body).status_code != 200:
        return False
    with client.stream("GET", "/gradio_api/queue/data?session_hash=one") as lines:
        for line in lines.iter_lines():
            if '"process_completed"' in line:
                return json.loads(line.removeprefix("data: "))["success"]
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_event_of_any_page_changes_what_was_said(
    studio, project_id, app, client, unchanged, tmp_path
):
    file = upload(client, forged_log(studio, project_id, tmp_path))
    labelled = studio.recent_labels(project_id)[-1].case
    pair_ids = [case.comparison.pair_id for case in (studio.next_turn(project_id).case, labelled)]
    known = {one["id"]: one for one in app.config["components"]}
    events = [event for event in app.config["dependencies"] if event["backend_fn"]]
    events.sort(key=lambda event: app.fns[event["id"]].fn.__name__ not in ("arrive", "show"))
    assert len(events) > 40
    handlers = {app.fns[event["id"]].fn.__name__ for event in events}
    assert handlers >= {"read_log", "read_newer", "read_older", "settle", "withdraw"}
    worked = set()
    for time in range(4):
        for event in events:
            data = [
                plausible(known[part], project_id, pair_ids, file)
                if time < 2
                else HOSTILE[(time + place) % len(HOSTILE)]
                for place, part in enumerate(event["inputs"])
            ]
            if send(client, event["id"], data, project_id):
                worked.add(event["id"])
            assert unchanged(), (app.fns[event["id"]].fn.__name__, data)
    assert len(worked) > len(events) / 2
    said = [row for row in log(studio) if "forged" in row]
    assert said  # what was sent did reach the log: as new events


def routes(router, found=()):
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        elif getattr(route, "path", None):
            yield route.path, sorted(getattr(route, "methods", None) or [])


@pytest.mark.slow
def test_no_address_of_the_server_changes_what_was_said(studio, app, client, unchanged):
    known = [*routes(app.app)]
    assert len(known) > 60
    body = {"data": [SQL], "fn_index": 7, "session_hash": "x", "prompt": SQL}
    for path, methods in known:
        for filled in ("label_events", str(studio._db.path)):
            for method in {*methods, "DELETE"}:
                ask(client, method, fill(path, filled), body)
        assert unchanged(), path


def fill(path, value):
    parts = path.split("{")
    return parts[0] + "".join(value + part.partition("}")[2] for part in parts[1:])


def ask(client, method, address, body):
    """Send one request and read the beginning of its answer; some answers never end."""
    try:
        with client.stream(method, address, json=body, timeout=ANSWER_MS / 1000) as answer:
            next(answer.iter_raw(), b"")
    except (httpx.TimeoutException, httpx.TransportError):
        return
