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

_MOST_OPEN: Final = "those where what your labels taught leaves it most open which answer is better"
NO_CONFLICT: Final = (
    f"first {_MOST_OPEN}, as the entropy order points to another answer than your labels in none"
)
BY_ENTROPY: Final = (
    "first those whose two answers score most alike by entropy, as nothing was learned from your "
    "labels yet"
)


def hint(most: int) -> str:
    """Return what pressing the button does."""
    return (
        "A label teaches most where it is hardest to foresee. The model reads up to "
        f"{counted(most, 'case')} that still need a label. The Label page then begins with those "
        "where the entropy order and what your labels taught point to different answers, and goes "
        "on with those it is least sure of."
    )


def by_labels(num_conflicts: int) -> str:
    """Return why the first cases of an order by labels come first."""
    if not num_conflicts:
        return NO_CONFLICT
    return (
        f"first {counted(num_conflicts, 'case')} where the entropy order points to one answer and "
        f"what your labels taught to the other, so that a label tells which is right; then "
        f"{_MOST_OPEN}"
    )


def order_made(created_at: str, num_cases: int, how: str, num_unread: int) -> str:
    """Return when the order was made, for how many cases, and why the first come first."""
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
