"""Files of other programs become labels of their raters, without being told what they are."""

import json
from collections import Counter

import pytest

from gem_backend.types import SkippedRow
from storage.errors import ImportFileError
from storage.exchange import import_file
from storage.import_formats import CLAIM_FAILS, CLAIM_HOLDS
from storage.import_preview import preview
from storage.import_rankings import MAX_ANSWERS
from storage.orders import answers_to_order
from storage.pairs import training_pairs
from storage.projects import list_prompts
from storage.turns import label_progress, next_turn

PANDALM = {
    "instruction": "Shorten.",
    "input": "A long text.",
    "response1": "one",
    "response2": "two",
    "annotator1": 1,
    "annotator2": 2,
    "annotator3": 0,
}
FIELDS = {"instruction": "Q", "response_1": "one", "response_2": "two"}
JUDGED = {"prompt": "Q", "answer_a": "one", "answer_b": "two"}


@pytest.fixture
def load(db, project_id, tmp_path):
    """Imports rows as a JSON list; returns the report and who said what."""

    def run(*rows):
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows, indent=1), "utf-8")
        report = import_file(db, project_id, path)
        return report, [
            (p.rater, p.chosen, p.rejected, p.verdict) for p in training_pairs(db, project_id)
        ]

    return run


def graded(answer, grade, prompt="Q", **more):
    return {"prompt": prompt, "answer": answer, "grade": grade} | more


def task(*annotations, **data):
    return {"id": 7, "data": {"prompt": "Q"} | data, "annotations": list(annotations)}


def annotation(value, who=1, **more):
    return {"completed_by": who, "result": [{"type": "pairwise", "value": value}]} | more


def test_pandalm_row_is_a_label_of_each_annotator(db, project_id, load):
    report, labels = load(PANDALM)
    assert (report.imported, report.skipped) == (3, ())
    assert labels == [
        ("annotator1", "one", "two", "preferred"),
        ("annotator2", "two", "one", "preferred"),
        ("annotator3", "one", "two", "tie"),
    ]
    assert training_pairs(db, project_id)[0].prompt == "Shorten.\n\nA long text."
    assert db.count("SELECT count(*) FROM pairs") == 1


def test_broken_pandalm_rows_are_named_by_the_line_they_begin_on(load):
    broken = ({"response1": " "}, {"response2": True}, {"annotator2": 3}, {"instruction": 5})
    report, labels = load(*(PANDALM | part for part in broken), PANDALM)
    assert [row.reason for row in report.skipped] == [
        "The answer 'response1' is empty.",
        "The value of 'response2' is not text.",
        "The value of 'annotator2' is none of 0, 1 and 2.",
        "The value of 'instruction' is not text.",
    ]
    assert [row.line for row in report.skipped] == [2, 11, 20, 29]
    assert len(labels) == 3


