"""Chats become one question and two answers, and never an answer to another question."""

import json

import pytest

from storage.exchange import import_file
from storage.export import export_pairs
from storage.pairs import training_pairs
from storage.projects import create_project


def message(role):
    return lambda text: {"role": role, "content": text}


system, user, reply = message("system"), message("user"), message("assistant")
EARLIER = [user("Cough?"), reply("Since when?"), user("A week.")]
EARLIER_TEXT = "User: Cough?\n\nAssistant: Since when?\n\nUser: A week."


@pytest.fixture
def load(db, project_id, tmp_path):
    """Imports rows; returns question and answers of each, and why some were refused."""

    def run(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        report = import_file(db, project_id, path)
        pairs = training_pairs(db, project_id)
        return [(p.prompt, p.chosen, p.rejected) for p in pairs], [
            row.reason for row in report.skipped
        ]

    return run


@pytest.mark.parametrize(
    "prompt",
    [
        {},
        {"prompt": None},
        {"prompt": "A week."},  # the last turn alone
        {"prompt": "Cough?"},  # the first turn, as UltraFeedback has it
        {"prompt": EARLIER_TEXT},
        {"prompt": EARLIER},
        {"prompt": EARLIER[-1:]},
        {"prompt": EARLIER[:1]},
    ],
)
def test_all_earlier_turns_are_the_question(load, prompt):
    chats = {"chosen": [*EARLIER, reply("X-ray.")], "rejected": [*EARLIER, reply("Wait.")]}
    assert load(prompt | chats) == ([(EARLIER_TEXT, "X-ray.", "Wait.")], [])


@pytest.mark.parametrize("prompt", ["Cough?", [user("Cough?")]])
def test_turns_after_the_prompt_join_it(load, prompt):
    middle = EARLIER[1:]
    chats = {"chosen": [*middle, reply("X-ray.")], "rejected": [*middle, reply("Wait.")]}
    assert load({"prompt": prompt} | chats) == ([(EARLIER_TEXT, "X-ray.", "Wait.")], [])


def test_chat_of_one_question_is_that_question(load):
    chats = {"chosen": [user("Cough?"), reply("a")], "rejected": [user("Cough?"), reply("b")]}
    assert load({"prompt": "Cough? "} | chats) == ([("Cough?", "a", "b")], [])


def test_chat_beside_a_text_is_taken_where_it_has_no_turns_of_its_own(load):
    row = {"prompt": EARLIER, "chosen": [reply("a")], "rejected": "b"}
    assert load(row) == ([(EARLIER_TEXT, "a", "b")], [])


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [user("Cough?"), reply("a")], "rejected": [user("Fever?"), reply("b")]},
        {"chosen": [*EARLIER, reply("a")], "rejected": [*EARLIER[-1:], reply("b")]},
        {"chosen": [user("Cough?"), reply("a")], "rejected": "b"},
        {"prompt": "Cough?", "chosen": [*EARLIER, reply("a")], "rejected": [reply("b")]},
        {
            "chosen": [user("Q"), reply("Since May?"), user("Yes."), reply("a")],
            "rejected": [user("Q"), reply("Since June?"), user("Yes."), reply("b")],
        },
    ],
)
def test_answers_to_different_conversations_are_refused(load, row):
    reason = "'chosen' and 'rejected' do not answer the same conversation."
    assert load(row) == ([], [reason])


def test_cases_to_judge_are_held_to_the_same(load):
    row = {"answer_a": [user("Cough?"), reply("a")], "answer_b": [user("Fever?"), reply("b")]}
    reason = "'answer_a' and 'answer_b' do not answer the same conversation."
    assert load(row) == ([], [reason])


@pytest.mark.parametrize("prompt", ["Fever?", [user("Fever?")]])
def test_prompt_of_another_conversation_is_refused(load, prompt):
    chats = {"chosen": [user("Cough?"), reply("a")], "rejected": [user("Cough?"), reply("b")]}
    reason = "The 'prompt' is not the conversation that the answers belong to."
    assert load({"prompt": prompt} | chats) == ([], [reason])


def test_chat_that_ends_with_the_user_is_refused(load):
    row = {"chosen": [*EARLIER[:2], user("So?")], "rejected": [*EARLIER[:2], user("And?")]}
    assert load(row) == ([], ["The chat does not end with a message of the assistant."])


def test_empty_chats_are_refused(load):
    rows = ({"prompt": "Q", "chosen": [], "rejected": "b"}, {"prompt": [], "chosen": "a"})
    assert load(*rows)[1] == ["The answer 'chosen' is empty.", "The question is empty."]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
def test_conversations_come_back_as_they_went(db, project_id, load, tmp_path, file_format):
    turns = [system("Be brief."), *EARLIER]
    load({"chosen": [*turns, reply("a")], "rejected": [*turns, reply("b")]})
    first, again = (tmp_path / f"{name}.{file_format}" for name in ("first", "again"))
    export_pairs(db, project_id, first, file_format)
    other = create_project(db, "Other").project_id
    import_file(db, other, first)
    export_pairs(db, other, again, file_format)
    assert again.read_bytes() == first.read_bytes()
    assert training_pairs(db, other)[0].prompt == f"System: Be brief.\n\n{EARLIER_TEXT}"
