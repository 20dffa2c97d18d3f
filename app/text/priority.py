"""Every sentence about which cases are asked about first."""

from typing import Final

from app.text import local_time
from app.text.runs import counted

TITLE: Final = "What to label next"
ASK_FIRST: Final = "Ask first about what the model is least sure of"
READING: Final = "Reading the answers of the cases that wait:"
ACTIVITY: Final = "Reading cases to order them"
NO_PROJECT: Final = "Create a project first."
NOTHING_TO_ORDER: Final = (
    "No case waits for a label, so there is nothing to order. Import cases under Data, or enter a "
    "pair on the Label page."
)
NOTHING_READ: Final = (
    "The model could not read the answers of any case that waits, so the order stays as it was."
)
EARLIER_ORDER: Final = "made before the studio was last started"

BY_LABELS: Final = (
    "first those where what your labels taught leaves it most open which answer is better"
)
BY_ENTROPY: Final = (
    "first those whose two answers score most alike by entropy, as nothing was learned from your "
    "labels yet"
)


def hint(most: int) -> str:
    """Return what pressing the button does."""
    return (
        "A label teaches most where it is hardest to foresee. The model reads up to "
        f"{counted(most, 'case')} that still need a label, and the Label page then begins with "
        "those it is least sure of."
    )


def order_made(created_at: str, num_cases: int, is_by_labels: bool, num_unread: int) -> str:
    """Return when the order was made, for how many cases, and by what."""
    how = BY_LABELS if is_by_labels else BY_ENTROPY
    unread = (
        f" {counted(num_unread, 'case')} could not be read and "
        f"{'comes' if num_unread == 1 else 'come'} after them."
        if num_unread
        else ""
    )
    return f"Order of {local_time(created_at)} for {counted(num_cases, 'case')}: {how}.{unread}"


def order_there(num_cases: int) -> str:
    """Return that cases are ordered, where nobody knows since when."""
    verb = "comes" if num_cases == 1 else "come"
    return f"{counted(num_cases, 'case')} {verb} first, in an order {EARLIER_ORDER}."
