"""A round's groups: which prompts are drawn, who is in a group, and with which score."""

import dataclasses
import time

import pytest
import torch

from gem_backend import fusion
from gem_backend.checkpoint import Progress
from gem_backend.config import CalibrationConfig, RunConfig, SamplingConfig, SegaConfig, SftConfig
from gem_backend.forward import TokenSequence
from gem_backend.fusion import fuse, gather_evidence
from gem_backend.groups import _group, draw_prompts, sample_groups
from gem_backend.reporter import Reporter
from gem_backend.representation import BaseView
from gem_backend.run_dir import PoolPrompt, RunDir, RunSpec
from gem_backend.trainer import set_up
from gem_backend.training_data import TrainingData
from gem_backend.types import Candidate, PreferencePair, Provenance, Span, Spans

K = 3
PAIRS = tuple(
    PreferencePair(f"Age {age}, fever?", f"Final Answer: {age}", "Final Answer: no")
    for age in (41, 52, 63, 74)
)
POOL = (PoolPrompt("Age 80, no fever?"), PoolPrompt("Age 90, cough?"))
CONFIG = RunConfig(
    device="cpu",
    ranking="calibrated",
    calibration=CalibrationConfig(features=("mean_logprob", "expert_likeness")),
    sampling=SamplingConfig(num_candidates=K, max_new_tokens=12),
    sft=SftConfig(epochs=1, learning_rate=1e-3, batch_size=2),
    sega=SegaConfig(prompts_per_round=6),
    max_length=128,
)


@pytest.fixture
def make_trainer(tmp_path):
    """A trainer on the embedded model with four labels and two prompts without one."""
    reporters = []

    def make(**sega):
        config = CONFIG.model_copy(update={"sega": CONFIG.sega.model_copy(update=sega)})
        folder = tmp_path / f"run-{len(reporters)}"
        run = RunDir.create(folder, RunSpec(folder.name, config, ()))
        reporters.append(Reporter(run))
        prompts = (*(PoolPrompt(pair.prompt) for pair in PAIRS), *POOL)
        data = TrainingData(
            train=PAIRS, validation=(), test=PAIRS, prompts=prompts, left_out=(), judged=PAIRS
        )
        return set_up(run, reporters[-1], Progress(), time.monotonic(), data)

    yield make
    for reporter in reporters:
        reporter.end("done", "")


def member(number, logprob):
    candidate = Candidate(
        "c", "p", "t", "a", (1, 2), ("t", ""), (0.1, 0.1), (logprob, logprob), (), (),
        Spans(Span(0, 1), Span(1, 2), True), True, Provenance("m", None, 0, 1.0, 1.0),
    )  # fmt: skip
    sequence = TokenSequence((9,), (number, 2))
    return candidate, sequence, BaseView(torch.tensor([-1.0, -2.0]), None)


@pytest.mark.parametrize(("trim", "kept"), [(0, [0, 1, 2, 3]), (1, [0, 2, 3]), (3, [2]), (9, [2])])
def test_trimming_leaves_the_lowest_scores_out_and_the_rest_in_their_order(trim, kept):
    members = [member(number, -float(number)) for number in range(4)]
    scores = [0.2, -1.0, 3.0, 0.1]
    group = _group(members, scores, trim)
    assert [sequence.completion_ids[0] for sequence in group.sequences_K] == kept
    assert group.scores_K.tolist() == pytest.approx([scores[place] for place in kept])
    assert group.sampled_logps_K == tuple(-2.0 * place for place in kept)
    assert len(group.base_logps_K) == len(kept)


def test_prompts_without_a_label_are_drawn_only_where_the_pool_is_used(make_trainer):
    labelled, pool = {pair.prompt for pair in PAIRS}, {item.prompt for item in POOL}
    assert set(draw_prompts(make_trainer(), 1)) == labelled | pool
    assert set(draw_prompts(make_trainer(use_pool=False), 1)) == labelled


@pytest.mark.parametrize("is_calibrated", [False, True])
def test_the_experts_answers_join_the_groups_of_their_prompts_alone(make_trainer, is_calibrated):
    trainer = make_trainer(group_labels=True)
    ranking = fuse(trainer) if is_calibrated else None
    prompts = [PAIRS[0].prompt, POOL[0].prompt]
    groups, candidates, _ = sample_groups(trainer, 1, prompts, ranking)
    assert [len(group.sequences_K) for group in groups] == [K + 2, K]
    assert len(candidates) == 2 * K  # what was sampled, and nothing that was written
    texts = [trainer.policy.tokenizer.decode(s.completion_ids[:-1]) for s in groups[0].sequences_K]
    assert texts[K:] == [PAIRS[0].chosen, PAIRS[0].rejected]
    if is_calibrated:
        judged = [ranking.judged_skill[PAIRS[0].prompt, answer] for answer in texts[K:]]
        assert groups[0].scores_K[K:].tolist() == pytest.approx(judged)
        assert judged[0] > judged[1]


