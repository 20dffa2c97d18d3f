"""What the Explore page asks with and shows, as records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import TypeAdapter

from app.desks.batch import BatchState
from app.records import CalibrationView, TaskState
from gem_backend.config import ScoringConfig
from gem_backend.types import Candidate, Ranking

_IDLE = TaskState("idle")
_NO_BATCH = BatchState()
_SCORING = ScoringConfig()

Choices = list[tuple[str, str]]
Group = tuple[Candidate, ...]


class Asked(NamedTuple):
    """What the page's controls say: which model, the two weights of S, which order."""

    model: str | None = ""
    lambda_fork: float = _SCORING.lambda_fork
    top_m: float = _SCORING.top_m
    ranking: Ranking = "paper"

    @classmethod
    def of(cls, values: Sequence[object]) -> "Asked":
        """Return the values of the controls, as a handler gets them, by name."""
        return _ASKED.validate_python(values)

    @property
    def scoring(self) -> ScoringConfig:
        """The two sliders as settings."""
        return ScoringConfig(lambda_fork=self.lambda_fork, top_m=self.top_m)


_ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)


class GoOn(NamedTuple):
    """From which token of which candidate to go on, and with which of its alternatives."""

    candidate_id: str
    token: int
    alternative: int | None = None


class Watched(NamedTuple):
    """The background work that the page follows, and which answers of its prompt are shown.

    ``opened`` is the earlier group that somebody opened; empty where the newest one is shown.
    """

    sampling: TaskState = _IDLE
    learning: TaskState = _IDLE
    ordering: TaskState = _IDLE
    rereading: TaskState = _IDLE
    grouping: TaskState = _IDLE
    batch: BatchState = _NO_BATCH
    opened: str = ""


_AT_REST = Watched()


@dataclass(frozen=True, slots=True)
class ExploreScreen:
    """Everything the page shows of one prompt; ``prompt_id`` is None where there is no prompt.

    ``is_withheld``: there is a group, which its viewer has to put in order first; it is not here.
    ``group_id`` is that of the group that is shown or withheld, None without one. ``groups`` are
    all of the prompt, the newest first, as labels with their ids, and empty where there is no
    choice; the newest has ``num_newest`` candidates.
    """

    prompt_id: str | None
    prompt: str = ""
    group: Group = ()
    tasks: Watched = _AT_REST
    is_withheld: bool = False
    group_id: str | None = None
    groups: Choices = field(default_factory=list)
    num_newest: int = 0


@dataclass(frozen=True, slots=True)
class PromptList:
    """Prompts to choose from, as labels of one line with their ids.

    ``can_search``: there are more of them; ``words`` then says so.
    """

    choices: Choices
    can_search: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the labels say to the model that is shown, which ``model`` names."""

    view: CalibrationView
    model: str
    is_adapter: bool
