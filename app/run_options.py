"""The settings of a run as a form: values read from and written to RunConfig."""

from collections.abc import Sequence
from typing import TypeVar

from app.run_option_table import OPTIONS, Option, Section
from app.text import calibration as say
from app.text.runs import SETTING_MISSING
from gem_backend.config import RunConfig, Settings
from gem_backend.errors import ConfigError

Value = float | int | str | bool | list[str]


def option_values(config: RunConfig) -> tuple[Value, ...]:
    """Return the form's values for a config, in the order of ``OPTIONS``."""
    return tuple(_value(config, row) for row in OPTIONS)


def place_of(section: Section, field: str) -> int:
    """Return where an option stands in ``OPTIONS``."""
    return next(
        place for place, row in enumerate(OPTIONS) if (row.section, row.field) == (section, field)
    )


def with_options(config: RunConfig, values: Sequence[Value | None]) -> RunConfig:
    """Return the config with the form's values in it, checked.

    Args:
        config: the preset's settings.
        values: one for each of ``OPTIONS``; None where a field was emptied.

    Raises:
        ConfigError: a value is missing or out of range.
    """
    changed: dict[str, dict[str, object]] = {}
    for row, value in zip(OPTIONS, values, strict=True):
        changed.setdefault(row.section, {})[row.field] = _checked(row, value)
    own = changed.pop("run", {})
    parts = {name: _with(getattr(config, name), name, given) for name, given in changed.items()}
    return _with(config.model_copy(update=parts), "run", own)


def _value(config: RunConfig, row: Option) -> Value:
    section = config if row.section == "run" else getattr(config, row.section)
    value: Value | tuple[str, ...] = getattr(section, row.field)
    return list(value) if isinstance(value, tuple) else value


def _checked(row: Option, value: Value | None) -> object:
    if value is None:
        raise ConfigError(SETTING_MISSING)
    if row.kind == "count" and isinstance(value, float):
        return int(value)
    if isinstance(value, list):
        if not value:
            raise ConfigError(say.nothing_chosen(row.label))
        return tuple(value)
    return value


SettingsT = TypeVar("SettingsT", bound=Settings)


def _with(settings: SettingsT, section: str, given: dict[str, object]) -> SettingsT:
    """Return settings with new values; a refusal names the setting by its label on the form."""
    try:
        return type(settings)(**dict(settings) | given)
    except ConfigError as error:
        message = error.message
        for row in (row for row in OPTIONS if row.section == section):
            message = message.replace(f"'{row.field}'", f"“{row.label}”")
        raise ConfigError(message) from error
