from dataclasses import replace

import pytest

from gem_backend.candidate_table import read_table, write_candidates
from gem_backend.config import ScoringConfig
from gem_backend.types import GemScore, Provenance, RankedCandidate
from storage.branches import add_to_group
from storage.candidates import (
    get_group,
    latest_group,
    latest_ranking,
    list_groups,
    ranked_group,
    replace_run_candidates,
    run_candidates,
    save_group,
    save_ranking,
    save_scores,
)
from storage.errors import EntryError, NotFoundError
from storage.projects import upsert_prompt


@pytest.fixture
def prompt_id(db, project_id):
    return upsert_prompt(db, project_id, "Which score?").prompt_id


@pytest.fixture
def candidates(make_candidate):
    return [make_candidate(name) for name in ("c1", "c2", "c3")]


def test_group_comes_back_exactly_in_its_order(db, prompt_id, candidates):
    group_id = save_group(db, prompt_id, candidates[::-1])
    group = latest_group(db, prompt_id)
    assert group.group_id == group_id
    assert list(group.candidates) == candidates[::-1]


def test_newest_group_is_the_latest_and_older_ones_stay(db, prompt_id, candidates):
    older = save_group(db, prompt_id, candidates[:2])
    save_group(db, prompt_id, candidates[2:])
    assert list(latest_group(db, prompt_id).candidates) == candidates[2:]
    assert list(get_group(db, older).candidates) == candidates[:2]


def test_groups_are_listed_the_one_first_that_was_added_to_last(db, prompt_id, candidates):
    adapted = replace(candidates[0], provenance=Provenance("demo", "run-1", 3, 1.2, 0.8))
    older = save_group(db, prompt_id, [adapted])
    newer = save_group(db, prompt_id, candidates[1:])
    listed = list_groups(db, prompt_id)
    assert [(one.group_id, one.num_candidates) for one in listed] == [(newer, 2), (older, 1)]
    first = listed[1]
    assert (first.model, first.adapter) == ("demo", "run-1")
    assert (first.seed, first.temperature, first.top_p) == (3, 1.2, 0.8)
    assert first.drawn_at <= listed[0].drawn_at
    add_to_group(db, older, [replace(candidates[2], candidate_id="sibling")])
    listed = list_groups(db, prompt_id)
    assert [(one.group_id, one.num_candidates) for one in listed] == [(older, 2), (newer, 2)]
    assert listed[0].group_id == latest_group(db, prompt_id).group_id
    assert (listed[0].adapter, listed[0].seed) == ("run-1", 3)
    assert list_groups(db, "nowhere") == []


def test_prompt_without_candidates_has_no_group(db, prompt_id):
    assert latest_group(db, prompt_id) is None
    with pytest.raises(NotFoundError):
        get_group(db, "nowhere")


def test_group_needs_candidates_and_a_prompt(db, prompt_id, candidates):
    with pytest.raises(EntryError):
        save_group(db, prompt_id, [])
    with pytest.raises(NotFoundError):
        save_group(db, "nowhere", candidates)


def test_scores_come_back_ranked_for_the_settings_they_were_made_with(db, prompt_id, candidates):
    group_id = save_group(db, prompt_id, candidates)
    scores = [GemScore(0.25, 1.0, 1.25, (3, 1)), GemScore(0.75, 0.5, 1.25, ())]
    ranked = [
        RankedCandidate(candidates[2], scores[1], 1),
        RankedCandidate(candidates[0], scores[0], 2),
    ]
    config = ScoringConfig(lambda_fork=0.5, top_m=0.2)
    for _ in range(2):  # stored again, they replace the first ones
        save_scores(db, group_id, ranked[::-1], config)
    assert ranked_group(db, group_id, config) == ranked
    assert ranked_group(db, group_id, ScoringConfig()) == []


def test_rankings_of_expert_and_machine_are_logged_apart(db, prompt_id, candidates):
    group_id = save_group(db, prompt_id, candidates)
    save_ranking(db, group_id, {"c1": 1, "c2": 2, "c3": 3})
    save_ranking(db, group_id, {"c1": 3, "c2": 1, "c3": 1}, "ann")
    newest = save_ranking(db, group_id, {"c1": 1, "c2": 2, "c3": 2}, "ann")
    assert latest_ranking(db, group_id, "ann") == newest
    assert latest_ranking(db, group_id).ranks == {"c1": 1, "c2": 2, "c3": 3}
    assert latest_ranking(db, group_id, "bob") is None
    assert db.count("SELECT count(*) FROM rankings") == 3


@pytest.mark.parametrize("ranks", [{"c1": 1}, {"c1": 1, "c2": 2, "c3": 3, "c4": 4}])
def test_ranking_names_every_candidate_and_no_other(db, prompt_id, candidates, ranks):
    group_id = save_group(db, prompt_id, candidates)
    with pytest.raises(EntryError):
        save_ranking(db, group_id, ranks, "ann")


def test_candidate_file_of_a_run_is_replaced_by_its_next_version(db, tmp_path, make_candidate):
    path = tmp_path / "candidates-round-1.parquet"
    for names in (["c1", "c2"], ["c2", "c3", "c4"]):
        write_candidates(path, [make_candidate(name) for name in names], "round", 1)
        assert replace_run_candidates(db, "run", read_table(path)) == len(names)
        stored = run_candidates(db, "run", "round", 1)
        assert [candidate.candidate_id for candidate in stored] == names
    assert run_candidates(db, "run", "round", 2) == run_candidates(db, "other", "round", 1) == []
