"""Job files: Slurm's carries a run, under a stand-in for its commands; SkyPilot's has its form."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest
import yaml

from app import cli
from gem_backend.cluster import STUDIO, JobSize, write_job
from gem_backend.errors import ConfigError, RunDirError
from gem_backend.run_dir import RunDir
from gem_backend.types import RunStatus
from storage.runs import import_run_dir, run_events
from tests.gem_backend.test_run import TINY, make_run, wait_until

# Fields of a task in SkyPilot's documentation, with what each holds; those that we write.
TASK_FIELDS = {
    "name": str, "resources": dict, "workdir": str, "file_mounts": dict, "setup": str, "run": str,
}  # fmt: skip
RESOURCE_FIELDS = {"accelerators": str, "cpus": str}

COMMANDS = {
    "srun": '#!/bin/sh\nshift\nexec "$@"\n',  # its only option is --kill-on-bad-exit
    "scontrol": '#!/bin/sh\n[ "$1 $2" = "show hostnames" ] && echo "$3"\n',
}


@pytest.fixture
def slurm(tmp_path):
    """The environment of a job on one node."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "localhost"}
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return os.environ | job | {"SLURM_JOB_NUM_NODES": "1", "PATH": path, "OMP_NUM_THREADS": "1"}


def directives(job):
    return dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", job.read_text(), re.MULTILINE))


@pytest.mark.slow
def test_a_job_that_is_told_its_time_is_up_goes_on_when_it_is_sent_again(tmp_path, slurm, db):
    run = make_run(tmp_path / "a run's $HOME", TINY)
    job = write_job(run, "slurm", JobSize(processes_per_node=2))
    out = (tmp_path / "out.txt").open("wb")
    first = subprocess.Popen(["bash", job], env=slurm, stdout=out, stderr=out)
    wait_until(lambda: any(event.kind == "sft_step" for event in run.events()))
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=120) == 0, (tmp_path / "out.txt").read_text()
    assert run.status().state == "stopped"

    subprocess.run(["bash", job], env=slurm, stdout=out, stderr=out, check=True, timeout=240)
    out.close()
    assert run.status().state == "done"
    home = RunDir(tmp_path / "brought home")
    shutil.move(run.path, home.path)
    imported = import_run_dir(db, home.path, "ward")
    assert imported.result.adapter_dir == str(home.adapter_dir)
    assert (home.adapter_dir / "adapter_model.safetensors").is_file()
    seqs = [event.seq for event in run_events(db, imported.run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_job_for_slurm_asks_for_what_was_said(tmp_path):
    config = TINY.model_copy(update={"device": "cuda"})
    run = make_run(tmp_path / "run", config)
    job = write_job(run, "slurm", JobSize(num_nodes=2, processes_per_node=4, hours=30))
    assert directives(job) == {
        "job-name": "gem-run", "nodes": "2", "ntasks-per-node": "1", "cpus-per-task": "32",
        "gpus-per-node": "4", "time": "30:00:00", "signal": "B:TERM@300",
    }  # fmt: skip
    subprocess.run(["bash", "-n", job], check=True)
    assert "--nproc-per-node 4" in job.read_text()
    on_cpus = write_job(make_run(tmp_path / "other", TINY), "slurm", JobSize())
    assert "gpus-per-node" not in directives(on_cpus)


def test_no_path_adds_a_command_to_a_job(tmp_path):
    run = make_run(tmp_path / "a\ntouch pwned; '$(touch pwned)'", TINY)
    head = write_job(run, "slurm", JobSize()).read_text().partition("# Before the job's time")[0]
    said = subprocess.run(
        ["bash", "-c", f'{head}printf %s "$run_dir"'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == str(run.path)
    assert not (tmp_path / "pwned").exists()
    task = yaml.safe_load(write_job(run, "skypilot", JobSize()).read_text())
    assert task["file_mounts"] == {"~/gem-run": str(run.path)}


def test_a_job_for_skypilot_has_the_form_of_a_task(tmp_path):
    model = tmp_path / 'model: "one" #2'
    model.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (model / name).touch()
    config = TINY.model_copy(update={"device": "auto", "model": str(model)})
    run = make_run(tmp_path / "run: {x}", config)
    job = write_job(run, "skypilot", JobSize(processes_per_node=8))
    task = yaml.safe_load(job.read_text())
    assert {name: type(value) for name, value in task.items()} == TASK_FIELDS
    resources = task["resources"]
    assert {name: type(value) for name, value in resources.items()} == RESOURCE_FIELDS
    assert resources == {"accelerators": "A100-80GB:8", "cpus": "64+"}
    assert task["file_mounts"] == {"~/gem-run": str(run.path), str(model): str(model)}
    assert task["workdir"] == str(STUDIO)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", task["name"])
    for part in ("setup", "run"):
        subprocess.run(["bash", "-n", "-c", task[part]], check=True)
    assert "every label" in job.read_text()


def test_a_divided_model_needs_several_processes(tmp_path):
    run = make_run(tmp_path / "run", TINY.model_copy(update={"shard_model": True}))
    with pytest.raises(ConfigError, match="several processes"):
        write_job(run, "slurm", JobSize())
    assert write_job(run, "slurm", JobSize(num_nodes=2)).exists()


def test_what_no_job_can_do_is_said(tmp_path):
    run = make_run(tmp_path / "run", TINY)
    with pytest.raises(ConfigError, match="share no folder"):
        write_job(run, "skypilot", JobSize(num_nodes=2))
    run.write_status(RunStatus(state="done"))
    with pytest.raises(ConfigError, match="finished"):
        write_job(run, "slurm", JobSize())
    with pytest.raises(RunDirError, match="no run"):
        write_job(RunDir(tmp_path), "slurm", JobSize())


# --- on the command line ----------------------------------------------------------------------
def last_line(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_prepared_run_gets_a_job_and_is_taken_in(tmp_path, capsys):
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"Q{n}", "chosen": "yes", "rejected": "no"} for n in range(40)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run_dir, where = tmp_path / "run", ["--data-dir", str(tmp_path / "data"), "--json"]
    assert cli.main(["align", str(pairs), "--out", str(run_dir), "--prepare", *where]) == 0
    prepared = last_line(capsys)
    assert prepared["run_dir"] == str(run_dir)

    words = ["cluster", str(run_dir), "--target", "slurm", "--nodes", "2", *where]
    assert cli.main(words) == 0
    job = last_line(capsys)
    assert job["run_id"] == prepared["run_id"]
    assert job["submit"] == f"sbatch {run_dir / 'job.sh'}"

    for imported in (1, 0):
        assert cli.main(["import", str(run_dir), "--project", "Ward 3", *where]) == 0
        said = last_line(capsys)
        assert (said["imported"], said["already_there"]) == (imported, 1 - imported)
        assert (said["run_id"], said["state"]) == (prepared["run_id"], "queued")
    assert cli.main(["import", str(run_dir), "--project", "Ward 4", *where]) == cli.BAD_INPUT
    assert "in the project 'Ward 3' already" in capsys.readouterr().err
    out = str(tmp_path / "out.jsonl")
    assert cli.main(["export", "--project", "Ward 4", "--out", out, *where]) == cli.BAD_INPUT


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--target", "kubernetes"], "slurm"),
        (["--target", "slurm", "--nodes", "0"], "from 1 up"),
        (["--target", "slurm"], "holds no run"),
        ([], "--target"),
    ],
)
def test_words_that_cannot_be_used_are_refused(tmp_path, capsys, words, part):
    assert cli.main(["cluster", str(tmp_path), *words]) == cli.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert part in said.err
    assert len(said.err.splitlines()) == 1
