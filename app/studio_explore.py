"""The use cases of Explore: sample, read, put in order, learn; see ``Studio``."""

from collections.abc import Sequence

from app.access import for_admins
from app.desks.batch import BatchState
from app.desks.meanings import Meanings
from app.desks.priority import QueueOrder
from app.desks.rereading import Reading
from app.records import (
    CalibrationView,
    TaskState,
)
from app.studio_base import StudioBase
from app.text import blind as text_blind
from gem_backend.automation_bias import Tau
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.errors import EngineError
from gem_backend.types import (
    Branch,
    Candidate,
    Case,
    Prompt,
    RankedCandidate,
    RunSummary,
    Split,
)
from storage import (
    branches,
    candidates,
    projects,
    runs,
)
from storage.branches import Origin
from storage.candidates import CandidateGroup, GroupSummary
from storage.errors import EntryError, NotFoundError
from storage.projects import FoundPrompts

MOST_PROMPTS = 200  # ours: in one list to choose from


class ExploreUseCases(StudioBase):
    """What Explore asks for."""

    @for_admins
    def find_prompts(self, project_id: str, words: str = "") -> FoundPrompts:
        """Return a list of prompts that have these words to choose from, and how many there are."""
        return projects.find_prompts(self._db, project_id, words, MOST_PROMPTS)

    @for_admins
    def prompt(self, project_id: str, prompt_id: str) -> Prompt | None:
        """Return a prompt of the project; None where it has no such prompt."""
        prompt = projects.find_prompt(self._db, prompt_id)
        return prompt if prompt is not None and prompt.project_id == project_id else None

    @for_admins
    def prompt_counts(self, project_id: str) -> dict[Split, int]:
        """Return how many prompts the project has in each split."""
        return projects.count_prompts(self._db, project_id)

    def adapters(self, project_id: str) -> list[RunSummary]:
        """Return the runs whose adapter may be used on the studio's model, newest first."""
        return [run for run in runs.list_runs(self._db, project_id) if self._fits(run)]

    def _fits(self, run: RunSummary) -> bool:
        """Whether a run offers an adapter, and for this very model."""
        return _adapter_of(run) is not None and run.model == self._model

    @for_admins
    def start_sampling(
        self, prompt_id: str, config: SamplingConfig, adapter: str | None
    ) -> TaskState:
        """Begin sampling candidates for a prompt; ``adapter`` is a run id or None for the base."""
        self._refuse_during_run()
        prompt = projects.get_prompt(self._db, prompt_id)
        return self._sampling.start(prompt, config, self._adapter_dir(adapter))

    @for_admins
    def start_branch(
        self,
        point: Branch,
        alternative: int | None,
        config: SamplingConfig,
        group_id: str | None = None,
    ) -> TaskState:
        """Begin to sample other ways to go on from a token, by the model that drew the candidate.

        They join its group: ``group_id``, or the newest that has it.

        Raises:
            EngineError: a run has the model now, or another model drew the candidate.
            NotFoundError: there is no such candidate, or its adapter is gone.
        """
        self._refuse_during_run()
        _, group = branches.group_of(self._db, point.parent_id, group_id)
        drawn_by = group.candidates[0].provenance
        if drawn_by.model != self._model:
            raise EngineError("Another model wrote this answer; start the studio with that one.")
        adapter_dir = self._adapter_dir(drawn_by.adapter)
        return self._sampling.start_branch(point, alternative, config, adapter_dir, group_id)

    @for_admins
    def stop_sampling(self, prompt_id: str) -> None:
        """End sampling for a prompt; what it drew so far is not kept."""
        self._sampling.stop(prompt_id)

    @for_admins
    def start_batch(
        self, project_id: str, config: SamplingConfig, adapter: str | None
    ) -> BatchState:
        """Begin to sample candidates for every prompt of a project that a model has not answered.

        Args:
            project_id: the project; its held-out prompts only where somebody has explored them.
            config: number, temperature and seed.
            adapter: a run id, or None for the base model.

        Raises:
            DataError: there is no such prompt.
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._batch.start(project_id, config, adapter, self._adapter_dir(adapter))

    @for_admins
    def stop_batch(self, project_id: str) -> None:
        """End that; the groups that are stored stay."""
        self._batch.stop(project_id)

    @for_admins
    def batch_state(self, project_id: str) -> BatchState:
        """Return how that stands, or how it ended."""
        return self._batch.state(project_id)

    @for_admins
    def batch_counts(self, project_id: str, adapter: str | None) -> tuple[int, int]:
        """Return how many prompts a model has answered, and how many a batch would see to."""
        return self._batch.counts(project_id, adapter)

    @for_admins
    def pair_candidates(self, first_id: str, second_id: str) -> Case:
        """Make a case of two candidates, first in the queue, that knows where they come from.

        Raises:
            EntryError: they are of two questions, or say the same.
            NotFoundError: there is no such candidate.
        """
        case = self._shown(branches.pair_candidates(self._db, first_id, second_id))
        if not self.is_judged(case):
            self._handed_out.call(self._rater, case)
        return case

    @for_admins
    def origins(self, pair_id: str) -> list[Origin]:
        """Return the candidates that a pair's answers are, and where they left others."""
        return branches.origins(self._db, pair_id)

    def sampling_state(self, prompt_id: str) -> TaskState:
        """Return how sampling for a prompt stands."""
        return self._sampling.state(prompt_id)

    @for_admins
    def candidates(self, prompt_id: str) -> list[Candidate]:
        """Return the newest group of candidates of a prompt, empty if none was sampled."""
        group = candidates.latest_group(self._db, prompt_id)
        return list(group.candidates) if group else []

    @for_admins
    def sampled_groups(self, prompt_id: str) -> list[GroupSummary]:
        """Return the groups of candidates of a prompt in a few facts each, the newest first."""
        return candidates.list_groups(self._db, prompt_id)

    @for_admins
    def sampled_group(self, group_id: str) -> list[Candidate]:
        """Return the candidates of a group.

        Raises:
            NotFoundError: there is no such group.
        """
        return list(candidates.get_group(self._db, group_id).candidates)

    @for_admins
    def is_withheld(self, project_id: str, group: Sequence[Candidate]) -> bool:
        """Whether the machine's order of a group waits until who is there has put it in order."""
        return self._reveals.is_withheld(project_id, self._rater, group)

    @for_admins
    def reveal(
        self, project_id: str, ranked: Sequence[RankedCandidate], is_calibrated: bool
    ) -> Tau | None:
        """Return how far the viewer's own order agrees with one that is shown, None without one.

        Where the project asks experts to rank first, the first time is logged; then it raises
        NotFoundError where nobody sampled these candidates.
        """
        return self._reveals.reveal(project_id, self._rater, ranked, is_calibrated)

    @for_admins
    def call_group(self, group: Sequence[Candidate]) -> Case:
        """Make cases of a group's answers, and one of them the next on Label.

        Raises:
            EntryError: no two of them differ, or who is there has judged all of them.
        """
        for comparison in self._reveals.pair_answers(group):
            case = self._shown(comparison)
            if not self.is_judged(case):
                self._handed_out.call(self._rater, case)
                return case
        raise EntryError(text_blind.NOTHING_TO_ORDER)

    @for_admins
    def group_with(
        self, project_id: str, candidate_id: str
    ) -> tuple[Prompt, CandidateGroup] | None:
        """Return the prompt of a candidate and its newest group; None if the project has none."""
        try:
            prompt_id, group = branches.group_of(self._db, candidate_id)
        except NotFoundError:
            return None
        prompt = self.prompt(project_id, prompt_id)
        return (prompt, group) if prompt else None

    @for_admins
    def start_rereading(
        self, project_id: str, group: Sequence[Candidate], adapter: str | None
    ) -> TaskState:
        """Begin to read a group's tokens as an adapter (a run id; None: the base model) does.

        Raises:
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._rereading.start(project_id, group, adapter, self._adapter_dir(adapter))

    @for_admins
    def rereading_state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that reading stands."""
        return self._rereading.state(group)

    @for_admins
    def reading(self, group: Sequence[Candidate]) -> Reading | None:
        """Return what was read of a group last, None where nothing was."""
        return self._rereading.reading(group)

    @for_admins
    def start_grouping(self, group: Sequence[Candidate]) -> TaskState:
        """Begin to group the answers of at least one candidate by what they say.

        Raises:
            EngineError: a run has the model now.
        """
        self._refuse_during_run()
        return self._meanings.start(group)

    @for_admins
    def grouping_state(self, group: Sequence[Candidate]) -> TaskState:
        """Return how that stands."""
        return self._meanings.state(group)

    @for_admins
    def meanings(self, group: Sequence[Candidate]) -> Meanings | None:
        """Return the groups that were found, None where nobody asked."""
        return self._meanings.meanings(group)

    def _adapter_dir(self, adapter: str | None) -> str | None:
        """The folder of a run's adapter; None for the base model."""
        if adapter is None:
            return None
        run = runs.get_run(self._db, adapter)
        if not self._fits(run):
            raise NotFoundError("That run has no adapter for this model.")
        return _adapter_of(run)

    @for_admins
    def start_calibration(self, project_id: str, adapter: str | None) -> TaskState:
        """Begin to learn from the project's comparisons how much each feature counts.

        The model scores every answer that was compared; held-out prompts are never among them.

        Args:
            project_id: the project.
            adapter: a run id, or None for the base model.

        Raises:
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._calibration.start(project_id, adapter, self._adapter_dir(adapter))

    @for_admins
    def calibration_state(self, project_id: str, adapter: str | None) -> TaskState:
        """Return how that learning stands."""
        return self._calibration.state(project_id, adapter)

    @for_admins
    def calibration(
        self, project_id: str, adapter: str | None, scoring: ScoringConfig | None = None
    ) -> CalibrationView:
        """Return what was learned last, fitted anew (without the model) for these weights of S."""
        return self._calibration.view(project_id, adapter, scoring or ScoringConfig())

    @for_admins
    def start_ordering(self, project_id: str, adapter: str | None) -> TaskState:
        """Begin to put the cases first about which the model is least sure.

        Args:
            project_id: the project.
            adapter: a run id, or None for the base model.

        Raises:
            DataError: no case waits for a label.
            EngineError: a run has the model now.
            NotFoundError: that run offers no adapter for this model.
        """
        self._refuse_during_run()
        return self._priority.start(project_id, adapter, self._adapter_dir(adapter))

    @for_admins
    def ordering_state(self, project_id: str) -> TaskState:
        """Return how that stands."""
        return self._priority.state(project_id)

    @for_admins
    def queue_order(self, project_id: str) -> QueueOrder | None:
        """Return the order of the cases that wait; None where they come as they were stored."""
        return self._priority.order(project_id)


def _adapter_of(run: RunSummary) -> str | None:
    return run.result.adapter_dir if run.result else None
