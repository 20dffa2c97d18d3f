"""What Explore says about the same answers as another model reads them."""

from typing import Final

MODEL: Final = "Read these answers with"
SHOW: Final = "Show the difference"
READING: Final = "Reading"
READ: Final = "Read. The colour shows the difference."
NO_GROUP: Final = "There are no answers to read yet; sample some first."
SAME: Final = "These answers were sampled by that model; choose another one to compare with."
FOREIGN: Final = "Another model sampled these answers, and its tokens mean other things here."

LEGEND: Final = "How much surer, or less sure, the other model is at each word"
SURER: Final = "surer: dots"
LESS_SURE: Final = "less sure: double line"


def legend_note(most_nats: float, least_nats: float) -> str:
    """Return what the scale of the difference is; the arguments are those of ``heatmap_words``."""
    return (
        "Its entropy less that of the model that wrote the words, in nats, the same scale on every "
        f"card: full colour from {most_nats:.1f} on, below {least_nats:.1f} nothing is tinted. "
        "A thick underline marks a fork. The answer is framed."
    )


def heatmap_words(name: str, most_nats: float, least_nats: float) -> dict[str, str]:
    """Return what the heatmap's script says of it.

    Args:
        name: of the other model.
        most_nats: the difference from which on the colour is full.
        least_nats: below which nothing is tinted.
    """
    return {
        "mode_difference": "Difference between two models",
        "hint_difference": (
            f"The same words read by: {name}. Orange with a double line: it is less sure there "
            "than the model that wrote them; violet with dots: it is surer. Full colour from "
            f"{most_nats:.1f} nats on, none below {least_nats:.1f}."
        ),
        "other_entropy": f"Entropy, {name}",
    }
