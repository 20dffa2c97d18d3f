"""Every sentence about ranking first and seeing the machine's order second."""

from typing import Final

from app.text.calibration import MINUS
from app.text.runs import counted
from gem_backend.automation_bias import AutomationBias, Tau

FIELD: Final = (
    "Experts rank first: Explore withholds the machine's order of answers from whoever has not put "
    "them in order"
)
WITHHELD: Final = "The machine's order is withheld until you have put these answers in order."
WITHHELD_NEXT: Final = (
    "Label shows two of them, and “Rank all answers at once” (key k) puts all in order. Then they "
    "are shown here, word by word, beside the machine's order."
)
PUT_IN_ORDER: Final = "Put them in order now"
PUT_THESE_IN_ORDER: Final = "Put these answers in order yourself"
CALLED: Final = "They wait first on Label."
NO_TWO: Final = "No two of these answers differ, so there is nothing to put in order."
NOTHING_TO_ORDER: Final = (
    "You have judged these answers already. Choose the question once more to see how far you and "
    "the machine agree."
)
TAU_HINT: Final = f"1 is the same order, 0 is no relation, {MINUS}1 is the reverse order."

BIAS_TITLE: Final = "After the machine's order was shown"
BIAS_HINT: Final = (
    "Experts ranked first and were then shown the machine's order: how many orders they changed "
    "afterwards, and whether that brought them closer to the machine's. It does not say who is "
    f"right. Kendall's tau is 1 for the same order and {MINUS}1 for the reverse; its change is the "
    "mean over the changed orders, with its 95 % interval."
)
BIAS_HEAD: Final = (
    "Rater",
    "Orders shown",
    "Changed afterwards",
    "Change of tau towards the machine",
    "How to read it",
)
NO_CHANGE: Final = "No order was changed, so there is no change to average."
NOT_COMPARED: Final = (
    "Of the changed orders none has a tau both times: they were taken back, or are all ties."
)
ONE_CHANGE: Final = "One change alone has no interval."
ALIKE: Final = "All changes are alike, so they have no interval."
TOWARDS: Final = "Changes go towards the machine."
AWAY: Final = "Changes go away from the machine."
NO_DIRECTION: Final = "Towards the machine or away from it: these changes do not tell."


def figure(value: float) -> str:
    """Return a tau with two decimals and a proper minus sign."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", MINUS)


def signed(value: float) -> str:
    """Return a change of tau, with its sign in any case but 0."""
    number = figure(value)
    return number if value <= 0 or number == "0.00" else f"+{number}"


def tau_words(tau: Tau) -> str:
    """Return how far an expert's order and the machine's agree, or why nobody can say."""
    if tau.n < 2:
        return "You and the machine: your labels put no two of these answers in order."
    if tau.value is None:
        return (
            f"You and the machine: no Kendall's tau over {tau.n} answers, as one of the two orders "
            "has all of them equal."
        )
    return f"You and the machine: Kendall's tau {figure(tau.value)} over {tau.n} answers"


def reading(bias: AutomationBias) -> str:
    """Return in a sentence what a rater's figure says, or why there is none."""
    if not bias.num_changed:
        return NO_CHANGE
    if not bias.num_compared:
        return NOT_COMPARED
    if bias.interval is None:
        return ONE_CHANGE if bias.num_compared == 1 else ALIKE
    low, high = bias.interval
    found = TOWARDS if low > 0 else AWAY if high < 0 else NO_DIRECTION
    left_out = bias.num_changed - bias.num_compared
    if not left_out:
        return found
    return f"{found} {counted(left_out, 'changed order')} without a tau both times left out."
