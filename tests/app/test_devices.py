"""Which devices there are, which run gets which, and how long the others wait."""

import socket
import subprocess

import pytest

from app import devices
from app.devices import CPU, Devices, Line, list_gpus
from gem_backend.types import RunStatus

SAID = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.40gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
GPU 1: NVIDIA A100 (odd) (UUID: GPU-0aa2a1a4-0b5e-4d2c-8f6f-0a3f3a3f3a3f)
Unable to determine the device handle for gpu 0000:88:00.0
"""


@pytest.fixture
def driver(monkeypatch):
    """A machine whose driver says what a test puts here."""
    said = {"stdout": SAID}

    def run(command, **_):
        assert command == ["/bin/nvidia-smi", "-L"]
        if isinstance(said["stdout"], Exception):
            raise said["stdout"]
        return subprocess.CompletedProcess(command, 0, said["stdout"], "")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(devices.subprocess, "run", run)
    return said


def test_gpus_are_those_that_the_driver_names(driver):
    assert list_gpus() == (
        "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77",
        "GPU-0aa2a1a4-0b5e-4d2c-8f6f-0a3f3a3f3a3f",
    )


@pytest.mark.parametrize(
    ("chosen", "gpus"), [("2, 3", ("2", "3")), ("", ()), ("-1", ()), ("GPU-5d", ("GPU-5d",))]
)
def test_what_the_user_made_visible_is_all_there_is(driver, monkeypatch, chosen, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert list_gpus() == gpus


@pytest.mark.parametrize(
    "answer", ["", "No devices found.", OSError("gone"), subprocess.TimeoutExpired("x", 20)]
)
def test_a_driver_that_cannot_say_leaves_one_gpu_without_a_name(driver, answer):
    driver["stdout"] = answer
    found = Devices.find("auto")
    assert found == Devices((), "")
    assert found.for_run("cuda") == ("",)
    assert found.for_run("cpu") == (CPU,)


def test_a_machine_without_gpu_has_its_processor(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    found = Devices.find("auto")
    assert found == Devices((), CPU)
    assert found.for_run("auto") == (CPU,)


def test_explore_has_the_first_gpu_and_gives_it_up_last(driver):
    found = Devices.find("auto")
    assert found.of_engine == found.gpus[0]
    assert found.for_run("auto") == found.gpus[::-1]
    assert Devices.find("cpu").of_engine == CPU
    assert Devices.find("cpu").for_run("cuda") == found.gpus


def line(*at_work, waiting=()):
    """A line on a machine with GPUs a and b, Explore on a; runs wait in this order."""
    here = socket.gethostname()
    active = {f"w{place}": RunStatus("running", device=device, host=here)
              for place, device in enumerate(at_work)}  # fmt: skip
    for place, wanted in enumerate(waiting):
        active[f"q{place}"] = RunStatus("queued", device=wanted, queued_at=float(place + 1))
    return Line.of(Devices(("a", "b"), "a"), active)


def test_a_run_gets_a_free_device_of_its_kind(driver):
    assert line().free_for("cuda") == "b"
    assert line("b").free_for("cuda") == "a"
    assert line("a", "b").free_for("cuda") is None
    assert line("a", "b").free_for("cpu") == CPU
    assert line("cpu").free_for("cpu") is None
    assert line("b", "cpu").is_engine_free
    assert not line("a").is_engine_free
    assert not line("").is_engine_free  # begun before devices had names


def test_the_line_is_counted_for_each_kind_of_device(driver):
    """Three wait for a GPU and one for the processor; two GPUs are taken, the processor is not."""
    found = line("a", "b", waiting=("cuda", "cpu", "auto", ""))
    assert list(found.waiting) == ["q0", "q1", "q2", "q3"]
    ahead = [found.num_ahead(wanted or "auto", run) for run, wanted in
             zip(found.waiting, ("cuda", "cpu", "auto", ""), strict=True)]  # fmt: skip
    assert ahead == [1, 0, 2, 3]
    assert (found.num_ahead("cuda"), found.num_ahead("cpu")) == (4, 1)
    assert line("a").num_ahead("cuda") == 0
    assert line("a", waiting=("cuda",)).num_ahead("cuda") == 1
