"""Every sentence about the curve of a candidate."""

from typing import Final

HINT: Final = (
    "The word under the pointer is marked on the curve, and a point of the curve in the text; "
    "click a point to go to its word."
)
LINE: Final = "entropy"
FORKS: Final = "forks"
ANSWER: Final = "answer"
STANDIN: Final = "last fifth"
X: Final = "token"
Y: Final = "entropy (nats)"
BLANK: Final = "space"


def title(name: str, token: str, figures: tuple[float, float, int]) -> str:
    """Return the finding of the curve.

    Args:
        name: which candidate this is.
        token: where it was least sure, escaped already.
        figures: the entropy there, the answer's mean entropy, the answer's number of tokens.
    """
    entropy, answer_mean, answer_count = figures
    return (
        f"{name}: least sure at “{token}” ({entropy:.1f} nats)<br>"
        f"The answer averages {answer_mean:.2f} nats (n = {answer_count} tokens)"
    )
