"""What the Explore page does, without the page: use cases in, screens out."""

from app import text
from app.actions.explore_groups import first_of, group_choices
from app.actions.explore_records import (
    Asked,
    Choices,
    ExploreScreen,
    GoOn,
    Group,
    Lesson,
    PromptList,
    Watched,
)
from app.components.heatmap import Against
from app.desks.batch import BatchState
from app.desks.priority import QueueOrder
from app.ordering import Weighing, order
from app.records import TaskState
from app.studio import Studio
from app.text import batch as say_batch
from app.text import blind as say_blind
from app.text import branches as say_branches
from app.text import calibration as say
from app.text import difference as say_difference
from app.text import meaning as say_meaning
from app.text import priority as text_priority
from app.text import prompts as say_prompts
from gem_backend.automation_bias import Tau
from gem_backend.config import SamplingConfig
from gem_backend.errors import ConfigError
from gem_backend.types import Branch, Prompt

_LONGEST_LABEL = 110


class ExploreActions:
    """What the page's controls do."""

    def __init__(self, studio: Studio) -> None:
        """Act on a studio."""
        self._studio = studio

    def prompt_list(self, project_id: str, words: str, prompt_id: str | None) -> PromptList:
        """Return the prompts that have these words, and the one that is chosen in any case."""
        if not project_id:
            return PromptList([])
        found = self._studio.find_prompts(project_id, words)
        prompts = list(found.prompts)
        if prompt_id and all(prompt.prompt_id != prompt_id for prompt in prompts):
            chosen = self._studio.prompt(project_id, prompt_id)
            prompts[:0] = [chosen] if chosen else []
        choices = [(_label(one.prompt, one.split == "held_out"), one.prompt_id) for one in prompts]
        is_part = found.num_prompts > len(found.prompts)
        say_listed = say_prompts.listed(len(found.prompts), found.num_prompts) if is_part else ""
        say_found = say_prompts.found(found.num_found, len(found.prompts))
        return PromptList(choices, is_part or bool(words), say_found if words else say_listed)

    def model_choices(self, project_id: str) -> Choices:
        """Return the base model and the adapters that fit it."""
        fitting = self._studio.adapters(project_id) if project_id else []
        traits = self._studio.run_traits(project_id) if fitting else {}
        adapters = []
        for run in fitting:
            method = traits[run.run_id].method if run.run_id in traits else "gem"
            rival = "" if method == "gem" else say.METHOD_NAMES[method]
            adapters.append((text.adapter_label(run.preset, run.created_at, rival), run.run_id))
        return [(text.BASE_MODEL, ""), *adapters]

    def screen(
        self,
        project_id: str,
        prompt_id: str | None,
        model: str | None,
        candidate_id: str = "",
        group_id: str | None = None,
    ) -> ExploreScreen:
        """Show a prompt with its newest candidates; the project's first one if it is not known.

        A candidate of the project that is named comes with its prompt and its own group. Another
        group of the prompt that is named comes in place of these.
        """
        named = self._studio.group_with(project_id, candidate_id) if candidate_id else None
        if named is not None:
            prompt_id = named[0].prompt_id
        prompt = self._prompt(project_id, prompt_id) if project_id else None
        if prompt is None:
            return ExploreScreen(None)
        # The state first: a group that comes in between is then drawn, or fetched by the next poll.
        sampling = self._studio.sampling_state(prompt.prompt_id)
        batch = self._studio.batch_state(project_id)
        groups = self._studio.sampled_groups(prompt.prompt_id)
        wanted = (group_id, named[1].group_id if named else None)
        shown = first_of(groups, wanted)
        sampled = tuple(self._studio.sampled_group(shown.group_id)) if shown else ()
        is_withheld = self._studio.is_withheld(project_id, sampled)
        group = () if is_withheld else sampled
        tasks = Watched(
            sampling,
            self._studio.calibration_state(project_id, reader(group, model)),
            self._studio.ordering_state(project_id),
            self._studio.rereading_state(group),
            self._studio.grouping_state(group),
            batch,
            shown.group_id if shown and shown != groups[0] else "",
        )
        return ExploreScreen(
            prompt.prompt_id,
            prompt.prompt,
            group,
            tasks,
            is_withheld,
            shown.group_id if shown else None,
            group_choices(groups, self._studio.model, self.model_choices(project_id)),
            groups[0].num_candidates if groups else 0,
        )

    def _prompt(self, project_id: str, prompt_id: str | None) -> Prompt | None:
        known = self._studio.prompt(project_id, prompt_id) if prompt_id else None
        return known or next(iter(self._studio.find_prompts(project_id).prompts), None)

    def sample(self, prompt_id: str | None, config: SamplingConfig, adapter: str) -> TaskState:
        """Begin sampling; an empty ``adapter`` means the base model.

        Raises:
            ConfigError: no prompt is chosen.
        """
        if not prompt_id:
            raise ConfigError(text.CHOOSE_PROMPT, text.NO_PROMPT_TITLE)
        return self._studio.start_sampling(prompt_id, config, adapter or None)

    def branch(
        self, group: Group, point: GoOn, config: SamplingConfig, opened: str = ""
    ) -> TaskState:
        """Begin to sample other ways to go on from a token of a candidate that is shown.

        ``opened`` is the id of the group that is shown, empty for the newest.

        Raises:
            ConfigError: it is not among those that are shown, or has no such token.
        """
        known = {one.candidate_id: len(one.token_ids) for one in group}
        if not 0 <= point.token < known.get(point.candidate_id, 0):
            raise ConfigError(say_branches.NOTHING_CHOSEN)
        start = Branch(point.candidate_id, point.token)
        return self._studio.start_branch(start, point.alternative, config, opened or None)

    def sampling_state(self, prompt_id: str) -> TaskState:
        """Return how sampling for a prompt stands."""
        return self._studio.sampling_state(prompt_id)

    def stop(self, prompt_id: str | None) -> None:
        """End sampling for a prompt."""
        if prompt_id:
            self._studio.stop_sampling(prompt_id)

    def pair(self, first_id: str, second_id: str) -> str:
        """Make a case of two candidates and return what becomes of it, in words."""
        case = self._studio.pair_candidates(first_id, second_id)
        return say_branches.paired_words(case.comparison.split, self._studio.is_judged(case))

    def put_in_order(self, prompt_id: str | None, group: Group = (), opened: str = "") -> str:
        """Call a group to Label and return where it waits, in words.

        Without one it is the earlier group that is ``opened``, by its id, or else the newest.

        Raises:
            ConfigError: no prompt is chosen.
        """
        if not prompt_id:
            raise ConfigError(text.CHOOSE_PROMPT, text.NO_PROMPT_TITLE)
        waiting = self._studio.sampled_group(opened) if opened else self.group(prompt_id)
        self._studio.call_group(group or waiting)
        return say_blind.CALLED

    def reveal(self, project_id: str, group: Group, weighing: Weighing) -> Tau | None:
        """Note that a group is shown in its order; return how far the viewer's own agrees with it.

        None where they put nothing in order and the project does not ask experts to rank first.
        """
        if not project_id or not group:
            return None
        ranked = [placed.ranked for placed in order(group, weighing)]
        return self._studio.reveal(project_id, ranked, weighing.calibration is not None)

    def poll(
        self,
        project_id: str,
        prompt_id: str | None,
        last: Watched | None,
        group: Group,
        model: str | None,
    ) -> Watched | None:
        """Return how the background work stands, None where nothing changed since ``last``."""
        if not project_id:
            return None
        now = Watched(
            self._studio.sampling_state(prompt_id) if prompt_id else Watched().sampling,
            self._studio.calibration_state(project_id, reader(group, model)),
            self._studio.ordering_state(project_id),
            self._studio.rereading_state(group),
            self._studio.grouping_state(group),
            self._studio.batch_state(project_id),
            last.opened if last else "",
        )
        return None if now == (last or Watched()) else now

    def group(self, prompt_id: str | None) -> Group:
        """Return a prompt's newest candidates."""
        return tuple(self._studio.candidates(prompt_id)) if prompt_id else ()

    # --- the same in other words ---

    @property
    def can_group(self) -> bool:
        """Whether there is a model that groups answers by what they say."""
        return self._studio.has_sentence_model

    def group_by_meaning(self, group: Group) -> TaskState:
        """Begin to group the answers that are shown by what they say.

        Raises:
            ConfigError: there is no group, or no model for it.
        """
        if not group:
            raise ConfigError(say_meaning.NO_GROUP)
        if not self.can_group:
            raise ConfigError(say_meaning.NO_MODEL)
        return self._studio.start_grouping(group)

    def meanings(self, group: Group) -> list[list[str]] | None:
        """Return the answers of each group that was found, as written; None where nobody asked."""
        found = self._studio.meanings(group) if group else None
        if found is None:
            return None
        return [[group[place].answer for place in places] for places in found]

    # --- the same answers under another model ---

    def read_again(self, project_id: str, group: Group, model: str | None) -> TaskState:
        """Begin to read the group's tokens as another model does; empty means the base model.

        Raises:
            ConfigError: there is no group, that model sampled it, or one that is not the studio's.
        """
        if not group:
            raise ConfigError(say_difference.NO_GROUP)
        if not self._is_ours(group):
            raise ConfigError(say_difference.FOREIGN)
        if (model or None) == group[0].provenance.adapter:
            raise ConfigError(say_difference.SAME)
        return self._studio.start_rereading(project_id, group, model or None)

    def against(self, project_id: str, group: Group) -> Against | None:
        """Return how another model read the group last, None where none did."""
        reading = self._studio.reading(group) if group else None
        if reading is None:
            return None
        return Against(self._model_name(project_id, reading.adapter), reading.group)

    def _model_name(self, project_id: str, adapter: str | None) -> str:
        names = {run_id: name for name, run_id in self.model_choices(project_id)}
        return names.get(adapter or "", text.BASE_MODEL if adapter is None else adapter)

    # --- all questions ---

    def sample_all(self, project_id: str, config: SamplingConfig, adapter: str) -> BatchState:
        """Begin to sample every prompt without answers; an empty ``adapter`` is the base model.

        Raises:
            ConfigError: there is no project.
            DataError: there is no such prompt.
        """
        if not project_id:
            raise ConfigError(say_batch.NO_PROJECT)
        return self._studio.start_batch(project_id, config, adapter or None)

    def stop_all(self, project_id: str) -> None:
        """End that."""
        self._studio.stop_batch(project_id)

    def batch(self, project_id: str) -> BatchState:
        """Return how that stands."""
        return self._studio.batch_state(project_id) if project_id else BatchState()

    def batch_counts(self, project_id: str, adapter: str | None) -> tuple[int, int]:
        """Return how many prompts a model has answered, and how many a batch would see to."""
        return self._studio.batch_counts(project_id, adapter) if project_id else (0, 0)

    # --- what the labels say ---

    def learn(self, project_id: str, group: Group, model: str | None) -> TaskState:
        """Begin to learn from the project's labels, as the model that is shown reads them.

        Raises:
            ConfigError: there is no project.
        """
        if not project_id:
            raise ConfigError(say.NO_PROJECT)
        return self._studio.start_calibration(project_id, reader(group, model))

    def ask_first(self, project_id: str, group: Group, model: str | None) -> TaskState:
        """Begin to put the cases first about which the model that is shown is least sure.

        Raises:
            ConfigError: there is no project.
        """
        if not project_id:
            raise ConfigError(text_priority.NO_PROJECT)
        return self._studio.start_ordering(project_id, reader(group, model))

    def queue_order(self, project_id: str) -> QueueOrder | None:
        """Return how the cases that wait are ordered, None where nobody asked for it."""
        return self._studio.queue_order(project_id) if project_id else None

    def lesson(self, project_id: str, group: Group, asked: Asked) -> Lesson | None:
        """Return what the labels say to the model that is shown; None without a project."""
        if not project_id:
            return None
        adapter = reader(group, asked.model)
        name = self._model_name(project_id, adapter)
        view = self._studio.calibration(project_id, adapter, asked.scoring)
        return Lesson(view, name, adapter is not None)

    def weighing(self, project_id: str, group: Group, asked: Asked) -> Weighing:
        """Return what decides the order of a group; the labels only where that was asked for."""
        is_calibrated = asked.ranking == "calibrated" and project_id and self._is_ours(group)
        if not is_calibrated:
            return Weighing(asked.scoring)
        view = self._studio.calibration(project_id, reader(group, asked.model), asked.scoring)
        return Weighing(asked.scoring, view.calibration)

    def _is_ours(self, group: Group) -> bool:
        """Whether the studio's own model sampled the group: another's figures mean other things."""
        return bool(group) and group[0].provenance.model == self._studio.model


def reader(group: Group, model: str | None) -> str | None:
    """Return the adapter (None: the base model) whose figures are shown, or else are chosen."""
    return group[0].provenance.adapter if group else model or None


def _label(prompt: str, is_held_out: bool) -> str:
    line = text.shortened(prompt, _LONGEST_LABEL)
    return f"{line} ({text.HELD_OUT_MARK})" if is_held_out else line
