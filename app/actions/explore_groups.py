"""The groups that a question was sampled in: which one is shown, and what they are called."""

from collections.abc import Sequence
from pathlib import Path

from app import text
from app.actions.explore_records import Choices
from app.text import sampling as say
from storage.candidates import GroupSummary


def first_of(groups: Sequence[GroupSummary], wanted: Sequence[str | None]) -> GroupSummary | None:
    """Return the first of the wanted groups that is there; else the newest, which is the first."""
    known = {one.group_id: one for one in groups}
    newest = groups[0] if groups else None
    return next((known[one] for one in wanted if one in known), newest)


def group_choices(groups: Sequence[GroupSummary], own_model: str, models: Choices) -> Choices:
    """Return the groups as labels with their ids; none where there is no choice.

    Args:
        groups: of one question, the newest first.
        own_model: the studio's.
        models: that model and its adapters, as labels with run ids; "" is the model alone.
    """
    if len(groups) < 2:
        return []
    names = {run_id: name for name, run_id in models}

    def name(one: GroupSummary) -> str:
        if one.model != own_model:
            return say.foreign_model(Path(one.model).name, one.adapter)
        return names.get(one.adapter or "", one.adapter or text.BASE_MODEL)

    def words(one: GroupSummary) -> str:
        how = (one.temperature, one.top_p, one.seed)
        return say.group_words(one.drawn_at, one.num_candidates, name(one), how)

    return [(words(one), one.group_id) for one in groups]
