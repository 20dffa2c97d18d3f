"""The benchmark's data: parts that do not meet, draws that repeat, noise only where it belongs."""

import json

import pytest

from gem_backend.bench import worlds
from gem_backend.bench.worlds import Drawer, build_world, measured_parts, turn_round
from gem_backend.demo import PROJECT_FILE
from gem_backend.demo.judge import count_faults
from gem_backend.sampling import PolicySampler


@pytest.fixture
def expert_drawer(tiny_policy):
    return Drawer("expert", PolicySampler(tiny_policy))


def test_parts_share_no_prompt_with_each_other_or_with_the_demo_project(expert_drawer):
    world = build_world(expert_drawer.pairs("train", 64, 5), measured_parts(expert_drawer), 0.0, 5)
    parts = [world.train, world.validation, world.test, world.pool]
    prompts = [item.prompt for part in parts for item in part]
    project = {json.loads(line)["prompt"] for line in PROJECT_FILE.read_text("utf-8").splitlines()}
    assert len(prompts) == len(set(prompts)) == 64 + 96 + 256 + 128
    assert not project & set(prompts)


def test_a_longer_draw_begins_with_the_shorter_one(expert_drawer):
    few, many = (expert_drawer.pairs("train", count, 9) for count in (10, 100))
    assert many[:10] == few
    assert expert_drawer.pairs("train", 10, 8) != few


def test_noise_turns_labels_round_but_never_those_of_the_test_part(expert_drawer):
    train, parts = expert_drawer.pairs("train", 128, 5), measured_parts(expert_drawer)
    world = build_world(train, parts, 0.3, 5)
    turned = sum(a != b for a, b in zip(world.train, train, strict=True))
    assert 20 <= turned <= 60  # 38 expected, deviation 5
    assert world.test == parts.test
    assert world.validation != parts.validation
    both = zip(world.train, train, strict=True)
    assert all({a.chosen, a.rejected} == {b.chosen, b.rejected} for a, b in both)
    assert turn_round(train, 0.0, 5) == train


def test_the_vignettes_of_the_test_part_are_found_again(expert_drawer):
    test = measured_parts(expert_drawer).test[:40]
    cases = worlds.cases_of("test", [pair.prompt for pair in test])
    assert all(count_faults(c, p.chosen) == 0 for c, p in zip(cases, test, strict=True))
    assert all(count_faults(c, p.rejected) > 0 for c, p in zip(cases, test, strict=True))


@pytest.mark.slow
def test_sampled_pairs_are_the_models_own_and_the_better_one_is_chosen(demo_policy):
    drawer = Drawer("sampled", PolicySampler(demo_policy))
    pairs = drawer.pairs("held_out", 8, worlds.TEST_SEED)
    cases = worlds.cases_of("test", [pair.prompt for pair in pairs])
    for case, pair in zip(cases, pairs, strict=True):
        assert count_faults(case, pair.chosen) < count_faults(case, pair.rejected)
