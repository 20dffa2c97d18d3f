"""What Explore says about the things that a heatmap's colour can show."""

import math
from typing import Final

SURPRISE_LEGEND: Final = "How improbable each written word was"
# One in how many, and its words on the scale.
SURPRISE_TICKS: Final = ((1, "certain"), (2, "1 in 2"), (4, "1 in 4"), (8, "1 in 8 or less"))


def surprise_note(threshold: float) -> str:
    """Return what the scale of the written words is, and from which probability on none shows."""
    over = 100 * math.exp(-threshold)
    return (
        "Minus the logarithm of the probability of what was written, in nats, the same scale on "
        f"every card; below {threshold:.1f}, which is over {over:.0f} %, nothing is tinted. "
        "A thick underline marks a fork. The answer is framed."
    )


def heatmap_words(window_tokens: int, high_nats: float) -> dict[str, str]:
    """Return what the heatmap's script says of them.

    Args:
        window_tokens: of a window.
        high_nats: over which a token counts as one of high entropy.
    """
    return {
        "mode": "What the colour shows",
        "mode_token": "Each word",
        "mode_window": "Passages",
        "mode_sentence": "Sentences",
        "mode_step": "Steps",
        "mode_phase": "Reasoning and answer",
        "mode_surprise": "What was written",
        "hint_token": "How unsure the model was at each word.",
        "hint_window": (
            f"How unsure it was over a passage: the mean of a word and the {window_tokens - 1} "
            "tokens after it."
        ),
        "hint_sentence": "How unsure it was in a sentence: the mean of its tokens.",
        "hint_step": "How unsure it was in a step, which is a line: the mean of its tokens.",
        "hint_phase": "How unsure it was in its reasoning and in its answer: the mean of each.",
        "hint_surprise": (
            "How improbable the written word was; where the model was unsure but took the likely "
            "way, it is pale."
        ),
        "passage": "Entropy of the passage",
        "sentence": "Entropy of the sentence, mean",
        "step": "Entropy of the step, mean",
        "most": "Highest in it",
        "high": f"Tokens over {high_nats:.1f} nats in it",
        "reasoning": "Entropy of the reasoning, mean",
        "whole_answer": "Entropy of the answer, mean",
    }
