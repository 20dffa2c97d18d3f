"""The command line: the studio, and everything it does without a browser.

The result goes to standard output, with ``--json`` as one JSON object on the last line; progress
goes to standard error. Exit codes: 0 done, 2 the input cannot be used (one sentence says why), 1 a
fault of ours or a run that failed (the sentence names a report), 130 interrupted.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from app.cli import adapter as cli_adapter
from app.cli import bench as cli_bench
from app.cli import cluster as cli_cluster
from app.cli import raters as cli_raters
from app.cli import types as cli_types
from app.cli.commands import Result
from app.cli.telling import BAD_INPUT, forget_unwritten, report, say, write_any_character
from app.cli.words import findings_in_words, in_words

INTERRUPTED = 130
PRESETS = ("quick", "standard", "paper")
FORMATS = ("jsonl", "csv", "parquet", "hf", "log")
CONTENTS = ("trains", "labels", "unjudged")
DEVICES = ("auto", "cpu", "cuda")

Command = Callable[[argparse.Namespace], Result | int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after the program's name; None takes those of the process.
    """
    write_any_character()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser().parse_args(_with_command(words))
    except SystemExit as stop:  # argparse has said why, or printed its help
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    try:
        options.data_dir = options.data_dir or _own_data_dir()
        result = options.run(options)
        return result if isinstance(result, int) else _hand_over(result, options)
    except KeyboardInterrupt:
        say("Interrupted.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost boundary: nothing above it can act
        return report(error, options)
    finally:
        forget_unwritten()


def _hand_over(result: Result, options: argparse.Namespace) -> int:
    """Write a command's result to standard output."""
    if options.json:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False), flush=True)
    else:
        print(options.in_words(result), flush=True)
    return 0


# --- commands ---------------------------------------------------------------------------------


def _studio(options: argparse.Namespace) -> int:
    from app.serve import serve
    from gem_backend.engine import EngineConfig

    engine = EngineConfig(
        options.model, options.device, options.trust_remote_code, options.sentence_model
    )
    return serve(options.data_dir, engine, options.port, not options.no_browser)


def _demo(options: argparse.Namespace) -> Result:
    from app.headless import demo

    return demo(options.data_dir, options.seed, say, options.engine)


def _score(options: argparse.Namespace) -> Result:
    from gem_backend.config import PromptConfig, ScoringConfig

    # settings first: a bad one is refused before a model library is loaded
    scoring = ScoringConfig(lambda_fork=options.lambda_fork, top_m=options.top_m)

    from gem_backend.policy import load_policy
    from gem_backend.sampling import score_completion
    from gem_backend.scoring import score_json

    policy = load_policy(
        options.model, device=options.device, trust_remote_code=options.trust_remote_code
    )
    template = PromptConfig() if options.chat else None
    candidate = score_completion(policy, options.prompt, options.completion, template)
    return score_json(candidate, scoring)


def _align(options: argparse.Namespace) -> Result:
    from app.headless import align, prepare, run_config
    from gem_backend.config import with_values

    config = run_config(
        options.preset,
        options.model,
        options.seed,
        options.device,
        options.trust_remote_code,
        options.engine,
    )
    config = with_values(config, dict(options.set))
    if options.prepare:
        return prepare(options.file, config, options.out, say)
    return align(options.file, config, options.out, resume=options.resume, on_progress=say)


def _import(options: argparse.Namespace) -> Result:
    from app.headless import import_file

    return import_file(options.data_dir, options.file, options.project, options.map)


def _export(options: argparse.Namespace) -> Result:
    from app.headless import export_file

    return export_file(options.data_dir, options.project, options.format, options.out, options.what)


def _doctor(options: argparse.Namespace) -> Result:
    from dataclasses import asdict

    from app.doctor import examine

    findings = examine(options.data_dir)
    is_ok = all(finding.state != "problem" for finding in findings)
    return {"ok": is_ok, "findings": [asdict(finding) for finding in findings]}


# --- the words they take ----------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and leave with the code for bad input."""
        self.exit(BAD_INPUT, f"{message[:1].upper()}{message[1:]}; see '{self.prog} --help'.\n")


