"""The studio's use cases around calibration: learn from the labels how much each feature counts."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.records import CalibrationView, TaskState
from app.run_specs import snapshot
from app.tasks import Tasks
from gem_backend.config import CalibrationConfig, PromptConfig, ScoringConfig
from gem_backend.engine import Engine, OnProgress
from gem_backend.engine_requests import ScoredAnswer, ScoreRequest
from gem_backend.errors import SpanError
from gem_backend.expert_orders import expert_orders
from gem_backend.features import candidate_features
from gem_backend.run_dir import labels_hash
from gem_backend.scoring import gem_score
from gem_backend.training_data import split_training_data
from gem_backend.types import Calibration, Feature, PreferencePair
from storage import calibrations, judgements, projects
from storage.calibrations import STORED_FEATURES, CalibrationRecord, Evidence, JudgedAnswer
from storage.database import Database

if TYPE_CHECKING:
    from gem_backend.calibration import Item

REMEMBERED_FITS = 64

# ours: the two terms of the score, and the one other figure that every candidate comes with
CONFIG = CalibrationConfig(features=("final_confidence", "fork_entropy", "mean_logprob"))


def comparisons(db: Database, project_id: str) -> list[PreferencePair]:
    """Return the labels that order two answers: preferences and ties of all raters.

    None is of a prompt that is held out, or that a run would hold out where nobody chose.
    """
    return list(split_training_data(*snapshot(db, project_id)).judged)


@dataclass(frozen=True, eq=False)
class CalibrationDesk:
    """What ``Studio`` does about calibration; thread-safe."""

    db: Database
    engine: Engine
    tasks: Tasks
    model: str
    _known: dict[str, tuple[object, int, str]] = field(default_factory=dict)

    def start(self, project_id: str, adapter: str | None, adapter_dir: str | None) -> TaskState:
        """Begin to score what was compared, fit the weights to it, and store them."""

        def work(on_progress: OnProgress) -> None:
            self._learn(project_id, adapter, adapter_dir, on_progress)

        return self.tasks.start(_task(project_id, adapter), work)

    def state(self, project_id: str, adapter: str | None) -> TaskState:
        """Return how that stands."""
        return self.tasks.state(_task(project_id, adapter))

    def view(self, project_id: str, adapter: str | None, scoring: ScoringConfig) -> CalibrationView:
        """Return the newest calibration, fitted anew where the score's weights are others."""
        stored = calibrations.latest_calibration(self.db, project_id, self.model, adapter)
        num_labels, found_hash = self._compared(project_id, needs_hash=stored is not None)
        if stored is None:
            return CalibrationView(None, num_labels)
        return CalibrationView(
            calibration=self._under(stored, scoring),
            num_labels=num_labels,
            is_stale=stored.labels_hash != found_hash,
            num_left_out=stored.num_left_out,
        )

    def _compared(self, project_id: str, needs_hash: bool) -> tuple[int, str]:
        """How many comparisons there are, and their hash; once for each state of the labels."""
        state = (
            judgements.newest(self.db, project_id),
            projects.count_prompts(self.db, project_id),
            needs_hash,
        )
        known = self._known.get(project_id)
        if known is None or known[0] != state:
            labels = tuple(comparisons(self.db, project_id))
            known = (state, len(labels), labels_hash(labels) if needs_hash else "")
            self._known[project_id] = known
        return known[1], known[2]

    def _learn(
        self, project_id: str, adapter: str | None, adapter_dir: str | None, on_progress: OnProgress
    ) -> None:
        labels = comparisons(self.db, project_id)
        answers = list(
            dict.fromkeys(
                (pair.prompt, answer) for pair in labels for answer in (pair.chosen, pair.rejected)
            )
        )
        marker = projects.get_project(self.db, project_id).answer_marker
        request = ScoreRequest(tuple(answers), PromptConfig(answer_marker=marker), adapter_dir)
        scored = self.engine.score(request, on_progress) if answers else []
        evidence = gather(labels, answers, scored)
        scoring = ScoringConfig()
        calibration = fitted(evidence, CONFIG, scoring)
        record = CalibrationRecord(
            project_id=project_id,
            model=self.model,
            adapter=adapter,
            scoring=scoring,
            config=CONFIG,
            calibration=calibration,
            labels_hash=labels_hash(tuple(labels)),
            num_left_out=len(labels) - calibration.num_comparisons,
        )
        calibrations.save_calibration(self.db, record, evidence)

    def _under(self, stored: CalibrationRecord, scoring: ScoringConfig) -> Calibration:
        if scoring == stored.scoring:
            return stored.calibration
        return self._refit(stored.calibration_id, stored.config, scoring)

    @functools.lru_cache(maxsize=REMEMBERED_FITS)  # noqa: B019 - a studio has one desk
    def _refit(
        self, calibration_id: str, config: CalibrationConfig, scoring: ScoringConfig
    ) -> Calibration:
        evidence = calibrations.calibration_evidence(self.db, calibration_id)
        return fitted(evidence, config, scoring)


