"""The settings of a run that the form on Align offers, a row each, with their words."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from app.text import calibration as say
from gem_backend.types import Feature

Section = Literal["run", "sampling", "scoring", "calibration", "sft", "sega", "baseline"]
Place = Literal["main", "rounds", "score", "update", "memory", "without", "rival"]


@dataclass(frozen=True, slots=True)
class Option:
    """One setting; ``choices`` are (words, value) pairs, empty for counts, numbers and ticks.

    ``section`` "run" is RunConfig itself; ``place`` is the part of the form; ``needs`` names a
    package without which there is nothing to choose.
    """

    section: Section
    field: str
    kind: Literal["count", "number", "choice", "many", "tick"]
    label: str
    hint: str
    choices: tuple[tuple[str, str], ...] = ()
    place: Place = "rounds"
    needs: str = ""

    @property
    def is_offered(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None


FEATURE_CHOICES = tuple((say.FEATURE_NAMES.get(name, name), name) for name in get_args(Feature))

OPTIONS: tuple[Option, ...] = (
    Option(
        "run",
        "ranking",
        "choice",
        "Ranking",
        "How sampled answers are put in order before the model learns from them.",
        choices=say.RANKINGS,
        place="main",
    ),
    Option(
        "run",
        "method",
        "choice",
        "Compare with",
        "GEM itself, or another method on the same labels, warm start and held-out cases.",
        choices=say.METHODS,
        place="rival",
    ),
    Option(
        "sega",
        "rounds",
        "count",
        "Rounds",
        "How often to sample, rank and learn; 0: only from your pairs.",
        place="rounds",
    ),
    Option(
        "run",
        "engine",
        "choice",
        "Answers drawn by",
        "vLLM draws many answers at a time and is quicker with a large model on a GPU.",
        (("The studio", "transformers"), ("vLLM", "vllm")),
        place="rounds",
        needs="vllm",
    ),
    Option(
        "sampling",
        "num_candidates",
        "count",
        "Answers per prompt (K)",
        "More answers make a better ranking and a longer run.",
        place="rounds",
    ),
    Option(
        "sampling",
        "temperature",
        "number",
        "Temperature",
        "Higher: more varied answers. Around 0.9 is usual.",
        place="rounds",
    ),
    Option(
        "sft",
        "learning_rate",
        "number",
        "Learning rate, your pairs",
        "Step size while learning from the answers you preferred.",
        place="rounds",
    ),
    Option(
        "sega",
        "learning_rate",
        "number",
        "Learning rate, rounds",
        "Step size in the rounds. Too large a value can ruin the model.",
        place="rounds",
    ),
    Option(
        "sega",
        "use_pool",
        "tick",
        "Sample unlabelled questions too",
        "Off: the model answers only the questions that you compared.",
        place="rounds",
    ),
    Option(
        "scoring",
        "lambda_fork",
        "number",
        "Weight of exploring (lambda)",
        "How much uncertainty in the middle of the reasoning counts in favour.",
        place="score",
    ),
    Option(
        "scoring",
        "top_m",
        "number",
        "Share of fork tokens (m)",
        "Which share of the reasoning, the least certain, is looked at: 0.1 is a tenth.",
        place="score",
    ),
    Option(
        "sega",
        "trim",
        "count",
        "Leave out the lowest",
        "So many answers of each group, those with the lowest scores, do not count.",
        place="score",
    ),
    Option(
        "calibration",
        "features",
        "many",
        "What the calibrated ranking weighs",
        "Your labels decide how much each of these counts.",
        choices=FEATURE_CHOICES,
        place="score",
    ),
    Option(
        "sega",
        "update",
        "choice",
        "What is learned",
        "From all ranked answers of a group, or from its best against its worst.",
        choices=(("The whole ranking (SEGA)", "sega"), ("Best against worst (DPO)", "dpo")),
        place="update",
    ),
    Option(
        "sega",
        "group_labels",
        "tick",
        "Your answers join the ranking",
        "The two answers you compared take part beside the sampled ones.",
        place="update",
    ),
    Option(
        "sega",
        "negative_weight",
        "number",
        "Push away from worse answers",
        "1: as strongly as towards better ones (paper); 0: not at all.",
        place="update",
    ),
    Option(
        "sega",
        "reward_mapping",
        "choice",
        "Score to reward",
        "Use the scores as they are, or sharpen the best of each group.",
        choices=(("As they are", "identity"), ("Sharpened (softmax)", "softmax")),
        place="update",
    ),
    Option(
        "sega",
        "reward_temperature",
        "number",
        "Softness of sharpening",
        "Only with “Sharpened”: the smaller, the more the best answer counts.",
        place="update",
    ),
    Option(
        "sega",
        "normalisation",
        "choice",
        "Long answers",
        "Add up over the tokens of an answer, so that long ones weigh more, or average.",
        choices=(("Sum (paper)", "sequence"), ("Average", "token")),
        place="update",
    ),
    Option(
        "sega",
        "scale_by_std",
        "tick",
        "Scale by spread",
        "Give every group of answers the same weight, however close its scores are.",
        place="update",
    ),
    Option(
        "sega",
        "anchor",
        "choice",
        "Anchor",
        "What your pairs say in every step: repeat the better answer, or also keep the worse away. "
        "By source: repeat where most pairs are the model's own answers.",
        (("By source", "auto"), ("Repeat", "sft"), ("Contrast (DPO)", "dpo")),
        place="update",
    ),
    Option(
        "sega",
        "anchor_weight",
        "number",
        "Anchor weight",
        "How strongly the rounds hold on to your pairs; 0: not at all.",
        place="update",
    ),
    Option(
        "sega",
        "kl_weight",
        "number",
        "KL weight",
        "How strongly the model is held near the base model; 0: not at all.",
        place="update",
    ),
    Option(
        "sampling",
        "max_new_tokens",
        "count",
        "Longest answer, in tokens",
        "Longer answers are cut; a token is about three quarters of a word.",
        place="memory",
    ),
    Option(
        "run",
        "micro_batch_tokens",
        "count",
        "Tokens at a time",
        "Fewer need less memory and take longer; the result stays the same.",
        place="memory",
    ),
    Option(
        "run",
        "gradient_checkpointing",
        "tick",
        "Compute layers twice",
        "Needs much less memory for a third more time; the result stays the same.",
        place="memory",
    ),
    Option(
        "run",
        "load_in_4bit",
        "tick",
        "Model in four bits",
        "The model takes a quarter of the memory, rounded and slower; needs the package hqq.",
        place="memory",
    ),
    Option(
        "scoring",
        "use_terminal_entropy",
        "tick",
        "Score certainty of the result",
        "Off: the first term of the score is left out.",
        place="without",
    ),
    Option(
        "scoring",
        "use_branching_entropy",
        "tick",
        "Score exploring in the middle",
        "Off: the second term of the score is left out.",
        place="without",
    ),
    Option(
        "scoring",
        "use_filtering",
        "tick",
        "Rank by the score",
        "Off: the order is drawn by lot.",
        place="without",
    ),
    Option(
        "baseline",
        "learning_rate",
        "number",
        "Learning rate, other method",
        "Step size of the other method, after the same warm start.",
        place="rival",
    ),
    Option(
        "baseline",
        "beta",
        "number",
        "Beta",
        "How strongly DPO, IPO and the policy gradient hold on to the model after the warm start.",
        place="rival",
    ),
)
