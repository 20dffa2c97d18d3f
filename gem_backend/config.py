"""Every setting of sampling, scoring and training, frozen, checked and stored with each run.

An unknown key or a value out of range is a ``ConfigError``. Defaults say whether they are the
paper's, its authors' code's, or ours.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gem_backend.errors import ConfigError
from gem_backend.types import Feature, Method, Preset, Ranking, TokenEngine

Fraction = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

MOST_NEW_TOKENS = 8192  # ours: of an answer


class Settings(BaseModel):
    """A frozen set of settings that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - pydantic's own signature
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _config_error(error) from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read settings from JSON text.

        Raises:
            ConfigError: the text is not JSON, or a key is unknown, or a value is out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise _config_error(error) from error


def _config_error(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    return ConfigError(f"The setting '{name}' was not accepted: {first['msg']}.")


class PromptConfig(Settings):
    """How a prompt is put to the model."""

    answer_marker: Annotated[str, Field(min_length=1)] = "Final Answer:"  # paper
    system_text: str = (  # ours; used only with a chat template
        "Reason step by step. "
        "Then give the result on a last line that starts with '{answer_marker}'."
    )
    use_chat_template: bool = True  # ours; plain text where the tokenizer has no template


class SamplingConfig(Settings):
    """How candidates are sampled."""

    num_candidates: Annotated[int, Field(ge=1, le=64)] = 5  # paper: K = 5
    temperature: Positive = 0.9  # authors' code
    top_p: Fraction = 1.0  # ours: no truncation
    max_new_tokens: Annotated[int, Field(ge=1, le=MOST_NEW_TOKENS)] = 256  # ours
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class ScoringConfig(Settings):
    """Equation (1)."""

    lambda_fork: NonNegative = 1.0  # authors' code; the paper gives no value
    top_m: Fraction = 0.1  # authors' code; the paper gives no value
    use_terminal_entropy: bool = True  # paper; False is its ablation
    use_branching_entropy: bool = True  # paper; False is its ablation
    use_filtering: bool = True  # paper; False draws lots instead of scoring: its ablation


class CalibrationConfig(Settings):
    """The ranking fused with the expert's labels (METHOD section 5)."""

    features: tuple[Feature, ...] = ("mean_logprob",)  # ours: see benchmarks/RESULTS.md
    weight_scale: Positive = 1.0  # ours: prior deviation of a weight, logits per deviation
    likeness_scale: Positive = 1.0  # ours: prior deviation of what likeness to the expert's choices
    # can say of an answer, logits
    residual_scale: NonNegative = 0.5  # ours: what the features do not explain, logits
    rater_scale: NonNegative = 0.5  # ours: how much raters differ in keenness, log scale
    folds: Annotated[int, Field(ge=2, le=10)] = 2  # ours: parts of the labels, each scored by a
    # policy that was warmed up on the others


class LoraSettings(Settings):
    """The adapter."""

    rank: Annotated[int, Field(ge=1, le=512)] = 16  # ours
    alpha: Count = 32  # ours
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # ours


class SftConfig(Settings):
    """The warm start on the chosen answers."""

    epochs: Annotated[int, Field(ge=0, le=1000)] = 3  # ours
    learning_rate: Positive = 1e-4  # ours
    batch_size: Count = 8  # ours
    min_steps: Annotated[int, Field(ge=0, le=10_000)] = 0  # ours: few labels are passed over until
    # as many steps are taken, but at most twice as often as many labels are

    def num_passes(self, num_pairs: int) -> int:
        """Return the passes over the chosen answers of so many pairs; 0 epochs is no warm start."""
        steps = max(1, -(-num_pairs // self.batch_size))
        wanted = -(-self.min_steps // steps)
        return min(max(self.epochs, wanted), 2 * self.epochs)


class SegaConfig(Settings):
    """Equation (2) in rounds."""

    rounds: Annotated[int, Field(ge=0, le=1000)] = 3  # ours
    prompts_per_round: Count = 32  # ours
    prompts_per_step: Count = 8  # ours; paper: batch 128
    learning_rate: Positive = 1e-5  # paper
    update: Literal["sega", "dpo"] = "sega"  # paper; "dpo" on best and worst is its ablation
    reward_mapping: Literal["identity", "softmax"] = "identity"  # paper allows both
    reward_temperature: Positive = 1.0  # ours: divides the scores before the softmax
    scale_by_std: bool = False  # paper: no; authors' code: yes
    negative_weight: Annotated[float, Field(ge=0, le=1)] = 1.0  # paper; less holds back the push
    # away from answers below their group's mean, which has no floor
    normalisation: Literal["sequence", "token"] = "sequence"  # paper: sum over tokens
    trim: Annotated[int, Field(ge=0, le=63)] = 0  # ours: lowest scores of a group left out
    use_pool: bool = True  # ours: sample from prompts without a label too
    group_labels: bool = False  # ours: the expert's own answers join the group of their prompt
    anchor: Literal["auto", "sft", "dpo"] = "sft"  # ours: what the labelled pairs say beside the
    # loss; "auto" goes by where they come from
    anchor_weight: NonNegative = 1.0  # ours: of the cross-entropy on the chosen answers, or of DPO
    # over beta on the pairs with the warm start as reference
    kl_weight: NonNegative = 0.0  # ours
    patience: Count = 2  # ours: rounds without a better held-out figure before the run ends


class BaselineConfig(Settings):
    """A rival method after the same warm start, through TRL."""

    learning_rate: Positive = 1e-4  # ours
    beta: Positive = 0.1  # DPO paper; IPO's tau, and the KL weight of the policy gradient
    batch_size: Count = 8  # ours
    budget_tokens: Count = 25_000  # ours: tokens of answers that go through a gradient


class RunConfig(Settings):
    """Everything that decides a run; frozen into ``spec.json``."""

    model: str = "demo"
    preset: Preset = "quick"
    method: Method = "gem"
    ranking: Ranking = "paper"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    trust_remote_code: bool = False
    engine: TokenEngine = "transformers"  # ours: what draws answers
    engine_urls: tuple[str, ...] = ()  # ours: of vLLM servers; none: vLLM in a child of the run
    prompt: PromptConfig = PromptConfig()
    sampling: SamplingConfig = SamplingConfig()
    scoring: ScoringConfig = ScoringConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    lora: LoraSettings = LoraSettings()
    sft: SftConfig = SftConfig()
    sega: SegaConfig = SegaConfig()
    baseline: BaselineConfig = BaselineConfig()
    max_grad_norm: Positive = 1.0  # ours
    micro_batch_tokens: Count = 8192  # ours: of one forward pass, padding included
    halve_batches: bool = True  # ours: after the device ran out of memory, and go on
    gradient_checkpointing: bool = False  # ours: layers are computed once more on the way back
    # instead of being kept; slower, for less memory
    load_in_4bit: bool = False  # ours: the base model's linear layers, see gem_backend.four_bit
    shard_model: bool = False  # ours: among the processes of a run, see gem_backend.sharding
    # ours: tokens of a prompt with its chosen answer; longer pairs are left out, never cut. A
    # sampled answer has `max_new_tokens` beside its prompt instead.
    max_length: Annotated[int, Field(ge=8)] = 2048
    evaluation_prompts: Count = 256  # ours: held-out prompts answered greedily before and after


# The embedded model is a thousand times smaller than the paper's, so its learning rates are larger.
# "paper" is the paper's protocol: a warm start on the chosen answers, then equation (2) alone, on
# equation (1) alone. The others are ours, found by experiment (benchmarks/RESULTS.md).
_PAPER_SEGA = SegaConfig(prompts_per_round=128, prompts_per_step=128, anchor_weight=0.0)
_DEMO_STANDARD = RunConfig(
    preset="standard",
    ranking="calibrated",
    sampling=SamplingConfig(temperature=1.0, max_new_tokens=128),
    scoring=ScoringConfig(lambda_fork=0.0),
    calibration=CalibrationConfig(features=("mean_logprob", "expert_likeness")),
    lora=LoraSettings(rank=8, alpha=16),
    sft=SftConfig(epochs=10, learning_rate=2e-3, min_steps=40),
    sega=SegaConfig(
        rounds=5,
        prompts_per_step=4,
        learning_rate=3e-4,
        reward_mapping="softmax",
        reward_temperature=0.25,
        negative_weight=0.2,
        normalisation="token",
        anchor="auto",
        anchor_weight=0.1,
        patience=3,
    ),
    baseline=BaselineConfig(learning_rate=1e-3),
    max_length=512,
)
_DEMO: dict[Preset, RunConfig] = {
    "quick": _DEMO_STANDARD.model_copy(
        update={
            "preset": "quick",
            "sega": SegaConfig(**_DEMO_STANDARD.sega.model_dump() | {"rounds": 3}),
        }
    ),
    "standard": _DEMO_STANDARD,
    "paper": RunConfig(
        preset="paper",
        sampling=SamplingConfig(max_new_tokens=128),
        sega=_PAPER_SEGA,
        max_length=512,
    ),
}
# A model of 8 billion weights keeps 43 GB of a pass of 4,096 tokens, which 80 GB have room for.
_LARGE_PASS = 4096
_LARGE: dict[Preset, RunConfig] = {
    "quick": RunConfig(preset="quick", sega=SegaConfig(rounds=1), micro_batch_tokens=_LARGE_PASS),
    "standard": RunConfig(preset="standard", micro_batch_tokens=_LARGE_PASS),
    "paper": RunConfig(
        preset="paper",
        micro_batch_tokens=_LARGE_PASS,
        sampling=SamplingConfig(max_new_tokens=512),
        sega=_PAPER_SEGA,
    ),
}


def with_values(config: RunConfig, values: Mapping[str, object]) -> RunConfig:
    """Return the config with some values in it, by names such as "sega.rounds"; all are checked.

    Raises:
        ConfigError: a name is unknown or a value out of range.
    """
    tree = config.model_dump()
    for name, value in values.items():
        *sections, field = name.split(".")
        place: object = tree
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or field not in place:
            raise ConfigError(f"There is no setting '{name}'.")
        place[field] = value
    return RunConfig(**tree)


def preset_config(preset: Preset, model: str = "demo", seed: int = 0) -> RunConfig:
    """Return the settings of a preset; the embedded model has settings of its own size.

    Args:
        preset: "quick" (about a minute on the embedded model), "standard", or "paper" (K 5,
            learning rate 1e-5, 128 prompts a step, no anchor). What the paper does not give, such
            as the warm start's length and the adapter's size, is ours there too.
        model: "demo", a local folder or a hub name.
        seed: of the whole run.
    """
    base = (_DEMO if model == "demo" else _LARGE)[preset]
    return base.model_copy(update={"model": model, "seed": seed})
