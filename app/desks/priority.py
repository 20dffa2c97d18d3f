"""The studio's use cases around what to label next: the model reads the cases that wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.desks.calibration import CalibrationDesk, item_of, read_answers
from app.records import TaskState
from app.tasks import Tasks
from app.text import priority as say
from gem_backend.config import PromptConfig, ScoringConfig
from gem_backend.engine import Engine, OnProgress
from gem_backend.engine_requests import ScoredAnswer, ScoreRequest
from gem_backend.errors import DataError
from gem_backend.types import Calibration, Comparison
from storage import priorities, projects
from storage.database import Database
from storage.identity import utc_now

MOST_CASES = 100  # ours: minutes of reading with a small model, more than a sitting of labelling
SCORING = ScoringConfig()


@dataclass(frozen=True, slots=True)
class QueueOrder:
    """The order of a project's cases; ``num_unread`` of those asked about could not be read.

    In ``num_conflicts`` the entropy order and what labels taught point to different answers.

    ``created_at`` is empty for one that was made before the studio was started; then nobody knows
    by what, and ``num_cases`` are those that still wait.
    """

    num_cases: int
    created_at: str = ""
    is_by_labels: bool = False
    num_conflicts: int = 0
    num_unread: int = 0


@dataclass(frozen=True, eq=False)
class PriorityDesk:
    """What ``Studio`` does about the order of the queue; thread-safe."""

    db: Database
    engine: Engine
    tasks: Tasks
    calibration: CalibrationDesk
    made: dict[str, QueueOrder] = field(default_factory=dict)

    def start(self, project_id: str, adapter: str | None, adapter_dir: str | None) -> TaskState:
        """Begin to score the cases that wait, and put those first that are least sure.

        Raises:
            DataError: no case waits.
        """
        cases = priorities.pending_cases(self.db, project_id, MOST_CASES)
        if not cases:
            raise DataError(say.NOTHING_TO_ORDER)

        def work(on_progress: OnProgress) -> None:
            scored = self._score(project_id, cases, adapter_dir, on_progress)
            self._order(project_id, adapter, cases, scored)

        return self.tasks.start(_task(project_id), work)

    def state(self, project_id: str) -> TaskState:
        """Return how that stands."""
        return self.tasks.state(_task(project_id))

    def order(self, project_id: str) -> QueueOrder | None:
        """Return the order that holds; None where no case that waits has a place in one."""
        num_waiting = priorities.num_ordered(self.db, project_id)
        if not num_waiting:
            return None
        return self.made.get(project_id) or QueueOrder(num_waiting)

    def _score(
        self,
        project_id: str,
        cases: Sequence[Comparison],
        adapter_dir: str | None,
        on_progress: OnProgress,
    ) -> list[ScoredAnswer | None]:
        marker = projects.get_project(self.db, project_id).answer_marker
        prompt_config = PromptConfig(answer_marker=marker)
        return self.engine.score(
            ScoreRequest(tuple(_answers(cases)), prompt_config, adapter_dir), on_progress
        )

    def _order(
        self,
        project_id: str,
        adapter: str | None,
        cases: Sequence[Comparison],
        scored: Sequence[ScoredAnswer | None],
    ) -> None:
        # scipy takes a second
        from gem_backend.next_cases import CONFLICT, case_priorities  # noqa: PLC0415

        read = read_answers(_answers(cases), scored)
        items = {key: item_of(answer, SCORING) for key, answer in read.items()}
        sides = {
            case.pair_id: (items[case.prompt, case.answer_a], items[case.prompt, case.answer_b])
            for case in cases
            if {(case.prompt, case.answer_a), (case.prompt, case.answer_b)} <= items.keys()
        }
        if not sides:
            raise DataError(say.NOTHING_READ)
        learned = self._learned(project_id, adapter)
        found = case_priorities(list(sides.values()), learned, SCORING)
        priorities.set_priorities(self.db, project_id, dict(zip(sides, found, strict=True)))
        self.made[project_id] = QueueOrder(
            num_cases=len(sides),
            created_at=utc_now(),
            is_by_labels=learned is not None,
            num_conflicts=sum(one > CONFLICT for one in found) if learned else 0,
            num_unread=len(cases) - len(sides),
        )

    def _learned(self, project_id: str, adapter: str | None) -> Calibration | None:
        """The weights that labels taught; the prior alone was taught by none."""
        found = self.calibration.view(project_id, adapter, SCORING).calibration
        return found if found is not None and found.num_comparisons else None


def _answers(cases: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Every answer with its prompt, once."""
    sides = ((case.prompt, text) for case in cases for text in (case.answer_a, case.answer_b))
    return list(dict.fromkeys(sides))


def _task(project_id: str) -> str:
    return f"order {project_id}"
