"""When the supervisor says that a device is free."""

import dataclasses
import threading

import pytest

from app.demo_project import ensure_demo_project
from app.devices import Devices
from app.run_specs import new_run_spec, snapshot
from app.supervision import Supervisor
from gem_backend import runner
from gem_backend.config import RunConfig
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir
from storage import runs
from storage.projects import get_project


@pytest.fixture
def make_run(db, tmp_path):
    ensure_demo_project(db)

    def make():
        config = RunConfig(device="cuda")
        spec = new_run_spec(config, get_project(db, "demo"), *snapshot(db, "demo"))
        run = RunDir.create(tmp_path / spec.run_id, spec)
        runs.register_run(db, spec, run.path)
        return run

    return make


@pytest.mark.parametrize(("gpus", "is_free"), [(("a", "b"), True), (("a",), False)])
def test_a_run_that_waits_since_before_the_start_begins_beside_the_one_at_work(
    db, make_run, gpus, is_free
):
    """While the studio was closed another run gave its device back, and nobody saw it."""
    at_work, waiting = make_run(), make_run()
    at_work.write_status(dataclasses.replace(at_work.status(), device="a"))
    reporter = Reporter(at_work)  # this test is its worker
    runner.line_up(waiting)
    told = threading.Event()
    supervisor = Supervisor(db, Devices(gpus, "a"), told.set)
    supervisor.start()
    try:
        assert told.wait(30 if is_free else 2) is is_free
    finally:
        supervisor.close()
        reporter.end("stopped", "")
