"""A run's adapter for use elsewhere: with a card that says what it is, and what it was made of.

    adapter_model.safetensors, adapter_config.json   as peft and vLLM read them
    README.md                                        the card: figures with n and interval
    manifest.json                                    settings, versions, the labels by their ids

The labels' texts stay where they are. No torch, but for merging.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gem_backend.errors import DataError
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.training_data import split_training_data
from gem_backend.types import Estimate, Evaluation, RunResult

CARD, MANIFEST = "README.md", "manifest.json"
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_ROUNDED = (
    " The model under it was loaded in four bits, in training and for the figures above; on the "
    "model in full they were not measured."
)
_FIGURES = {
    "preference_accuracy": "Held-out preference accuracy",
    "preference_accuracy_per_token": "The same, per token",
    "final_answer_accuracy": "Final answers that match the reference",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the files are, and the model under the adapter as the run knew it."""

    path: Path
    base_model: str


def export_adapter(run: RunDir, out: Path) -> Exported:
    """Copy a finished run's adapter into a new folder, with its card and its manifest.

    Raises:
        DataError: the run has no adapter to offer, or the folder is not empty.
        RunDirError: the folder holds no run.
    """
    spec, result = run.spec(), run.result()
    _refuse(run, result, out)
    assert result is not None  # else it was refused
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run.adapter_dir / _WEIGHTS, out / _WEIGHTS)
    adapter = json.loads((run.adapter_dir / _CONFIG).read_text("utf-8"))
    adapter["base_model_name_or_path"] = _own_name(spec.config.model)
    (out / _CONFIG).write_text(json.dumps(adapter, indent=1), "utf-8")
    _describe(spec, result, out, is_merged=False)
    return Exported(out, spec.config.model)


def export_merged(run: RunDir, out: Path, *, trust_remote_code: bool = False) -> Exported:
    """Write the model with the run's adapter worked into its weights, as a model folder.

    It needs no peft, and can be given to the studio as its model. It is worked out in 32 bits on
    the processor, in its memory, and stored in the number format of the model.

    Raises:
        DataError: the run has no adapter to offer, or the folder is not empty.
        ModelLoadError: the model under the adapter cannot be loaded.
        RunDirError: the folder holds no run.
    """
    from gem_backend.policy import merged  # noqa: PLC0415 - torch, for this alone

    spec, result = run.spec(), run.result()
    _refuse(run, result, out)
    assert result is not None  # else it was refused
    model, tokenizer = merged(
        spec.config.model, run.adapter_dir, trust_remote_code=trust_remote_code
    )
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(out))
    tokenizer.save_pretrained(str(out))
    _describe(spec, result, out, is_merged=True)
    return Exported(out, spec.config.model)


def _refuse(run: RunDir, result: RunResult | None, out: Path) -> None:
    if result is None:
        raise DataError("This run has no result yet, so it has no adapter to export.")
    if result.adapter_dir is None:
        raise DataError("This run made the model worse; its adapter is not offered for use.")
    if missing := [name for name in (_CONFIG, _WEIGHTS) if not (run.adapter_dir / name).is_file()]:
        raise DataError(f"The run's adapter is not whole: {run.adapter_dir / missing[0]} is gone.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"The folder {out} is not empty; choose another with --out.")


def _describe(spec: RunSpec, result: RunResult, out: Path, *, is_merged: bool) -> None:
    (out / CARD).write_text(card(spec, result, is_merged=is_merged), "utf-8")
    (out / MANIFEST).write_text(json.dumps(manifest(spec), indent=1), "utf-8")


def manifest(spec: RunSpec) -> dict[str, object]:
    """Return what the adapter was made of; labels by the ids of their pairs, without any text."""
    data = split_training_data(spec.pairs, spec.pool)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        "run_id": spec.run_id,
        "created_at": spec.created_at,
        "commit": spec.commit,
        "versions": spec.versions,
        "labels_hash": spec.labels_hash,
        "num_raters": len({pair.rater for pair in spec.pairs if pair.rater}),
        "pair_ids": {name: [pair.pair_id for pair in pairs] for name, pairs in parts.items()},
        "config": spec.config.model_dump(mode="json") | {"model": _own_name(spec.config.model)},
    }


def _own_name(model: str) -> str:
    """Return a hub name as it is, and of a folder here its last part: the rest is nobody else's."""
    return Path(model).name if Path(model).is_absolute() else model


def card(spec: RunSpec, result: RunResult, *, is_merged: bool) -> str:
    """Return a model card, as Markdown with the fields that model hubs read."""
    config, data = spec.config, split_training_data(spec.pairs, spec.pool)
    ranking = f", ranking {config.ranking}" if config.method == "gem" else ""
    use = (
        "Load it as any causal language model, with `transformers` or vLLM."
        if is_merged
        else "Load it with `peft` or vLLM on the model named above; it was tried on no other."
    )
    change = result.preference_change
    return "\n".join(
        [
            "---",
            f"base_model: {json.dumps(_own_name(config.model))}",
            f"library_name: {'transformers' if is_merged else 'peft'}",
            "pipeline_tag: text-generation",
            "tags: [preference-alignment, gem]",
            "---",
            f"# {'Model' if is_merged else 'Adapter'} of run {spec.run_id}",
            "",
            f"Made with GEM Studio on {spec.created_at or 'an unknown day'} from "
            f"{len(data.train)} preference pairs: method {config.method}{ranking}, preset "
            f"{config.preset}, seed {config.seed}. {use}",
            "",
            "## What it gained",
            "",
            f"Verdict on the {change.n} held-out pairs: **{result.verdict.replace('_', ' ')}**, "
            f"{100 * change.value:+.1f} points of preference accuracy "
            f"(95 % interval {100 * change.low:+.1f} to {100 * change.high:+.1f}).",
            "",
            "| figure | before | after | n |",
            "|---|---|---|---|",
            *_figure_rows(result.before, result.after),
            "",
            *_warnings(result),
            "## Limits",
            "",
            "The figures hold for cases like the held-out ones and for the people who labelled "
            "them. A model that agrees with them more often can still be wrong; it is no medical "
            f"device.{_ROUNDED if config.load_in_4bit else ''} `{MANIFEST}` has the settings and "
            "says which labels are behind it.",
            "",
        ]
    )


def _figure_rows(before: Evaluation, after: Evaluation) -> Iterator[str]:
    for name, words in _FIGURES.items():
        first, last = getattr(before, name), getattr(after, name)
        if first is not None and last is not None:
            yield f"| {words} | {_share(first)} | {_share(last)} | {last.n} |"


def _share(figure: Estimate) -> str:
    low, high = 100 * figure.low, 100 * figure.high
    return f"{100 * figure.value:.1f} % ({low:.1f} to {high:.1f})"


def _warnings(result: RunResult) -> Iterator[str]:
    if result.warnings:
        yield from ("## Warnings", "", *(f"- {warning}" for warning in result.warnings), "")
