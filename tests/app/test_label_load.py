"""A few raters at once over real HTTP, and what the benchmark of many says of it."""

import json

import pytest

from benchmarks.label_load import faults

GOOD = {"saves": 9, "lost": 0, "doubled": 0, "refused": 0, "save_ms": {"p95": 140.0}}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_raters_at_once_lose_and_double_no_label(run_python):
    options = {"raters": 4, "labels": 400, "pace": 0.5, "seconds": 8}
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    done = run_python("-m", "benchmarks.label_load", *given, "--data-page", timeout_s=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["saves"] > 4
    assert (found["lost"], found["doubled"], found["not_acknowledged"]) == (0, 0, 0)
    assert found["cases_with_too_many_raters"] == 0
    assert found["data_page_ms"]


def test_what_went_well_is_no_fault():
    assert faults(GOOD) == faults(GOOD, 150.0) == []


@pytest.mark.parametrize("name", ["lost", "doubled", "refused"])
def test_labels_that_went_wrong_are_faults(name):
    assert len(faults(GOOD | {name: 1})) == 1


def test_saves_that_take_too_long_are_a_fault_where_a_limit_is_given():
    assert faults(GOOD, 139.0) == ["5 % of the saves took over 140 ms; 139 ms are allowed"]
    assert faults(GOOD | {"saves": 0, "save_ms": {}}, 139.0) == ["nothing was saved"]
