"""vLLM for real, on the processor: what it draws, the adapter it sees, and how it ends."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import psutil
import pytest
import torch

from app.doctor import examine
from gem_backend import demo
from gem_backend.canary import LEAST_CHANGE, MOST_GAP, check_canary
from gem_backend.config import LoraSettings, PromptConfig, SamplingConfig
from gem_backend.errors import EngineError
from gem_backend.generation import Row
from gem_backend.policy import load_policy
from gem_backend.prompting import encode_prompt
from gem_backend.sampling import PolicySampler
from gem_backend.stopping import StopRequestedError
from gem_backend.token_engine import token_source
from gem_backend.trainer import with_adapter
from gem_backend.vllm_child import MOST_TOKENS_AT_ONCE, VllmSettings
from gem_backend.vllm_engine import VllmEngine
from gem_backend.vllm_server import VllmServers
from tests.gem_backend.test_run import wait_until

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

PROMPTS = tuple(
    json.loads(line)["prompt"] for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()[:6]
)
SETTINGS = SamplingConfig(num_candidates=4, max_new_tokens=96, seed=3)


@pytest.fixture
def policy():
    """The embedded model under a fresh adapter, which changes nothing yet."""
    return with_adapter(load_policy("demo", device="cpu"), LoraSettings(rank=8, alpha=16), 1)


def start(folder):
    return VllmEngine(VllmSettings(str(demo.MODEL_DIR), "cpu", "float32", 384, 8), folder)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = start(tmp_path_factory.mktemp("adapters"))
    yield engine
    engine.close()


def sampler(policy, engine):
    return PolicySampler(policy, source=token_source(engine, "vllm"))


def strengthen(policy, std):
    """Give the adapter weights that do something."""
    torch.manual_seed(int(100 * std))
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=std)


def prompt_ids(policy):
    return [encode_prompt(policy.tokenizer, prompt, PromptConfig()) for prompt in PROMPTS]


def test_the_doctor_says_that_it_can_be_used(tmp_path):
    [found] = [finding for finding in examine(tmp_path) if finding.topic == "vllm"]
    assert found.state == "ok"
    assert "draw answers on the processor" in found.text


@pytest.mark.parametrize("std", [0.0, 0.05], ids=["no adapter yet", "an adapter"])
def test_the_most_likely_answers_are_those_of_this_process(policy, engine, std):
    strengthen(policy, std)
    theirs = sampler(policy, engine).greedy(PROMPTS, 96)
    ours = PolicySampler(policy).greedy(PROMPTS, 96)
    for one, other in zip(theirs, ours, strict=True):
        assert (one.token_ids, one.is_finished) == (other.token_ids, other.is_finished)
        assert one.token_entropy == pytest.approx(other.token_entropy, abs=1e-4)
    assert any(one.is_finished for one in theirs)
    made = theirs[0].provenance
    assert (made.engine, made.temperature) == ("vllm", 0.0)
    assert engine.version in made.versions


def test_a_seed_draws_the_same_answers_again_and_another_one_others(policy, engine):
    def texts(**changes):
        settings = SETTINGS.model_copy(update=changes)
        groups = sampler(policy, engine).sample(PROMPTS, settings)
        return [[one.text for one in group] for group in groups]

    first = texts()
    assert [len(group) for group in first] == [4] * len(PROMPTS)
    assert any(len(set(group)) > 1 for group in first)
    assert texts() == first
    assert texts(seed=4) != first


def test_more_prompts_than_one_step_can_read(policy, engine):
    rows = [
        json.loads(line)["prompt"] for line in demo.PROJECT_FILE.read_text("utf-8").splitlines()
    ]
    settings = SETTINGS.model_copy(update={"max_new_tokens": 4, "temperature": 1.0})
    groups = sampler(policy, engine).sample(rows[:120], settings)
    lengths = [len(encode_prompt(policy.tokenizer, row, PromptConfig())) for row in rows[:120]]
    assert 4 * sum(lengths) > MOST_TOKENS_AT_ONCE
    assert [len(group) for group in groups] == [4] * 120


def test_changed_weights_get_a_new_number_and_the_same_ones_do_not(policy, engine):
    def adapter():
        return engine.adapters.hand_over(policy)

    strengthen(policy, 0.2)
    first = adapter()
    assert adapter() == first
    strengthen(policy, 0.3)
    assert adapter().number == first.number + 1
    assert not os.path.exists(first.folder)
    with policy.model.disable_adapter():
        assert adapter() is None
    theirs = sampler(policy, engine)
    tuned = [one.text for one in theirs.greedy(PROMPTS, 24)]
    assert tuned == [one.text for one in PolicySampler(policy).greedy(PROMPTS, 24)]
    with policy.model.disable_adapter():
        assert [one.text for one in theirs.greedy(PROMPTS, 24)] != tuned


def test_the_canary_sees_the_adapter_and_leaves_it_as_it_was(policy, engine, monkeypatch):
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    figures = check_canary(policy, engine, prompt_ids(policy))
    assert figures.gap < MOST_GAP[torch.float32] < LEAST_CHANGE < figures.change
    assert figures.n > 50
    after = policy.model.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    monkeypatch.setattr(engine.adapters, "hand_over", lambda policy: None)  # dropped on the way
    with pytest.raises(EngineError, match="does not apply the adapter"):
        check_canary(policy, engine, prompt_ids(policy))


def test_who_stops_gets_a_ready_engine_back(policy, engine):
    def stop(done, total):
        raise StopRequestedError

    many = SETTINGS.model_copy(update={"num_candidates": 16})
    with pytest.raises(StopRequestedError):
        sampler(policy, engine).sample(PROMPTS, many, stop)
    assert len(sampler(policy, engine).greedy(PROMPTS, 8)) == len(PROMPTS)


def test_a_killed_engine_is_said_and_what_cannot_be_loaded_too(policy, tmp_path):
    engine = start(tmp_path / "adapters")
    many = SETTINGS.model_copy(update={"num_candidates": 64})
    timer = threading.Timer(0.3, os.kill, (engine.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(EngineError, match="ended before it answered"):
        sampler(policy, engine).sample(PROMPTS * 4, many)
    timer.join()
    engine.close()
    with pytest.raises(EngineError, match="cannot load the model"):
        VllmEngine(VllmSettings(str(tmp_path), "cpu", "float32", 64, 8), tmp_path / "more")


def hold(folder, pipe):
    """In a process of its own: start an engine, say its number, wait."""
    pipe.send(start(folder).pid)
    time.sleep(600)


def test_it_ends_with_a_parent_that_was_killed(tmp_path):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    parent = context.Process(target=hold, args=(tmp_path, theirs))
    parent.start()
    child = psutil.Process(ours.recv())
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the engine outlives its parent"
        time.sleep(0.1)


# --- servers ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a real server, started as README.md says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--model", demo.MODEL_DIR, "--dtype", "float32", "--max-model-len", 384]
    words += ["--enable-lora", "--max-lora-rank", 8, "--enforce-eager", "--port", port]
    words += ["--host", "127.0.0.1", "--no-enable-chunked-prefill", "--generation-config", "vllm"]
    words += ["--max-num-batched-tokens", MOST_TOKENS_AT_ONCE, "--disable-uvicorn-access-log"]
    environment = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environment |= {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1"}
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *map(str, words)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: server.poll() is not None or _is_up(address), timeout_s=240)
        assert server.poll() is None, log.read_text()
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _is_up(address):
    try:
        return httpx.get(f"{address}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_a_server_draws_what_this_process_draws_and_gives_the_adapter_back(policy, url, tmp_path):
    servers = VllmServers([url, f"{url}/"], tmp_path / "adapters", "run-1")
    figures = check_canary(policy, servers, prompt_ids(policy))
    assert figures.gap < MOST_GAP[torch.float32]
    for std in (0.05, 0.2):
        strengthen(policy, std)
        theirs = sampler(policy, servers).greedy(PROMPTS, 96)
        ours = PolicySampler(policy).greedy(PROMPTS, 96)
        assert [one.token_ids for one in theirs] == [one.token_ids for one in ours]
    draw = sampler(policy, servers).sample
    first, again = (
        [[one.text for one in group] for group in draw(PROMPTS, SETTINGS)] for _ in "ab"
    )
    assert first == again
    assert any(len(set(group)) > 1 for group in first)
    served = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
    assert sum("run-1" in one["id"] for one in served) == 1
    after_a_kill = VllmServers([url], tmp_path / "more", "run-1")  # the same run, taken up again
    assert len(sampler(policy, after_a_kill).greedy(PROMPTS, 8)) == len(PROMPTS)
    after_a_kill.close()
    servers.close()
    served = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
    assert not any("run-1" in one["id"] for one in served)
    assert not (tmp_path / "adapters").exists()


def test_a_server_that_is_not_there_or_refuses_is_said(url, policy, tmp_path):
    with pytest.raises(EngineError, match="does not answer"):
        VllmServers(["http://127.0.0.1:9"], tmp_path, "run-2")
    servers = VllmServers([url], tmp_path / "adapters", "run-2")
    too_long = Row("", tuple(prompt_ids(policy)[0]) * 30, 8, 0)
    with pytest.raises(EngineError, match="refuses"):
        servers.draw(policy, [too_long], None)
    servers.close()
