"""The engine: a real child process with the embedded model."""

import os
import signal
import threading

import pytest

from gem_backend.config import PromptConfig, SamplingConfig
from gem_backend.engine import Engine, EngineConfig, SampleRequest
from gem_backend.errors import EngineError, ModelLoadError

PROMPT = "Age 70, has diabetes."


def request(count=2, adapter_dir=None, max_new_tokens=24):
    sampling = SamplingConfig(num_candidates=count, max_new_tokens=max_new_tokens, seed=3)
    return SampleRequest((PROMPT,), sampling, PromptConfig(), adapter_dir)


@pytest.fixture(scope="module")
def engine():
    engine = Engine(EngineConfig("demo", device="cpu"))
    yield engine
    engine.release()


def test_samples_with_exact_statistics_and_repeats_them(engine):
    seen = []
    first = engine.sample(request(), lambda done, total: seen.append((done, total)))
    again = engine.sample(request())
    assert [len(group) for group in first] == [2]
    assert [c.token_ids for c in first[0]] == [c.token_ids for c in again[0]]
    assert all(len(c.token_entropy) == len(c.token_ids) for c in first[0])
    assert seen[-1] == (2, 2)


def test_the_device_is_free_after_a_release_and_the_next_request_starts_anew(engine):
    engine.warm_up()
    before = engine.pid
    engine.release()
    assert engine.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert engine.sample(request(1))[0][0].text
    assert engine.pid not in (None, before)


def test_a_killed_engine_is_one_sentence_and_the_next_request_works(engine):
    engine.warm_up()
    timer = threading.Timer(0.3, os.kill, (engine.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(EngineError, match="stopped"):
        for _ in range(1000):
            engine.sample(request(4, max_new_tokens=200))
    timer.join()
    assert engine.sample(request(1))[0][0].text


def test_a_bad_adapter_is_refused_and_the_engine_lives_on(engine, tmp_path):
    pid = engine.pid
    with pytest.raises(ModelLoadError, match="no adapter"):
        engine.sample(request(adapter_dir=str(tmp_path)))
    assert engine.sample(request(1))[0][0].provenance.adapter is None
    assert engine.pid == pid


def test_a_missing_model_is_one_sentence(tmp_path):
    engine = Engine(EngineConfig(str(tmp_path / "gone"), device="cpu"))
    with pytest.raises(ModelLoadError, match="no model folder"):
        engine.warm_up()
    engine.release()


def test_the_client_needs_no_torch(run_python):
    code = "import sys, gem_backend.engine, gem_backend.runner; print('torch' in sys.modules)"
    assert run_python("-c", code).stdout.strip() == "False"
