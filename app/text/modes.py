"""What Explore says about the four things that a heatmap's colour can show."""


def heatmap_words(window_tokens: int) -> dict[str, str]:
    """Return what the heatmap's script says of them; a window has so many tokens."""
    return {
        "mode": "What the colour shows",
        "mode_token": "Each word",
        "mode_window": "Passages",
        "mode_phase": "Reasoning and answer",
        "mode_surprise": "What was written",
        "hint_token": "How unsure the model was at each word.",
        "hint_window": (
            f"How unsure it was over a passage: the mean of a word and the {window_tokens - 1} "
            "tokens after it."
        ),
        "hint_phase": "How unsure it was in its reasoning and in its answer: the mean of each.",
        "hint_surprise": (
            "How improbable the written word was; where the model was unsure but took the likely "
            "way, it is pale. Read the scale as 1 in 2, 1 in 4, and 1 in 8 or less."
        ),
        "passage": "Entropy of the passage",
        "reasoning": "Entropy of the reasoning, mean",
        "whole_answer": "Entropy of the answer, mean",
    }