def test_pandalm_as_a_table_is_the_same(db, project_id, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(",".join(PANDALM) + "\n" + ",".join(map(str, PANDALM.values())) + "\n")
    assert import_file(db, project_id, path).imported == 3


def test_label_studio_annotations_are_labels_of_who_completed_them(db, project_id, load):
    said = [
        annotation({"selected": "left"}, 3),
        annotation({"choices": ["Right"]}, {"id": 4, "email": "ann@clinic.org"}),
        annotation({"choices": ["Tie"]}, "bob"),
        annotation({"selected": "left"}, 5, was_cancelled=True),
    ]
    said[0]["result"].append({"type": "textarea", "value": {"text": ["Safer."]}})
    report, labels = load(task(*said, answer1="one", answer2="two"))
    assert report.skipped == ()
    assert labels == [
        ("annotator 3", "one", "two", "preferred"),
        ("ann@clinic.org", "two", "one", "preferred"),
        ("bob", "one", "two", "tie"),
    ]
    assert training_pairs(db, project_id)[0].rationale == "Safer."


def test_label_studio_task_without_annotations_is_a_case(db, project_id, load):
    load(task(text1="one", text2="two"))
    assert next_turn(db, project_id, "ann").case.comparison.answer_b == "two"


def test_broken_label_studio_tasks_are_named(load):
    whole = {"answer1": "one", "answer2": "two"}
    report, _ = load(
        task(answer1="one"),
        task(annotation({"choices": ["Blue"]}), **whole),
        {"data": "text", "annotations": []},
        {"data": {"prompt": "Q"} | whole, "annotations": {"result": 1}},
        {"data": whole, "annotations": []},
    )
    assert [row.reason for row in report.skipped] == [
        "The value of 'data' does not name two answers, such as answer1, answer2.",
        "An annotation of this task chooses neither left nor right, nor a tie.",
        "The value of 'data' is not an object with named values.",
        "The value of 'annotations' is not a list.",
        "This row names no question: no 'prompt', 'question' or 'instruction'.",
    ]


@pytest.mark.parametrize(
    "responses",
    [
        [
            {"user_id": "ann", "values": {"better": {"value": "response_2"}}},
            {"user_id": "bob", "values": {"better": {"value": "tie"}}, "status": "submitted"},
            {"user_id": "eve", "values": {"better": {"value": "tie"}}, "status": "draft"},
        ],
        {
            "better": [
                {"value": "response_2", "user_id": "ann", "status": "submitted"},
                {"value": "tie", "user_id": "bob"},
            ],
            "why": [{"value": "It is safer.", "user_id": "ann"}],
        },
    ],
)
def test_argilla_responses_are_labels_of_their_users(load, responses):
    report, labels = load({"fields": FIELDS, "responses": responses})
    assert report.skipped == ()
    assert labels == [("ann", "two", "one", "preferred"), ("bob", "two", "one", "tie")]


@pytest.mark.parametrize(
    "ranking",
    [
        ["response-2", "response-1", "response-3"],
        [
            {"value": "response-1", "rank": 2},
            {"value": "response-2", "rank": 1},
            {"value": "response-3", "rank": 3},
        ],
    ],
)
def test_argilla_ranking_is_a_label_for_every_two_answers(load, ranking):
    fields = FIELDS | {"response_3": "three"}
    _, labels = load(
        {"fields": fields, "responses": {"rank": [{"value": ranking, "user_id": "u"}]}}
    )
    assert {label[1:3] for label in labels} == {("two", "one"), ("two", "three"), ("one", "three")}


def test_argilla_equal_ranks_are_a_tie(load):
    ranking = [{"value": "response-1", "rank": 1}, {"value": "response-2", "rank": 1}]
    _, labels = load({"fields": FIELDS, "responses": {"r": [{"value": ranking, "user_id": "u"}]}})
    assert labels == [("u", "one", "two", "tie")]


def test_argilla_record_without_a_choice_is_a_case_or_named(db, project_id, load):
    said = {"why": [{"value": "It is safer.", "user_id": "ann"}]}
    report, _ = load(
        {"fields": FIELDS, "responses": said},
        {"fields": {"prompt": "Q", "response_1": "one"}, "responses": []},
        {"fields": FIELDS, "responses": []},
    )
    assert [row.reason for row in report.skipped] == [
        "No response of this record chooses or ranks its answers.",
        "The value of 'fields' does not name two answers, such as response_1.",
    ]
    assert next_turn(db, project_id, "ann").case.comparison.answer_a == "one"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("b", ("two", "one", "preferred")),
        ("model_a", ("one", "two", "preferred")),
        ("Answer 2", ("two", "one", "preferred")),
        (1, ("one", "two", "preferred")),
        ("tie (bothbad)", ("one", "two", "both_bad")),
        ("cannot_judge", ("one", "two", "cannot_judge")),
    ],
)
def test_verdict_beside_two_answers_is_a_label(load, word, said):
    _, labels = load(JUDGED | {"verdict": word, "rater": "ann"})
    assert labels == [("ann", *said)]


def test_verdict_that_is_missing_or_unknown_is_no_label(load):
    report, labels = load(JUDGED | {"verdict": ""}, JUDGED | {"verdict": "preferred"})
    assert (report.imported, labels) == (1, [])
    reason = "The verdict 'preferred' names neither answer, nor a tie."
    assert [row.reason for row in report.skipped] == [reason]