class _Version(argparse.Action):
    """Prints the version, looked up only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print and leave."""
        from app.doctor import studio_version

        print(f"GEM Studio {studio_version()}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="launch.py", description="Label, explore, align, on your own machine.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_studio(commands)
    _add_runs(commands)
    _add_score(commands)
    _add_data(commands)
    cli_raters.add(commands, _add_command)
    cli_cluster.add(commands, _add_command)
    cli_adapter.add(commands, _add_command)
    cli_bench.add(commands, _add_command, say)
    doctor = _add_command(commands, "doctor", _doctor, "what this machine has, what is missing")
    doctor.set_defaults(in_words=findings_in_words)
    return parser


_Commands = argparse._SubParsersAction  # argparse gives the type of what it returns no public name


def _add_command(
    commands: "_Commands[_Parser]", name: str, run: Command, help_: str
) -> argparse.ArgumentParser:
    """Add a command with the options that all of them take."""
    parser = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
    parser.set_defaults(run=run, in_words=in_words)
    parser.add_argument(
        "--data-dir", type=cli_types.folder, metavar="DIR", help="where the studio keeps its data"
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--no-setup", action="store_true", help=argparse.SUPPRESS)  # launch.py's
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", type=cli_types.model, default="demo", help="demo, a model folder or a hub name"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that comes with a model"
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        type=cli_types.engine,
        default={},
        metavar="ENGINE",
        help="what draws the answers of a run: transformers, vllm (has to be installed), or the "
        "address of a vLLM server, or several",
    )


def _add_studio(commands: "_Commands[_Parser]") -> None:
    parser = _add_command(commands, "studio", _studio, "the studio, in your browser (the default)")
    _add_model(parser)
    parser.add_argument(
        "--port", type=cli_types.port, help="1 to 65535; else the first free one from 7860"
    )
    parser.add_argument(
        "--sentence-model",
        type=cli_types.folder,
        metavar="DIR",
        help="a sentence-embedding model, to group answers that mean the same",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def _add_runs(commands: "_Commands[_Parser]") -> None:
    demo = _add_command(commands, "demo", _demo, "the whole loop on the built-in model")
    demo.add_argument("--seed", type=cli_types.seed, default=0, help="same seed, same result")
    _add_engine(demo)
    align = _add_command(commands, "align", _align, "one alignment run on a file of pairs")
    align.add_argument(
        "file", type=cli_types.existing_file, help="JSONL or CSV: prompt, chosen, rejected"
    )
    _add_model(align)
    _add_engine(align)
    align.add_argument("--preset", choices=PRESETS, default="quick", help="how long and thorough")
    align.add_argument(
        "--out", type=cli_types.path, required=True, metavar="DIR", help="the run's folder"
    )
    align.add_argument(
        "--set",
        type=cli_types.setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting of the run, such as sega.rounds=2 or gradient_checkpointing=true; the "
        "names are those of spec.json",
    )
    how = align.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    how.add_argument(
        "--prepare", action="store_true", help="make the run's folder, and carry it elsewhere"
    )
    align.add_argument("--seed", type=cli_types.seed, default=0, help="same seed, same result")


def _add_score(commands: "_Commands[_Parser]") -> None:
    parser = _add_command(commands, "score", _score, "the entropy score of one answer")
    _add_model(parser)
    parser.add_argument("--prompt", required=True, help="the text before the answer, as given")
    parser.add_argument("--completion", required=True, help="the answer to score")
    parser.add_argument("--chat", action="store_true", help="put the prompt in the chat template")
    parser.add_argument("--lambda-fork", type=float, default=1.0, help="weight of the forks")
    parser.add_argument("--top-m", type=float, default=0.1, help="share of tokens that are forks")


def _add_data(commands: "_Commands[_Parser]") -> None:
    in_ = _add_command(commands, "import", _import, "preference pairs from a file into a project")
    in_.add_argument(
        "file",
        type=cli_types.existing_path,
        help="JSONL, JSON, CSV, parquet, a folder of them, an exported log, or a run's folder",
    )
    in_.add_argument(
        "--map",
        type=cli_types.mapping,
        default={},
        metavar="THEIRS=OURS,...",
        help="what the file's columns are here, such as question=prompt,best=chosen",
    )
    out = _add_command(commands, "export", _export, "a project's labelled pairs into a file")
    out.add_argument(
        "--format", choices=FORMATS, default="jsonl", help="the file's format; log: all events"
    )
    out.add_argument(
        "--what",
        choices=CONTENTS,
        help="trains: prompt, chosen, rejected of what a run would train on; labels (the default): "
        "every label; unjudged: cases and questions that wait",
    )
    out.add_argument(
        "--out", type=cli_types.path, required=True, metavar="PATH", help="the file to write"
    )
    for parser in (in_, out):
        parser.add_argument("--project", required=True, metavar="NAME", help="the project's name")


def _with_command(words: list[str]) -> list[str]:
    """Put "studio" first where options follow at once, or nothing does."""
    is_named = bool(words) and (not words[0].startswith("-") or words[0] in _PARSER_OPTIONS)
    return words if is_named else ["studio", *words]


_PARSER_OPTIONS = ("-h", "--help", "--version")


def _own_data_dir() -> Path:
    """Return this user's own folder for programs' data on this system."""
    from platformdirs import user_data_path

    return user_data_path("gem-studio", appauthor=False)
