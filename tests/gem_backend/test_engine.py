"""The engine: a real child process with the embedded model."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.engine import Engine, EngineConfig
from gem_backend.engine_requests import BranchRequest, RereadRequest, SampleRequest, ScoreRequest
from gem_backend.errors import EngineError, ModelLoadError, Stopped
from gem_backend.sampling import score_completion
from gem_backend.types import Branch

PROMPT = "Age 70, has diabetes."


def request(count=2, adapter_dir=None, max_new_tokens=24):
    sampling = SamplingConfig(num_candidates=count, max_new_tokens=max_new_tokens, seed=3)
    return SampleRequest((PROMPT,), sampling, PromptConfig(), adapter_dir)


@pytest.fixture(scope="module")
def engine():
    engine = Engine(EngineConfig("demo", device="cpu"))
    yield engine
    engine.release()


@pytest.fixture
def other_engine():
    """An engine of the test's own, which no other test has started."""
    engine = Engine(EngineConfig("demo", device="cpu"))
    yield engine
    engine.release()


@pytest.fixture
def adapter_folder(demo_policy, tmp_path):
    """A LoRA adapter of the embedded model that changes what it says."""
    settings = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(demo_policy.model, settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    model.save_pretrained(str(tmp_path / "good"))
    return tmp_path / "good"


def damaged(adapter_folder, damage):
    folder = adapter_folder.parent / damage.replace(" ", "-")
    shutil.copytree(adapter_folder, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    names = list(weights)
    if damage == "two weights missing":
        del weights[names[0]], weights[names[-1]]
    else:
        weights[names[-1]] = weights[names[-1]][:, :2].contiguous()
    save_file(weights, folder / "adapter_model.safetensors")
    return str(folder)


def ids(engine, adapter_dir=None):
    return [c.token_ids for c in engine.sample(request(adapter_dir=adapter_dir))[0]]


def wait_until(is_true):
    deadline = time.monotonic() + 240
    while not is_true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def children():
    return [p.pid for p in multiprocessing.active_children() if p.name == "gem-engine"]


def test_samples_with_exact_statistics_and_repeats_them(engine):
    seen = []
    first = engine.sample(request(), lambda done, total, tokens=(): seen.append((done, total)))
    again = engine.sample(request())
    assert [len(group) for group in first] == [2]
    assert [c.token_ids for c in first[0]] == [c.token_ids for c in again[0]]
    assert all(len(c.token_entropy) == len(c.token_ids) for c in first[0])
    assert seen[-1] == (2, 2)


def score_request(*answers, adapter_dir=None):
    return ScoreRequest(tuple((PROMPT, one) for one in answers), PromptConfig(), adapter_dir)


def test_written_answers_are_scored_as_the_model_itself_scores_them(engine, demo_policy):
    seen = []
    answers = ("Two points.\nFinal Answer: 2", "One point.\nFinal Answer: 1")
    scored = engine.score(score_request(*answers), lambda *now: seen.append(now))
    assert [now[:2] for now in seen] == [(1, 2), (2, 2)]
    for (candidate, base_logprob), text in zip(scored, answers, strict=True):
        expected = score_completion(demo_policy, PROMPT, text, PromptConfig())
        assert candidate == expected
        assert base_logprob is None


def test_an_answer_that_cannot_be_scored_has_no_score_and_spoils_no_other(engine):
    scored = engine.score(score_request("", "ok", "long " * 3000))
    assert [one is None for one in scored] == [True, False, True]


def test_under_an_adapter_the_base_models_log_probabilities_come_too(engine, adapter_folder):
    request = score_request("Final Answer: 2", adapter_dir=str(adapter_folder))
    [(candidate, base_logprob)] = engine.score(request)
    [(base, nothing)] = engine.score(score_request("Final Answer: 2"))
    assert nothing is None
    assert base_logprob == base.token_logprob != candidate.token_logprob
    assert candidate.provenance.adapter == adapter_folder.parent.name


@pytest.mark.slow
def test_the_device_is_free_after_a_release_and_the_next_request_starts_anew(engine):
    engine.warm_up()
    before = engine.pid
    engine.release()
    assert engine.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert engine.sample(request(1))[0][0].text
    assert engine.pid not in (None, before)


@pytest.mark.slow
def test_a_killed_engine_is_one_sentence_and_the_next_request_works(engine):
    engine.warm_up()
    timer = threading.Timer(0.3, os.kill, (engine.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(EngineError, match="stopped"):
        for _ in range(1000):
            engine.sample(request(4, max_new_tokens=200))
    timer.join()
    assert engine.sample(request(1))[0][0].text


def test_ctrl_c_in_the_terminal_is_the_studios_to_heed(engine):
    engine.warm_up()
    pid = engine.pid
    os.kill(pid, signal.SIGINT)
    assert engine.sample(request(1))[0][0].text
    assert engine.pid == pid


def test_a_bad_adapter_is_refused_and_the_engine_lives_on(engine, tmp_path):
    pid = engine.pid
    with pytest.raises(ModelLoadError, match="no adapter"):
        engine.sample(request(adapter_dir=str(tmp_path)))
    assert engine.sample(request(1))[0][0].provenance.adapter is None
    assert engine.pid == pid


@pytest.mark.slow
@pytest.mark.parametrize("has_other", [False, True], ids=["first", "after another"])
def test_a_refused_adapter_leaves_no_trace(other_engine, adapter_folder, has_other):
    base = ids(other_engine)
    good = ids(other_engine, str(adapter_folder)) if has_other else None
    pid = other_engine.pid
    for damage in ("two weights missing", "one wrong shape"):
        folder = damaged(adapter_folder, damage)
        for _ in range(2):  # the second time, peft could take the name for one that it knows
            with pytest.raises(ModelLoadError, match="does not fit"):
                other_engine.sample(request(adapter_dir=folder))
            assert ids(other_engine) == base
    assert other_engine.pid == pid
    under = ids(other_engine, str(adapter_folder))
    assert under != base
    assert good in (None, under)
    assert ids(other_engine) == base


@pytest.mark.slow
def test_a_failure_in_the_callback_does_not_spoil_the_next_answer(engine):
    def fail(done, total, tokens=()):
        raise KeyError(done)

    expected = ids(engine)
    with pytest.raises(KeyError):
        engine.sample(request(4), fail)
    assert ids(engine) == expected


@pytest.mark.slow
def test_an_unexpected_error_ends_the_child_whose_model_may_be_half_changed(engine):
    engine.warm_up()
    before = engine.pid
    with pytest.raises(EngineError, match="unexpected"):
        engine.sample("no request")
    assert engine.pid is None
    assert ids(engine)
    assert engine.pid != before


@pytest.mark.slow
def test_held_for_a_run_it_refuses_until_it_is_let_go(engine):
    engine.warm_up()
    before = engine.pid
    engine.hold()
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    for ask in (engine.warm_up, lambda: engine.sample(request(1))):
        with pytest.raises(EngineError, match="A run has the model now") as caught:
            ask()
        assert caught.value.title == "Busy"
    assert engine.pid is None
    engine.let_go()
    assert engine.sample(request(1))[0][0].text


@pytest.mark.slow
def test_holding_refuses_the_request_under_way_and_those_that_wait(other_engine):
    other_engine.warm_up()
    before = children()
    is_under_way = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(other_engine.sample, request(64, max_new_tokens=400), on_progress)
            for on_progress in [lambda *_: is_under_way.set()] * 4
        ]
        assert is_under_way.wait(60)
        other_engine.hold()
        assert other_engine.pid is None
        refusals = [future.exception(60) for future in asked]
    assert {(type(error), error.title) for error in refusals} == {(EngineError, "Busy")}
    assert len(children()) == len(before) - 1


@pytest.mark.parametrize("end", ["hold", "release"])
def test_no_child_survives_an_end_during_its_start(other_engine, end):
    before = children()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(other_engine.warm_up) for _ in range(3)]
        wait_until(lambda: other_engine.pid)
        time.sleep(0.2)  # all three have asked; the model takes seconds to load
        getattr(other_engine, end)()
        assert children() == before
        assert all(isinstance(future.exception(60), EngineError) for future in asked)
    assert (children(), other_engine.pid) == (before, None)


def test_no_child_lives_while_held_however_many_ask(other_engine):
    before = children()
    is_over = threading.Event()

    def ask():
        while not is_over.is_set():
            try:
                other_engine.warm_up()
            except EngineError:
                time.sleep(0.001)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        for _ in range(5):
            wait_until(lambda: other_engine.pid)
            other_engine.hold()
            for _ in range(50):
                assert children() == before
                time.sleep(0.001)
            other_engine.let_go()
        other_engine.hold()
        is_over.set()
        assert [future.exception(60) for future in asked] == [None] * 4
    assert children() == before


def test_a_missing_model_is_one_sentence(tmp_path):
    engine = Engine(EngineConfig(str(tmp_path / "gone"), device="cpu"))
    with pytest.raises(ModelLoadError, match="no model folder"):
        engine.warm_up()
    engine.release()


def test_the_client_needs_no_torch(run_python):
    code = "import sys, gem_backend.engine, gem_backend.runner; print('torch' in sys.modules)"
    assert run_python("-c", code).stdout.strip() == "False"


def test_branches_from_a_token_and_reads_the_same_tokens_under_an_adapter(engine, adapter_folder):
    (parent, *_), *_ = engine.sample(request())
    point = Branch(parent.candidate_id, 4)
    asked = BranchRequest(PROMPT, parent.token_ids, point, request().sampling, PromptConfig())
    siblings = engine.branch(asked)
    assert [one.token_ids[:4] for one in siblings] == [parent.token_ids[:4]] * 2
    assert [one.branch for one in siblings] == [point] * 2
    (read,) = engine.reread(RereadRequest((parent,), PromptConfig(), str(adapter_folder)))
    assert read.token_ids == parent.token_ids
    assert read.token_entropy != pytest.approx(parent.token_entropy, abs=1e-3)


def test_work_that_is_stopped_leaves_the_engine_as_it_was(engine):
    seen = []

    def stop(done, total, tokens=()):
        seen.append((done, total, tokens))
        raise Stopped("Stopped.")

    pid = engine.pid
    with pytest.raises(Stopped):
        engine.sample(request(count=8, max_new_tokens=400), stop)
    assert len(seen) == 1
    assert seen[0][1] == 8
    assert len(seen[0][2]) == 8
    assert engine.pid == pid
    assert ids(engine) == ids(engine)
    assert engine.pid == pid