def test_graded_answers_become_all_pairs_with_ties_and_strengths(db, project_id, load):
    rows = [graded("best", 4), graded("lone", 1, "R"), graded("worst", "1"), graded("good", 3)]
    report, labels = load(*rows, graded("as good", 3.0))
    assert report.skipped == (SkippedRow(7, "This question has only one graded answer."),)
    strengths = {(p.chosen, p.rejected): p.strength for p in training_pairs(db, project_id)}
    assert strengths == {
        ("best", "worst"): 3,
        ("best", "good"): 1,
        ("best", "as good"): 1,
        ("good", "worst"): 2,
        ("as good", "worst"): 2,
        ("good", "as good"): 1,
    }
    assert [label[1:] for label in labels if label[3] == "tie"] == [("good", "as good", "tie")]


def test_graded_answers_are_paired_within_a_rater(load):
    rows = [graded("x", 1, rater="ann"), graded("y", 2, rater="bob"), graded("y", 2, rater="ann")]
    _, labels = load(*rows)
    assert labels == [("ann", "y", "x", "preferred")]


def test_broken_graded_answers_are_named(load):
    rows = [graded("x", "good"), graded(" ", 1), graded("x", True), graded("x", 1, " ")]
    report, _ = load(*rows, *(graded(f"answer {n}", n) for n in range(MAX_ANSWERS + 1)))
    assert [row.reason for row in report.skipped] == [
        "The grade is not a number.",
        "The answer 'answer' is empty.",
        "The grade is not a number.",
        "The question is empty.",
        "This question has more than 100 graded answers.",
    ]
    assert report.imported == MAX_ANSWERS * (MAX_ANSWERS - 1) / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"prompt": "Q"},\n {"prompt": ]', "no longer valid JSON on line 2"),
        ('[{"prompt": "Q"},', "no longer valid JSON on line 1"),
        ("[" * 100_000, "no longer valid JSON on line 1"),
        ("[]", "The file is empty."),
        ("[1, 2]", "No row has a value 'prompt'"),
    ],
)
def test_list_that_is_broken_is_refused_in_one_sentence(db, project_id, tmp_path, text, message):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(ImportFileError, match=message):
        import_file(db, project_id, tmp_path / "rows.json")


def test_list_that_is_too_large_is_refused(db, project_id, tmp_path):
    with (tmp_path / "rows.json").open("wb") as file:
        file.write(b"[")
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(ImportFileError, match="larger than 64 MB; save it as JSON Lines"):
        import_file(db, project_id, tmp_path / "rows.json")


def test_json_lines_under_the_other_name_are_read_as_before(db, project_id, tmp_path):
    row = {"prompt": "Q", "chosen": "a", "rejected": "b"}
    (tmp_path / "rows.json").write_text(json.dumps(row) + "\n")
    assert import_file(db, project_id, tmp_path / "rows.json").imported == 1


def test_claim_is_a_label_of_each_who_checked_it(db, project_id, load):
    row = {"question": "Q", "answer": "It helps.", "claim": "It works."}
    said = {"label_0": "Entailment", "label_1": "Contradiction", "label_2": "Neutral"}
    report, labels = load(row | said)
    assert (report.imported, report.skipped) == (3, ())
    assert labels == [
        ("label_0", CLAIM_HOLDS, CLAIM_FAILS, "preferred"),
        ("label_1", CLAIM_FAILS, CLAIM_HOLDS, "preferred"),
        ("label_2", CLAIM_HOLDS, CLAIM_FAILS, "both_bad"),
    ]
    prompt = training_pairs(db, project_id)[0].prompt
    assert prompt.startswith("Question: Q\n\nAnswer: It helps.\n\nClaim: It works.")


def test_claim_without_a_usable_label_is_refused_whole(load):
    row = {"question": "Q", "answer": "It helps.", "claim": "It works.", "label_0": "Neutral"}
    report, labels = load(row | {"label_1": "perhaps"}, row | {"label_1": "Neutral", "claim": " "})
    assert labels == []
    assert report.skipped == (
        SkippedRow(2, "The value of 'label_1' is none of entailment, neutral, contradiction."),
        SkippedRow(9, "The text 'claim' is empty."),
    )


# --- answers to rank --------------------------------------------------------------------------


