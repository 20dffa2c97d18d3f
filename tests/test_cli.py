"""The command line: its result, its one sentence when the input cannot be used, its exit codes."""

import errno
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from app import cli
from app.cli import types as cli_types
from app.studio_base import DATABASE_FILE
from gem_backend import demo
from gem_backend.errors import ConfigError, TrainingError
from gem_backend.run_dir import RunDir
from storage.errors import StorageError
from tests.gem_backend.test_adapter_export import make_run

PAIR = {"prompt": "Age 70, fever?", "chosen": "Final Answer: yes", "rejected": "Final Answer: no"}


@pytest.fixture
def pairs_file(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(PAIR) + "\n", "utf-8")
    return path


@pytest.fixture
def command(run_python, tmp_path):
    """Runs a command in a process of its own on a data folder of its own."""

    def run(*words, timeout_s=240):
        arguments = ["-m", "app.cli", *words, "--data-dir", tmp_path / "data"]
        return run_python(*arguments, timeout_s=timeout_s)

    return run


def _assert_refused(done, *parts):
    """Bad input: exit code 2, nothing on stdout, and stderr ends with one sentence."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr.splitlines()[-1]


# --- what draws answers -----------------------------------------------------------------------
def test_engine_is_a_name_or_the_addresses_of_servers():
    assert cli_types.engine("transformers") == {"engine": "transformers"}
    assert cli_types.engine("vllm") == {"engine": "vllm"}
    urls = ("http://127.0.0.1:8000", "https://node2:8000/")
    assert cli_types.engine(" , ".join(urls)) == {"engine": "vllm", "engine_urls": urls}


@pytest.mark.parametrize("word", ["magic", "", "127.0.0.1:8000", "http://", "http://a,vllm"])
def test_what_is_no_engine_is_refused(word, pairs_file, tmp_path, capsys):
    words = ["align", str(pairs_file), "--out", str(tmp_path / "run"), "--engine", word]
    assert cli.main(words) == cli.BAD_INPUT
    assert "neither transformers nor vllm" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# --- files that the system refuses ------------------------------------------------------------

LONG = "long/" * 1000
# Runs the command line where no file may grow: what a full disk is, without a disk.
ON_A_FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from app.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def demo_pairs(tmp_path):
    """Enough pairs for a run."""
    path = tmp_path / "enough.jsonl"
    rows = [dict(PAIR, prompt=f"{PAIR['prompt']} {number}") for number in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["import", LONG, "--project", "x"],
        ["import", __file__, "--project", "x", "--data-dir", LONG],
        ["export", "--project", "x", "--out", LONG],
        ["align", __file__, "--out", LONG],
        ["score", "--prompt", "x", "--completion", "y", "--model", LONG],
        ["studio", "--model", LONG],
    ],
)
def test_path_too_long_for_the_system_is_refused(home, capsys, words):
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "too long" in told.err
    assert len(told.err) < 500


@pytest.mark.parametrize(
    "words",
    [
        ["import", "~nosuch/x", "--project", "x"],
        ["import", __file__, "--project", "x", "--data-dir", "~nosuch/x"],
        ["doctor", "--data-dir", "~nosuch/x"],
        ["export", "--project", "x", "--out", "~nosuch/x"],
        ["align", __file__, "--out", "~nosuch/x"],
        ["score", "--prompt", "x", "--completion", "y", "--model", "~nosuch/x"],
        ["studio", "--model", "~nosuch/x"],
    ],
)
def test_home_folder_of_nobody_is_refused_and_not_made(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "~nosuch" in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_run_folder_that_cannot_be_made_is_refused(command, demo_pairs, tmp_path):
    held = tmp_path / "notes.txt"
    held.write_text("mine")
    _assert_refused(command("align", demo_pairs, "--out", held), "notes.txt", "not a folder")
    _assert_refused(command("align", demo_pairs, "--out", held / "run"), "not a folder")
    assert held.read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that nobody may write in")
@pytest.mark.slow
def test_folder_that_may_not_be_written_is_refused(command, demo_pairs, pairs_file, run_python):
    forbidden = "/sys/gem-studio"
    _assert_refused(command("align", demo_pairs, "--out", forbidden), forbidden)
    words = ["import", pairs_file, "--project", "x", "--data-dir", forbidden]
    _assert_refused(run_python("-m", "app.cli", *words), forbidden)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
@pytest.mark.parametrize("limit", [0, 200_000])
def test_full_disk_is_refused_and_loses_nothing(command, run_python, demo_pairs, tmp_path, limit):
    def on_a_full_disk(*words):
        where = ["--data-dir", tmp_path / "data"]
        return run_python("-c", ON_A_FULL_DISK, limit, *words, *where)

    assert command("import", demo_pairs, "--project", "Ward 3").returncode == 0
    out = tmp_path / "out.jsonl"
    out.write_text("an older export")
    if limit == 0:
        exported = on_a_full_disk("export", "--project", "Ward 3", "--out", out)
        _assert_refused(exported)
        assert out.read_text() == "an older export"
        run = tmp_path / "run"
        _assert_refused(on_a_full_disk("align", demo_pairs, "--out", run), "disk is full")
        assert not (run / "spec.json").exists()
        _assert_refused(on_a_full_disk("demo"))
    big = tmp_path / "big.jsonl"
    big.write_text(json.dumps(dict(PAIR, chosen=os.urandom(4_000_000).hex())) + "\n", "utf-8")
    _assert_refused(on_a_full_disk("import", big, "--project", "Ward 3"), "disk")

    exported = command("export", "--project", "Ward 3", "--out", out, "--json")
    assert json.loads(exported.stdout.splitlines()[-1])["exported"] == 40


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.slow
def test_result_that_cannot_be_written_is_refused(tmp_path):
    words = ["doctor", "--json", "--data-dir", str(tmp_path)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert "disk is full" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.slow
def test_progress_that_cannot_be_written_does_not_end_the_command(tmp_path):
    words = ["doctor", "--data-dir", str(tmp_path)]
    script = (
        "import sys; from app import cli; cli.say('Loading.'); sys.exit(cli.main(sys.argv[1:]))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", script, *words], stderr=full, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("number", "part"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EACCES, "may not be"),
        (errno.EROFS, "may not be"),
        (errno.EPIPE, "ended"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_and_code_2(capsys, number, part):
    options = cli._parser().parse_args(["doctor"])
    assert cli.report(OSError(number, os.strerror(number), "/data/studio.duckdb"), options) == 2
    told = capsys.readouterr().err
    assert part in told
    assert told.count("\n") == 1


# --- words that cannot be understood ----------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["sing"], "sing"),
        (["studio", "--port", "0"], "port"),
        (["--port", "seventy"], "seventy"),
        (["demo", "--seed", "-1"], "-1"),
        (["demo", "--seed", "4294967296"], "4294967296"),
        (["score", "--prompt", "x"], "--completion"),
        (["align", "no-such-file.jsonl", "--out", "run"], "no-such-file.jsonl"),
        (["import", "no-such-file.jsonl", "--project", "x"], "no-such-file.jsonl"),
        (["export", "--project", "x"], "--out"),
        (["export", "--project", "x", "--out", "y", "--format", "pdf"], "pdf"),
        (["align", __file__, "--out", "x", "--preset", "best"], "best"),
        (["align", __file__, "--out", "x", "--set", "sega.rounds"], "sega.rounds"),
        (["studio", "--device", "abacus"], "abacus"),
        (["doctor", "--nonsense"], "--nonsense"),
    ],
)
def test_words_not_understood_end_with_one_sentence(capsys, words, part):
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert part in told.err


def test_studio_is_the_default_command():
    assert cli._with_command([]) == ["studio"]
    assert cli._with_command(["--port", "8000"]) == ["studio", "--port", "8000"]
    assert cli._with_command(["doctor", "--json"]) == ["doctor", "--json"]
    assert cli._with_command(["--help"]) == ["--help"]


def test_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("GEM Studio ")


def test_data_folder_is_the_users_own_and_outside_the_program(home):
    folder = cli._own_data_dir()
    assert home in folder.parents


# --- what errors become -----------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConfigError("Choose another."), StorageError("Choose another.")])
def test_input_that_cannot_be_used_is_one_sentence_and_code_2(capsys, error):
    options = cli._parser().parse_args(["doctor"])
    assert cli.report(error, options) == 2
    assert capsys.readouterr().err == "Choose another.\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(TrainingError("The loss is not a number."), "The loss is not a number."), (KeyError(), "")],
)
def test_fault_of_ours_is_code_1_with_a_report(tmp_path, capsys, error, sentence):
    options = cli._parser().parse_args(["doctor", "--data-dir", str(tmp_path)])
    assert cli.report(error, options) == 1
    told = capsys.readouterr().err
    (log,) = (tmp_path / "logs").iterdir()
    assert told.startswith(sentence)
    assert told.strip().endswith(str(log))
    assert "Traceback" not in told
    assert type(error).__name__ in log.read_text("utf-8")


def test_report_goes_elsewhere_when_the_data_folder_cannot_take_it(tmp_path, capsys):
    (tmp_path / "data").write_text("a file, not a folder")
    options = cli._parser().parse_args(["doctor", "--data-dir", str(tmp_path / "data")])
    assert cli.report(KeyError("x"), options) == 1
    log = capsys.readouterr().err.strip().split(" is in ")[-1]
    with open(log, encoding="utf-8") as report:
        assert "KeyError" in report.read()


# --- doctor -----------------------------------------------------------------------------------


def test_doctor_ends_with_one_json_object(command):
    done = command("doctor", "--json")
    assert done.returncode == 0, done.stderr
    findings = json.loads(done.stdout.splitlines()[-1])["findings"]
    assert {"machine", "memory", "database", "torch"} <= {row["topic"] for row in findings}


@pytest.mark.slow
def test_doctor_speaks_in_sentences_without_json(command):
    done = command("doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert all(line.endswith(".") for line in lines)


# --- score ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_score_gives_equation_1_with_its_terms(command):
    words = ["--prompt", "Age 70, fever?", "--completion", " It is 1.\nFinal Answer: 1"]
    done = command("score", *words, "--lambda-fork", "0.5", "--top-m", "0.25", "--json")
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout.splitlines()[-1])
    expected = -score["final_entropy"] + 0.5 * score["fork_entropy"]
    assert math.isclose(score["gem_score"], expected, rel_tol=1e-6)
    assert (score["lambda_fork"], score["top_m"], score["is_committed"]) == (0.5, 0.25, True)
    assert "".join(token["text"] for token in score["tokens"]) == words[3]
    assert all(token["entropy"] >= 0 >= token["logprob"] for token in score["tokens"])


@pytest.mark.slow
def test_score_loads_no_web_framework(run_python):
    script = (
        "import sys; from app import cli\n"
        "code = cli.main(['score', '--prompt', 'x', '--completion', ' y'])\n"
        "sys.exit(code or 'gradio' in sys.modules)"
    )
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--model", "./no/such/folder", "--prompt", "x", "--completion", "y"], "no/such/folder"),
        (["--prompt", "x", "--completion", ""], "empty"),
        (["--prompt", "x", "--completion", "y", "--top-m", "0"], "top_m"),
        (["--prompt", "x", "--completion", "y", "--lambda-fork", "nan"], "lambda_fork"),
    ],
)
def test_score_refuses_what_it_cannot_score(command, words, part):
    _assert_refused(command("score", *words), part)


# --- import and export ------------------------------------------------------------------------


def test_imported_pairs_come_out_again(command, pairs_file, tmp_path):
    out = tmp_path / "out.jsonl"
    first = command("import", pairs_file, "--project", "Ward 3", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout.splitlines()[-1])["imported"] == 1

    exported = command("export", "--project", "Ward 3", "--out", out, "--json")
    assert exported.returncode == 0, exported.stderr
    assert json.loads(exported.stdout.splitlines()[-1])["exported"] == 1
    (row,) = map(json.loads, out.read_text("utf-8").splitlines())
    assert {key: row[key] for key in PAIR} == PAIR


@pytest.mark.slow
def test_what_trains_leaves_without_the_rest(command, pairs_file, tmp_path):
    tie = {"prompt": "Tie", "chosen": "a", "rejected": "b", "verdict": "tie"}
    rows = [{"prompt": f"Q{n}", "chosen": "a", "rejected": "b", "split": "train"} for n in range(9)]
    held_out = {"prompt": "H", "chosen": "a", "rejected": "b", "split": "held_out"}
    pairs_file.write_text("".join(json.dumps(row) + "\n" for row in (*rows, tie, held_out)))
    assert command("import", pairs_file, "--project", "Ward 3").returncode == 0
    out = tmp_path / "out.jsonl"
    where = ("export", "--project", "Ward 3", "--out", out)
    assert command(*where, "--what", "trains").returncode == 0
    names = ("prompt", "chosen", "rejected")
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {name: row[name] for name in names} for row in rows
    ]
    _assert_refused(command(*where, "--what", "trains", "--format", "log"), "--what")


@pytest.mark.slow
def test_whole_log_goes_into_another_data_folder_and_out_again(run_python, pairs_file, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    for source, out in ((pairs_file, first), (first, second)):
        for words in (["import", source], ["export", "--format", "log", "--out", out]):
            where = ["--project", "x", "--data-dir", tmp_path / out.stem]
            done = run_python("-m", "app.cli", *words, *where)
            assert done.returncode == 0, done.stderr
    assert json.loads(first.read_text("utf-8"))["answer_a"] == PAIR["chosen"]
    assert second.read_bytes() == first.read_bytes()


@pytest.mark.slow
def test_columns_are_mapped_to_ours(command, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("question,best,worst\nQ,yes,no\n")
    names = "question=prompt,best=chosen,worst=rejected"
    done = command("import", path, "--project", "x", "--map", names, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["imported"] == 1
    _assert_refused(
        command("import", path, "--project", "x", "--map", "best"), "not a list such as"
    )
    _assert_refused(command("import", path, "--project", "x", "--map", "best=good"), "'good'")


def test_bad_rows_are_named_by_line_and_good_ones_kept(command, pairs_file):
    with pairs_file.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "no answers"}\nnot json at all\n')
    done = command("import", pairs_file, "--project", "Ward 3", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["imported"] == 1
    assert [row["line"] for row in report["skipped"]] == [2, 3]


@pytest.mark.slow
def test_unknown_project_is_refused(command, tmp_path):
    done = command("export", "--project", "Ward 9", "--out", tmp_path / "x.jsonl")
    _assert_refused(done, "Ward 9")


def test_accounts_are_made_shown_and_closed(tmp_path, capsys):
    where = ["--data-dir", str(tmp_path / "data"), "--json"]

    def raters(*words):
        return cli.main(["raters", *words, *where]), capsys.readouterr()

    code, said = raters("invite", "bob")
    assert (code, said.out) == (2, "")
    assert "admin" in said.err
    code, said = raters("invite", "anna", "--admin")
    made = json.loads(said.out)
    assert (code, made["rater"], made["role"]) == (0, "anna", "admin")
    assert len(made["one_time_password"]) >= 12
    raters("invite", "bob")
    assert json.loads(raters("remove", "bob")[1].out)["is_active"] is False
    listed = json.loads(raters("list")[1].out)["raters"]
    assert [(one["rater"], one["is_active"]) for one in listed] == [("anna", True), ("bob", False)]
    assert made["one_time_password"] not in json.dumps(listed)


@pytest.mark.slow
def test_file_that_is_no_table_is_refused(command, tmp_path):
    picture = tmp_path / "picture.jsonl"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 50)
    _assert_refused(command("import", picture, "--project", "Ward 3"))


@pytest.mark.slow
def test_data_folder_in_use_is_refused(command, pairs_file, tmp_path):
    hold = (
        "import sys, pathlib; from storage.database import Database\n"
        "database = Database(pathlib.Path(sys.argv[1])); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    path = tmp_path / "data" / DATABASE_FILE
    holder = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        done = command("import", pairs_file, "--project", "Ward 3")
        other.stdin.close()
    _assert_refused(done, "already open")


@pytest.mark.slow
def test_data_folder_that_holds_something_else_is_refused(command, pairs_file, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / DATABASE_FILE).write_bytes(b"not a database" * 1000)
    _assert_refused(command("import", pairs_file, "--project", "Ward 3"), DATABASE_FILE)


# --- align and demo ---------------------------------------------------------------------------


@pytest.mark.slow
def test_align_refuses_too_few_pairs_and_a_missing_model(command, pairs_file, tmp_path):
    _assert_refused(command("align", pairs_file, "--out", tmp_path / "run"))
    missing = ["--model", "./no/such/folder", "--out", tmp_path / "run2"]
    _assert_refused(command("align", pairs_file, *missing), "no/such/folder")


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("sega.wheels=2", "sega.wheels"),
        ("sega.rounds.more=2", "sega.rounds.more"),
        ("sega.rounds=many", "rounds"),
        ("sampling.temperature=0", "temperature"),
        ("=2", "=2"),
    ],
)
def test_a_setting_that_is_none_is_refused(capsys, pairs_file, tmp_path, setting, part):
    out = tmp_path / "run"
    assert cli.main(["align", str(pairs_file), "--out", str(out), "--set", setting]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert part in told
    assert not out.exists()


@pytest.mark.slow
def test_settings_from_the_command_line_are_those_of_the_run(command, tmp_path):
    out = tmp_path / "run"
    words = ["--set", "sega.rounds=2", "--set", "gradient_checkpointing=true"]
    words += ["--set", 'calibration.features=["mean_logprob"]', "--set", "sega.anchor=sft"]
    done = command("align", demo.PROJECT_FILE, "--out", out, "--prepare", *words)
    assert done.returncode == 0, done.stderr
    config = RunDir(out).spec().config
    assert (config.sega.rounds, config.sega.anchor) == (2, "sft")
    assert config.gradient_checkpointing
    assert config.calibration.features == ("mean_logprob",)


@pytest.mark.slow
def test_an_adapter_is_exported_alone_or_merged(command, tmp_path):
    run = make_run(tmp_path / "run").path
    for words, file in (([], "adapter_model.safetensors"), (["--merged"], "model.safetensors")):
        out = tmp_path / f"out{len(words)}"
        done = command("adapter", run, "--out", out, *words, "--json")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert (out / file).is_file() and (out / "README.md").is_file()
        assert (result["path"], result["base_model"]) == (str(out), "demo")
    _assert_refused(command("adapter", run, "--out", tmp_path / "out0"), "not empty")
    _assert_refused(command("adapter", tmp_path, "--out", tmp_path / "x"), "holds no run")
    scored = command(
        "score", "--model", tmp_path / "out1", "--prompt", "x", "--completion", "y", "--json"
    )
    assert scored.returncode == 0, scored.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_demo_runs_the_whole_loop(command):
    done = command("demo", "--seed", "7", "--json", timeout_s=800)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    preference, answers = result["preference_accuracy"], result["final_answer_accuracy"]
    assert preference["n"] >= 128
    assert preference["after"] >= preference["before"] + 0.25
    assert answers["after"] >= answers["before"]
    names = [file.name for file in Path(result["adapter_dir"]).rglob("*")]
    assert "adapter_model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]


# --- studio -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_port_in_use_is_refused(command):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = command("studio", "--no-browser", "--port", str(other.getsockname()[1]))
    _assert_refused(done, "in use")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what a process has loaded is read from /proc")
def test_running_studio_has_not_loaded_torch_and_its_engine_has(tmp_path):
    words = ["--no-setup", "--no-browser", "--data-dir", str(tmp_path / "data")]
    launcher = Path(__file__).parents[1] / "launch.py"
    process = subprocess.Popen([sys.executable, launcher, *words], stdout=subprocess.PIPE)
    try:
        address = process.stdout.readline().decode().split(" at ")[1].split()[0]
        with urllib.request.urlopen(address) as page:
            assert b"gradio" in page.read()
        deadline = time.monotonic() + 60
        while not any(
            _has_loaded_torch(child.pid) for child in psutil.Process(process.pid).children()
        ):
            assert time.monotonic() < deadline, "the engine has not loaded its model"
            time.sleep(0.2)
        assert not _has_loaded_torch(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def _has_loaded_torch(pid):
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_studio_says_where_it_is_and_ends_on_interrupt(tmp_path):
    words = ["studio", "--no-browser", "--data-dir", str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert b"http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode in (0, 130), stderr
    assert b"Traceback" not in stderr
