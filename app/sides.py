"""From the sides of the screen to the stored answers and back; nothing stored knows a side."""

from gem_backend.types import Answer, Case, Verdict


def to_verdict(choice: str, case: Case) -> Verdict | None:
    """Translate a side into the answer that stood there; None for a word that is no choice."""
    right: Answer = "b" if case.left == "a" else "a"
    verdicts: dict[str, Verdict] = {
        "left": case.left,
        "right": right,
        "tie": "tie",
        "both_bad": "both_bad",
        "cannot_judge": "cannot_judge",
    }
    return verdicts.get(choice)


def to_choice(verdict: Verdict | None, case: Case) -> str | None:
    """Translate a verdict into the side or word that stands for it on screen."""
    if verdict in ("a", "b"):
        return "left" if verdict == case.left else "right"
    return verdict
