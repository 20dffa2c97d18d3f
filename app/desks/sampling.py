"""The studio's use cases around sampling: candidates of a prompt, some answers to compare."""

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from app.records import TaskState
from app.tasks import Tasks
from app.text import branches as say_branches
from gem_backend.config import PromptConfig, SamplingConfig, ScoringConfig
from gem_backend.engine import Engine, OnProgress
from gem_backend.engine_requests import BranchRequest, SampleRequest
from gem_backend.errors import EngineError
from gem_backend.ranking import normalise_answer, rank_candidates
from gem_backend.types import Branch, Candidate, Prompt
from storage import branches, candidates, pairs, projects
from storage.database import Database
from storage.errors import EntryError

MAX_CASE_ANSWERS = 5  # ours: ten pairs, and what can be read against each other
CASE_TEMPERATURES = (0.9, 1.2, 1.5)  # a model that is sure of its answer is asked more freely


@dataclass(frozen=True, eq=False)
class SamplingDesk:
    """What ``Studio`` does about sampling; thread-safe."""

    db: Database
    engine: Engine
    tasks: Tasks

    def start(self, prompt: Prompt, config: SamplingConfig, adapter_dir: str | None) -> TaskState:
        """Begin sampling candidates for a prompt."""

        def work(on_progress: OnProgress) -> None:
            self.sample_group(prompt, config, adapter_dir, on_progress)

        name = f"sample {prompt.prompt_id}"
        return self.tasks.start(name, work, config.num_candidates, config.max_new_tokens)

    def start_branch(
        self,
        point: Branch,
        alternative: int | None,
        config: SamplingConfig,
        adapter_dir: str | None,
        group_id: str | None = None,
    ) -> TaskState:
        """Begin to sample other ways to go on from a token; they join the candidate's group.

        Args:
            point: the candidate and the place of the first token that is not taken over.
            alternative: place, 0 to 4, among the likely tokens there; None draws that one too.
            config: number, temperature and seed; the new parts are as long as answers may be.
            adapter_dir: of the adapter that sampled the candidate, None for the base model.
            group_id: which of the groups that have the candidate; None is the newest.

        Raises:
            NotFoundError: there is no such candidate.
        """
        prompt_id, group = branches.group_of(self.db, point.parent_id, group_id)
        parent = next(one for one in group.candidates if one.candidate_id == point.parent_id)
        prompt = projects.get_prompt(self.db, prompt_id)
        marker = projects.get_project(self.db, prompt.project_id).answer_marker
        request = BranchRequest(
            parent.prompt,
            parent.token_ids,
            point,
            config,
            PromptConfig(answer_marker=marker),
            alternative,
            adapter_dir,
        )

        def work(on_progress: OnProgress) -> None:
            siblings = self.engine.branch(request, on_progress)
            with self.db.transaction():
                whole = branches.add_to_group(self.db, group.group_id, siblings)
                if len(whole.candidates) == len(group.candidates):
                    raise EntryError(say_branches.SAME_SEED)
                self._rank(group.group_id, whole.candidates)

        name = f"sample {prompt_id}"
        return self.tasks.start(name, work, config.num_candidates, config.max_new_tokens)

    def stop(self, prompt_id: str) -> None:
        """End sampling for a prompt; what it drew is not kept."""
        self.tasks.stop(f"sample {prompt_id}")

    def state(self, prompt_id: str) -> TaskState:
        """Return how sampling for a prompt stands."""
        return self.tasks.state(f"sample {prompt_id}")

    def start_case(self, project_id: str, num_answers: int = 2) -> TaskState:
        """Begin sampling answers to a prompt; all their pairs join the queue's front when done.

        There may be fewer than ``num_answers`` where the model repeats itself, at least two.

        Raises:
            EntryError: that number is below 2 or too large, or there is no prompt.
        """
        if not 2 <= num_answers <= MAX_CASE_ANSWERS:
            raise EntryError(f"The model can be asked for 2 to {MAX_CASE_ANSWERS} answers.")
        prompt = self._prompt_to_sample(project_id)

        def work(on_progress: OnProgress) -> None:
            texts: list[str] = []
            for temperature in CASE_TEMPERATURES:
                config = SamplingConfig(
                    num_candidates=8, temperature=temperature, seed=secrets.randbits(32)
                )
                group = self.sample_group(prompt, config, None, on_progress)
                texts = max(texts, distinct_answers(group, num_answers), key=len)
                if len(texts) == num_answers:
                    break
            if len(texts) < 2:
                raise EngineError("The model gave the same answer every time; try once more.")
            with self.db.transaction():
                for first, second in itertools.combinations(texts, 2):
                    pairs.add_comparison(
                        self.db, project_id, prompt.prompt, first, second, "sampled"
                    )

        return self.tasks.start(f"sample case {project_id}", work)

    def case_state(self, project_id: str) -> TaskState:
        """Return how that sampling stands."""
        return self.tasks.state(f"sample case {project_id}")

    def _prompt_to_sample(self, project_id: str) -> Prompt:
        prompt = projects.next_pool_prompt(self.db, project_id)
        if prompt is not None:
            return prompt
        known = projects.list_prompts(self.db, project_id)
        prompts = [prompt for prompt in known if prompt.split != "held_out"]
        if not prompts:
            raise EntryError("This project has no prompt yet; enter a pair or import some first.")
        return secrets.choice(prompts)

    def sample_group(
        self,
        prompt: Prompt,
        config: SamplingConfig,
        adapter_dir: str | None,
        on_progress: OnProgress,
    ) -> list[Candidate]:
        """Sample a group and keep it, with its scores and the machine's order, or nothing of it.

        Raises:
            GemError: the engine cannot, or ``on_progress`` ends it.
        """
        marker = projects.get_project(self.db, prompt.project_id).answer_marker
        request = SampleRequest(
            (prompt.prompt,), config, PromptConfig(answer_marker=marker), adapter_dir
        )
        group = self.engine.sample(request, on_progress)[0]
        with self.db.transaction():
            group_id = candidates.save_group(self.db, prompt.prompt_id, group)
            self._rank(group_id, group)
        return group

    def _rank(self, group_id: str, group: Sequence[Candidate]) -> None:
        """Store a group's scores and the machine's order of it."""
        scoring = ScoringConfig()
        ranked = rank_candidates(group, scoring)
        candidates.save_scores(self.db, group_id, ranked, scoring)
        places = {one.candidate.candidate_id: one.rank for one in ranked}
        candidates.save_ranking(self.db, group_id, places)


def distinct_answers(group: Sequence[Candidate], count: int) -> list[str]:
    """Answers worth comparing: of different results as far as there are, else of other words."""
    by_result: dict[str, str] = {}
    for one in group:
        if one.text.strip():
            by_result.setdefault(normalise_answer(one.answer), one.text)
    texts = [*by_result.values(), *(one.text for one in group if one.text.strip())]
    return list(dict.fromkeys(texts))[:count]
