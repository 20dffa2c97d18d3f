from dataclasses import replace

import pytest

from storage.candidates import save_group
from storage.projects import create_project, upsert_prompt
from storage.unsampled import count_sampled, is_sampled, unsampled_prompts


@pytest.fixture
def prompts(db, project_id):
    """Ids of a prompt that trains, one of the pool and a held-out one; another project has one."""
    upsert_prompt(db, create_project(db, "Another").project_id, "Q", "pool")
    splits = ("train", "pool", "held_out")
    return [upsert_prompt(db, project_id, f"Q{split}", split).prompt_id for split in splits]


@pytest.fixture
def sample(db, make_candidate):
    def sample(prompt_id, model="demo", adapter=None):
        one = make_candidate()
        provenance = replace(one.provenance, model=model, adapter=adapter)
        save_group(db, prompt_id, [replace(one, provenance=provenance)])

    return sample


def waiting(db, project_id, adapter=None):
    return unsampled_prompts(db, project_id, "demo", adapter)


def test_prompts_without_answers_wait_in_their_order_but_for_held_out_ones(db, project_id, prompts):
    assert waiting(db, project_id) == prompts[:2]
    assert count_sampled(db, project_id, "demo", None) == (0, 2)


def test_answered_prompt_waits_for_that_model_no_more(db, project_id, prompts, sample):
    sample(prompts[0])
    sample(prompts[0])
    assert waiting(db, project_id) == prompts[1:2]
    assert count_sampled(db, project_id, "demo", None) == (1, 2)
    assert is_sampled(db, prompts[0], "demo", None)
    assert not is_sampled(db, prompts[1], "demo", None)


def test_each_model_and_each_adapter_has_answers_of_its_own(db, project_id, prompts, sample):
    sample(prompts[0], adapter="run-1")
    sample(prompts[1], model="/another/model")
    assert waiting(db, project_id) == prompts[:2]
    assert waiting(db, project_id, "run-1") == prompts[1:2]
    assert count_sampled(db, project_id, "demo", "run-1") == (1, 2)
    assert not is_sampled(db, prompts[0], "demo", None)


def test_held_out_prompt_that_was_explored_counts_for_other_models_too(
    db, project_id, prompts, sample
):
    sample(prompts[2], adapter="run-1")
    assert waiting(db, project_id) == prompts
    assert waiting(db, project_id, "run-1") == prompts[:2]
    assert count_sampled(db, project_id, "demo", "run-1") == (1, 3)


def test_project_without_prompts_has_none_to_sample(db, project_id):
    assert waiting(db, project_id) == []
    assert count_sampled(db, project_id, "demo", None) == (0, 0)
