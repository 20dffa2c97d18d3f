"""Every sentence about choosing one of very many questions."""

from typing import Final

FIND: Final = "Find a question"
FIND_HINT: Final = "Type some of its words."


def listed(num_listed: int, num_prompts: int) -> str:
    """Return that only some questions are in the list, and which."""
    return (
        f"{num_listed:,} of {num_prompts:,} questions are in the list, those with sampled answers "
        "or labels first. Find others by their words."
    )


def found(num_found: int, num_listed: int) -> str:
    """Return how many questions have these words."""
    if not num_found:
        return "No question has these words."
    of_all = f"{num_found:,} question{'' if num_found == 1 else 's'}"
    more = f", of which {num_listed:,} are in the list" if num_found > num_listed else ""
    return f"{of_all} with these words{more}."
