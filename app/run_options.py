"""The advanced settings of a run as a form: one row each, read from and written to RunConfig."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.text_runs import SETTING_MISSING
from gem_backend.config import RunConfig, Settings
from gem_backend.errors import ConfigError

Value = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Option:
    """One setting on the form; ``choices`` are (words, value) pairs, empty for other kinds."""

    section: Literal["sampling", "scoring", "sft", "sega"]
    field: str
    kind: Literal["count", "number", "choice", "tick"]
    label: str
    hint: str
    choices: tuple[tuple[str, str], ...] = ()


OPTIONS: tuple[Option, ...] = (
    Option(
        "sega",
        "rounds",
        "count",
        "Rounds",
        "How often to sample, rank and learn; 0: only from your pairs.",
    ),
    Option(
        "sampling",
        "num_candidates",
        "count",
        "Answers per prompt (K)",
        "More answers make a better ranking and a longer run.",
    ),
    Option(
        "sampling",
        "temperature",
        "number",
        "Temperature",
        "Higher: more varied answers. Around 0.9 is usual.",
    ),
    Option(
        "sft",
        "learning_rate",
        "number",
        "Learning rate, your pairs",
        "Step size while learning from the answers you preferred.",
    ),
    Option(
        "sega",
        "learning_rate",
        "number",
        "Learning rate, rounds",
        "Step size in the rounds. Too large a value can ruin the model.",
    ),
    Option(
        "scoring",
        "lambda_fork",
        "number",
        "Weight of exploring (lambda)",
        "How much uncertainty in the middle of the reasoning counts in favour.",
    ),
    Option(
        "scoring",
        "top_m",
        "number",
        "Share of fork tokens (m)",
        "Which share of the reasoning, the least certain, is looked at: 0.1 is a tenth.",
    ),
    Option(
        "sega",
        "anchor_weight",
        "number",
        "Anchor weight",
        "How strongly the rounds hold on to your preferred answers; 0: not at all.",
    ),
    Option(
        "sega",
        "kl_weight",
        "number",
        "KL weight",
        "How strongly the model is held near the base model; 0: not at all.",
    ),
    Option(
        "sega",
        "reward_mapping",
        "choice",
        "Score to reward",
        "Use the scores as they are, or sharpen the best of each group.",
        (("As they are", "identity"), ("Sharpened (softmax)", "softmax")),
    ),
    Option(
        "sega",
        "scale_by_std",
        "tick",
        "Scale by spread",
        "Give every group of answers the same weight, however close its scores are.",
    ),
)


def option_values(config: RunConfig) -> tuple[Value, ...]:
    """Return the form's values for a config, in the order of ``OPTIONS``."""
    return tuple(getattr(getattr(config, row.section), row.field) for row in OPTIONS)


def with_options(config: RunConfig, values: Sequence[Value | None]) -> RunConfig:
    """Return the config with the form's values in it, checked.

    Args:
        config: the preset's settings.
        values: one for each of ``OPTIONS``; None where a field was emptied.

    Raises:
        ConfigError: a value is missing or out of range.
    """
    changed: dict[str, dict[str, Value]] = {}
    for row, value in zip(OPTIONS, values, strict=True):
        if value is None:
            raise ConfigError(SETTING_MISSING)
        section = changed.setdefault(row.section, {})
        section[row.field] = int(value) if row.kind == "count" else value
    parts = {name: _section(config, name, fields) for name, fields in changed.items()}
    return config.model_copy(update=parts)


def _section(config: RunConfig, name: str, fields: dict[str, Value]) -> Settings:
    """Return one section with new values; a refusal names the setting by its label on the form."""
    section: Settings = getattr(config, name)
    try:
        return type(section)(**section.model_dump() | fields)
    except ConfigError as error:
        message = error.message
        for row in (row for row in OPTIONS if row.section == name):
            message = message.replace(f"'{row.field}'", f"“{row.label}”")
        raise ConfigError(message) from error