def test_answers_without_a_rank_become_a_case_of_every_two(db, project_id, load):
    row = {"prompt": "Q", "answers": ["one", "two", "one", "<b>three</b>"], "gold_answer": "one"}
    report, labels = load(row, row)
    assert (report.imported, report.already_there, report.skipped, labels) == (3, 3, (), [])
    case = next_turn(db, project_id, "ann").case
    assert set(answers_to_order(db, case, "ann")) == {"one", "two", "<b>three</b>"}
    assert label_progress(db, project_id, "ann").pending == 3
    assert [prompt.gold_answer for prompt in list_prompts(db, project_id)] == ["one"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("one, two", "The value of 'answers' is not a list."),
        ({"text": ["one"]}, "The value of 'answers' is not a list."),
        (["one", "one"], "This question has fewer than two different answers."),
        ([], "This question has fewer than two different answers."),
        (["one", " "], "The answer 'answers 2' is empty."),
        (["one", {"text": "two"}], "The value of 'answers 2' is not text."),
        ([str(number) for number in range(101)], "This question has more than 100 answers."),
    ],
)
def test_answers_that_cannot_be_compared_are_named(db, load, answers, reason):
    report, _ = load({"prompt": "Q", "answers": answers}, {"prompt": "R", "answers": ["1", "2"]})
    assert [row.reason for row in report.skipped] == [reason]
    assert report.imported == 1


@pytest.mark.parametrize(
    "said", [{"chosen": "one", "rejected": "two"}, {"answer_a": "one", "answer_b": "two"}]
)
def test_answers_beside_a_pair_are_left_alone(db, load, said):
    report, _ = load({"prompt": "Q", "answers": ["one", "two", "three"]} | said)
    assert (report.imported, db.count("SELECT count(*) FROM pairs")) == (1, 1)


@pytest.mark.parametrize("name", ["rank", "grade", "score"])
def test_ranks_of_answers_are_not_lost_without_a_word(db, load, name):
    rows = ({"prompt": "Q", "answers": ["1", "2"], name: 1}, {"prompt": "R", "split": "pool"})
    report, _ = load(*rows)
    assert (len(report.skipped), db.count("SELECT count(*) FROM pairs")) == (1, 0)


def test_lists_under_other_names_are_found(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"question": "Q", "responses": ["one", "two", "three"]}))
    found = preview(path)
    assert found.format == "answers to rank"
    assert [(row.kind, row.answer_a, row.answer_b) for row in found.rows] == [
        ("case", "one", "two"),
        ("case", "one", "three"),
        ("case", "two", "three"),
    ]


# --- real files -------------------------------------------------------------------------------


def test_real_annotators_are_three_raters(db, project_id, real_data):
    path = real_data / "pandalm" / "testset-v1.json"
    report = import_file(db, project_id, path)
    # 999 rows: 54 with an empty response, 6 with "true" for a response; 136 repeat a pair, so that
    # of 939 * 3 judgements 304 are said twice, and two take back what their rater had said.
    assert Counter(row.reason.split("'")[2] for row in report.skipped) == {
        " is empty.": 54,
        " is not text.": 6,
    }
    assert report.imported + report.already_there == (999 - 60) * 3
    assert (report.imported, report.already_there) == (2513, 304)
    labels = training_pairs(db, project_id)
    raters = Counter(label.rater for label in labels)
    assert raters == {"annotator1": 837, "annotator2": 837, "annotator3": 837}
    assert Counter(label.verdict for label in labels) == {"preferred": 2270, "tie": 241}
    assert import_file(db, project_id, path).imported == 0


def test_real_grades_become_rankings_with_ties(db, project_id, real_data):
    report = import_file(db, project_id, real_data / "medquad" / "graded_answers.jsonl")
    assert (report.imported, report.skipped) == (237 + 335, ())
    labels = training_pairs(db, project_id)
    assert Counter(label.verdict for label in labels) == {"preferred": 237, "tie": 335}
    pairs = map(json.loads, (real_data / "medquad" / "pairs.jsonl").read_text().splitlines())
    assert {(p.prompt, p.chosen, p.rejected, p.strength) for p in labels if p.verdict != "tie"} == {
        (row["prompt"], row["chosen"], row["rejected"], row["strength"]) for row in pairs
    }