def test_each_label_is_looked_at_by_a_policy_warmed_up_on_other_prompts_only(
    make_trainer, monkeypatch
):
    trainer = make_trainer()
    taught, looked_at, parts = [], [], []
    sft_pass, look = fusion.sft_pass, fusion.judged_candidates

    def watched_pass(trainer, optimizer, pairs, order):
        taught[:] = [pair.prompt for pair in pairs]
        yield from sft_pass(trainer, optimizer, pairs, order)

    def watched_look(trainer, answers):
        looked_at.extend(answers)
        parts.append((set(taught), {prompt for prompt, _ in answers}))
        return look(trainer, answers)

    monkeypatch.setattr(fusion, "sft_pass", watched_pass)
    monkeypatch.setattr(fusion, "judged_candidates", watched_look)
    before = {name: p.clone() for name, p in trainer.model.named_parameters() if "lora" in name}
    gather_evidence(trainer)
    judged = [(pair.prompt, text) for pair in PAIRS for text in (pair.chosen, pair.rejected)]
    assert sorted(looked_at) == sorted(judged)
    assert len(parts) == CONFIG.calibration.folds
    for taught_prompts, seen in parts:
        assert taught_prompts == {pair.prompt for pair in PAIRS} - seen
    after = dict(trainer.model.named_parameters())
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_a_likeness_says_nothing_of_the_label_it_is_about(make_trainer):
    """Turning one label round must not change the likeness of its own answers."""
    trainer = make_trainer()
    first = gather_evidence(trainer)
    turned = dataclasses.replace(PAIRS[1], chosen=PAIRS[1].rejected, rejected=PAIRS[1].chosen)
    data = dataclasses.replace(trainer.data, judged=(PAIRS[0], turned, *PAIRS[2:]))
    second = gather_evidence(dataclasses.replace(trainer, data=data))
    own = [(first.items[place], second.items[5 - place]) for place in (2, 3)]
    for one, other in own:
        assert one["expert_likeness"] == pytest.approx(other["expert_likeness"], abs=1e-6)
    assert first.direction != pytest.approx(second.direction)


def test_several_raters_of_a_case_speak_of_the_same_two_answers(make_trainer):
    """Four of five prefer the second answer: it is the better one, and stands in its group once."""
    trainer = make_trainer(group_labels=True)
    first, *rest = PAIRS
    against = dataclasses.replace(first, chosen=first.rejected, rejected=first.chosen)
    raters = [dataclasses.replace(against, rater=name) for name in ("ann", "ben", "cid", "dora")]
    judged = (*raters, dataclasses.replace(first, rater="eve"), *rest)
    trainer = dataclasses.replace(trainer, data=dataclasses.replace(trainer.data, judged=judged))
    evidence = gather_evidence(trainer)
    assert len(evidence.items) == 2 * len(PAIRS)
    assert len(evidence.orders) == len(evidence.groups) == len(judged)
    assert evidence.orders[0].order == ((0,), (1,))
    assert evidence.orders[4].order == ((1,), (0,))
    ranking = fuse(trainer)
    skill = ranking.judged_skill
    assert skill[first.prompt, first.rejected] > skill[first.prompt, first.chosen]
    groups, _, _ = sample_groups(trainer, 1, [first.prompt], ranking)
    assert len(groups[0].sequences_K) == K + 2


def test_an_order_of_three_is_one_order_of_its_prompt(make_trainer):
    trainer = make_trainer()
    first = PAIRS[0]
    third = "So it goes.\nFinal Answer: 7"
    two = [
        dataclasses.replace(first, chosen=third, rejected=text)
        for text in (first.chosen, first.rejected)
    ]
    order = [dataclasses.replace(pair, order_id="o") for pair in (first, *two)]
    data = dataclasses.replace(trainer.data, judged=(*order, *PAIRS[1:]))
    evidence = gather_evidence(dataclasses.replace(trainer, data=data))
    assert evidence.orders[0].order == ((2,), (0,), (1,))
    assert len(evidence.orders) == len(evidence.groups) == len(PAIRS)
    assert len(evidence.items) == 2 * len(PAIRS) + 1
    assert fuse(dataclasses.replace(trainer, data=data)).calibration.num_comparisons == 6


def test_likeness_has_one_zero_in_every_part(make_trainer):
    """Each part has a direction of its own, whose offset says nothing of its answers."""
    trainer = make_trainer()
    evidence = gather_evidence(trainer)
    likeness = [item["expert_likeness"] for item in evidence.items]
    for part in ((0, 1, 4, 5), (2, 3, 6, 7)):  # prompts by turns, two answers each
        assert sum(likeness[place] for place in part) == pytest.approx(0, abs=1e-9)
    assert max(likeness) > 0


def test_parts_are_warmed_up_as_long_as_so_many_labels_are(make_trainer, monkeypatch):
    """Two batches of two pairs reach 3 steps in two passes; one part's two pairs need three."""
    trainer = make_trainer()
    sft = trainer.config.sft.model_copy(update={"epochs": 2, "min_steps": 3})
    config = trainer.config.model_copy(update={"sft": sft})
    passes, sft_pass = [], fusion.sft_pass

    def counted(trainer, optimizer, pairs, order):
        passes.append(len(pairs))
        yield from sft_pass(trainer, optimizer, pairs, order)

    monkeypatch.setattr(fusion, "sft_pass", counted)
    gather_evidence(dataclasses.replace(trainer, config=config))
    assert passes == [2] * 6
