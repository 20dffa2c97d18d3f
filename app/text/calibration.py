"""Every sentence about learning from labels and about methods, for Explore, Align and Results."""

from typing import Final, Literal

from app.text.runs import counted, percent
from gem_backend.types import Estimate, Feature, FeatureWeight, Method, Ranking

MINUS: Final = "\N{MINUS SIGN}"

# --- the order of the cards -------------------------------------------------------------------
RANKING: Final = "Ranking"
RANKINGS: Final[tuple[tuple[str, Ranking], ...]] = (
    ("By entropy (paper)", "paper"),
    ("Calibrated on your labels", "calibrated"),
)
RANKING_WORDS: Final[dict[Ranking, str]] = {
    "paper": "by entropy (paper)",
    "calibrated": "calibrated on your labels",
}

# --- what your labels say ---------------------------------------------------------------------
TITLE: Final = "What your labels say"
RUN_TITLE: Final = "What your labels said to this run"
RUN_INTRO: Final = "The run ranked its own answers with these weights."
LEARN: Final = "Learn from my labels"
LEARN_AGAIN: Final = "Learn again"
LEARNING: Final = "Reading the compared answers"
LEARNED: Final = "Learned from your labels."
NO_PROJECT: Final = "Create a project first."
NO_LABELS: Final = (
    "Nothing yet: this project has no comparison to learn from. Compare some pairs on the Label "
    "page, then come back. Held-out questions are never learned from."
)
PRIOR: Final = (
    "There was no comparison to learn from, so the calibrated order is exactly the order by "
    "entropy. Compare some pairs on the Label page, then learn again."
)
STALE: Final = "Your labels have changed since. Learn again to use them."
ADAPTER_KNOWS: Final = (
    "This adapter was trained on labels of this project, so its agreement with them flatters it."
)
WEIGHT_MEANING: Final = (
    "A weight says how much a typical difference of that kind counts in favour of an answer: "
    "0 is nothing, below 0 is against it."
)
AGREEMENT: Final = "Agreement with your preferences"
AGREEMENT_HEAD: Final = ("Order", "It agrees with", "95 % interval", "n")
BEFORE: Final = "By entropy (paper)"
AFTER: Final = "Calibrated, on preferences kept out of learning"
ONE_QUESTION: Final = (
    "Whether the calibrated order agrees with you can be checked once preferences on two or more "
    "questions are there."
)
CHANCE: Final = (
    "The interval of the calibrated order includes 50 %, what guessing would give: so far it "
    "cannot be told from guessing. More comparisons would narrow it."
)
ABOVE_CHANCE: Final = "The calibrated order agrees with you more often than guessing would."
BELOW_CHANCE: Final = (
    "The calibrated order agrees with you less often than guessing would. Do not rely on it."
)

# "Your labels favour answers …", "… speak against answers …"
FEATURES: Final[dict[str, str]] = {
    "final_confidence": "in which the model is sure of the result",
    "fork_entropy": "whose reasoning weighs alternatives",
    "mean_logprob": "that the model finds natural",
    "implicit_reward": "that training made more likely",
    "answer_agreement": "whose result other answers share",
    "expert_likeness": "that resemble those you preferred",
}
FEATURE_NAMES: Final[dict[str, str]] = {
    "final_confidence": "Sure of the result",
    "fork_entropy": "Weighs alternatives",
    "mean_logprob": "Natural to the model",
    "implicit_reward": "Made more likely by training",
    "answer_agreement": "Result shared by others",
    "expert_likeness": "Resembles what you preferred",
}


def source_line(model: str) -> str:
    """Return whose reading of the answers this is."""
    return f"As read by: {model}"


def ready_line(num_labels: int) -> str:
    """Return what pressing the button would use."""
    return (
        f"There {'is' if num_labels == 1 else 'are'} {counted(num_labels, 'comparison')} to learn "
        "from. The model reads each of their answers once; held-out questions are left out."
    )


def weight_sentence(weight: FeatureWeight) -> str:
    """Return what the labels say of one feature, with its 95 % interval and n."""
    what = _feature(weight.feature)
    figure = weight.weight
    if figure.low > 0:
        said = f"Your labels favour answers {what}"
    elif figure.high < 0:
        said = f"Your labels speak against answers {what}"
    else:
        said = f"Your labels do not say clearly whether answers {what} are better"
    return (
        f"{said}: weight {signed(figure.value)} (95 % interval {signed(figure.low)} to "
        f"{signed(figure.high)}, n = {counted(figure.n, 'comparison')})."
    )


def _feature(feature: Feature) -> str:
    return FEATURES.get(feature, feature)


def signed(value: float) -> str:
    """Return a weight with one decimal and the minus sign as printed: "0.8"."""
    return f"{value:.1f}".replace("-0.0", "0.0").replace("-", MINUS)


