import pytest

from storage.candidates import save_group
from storage.errors import EntryError, NotFoundError
from storage.pairs import Judgement, add_comparison, save_label, show_case
from storage.projects import (
    DEMO_PROJECT_ID,
    create_project,
    find_project,
    find_prompts,
    get_project,
    get_prompt,
    list_projects,
    list_prompts,
    next_pool_prompt,
    update_project,
    upsert_prompt,
)


def test_demo_comes_first_and_the_others_by_age(db):
    for name in ("Fever", "Cough"):
        create_project(db, name)
    create_project(db, "Demo", project_id=DEMO_PROJECT_ID)
    assert [project.name for project in list_projects(db)] == ["Demo", "Fever", "Cough"]


def test_project_keeps_its_fields(db):
    project = create_project(db, "  Fever ", guidelines="Be kind.", answer_marker="Answer:")
    assert (project.name, project.guidelines, project.answer_marker) == (
        "Fever",
        "Be kind.",
        "Answer:",
    )
    assert get_project(db, project.project_id) == project
    assert find_project(db, "Fever") == project
    assert find_project(db, "Cough") is None


def test_guidelines_and_reasons_change_and_nothing_else(db):
    kept = create_project(db, "Cough")
    project = create_project(db, "Fever", answer_marker="Answer:")
    reasons = (" dose ", "", "Dose", "two  words", "<b>${x}</b>")
    changed = update_project(
        db, project.project_id, guidelines="# Be kind", reasons=reasons, is_reason_required=True
    )
    assert changed == get_project(db, project.project_id)
    assert changed.reasons == ("dose", "two words", "<b>${x}</b>")
    assert (changed.guidelines, changed.is_reason_required) == ("# Be kind", True)
    assert (changed.name, changed.answer_marker) == ("Fever", "Answer:")
    assert get_project(db, kept.project_id) == kept


@pytest.mark.parametrize(
    ("reasons", "is_required"),
    [([], True), ([" "], True), (["x" * 41], False), ("abcdefghijklm", False)],
)
def test_reasons_that_nobody_could_choose_are_refused(db, project_id, reasons, is_required):
    before = get_project(db, project_id)
    with pytest.raises(EntryError):
        update_project(
            db, project_id, guidelines="new", reasons=reasons, is_reason_required=is_required
        )
    assert get_project(db, project_id) == before


def test_project_without_reasons_asks_for_none(db, project_id):
    changed = update_project(db, project_id, guidelines="", reasons=[], is_reason_required=False)
    assert changed.reasons == ()
    with pytest.raises(NotFoundError):
        update_project(db, "nowhere", guidelines="", reasons=[], is_reason_required=False)


@pytest.mark.parametrize("name", ["", "  ", "Fever"])
def test_empty_or_taken_names_are_refused(db, name):
    create_project(db, "Fever")
    with pytest.raises(EntryError):
        create_project(db, name)
    assert len(list_projects(db)) == 1


def test_unknown_ids_are_not_found(db):
    with pytest.raises(NotFoundError):
        get_project(db, "nowhere")
    with pytest.raises(NotFoundError):
        get_prompt(db, "nowhere")
    with pytest.raises(NotFoundError):
        upsert_prompt(db, "nowhere", "Which score?")


def test_prompt_is_stored_once_and_filled_in(db, project_id):
    first = upsert_prompt(db, project_id, "Which score?")
    again = upsert_prompt(db, project_id, "Which score?", gold_answer="3")
    assert (first.prompt_id, first.split, first.gold_answer) == (again.prompt_id, "pool", None)
    assert upsert_prompt(db, project_id, "Which score?", gold_answer="4").gold_answer == "3"
    assert list_prompts(db, project_id) == [again]


def test_only_pool_prompts_change_their_split(db, project_id):
    upsert_prompt(db, project_id, "Which score?", "pool")
    assert upsert_prompt(db, project_id, "Which score?", "held_out").split == "held_out"
    assert upsert_prompt(db, project_id, "Which score?", "train").split == "held_out"
    assert upsert_prompt(db, project_id, "Which score?", "pool").split == "held_out"


def test_held_out_prompts_come_last(db, project_id):
    for prompt, split in (("one", "held_out"), ("two", "train"), ("three", "pool")):
        upsert_prompt(db, project_id, prompt, split)
    assert [prompt.prompt for prompt in list_prompts(db, project_id)] == ["two", "three", "one"]


def test_pool_prompt_leaves_the_pool_with_its_first_pair(db, project_id):
    for prompt in ("one", "two"):
        upsert_prompt(db, project_id, prompt)
    assert next_pool_prompt(db, project_id).prompt == "one"
    add_comparison(db, project_id, "one", "yes", "no", "sampled")
    assert next_pool_prompt(db, project_id).prompt == "two"
    add_comparison(db, project_id, "two", "yes", "no", "sampled")
    assert next_pool_prompt(db, project_id) is None


def test_projects_do_not_share_prompts(db, project_id):
    other = create_project(db, "Other").project_id
    mine, theirs = (upsert_prompt(db, key, "Which score?") for key in (project_id, other))
    assert mine.prompt_id != theirs.prompt_id


def test_of_many_prompts_the_sampled_and_the_labelled_come_first(db, project_id, make_candidate):
    texts = [f"Is dose {number} safe?" for number in range(6)]
    for number, text in enumerate(texts):
        upsert_prompt(db, project_id, text, "held_out" if number < 2 else "pool")
    for text in (texts[1], texts[4]):
        case = show_case(add_comparison(db, project_id, text, "yes", "no"), "ann")
        save_label(db, case, "ann", Judgement("a"))
    sampled = upsert_prompt(db, project_id, texts[5], "pool")
    save_group(db, sampled.prompt_id, (make_candidate(prompt=texts[5]),))
    found = find_prompts(db, project_id, "", 5)
    assert [prompt.prompt for prompt in found.prompts] == [texts[n] for n in (5, 4, 1, 2, 3)]
    assert (found.num_found, found.num_prompts) == (6, 6)
    assert [*find_prompts(db, project_id, "", 6).prompts] == list_prompts(db, project_id)


def test_prompts_are_found_by_their_words_as_they_are(db, project_id):
    for text in ("Is 50 % of it SAFE?", "Is half of it safe?", "Ist die Hälfte sicher?"):
        upsert_prompt(db, project_id, text, "pool")
    for words, numbers in (("safe", 2), ("50 %", 1), ("  half  of", 1), ("HÄLFTE", 1), ("%s_", 0)):
        found = find_prompts(db, project_id, words, 5)
        assert (len(found.prompts), found.num_found) == (numbers, numbers)
        assert found.num_prompts == 3
