"""The methods that the benchmark compares: what each changes in the shared settings.

All share the warm start. The rivals get the same budget of trained tokens, as many looks at the
validation part, and the same grid of learning rates; see ``method``.
"""

from gem_backend.config import RunConfig, preset_config

LEARNING_RATES = (3e-4, 1e-3, 3e-3)
"""The grid that every method chooses from on the validation part, where none is asked for."""

BUDGET_TOKENS = 50_000
"""Tokens of answers that a rival puts through its gradient after the warm start: what GEM's five
rounds come to, anchor included; each row has its own count."""

Changes = dict[str, dict[str, object]]

METHODS: dict[str, Changes] = {
    "sft": {"": {"method": "sft"}},
    "rm_ppo": {"": {"method": "rm_ppo"}},
    "dpo": {"": {"method": "dpo"}},
    "ipo": {"": {"method": "ipo"}},
    "gem": {},
    "gem_no_terminal": {"scoring": {"use_terminal_entropy": False}},
    "gem_no_branching": {"scoring": {"use_branching_entropy": False}},
    "filter_dpo": {"sega": {"update": "dpo"}},
    "none": {"scoring": {"use_filtering": False}, "sega": {"update": "dpo"}},
    # our own switches, to see what each part of the recipe brings
    "gem_entropy": {"calibration": {"features": ("final_confidence", "fork_entropy")}},
    "gem_no_likeness": {"calibration": {"features": ("mean_logprob",)}},
    "gem_no_pool": {"sega": {"use_pool": False}},
    "gem_paper": {
        "": {"ranking": "paper"},
        "scoring": {"lambda_fork": 1.0},
        "sega": {
            "reward_mapping": "identity",
            "negative_weight": 1.0,
            "anchor_weight": 0.0,
            "normalisation": "sequence",
        },
    },
}


def shared_config(model: str, seed: int) -> RunConfig:
    """Return the settings that all methods start from: the "standard" preset of the model."""
    config = preset_config("standard", model, seed)
    baseline = config.baseline.model_copy(update={"budget_tokens": BUDGET_TOKENS})
    return config.model_copy(update={"baseline": baseline})


def with_changes(config: RunConfig, changes: Changes) -> RunConfig:
    """Return the settings with a recipe's changes; the section "" is the run's own fields."""
    for section, values in changes.items():
        if section:
            part = getattr(config, section)
            values = {section: type(part)(**part.model_dump() | values)}
        config = config.model_copy(update=values)
    return config


def method_config(model: str, seed: int, method: str, learning_rate: float) -> RunConfig:
    """Return the settings of one training."""
    config = with_changes(shared_config(model, seed), METHODS[method])
    section = "sega" if config.method == "gem" else "baseline"
    return with_changes(config, {section: {"learning_rate": learning_rate}})
