"""Vignettes are reproducible, never shared between splits, and their chains add up."""

import random
import re
from itertools import combinations
from typing import get_args

import pytest

from gem_backend.demo.chains import ANSWER_MARKER, answer_of, write_chain, write_slipped_chain
from gem_backend.demo.published import TOPICS
from gem_backend.demo.scores import action_for, final_answer
from gem_backend.demo.vignettes import Split, draw_vignette
from gem_backend.demo.wording import WORDING

NUM_DRAWN = 300


def draw_many(split="held_out", seed=3, count=NUM_DRAWN):
    rng = random.Random(seed)
    return [draw_vignette(rng, split) for _ in range(count)]


def quoted_points(chain):
    """Points that a chain quotes in brackets after the name of the score."""
    criteria = chain.split("):", 1)[1].split(" Total ")[0]
    return [int(points) for points in re.findall(r"\((-?\d+)\)", criteria)]


def test_same_seed_draws_the_same_vignettes():
    assert draw_many(seed=5) == draw_many(seed=5)
    assert [v.prompt for v in draw_many(seed=5)] != [v.prompt for v in draw_many(seed=6)]


def test_splits_share_no_clinical_content():
    contents = {
        split: {(v.topic_key, tuple(sorted(v.findings.items()))) for v in draw_many(split)}
        for split in get_args(Split)
    }
    for one, other in combinations(contents, 2):
        assert contents[one].isdisjoint(contents[other])


def test_a_vignette_belongs_to_the_split_it_was_drawn_for():
    for split in get_args(Split):
        assert {v.split for v in draw_many(split, count=40)} == {split}


def test_prompts_do_not_name_a_score():
    for vignette in draw_many():
        for protocol in (vignette.topic.older, vignette.topic.current):
            assert protocol.name.split()[0] not in vignette.prompt.split()


@pytest.mark.parametrize("form", ["older", "current"])
def test_points_of_a_chain_sum_to_its_total_and_action_follows(form):
    for vignette in draw_many():
        protocol = getattr(vignette.topic, form)
        chain = write_chain(vignette, protocol)
        total = sum(quoted_points(chain))
        working = chain.split(" Total ")[1].split(".\n")[0]
        assert working.split(" = ")[-1] == str(total)
        assert answer_of(chain) == f"{total}, {action_for(protocol, total)}"
        assert answer_of(chain) == final_answer(protocol, vignette.findings)


def test_a_chain_ends_in_exactly_one_answer_line():
    for vignette in draw_many():
        chain = write_chain(vignette, vignette.topic.current)
        assert chain.count(ANSWER_MARKER) == 1
        assert chain.splitlines()[-1].startswith(f"{ANSWER_MARKER} ")


def test_a_slipped_chain_differs_from_the_right_one_and_says_why():
    rng = random.Random(0)
    rationales = set()
    for vignette in draw_many():
        slipped = write_slipped_chain(vignette, vignette.topic.current, rng)
        if slipped is not None:
            assert slipped.text != write_chain(vignette, vignette.topic.current)
            assert slipped.text.count(ANSWER_MARKER) == 1
            rationales.add(slipped.rationale.split()[0])
    assert rationales == {"gives", "counts", "adds"}


def test_action_of_a_slipped_chain_follows_its_own_total():
    rng = random.Random(1)
    for vignette in draw_many():
        protocol = vignette.topic.current
        slipped = write_slipped_chain(vignette, protocol, rng)
        if slipped is not None:
            total, action = answer_of(slipped.text).split(", ", 1)
            assert action == action_for(protocol, int(total))


def test_answer_of_a_text_without_marker_is_empty():
    assert answer_of("no committed answer") == ""


def test_every_finding_that_scores_has_a_wording():
    for topic in TOPICS:
        wording = WORDING[topic.key]
        worded = {"age", "male"} | {s.name for s in wording.signs}
        worded |= {name for measure in wording.measures for name in measure.names}
        for protocol in (topic.older, topic.current):
            for criterion in protocol.criteria:
                assert {c.finding for c in criterion.conditions} <= worded


def test_distractor_labels_are_no_criteria_of_their_topic():
    for topic in TOPICS:
        labels = {d.label for d in WORDING[topic.key].distractors}
        for protocol in (topic.older, topic.current):
            assert labels.isdisjoint(criterion.label for criterion in protocol.criteria)
