"""The run directory: what is written is whole, numbered without gaps, and read back equal."""

from dataclasses import replace

import pytest

from gem_backend.config import RunConfig
from gem_backend.errors import RunDirError
from gem_backend.run_dir import EventLog, PoolPrompt, RunDir, RunSpec, labels_hash
from gem_backend.types import Estimate, Evaluation, PreferencePair, RunResult, RunStatus

PAIR = PreferencePair("Age 80?\u202e", "1, treat", "`${alert(1)}`", rationale="\\frac{a}{b}\n\\u12")


@pytest.fixture
def run(tmp_path):
    spec = RunSpec("r1", RunConfig(seed=7), (PAIR,), pool=(PoolPrompt("p", "2"),))
    return RunDir.create(tmp_path / "r1", spec)


def test_spec_reads_back_equal(run):
    spec = run.spec()
    assert spec.pairs == (PAIR,)
    assert spec.config == RunConfig(seed=7)
    assert spec.pool == (PoolPrompt("p", "2"),)


def test_a_folder_takes_one_run_only(run):
    with pytest.raises(RunDirError, match="already holds a run"):
        RunDir.create(run.path, run.spec())


def test_a_missing_or_damaged_spec_is_one_sentence(run, tmp_path):
    with pytest.raises(RunDirError, match="holds no run"):
        RunDir(tmp_path / "nowhere").spec()
    run.spec_file.write_text('{"run_id": 3')
    with pytest.raises(RunDirError, match="damaged"):
        run.spec()


def test_status_and_result_read_back_equal(run):
    status = RunStatus("running", pid=3, heartbeat=1.5, step=4, total_steps=9, message="Runde 1")
    run.write_status(status)
    assert run.status() == status
    figure = Estimate(0.5, 0.4, 0.6, 128)
    evaluation = Evaluation(figure, figure, None)
    result = RunResult("r1", "better", evaluation, evaluation, figure, None, 1, 2.5)
    run.write_result(result)
    assert run.result() == result
    run.write_result(replace(result, adapter_dir="/on/a/cluster/adapter"))
    assert run.result() == replace(result, adapter_dir=str(run.adapter_dir))
    assert not list(run.path.glob(".*.tmp"))


def test_events_number_from_one_and_go_on_after_a_torn_line(run):
    log = EventLog(run)
    log.append("started", 0, num_pairs=1)
    log.append("sft_step", 1, loss=0.5)
    log.close()
    with run.events_file.open("ab") as file:
        file.write(b'{"seq": 3, "time": 1.0, "kind": "sft')  # what kill -9 may leave behind
    assert [event.seq for event in run.events()] == [1, 2]
    log = EventLog(run)
    log.append("resumed", 1)
    log.close()
    assert [(event.seq, event.kind) for event in run.events(after_seq=1)] == [
        (2, "sft_step"),
        (3, "resumed"),
    ]


def test_label_hash_changes_with_a_label():
    other = PreferencePair(PAIR.prompt, PAIR.rejected, PAIR.chosen)
    assert labels_hash((PAIR,)) == labels_hash((PAIR,))
    assert labels_hash((PAIR,)) != labels_hash((other,))


def test_pairs_alone_keep_their_hash_and_an_order_has_another():
    """Else runs that began before there were orders could not be resumed."""
    pair = PreferencePair("Q", "yes", "no")
    kept = "d04ab6bdc88362040a42d3f022313c1553aebc2af17d83317c774af74e6849f5"
    assert labels_hash((pair,)) == kept
    assert labels_hash((replace(pair, order_id="o"),)) != kept
