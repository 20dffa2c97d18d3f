"""What the Explore page does, without the page: use cases in, screens out."""

from dataclasses import dataclass, replace

from app import text
from app.records import TaskState
from app.studio import Studio
from gem_backend.config import SamplingConfig, ScoringConfig
from gem_backend.errors import ConfigError
from gem_backend.ranking import rank_candidates
from gem_backend.types import Candidate, RankedCandidate

_LONGEST_LABEL = 110
_IDLE = TaskState("idle")

Choices = list[tuple[str, str]]
Group = tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class ExploreScreen:
    """Everything the page shows of one prompt; ``prompt_id`` is None where there is no prompt."""

    prompt_id: str | None
    prompt: str = ""
    group: Group = ()
    task: TaskState = _IDLE


class ExploreActions:
    """What the page's controls do."""

    def __init__(self, studio: Studio) -> None:
        """Act on a studio."""
        self._studio = studio

    def prompt_choices(self, project_id: str) -> Choices:
        """Return the project's prompts as labels of one line with their ids."""
        if not project_id:
            return []
        return [
            (_label(prompt.prompt, prompt.split == "held_out"), prompt.prompt_id)
            for prompt in self._studio.prompts(project_id)
        ]

    def model_choices(self, project_id: str) -> Choices:
        """Return the base model and the adapters that fit it."""
        fitting = self._studio.adapters(project_id) if project_id else []
        adapters = [(text.adapter_label(run.preset, run.created_at), run.run_id) for run in fitting]
        return [(text.BASE_MODEL, ""), *adapters]

    def screen(self, project_id: str, prompt_id: str | None) -> ExploreScreen:
        """Show a prompt with its newest candidates; the project's first one if it is not known."""
        prompts = self._studio.prompts(project_id) if project_id else []
        found = next((p for p in prompts if p.prompt_id == prompt_id), None)
        prompt = found or next(iter(prompts), None)
        if prompt is None:
            return ExploreScreen(None)
        # The state first: a group that comes in between is then drawn, or fetched by the next poll.
        task = self._studio.sampling_state(prompt.prompt_id)
        group = tuple(self._studio.candidates(prompt.prompt_id))
        return ExploreScreen(prompt.prompt_id, prompt.prompt, group, task)

    def sample(self, prompt_id: str | None, config: SamplingConfig, adapter: str) -> TaskState:
        """Begin sampling; an empty ``adapter`` means the base model.

        Raises:
            ConfigError: no prompt is chosen.
        """
        if not prompt_id:
            raise ConfigError(text.CHOOSE_PROMPT, text.NO_PROMPT_TITLE)
        return self._studio.start_sampling(prompt_id, config, adapter or None)

    def poll(self, prompt_id: str | None, last: TaskState | None) -> ExploreScreen | None:
        """Return what changed since ``last``, None for nothing; the group is read at the end."""
        if not prompt_id:
            return None
        task = self._studio.sampling_state(prompt_id)
        if task == last:
            return None
        screen = ExploreScreen(prompt_id, task=task)
        if task.state != "done":
            return screen
        return replace(screen, group=tuple(self._studio.candidates(prompt_id)))


def find_ranked(
    group: Group, config: ScoringConfig, candidate_id: str | None
) -> RankedCandidate | None:
    """Return a candidate with its score; the best one if the id is not in the group."""
    order = rank_candidates(group, config)
    found = (one for one in order if one.candidate.candidate_id == candidate_id)
    return next(found, order[0] if order else None)


def _label(prompt: str, is_held_out: bool) -> str:
    line = " ".join(prompt.split())
    if len(line) > _LONGEST_LABEL:
        line = line[: _LONGEST_LABEL - 1] + "…"
    return f"{line} ({text.HELD_OUT_MARK})" if is_held_out else line