def gather(
    labels: Sequence[PreferencePair],
    answers: Sequence[tuple[str, str]],
    scored: Sequence[ScoredAnswer | None],
) -> Evidence:
    """Return what the labels say of the answers; those with an answer without a score are left out.

    Args:
        labels: comparisons, as ``comparisons`` gives them.
        answers: prompt and answer of each, every answer of the labels once.
        scored: what the model says of each.
    """
    judged = read_answers(answers, scored)
    places = {key: place for place, key in enumerate(judged)}
    prompts = {prompt: number for number, (prompt, _) in enumerate(judged)}
    found = expert_orders(labels, places)
    orders = tuple(order for order, _ in found)
    return Evidence(tuple(judged.values()), orders, tuple(prompts[prompt] for _, prompt in found))


def read_answers(
    answers: Sequence[tuple[str, str]], scored: Sequence[ScoredAnswer | None]
) -> dict[tuple[str, str], JudgedAnswer]:
    """Return what a fit needs of each answer that the model could read, by prompt and answer."""
    judged = {}
    for (prompt, answer), one in zip(answers, scored, strict=True):
        others = [
            other.candidate.answer
            for (where, text), other in zip(answers, scored, strict=True)
            if other is not None and where == prompt and text != answer
        ]
        found = _judged(one, others) if one is not None else None
        if found is not None:
            judged[prompt, answer] = found
    return judged


def fitted(evidence: Evidence, config: CalibrationConfig, scoring: ScoringConfig) -> Calibration:
    """Return what the evidence says under the score's weights; the prior where there is none."""
    from gem_backend.calibration import fit_calibration  # noqa: PLC0415 - scipy takes a second

    items = [item_of(answer, scoring) for answer in evidence.answers]
    return fit_calibration(items, evidence.orders, config, scoring, evidence.groups)


def _judged(scored: ScoredAnswer, others: Sequence[str]) -> JudgedAnswer | None:
    """None for a text in which no answer was found."""
    candidate = scored.candidate
    try:
        features = candidate_features(candidate, others, scored.base_logprob)
    except SpanError:
        return None
    kept = {name: features[name] for name in STORED_FEATURES}
    return JudgedAnswer(candidate.token_entropy, candidate.spans, kept)


def item_of(answer: JudgedAnswer, scoring: ScoringConfig) -> "Item":
    """Return the features of an answer, with the score's two terms under these weights."""
    score = gem_score(answer.token_entropy, answer.spans, scoring)
    terms: dict[Feature, float] = {
        "final_confidence": -score.final_entropy,
        "fork_entropy": score.fork_entropy,
    }
    return {**answer.features, **terms}


def _task(project_id: str, adapter: str | None) -> str:
    return f"learn {project_id} {adapter or ''}"