def origin_line(num_comparisons: int, num_raters: int, num_left_out: int) -> str:
    """Return what the weights were learned from."""
    raters = f" of {counted(num_raters, 'rater')}" if num_raters > 1 else ""
    left_out = (
        f" {counted(num_left_out, 'comparison')} could not be read and "
        f"{'was' if num_left_out == 1 else 'were'} left out."
        if num_left_out
        else ""
    )
    return f"Learned from {counted(num_comparisons, 'comparison')}{raters}.{left_out}"


def chance_sentence(after: Estimate) -> str:
    """Return how the calibrated order compares with guessing."""
    if after.low > 0.5:
        return ABOVE_CHANCE
    return BELOW_CHANCE if after.high < 0.5 else CHANCE


def skill_words(mean: float, sd: float) -> str:
    """Return a candidate's posterior skill, logits."""
    number = f"{mean:+.2f}".replace("-", MINUS)
    return f"Calibrated score {number} \N{PLUS-MINUS SIGN} {sd:.2f}"


def beats_words(probability: float) -> str:
    """Return how likely an expert prefers this candidate to the next one."""
    return f"{percent(probability)} likely to be preferred to the next"


# --- methods ----------------------------------------------------------------------------------
METHOD: Final = "Method"
RIVAL_TITLE: Final = "Compare with another method"
METHODS: Final[tuple[tuple[str, Method], ...]] = (
    ("GEM: sample, rank, learn from the whole ranking", "gem"),
    ("More imitation (SFT): only repeat the answers you preferred", "sft"),
    ("DPO: make preferred answers more likely than rejected ones", "dpo"),
    ("IPO: as DPO, with a limit on how far", "ipo"),
    ("Reward model + clipped policy gradient: train a judge, then please it", "rm_ppo"),
)
METHOD_NAMES: Final[dict[Method, str]] = {
    "gem": "GEM",
    "sft": "More imitation (SFT)",
    "dpo": "DPO",
    "ipo": "IPO",
    "rm_ppo": "Reward model + clipped policy gradient",
}


# Parts of the advanced fold, in the order of the form.
PLACES: Final[tuple[tuple[Literal["rounds", "score", "update", "memory", "without"], str], ...]] = (
    ("rounds", "Sampling and rounds"),
    ("score", "Score and ranking"),
    ("update", "What the rounds learn"),
    ("memory", "Length and memory"),
    ("without", "Leave a part of the method out, to see what it does"),
)


def nothing_chosen(label: str) -> str:
    """Return that a setting of several choices has none."""
    return f"Choose at least one under “{label}”."


def method_words(method: Method, ranking: Ranking) -> str:
    """Return a run's method; of GEM with its ranking."""
    name = METHOD_NAMES[method]
    return f"{name}, ranking {RANKING_WORDS[ranking]}" if method == "gem" else name


LEARNING_PHASE: Final = "Before training: learning from your labels how to rank answers…"


def rival_phase(method: Method, steps: int) -> str:
    """Return the sentence for a rival's training after the warm start."""
    done = f": {counted(steps, 'step')} done" if steps else ""
    return f"Training with {METHOD_NAMES[method]} on your pairs{done}…"


def story_rival(steps: int, first: float, last: float) -> str:
    """Return how a rival's training went."""
    return (
        f"Trained by the other method in {counted(steps, 'step')}: loss {first:.2f} to {last:.2f}."
    )


def rival_moment(part: int) -> str:
    """Return when a rival was checked: its training is cut into parts, not into rounds."""
    return f"After part {part}"


def rival_best(part: int) -> str:
    """Return that a version of a rival was kept as the best one."""
    return f"Part {part} of the training: saved as the best version so far."


def story_calibrated(num_comparisons: int) -> str:
    """Return that a run learned its ranking's weights."""
    return f"Learned the weights of its ranking from {counted(num_comparisons, 'comparison')}."


COMPARE_TITLE: Final = "Compared with other methods, on the same cases"
COMPARE_HEAD: Final = (
    "Run",
    "Preference accuracy, before",
    "after",
    "Final answers, before",
    "after",
)
COMPARE_HINT: Final = (
    "The same labels and the same held-out cases. Where intervals overlap, these cases do not tell "
    "the methods apart."
)
THIS_RUN: Final = "this run"


def not_comparable(name: str, date: str, reason: str) -> str:
    """Return why a run is not in the table."""
    return f"Not compared with {name} of {date}: {reason}."


OTHER_LABELS: Final = "the labels were different then"
OTHER_MODEL: Final = "it was another model"


def other_cases(own: int, other: int) -> str:
    """Return that two runs were measured on different cases."""
    return f"it was measured on {other:,} held-out cases, this run on {own:,}"
