import dataclasses
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gem_backend.types import SkippedRow
from storage.audit import label_log
from storage.errors import ExportError, ImportFileError, NotFoundError
from storage.exchange import import_file
from storage.export import COLUMNS, export_pairs
from storage.pairs import Judgement, add_comparison, save_label, show_case, training_pairs
from storage.projects import create_project, list_prompts
from storage.recent import undo
from storage.spreadsheet import guard, unguard
from storage.turns import label_progress, next_turn

DEMO = Path(__file__).parents[2] / "gem_backend" / "demo" / "project.jsonl"

HARD_TEXTS = [
    "${alert(1)}",
    "`backticks` and ```fences```",
    "<img src=x onerror=alert(1)>",
    r"\frac{a}{b} and \u12 and \n",
    "‏מימין לשמאל‎ and العربية",
    "a\nb\r\nc\rd\n\ne\n",
    "before\x00after",
    "x" * 50_000,
    "long line " * 20_000,
    '"quoted", \'single\', ""',
    "=1+1",
    "'=1+1",
    "''=1+1",
    "'tis nothing",
    "-5",
    "+49",
    "@SUM(A1)",
    "'",
    "\t=tab",
    "\rline",
    "\uff1dfull width",
    "semi;colon, comma\tand tab",
    "\u2028 and \u2029 and \x85 and \x0b",
    "  spaces around  ",
    "🩺👩🏽‍⚕️",
    "null",
    "\ufeffmark",
]


@pytest.fixture
def write(tmp_path):
    def write_file(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text(
            "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows),
            encoding="utf-8",
        )
        return path

    return write_file


def pair(prompt="Q", chosen="yes", rejected="no", **more):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected} | more


def content(db, project_id):
    return [dataclasses.replace(p, pair_id="") for p in training_pairs(db, project_id)]


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_hard_texts_survive_import_store_export_import(
    db, project_id, write, tmp_path, file_format
):
    rows = [
        pair(f"{text}?", text, f"{text}!", rationale=text, gold_answer=text, rater=text)
        | {"reasons": [text, "safety"]}
        for text in HARD_TEXTS
    ]
    assert import_file(db, project_id, write(*rows)).imported == len(rows)
    stored = [
        (p.prompt, p.chosen, p.rejected, p.rationale, p.gold_answer, p.rater)
        for p in training_pairs(db, project_id)
    ]
    assert stored == [
        tuple(
            row[name]
            for name in ("prompt", "chosen", "rejected", "rationale", "gold_answer", "rater")
        )
        for row in rows
    ]
    first, second = tmp_path / f"first.{file_format}", tmp_path / f"second.{file_format}"
    assert export_pairs(db, project_id, first, file_format) == len(rows)
    other = create_project(db, "Other").project_id
    report = import_file(db, other, first)
    assert (report.imported, report.skipped) == (len(rows), ())
    assert content(db, other) == content(db, project_id)
    export_pairs(db, other, second, file_format)
    assert second.read_bytes() == first.read_bytes()


def test_export_holds_the_rows_and_nothing_else(db, project_id, write, tmp_path):
    row = pair("Wie geht's?", "grün", "no", verdict="preferred", strength=2, rationale="é")
    row |= {"rater": "ann", "split": "train", "gold_answer": None, "is_acceptable": True}
    row |= {"reasons": ["accuracy", "safety"]}
    import_file(db, project_id, write(row))
    export_pairs(db, project_id, tmp_path / "out.jsonl", "jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (
        json.dumps(row, ensure_ascii=False) + "\n"
    ).encode()
    export_pairs(db, project_id, tmp_path / "out.csv", "csv")
    assert (tmp_path / "out.csv").read_bytes().decode().splitlines() == [
        ",".join(f'"{name}"' for name in COLUMNS),
        '"Wie geht\'s?","grün","no","preferred","2","é","ann","train","","True","accuracy; safety"',
    ]


def test_no_exported_cell_is_a_formula(db, project_id, write, tmp_path):
    import_file(db, project_id, write(pair("=cmd|' /C calc'!A0", "-1", "@SUM(1)")))
    export_pairs(db, project_id, tmp_path / "out.csv", "csv")
    line = (tmp_path / "out.csv").read_text().splitlines()[1]
    assert line.startswith('"\'=cmd|\' /C calc\'!A0","\'-1","\'@SUM(1)"')


@pytest.mark.parametrize("text", [*HARD_TEXTS, ""])
def test_guarded_text_comes_back_and_starts_no_formula(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_importing_again_adds_nothing(db, project_id, write, tmp_path, name):
    rows = [pair("Q1"), pair("Q2", rater="bob"), pair("Q3", verdict="tie")]
    import_file(db, project_id, write(*rows))
    before = label_log(db, project_id)
    export_pairs(db, project_id, tmp_path / name, name[5:])
    for path in (write(*rows, name="again.jsonl"), tmp_path / name):
        report = import_file(db, project_id, path)
        assert (report.imported, report.already_there) == (0, 3)
    assert label_log(db, project_id) == before


def test_a_judgement_with_other_reasons_is_another_judgement(db, project_id, write):
    import_file(db, project_id, write(pair()))
    rows = (pair(reasons=["safety"]), pair(reasons="safety"), pair(reasons=" safety ; clarity"))
    assert import_file(db, project_id, write(*rows)).imported == 2
    assert [p.reasons for p in training_pairs(db, project_id)] == [("safety", "clarity")]


def test_same_row_twice_in_a_file_counts_once(db, project_id, write):
    report = import_file(db, project_id, write(pair(), pair()))
    assert (report.imported, report.already_there) == (1, 1)


def test_pair_the_other_way_round_is_the_same_pair_with_the_other_verdict(db, project_id, write):
    rows = (pair(rater="ann"), pair(chosen="no", rejected="yes", rater="bob"))
    assert import_file(db, project_id, write(*rows)).imported == 2
    assert [(p.rater, p.chosen) for p in training_pairs(db, project_id)] == [
        ("ann", "yes"),
        ("bob", "no"),
    ]
    assert db.count("SELECT count(*) FROM pairs") == 1


def test_changed_mind_in_a_file_keeps_the_last_word_and_the_log(db, project_id, write):
    path = write(pair(), pair(chosen="no", rejected="yes"))
    assert import_file(db, project_id, path).imported == 2
    assert import_file(db, project_id, path).already_there == 2
    assert [p.chosen for p in training_pairs(db, project_id)] == ["no"]
    assert len(label_log(db, project_id)) == 2


def test_file_does_not_bring_back_what_its_rater_withdrew_here(db, project_id, tmp_path):
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    save_label(db, case, "ann", Judgement("b", rationale="because"))
    export_pairs(db, project_id, tmp_path / "out.jsonl", "jsonl")
    undo(db, project_id, "ann")
    report = import_file(db, project_id, tmp_path / "out.jsonl")
    assert (report.imported, report.already_there, report.num_skipped) == (0, 0, 1)
    assert training_pairs(db, project_id) == []
    assert next_turn(db, project_id, "ann").case.comparison == case.comparison


def test_rows_that_were_stored_are_never_counted_as_refused(db, project_id, write, monkeypatch):
    """Ann judges the first case here after the file's word on it was stored, part by part."""
    monkeypatch.setattr("storage.import_store._LABELS", 1)
    path = write(
        *({"prompt": f"Q{n}", "chosen": "yes", "rejected": "no", "rater": "ann"} for n in (1, 2, 3))
    )
    said_here = []

    def judge(_done, _total):
        if db.count("SELECT count(*) FROM label_events") and not said_here:
            case = show_case(add_comparison(db, project_id, "Q1", "yes", "no"), "ann")
            said_here.append(save_label(db, case, "ann", Judgement("b")))

    report = import_file(db, project_id, path, on_progress=judge)
    assert (report.imported, report.already_there, report.skipped) == (3, 0, ())
    assert len(said_here) == 1


def test_question_that_was_entered_meanwhile_takes_no_held_out_row(db, project_id, write):
    row = {"prompt": "Q", "chosen": "yes", "rejected": "no", "split": "held_out"}
    entered = []

    def enter(_done, total):
        if total and not entered:
            entered.append(add_comparison(db, project_id, "Q", "maybe", "never"))

    report = import_file(db, project_id, write(row), on_progress=enter)
    assert entered
    assert report.imported == 0
    assert "already used for training" in report.skipped[0].reason
    assert training_pairs(db, project_id) == []


def test_rows_of_a_question_that_was_entered_meanwhile_are_each_accounted_for(
    db, project_id, write
):
    """The first row of the pair is refused, a later one that names no split is stored with it."""
    answers = {"prompt": "Q", "answer_a": "yes", "answer_b": "no"}
    path = write(
        {"prompt": "Q", "chosen": "yes", "rejected": "no", "split": "held_out", "rater": "ann"},
        {"prompt": "Q", "chosen": "yes", "rejected": "no", "rater": "bob"},
        {**answers, "answer_b": "never", "split": "held_out"},
    )
    entered = []

    def enter(_done, total):
        if total and not entered:
            entered.append(add_comparison(db, project_id, "Q", "maybe", "never"))

    report = import_file(db, project_id, path, on_progress=enter)
    assert [row.line for row in report.skipped] == [1, 3]
    assert (report.imported, report.already_there) == (1, 0)
    assert [pair.rater for pair in training_pairs(db, project_id)] == ["bob"]


def test_older_export_does_not_overrule_what_its_rater_said_since(db, project_id, tmp_path):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    case, path = show_case(comparison, "ann"), tmp_path / "older.jsonl"
    save_label(db, case, "ann", Judgement("a"))
    save_label(db, case, "bob", Judgement("a"))
    export_pairs(db, project_id, path, "jsonl")
    save_label(db, case, "ann", Judgement("b"))
    report = import_file(db, project_id, path)
    assert (report.imported, report.already_there, report.num_skipped) == (0, 1, 1)
    assert report.skipped[0].line == 1
    assert "has judged this case here" in report.skipped[0].reason
    said = {pair.rater: pair.chosen for pair in training_pairs(db, project_id)}
    assert said == {"ann": "no", "bob": "yes"}


def test_pair_of_a_written_answer_becomes_a_case_when_a_file_has_it(db, project_id, write):
    comparison = add_comparison(db, project_id, "Q", "yes", "no")
    save_label(db, show_case(comparison, "ann"), "ann", Judgement("both_bad", written="perhaps"))
    assert label_progress(db, project_id, "bob").total == 1
    import_file(db, project_id, write({"prompt": "Q", "answer_a": "perhaps", "answer_b": "no"}))
    assert label_progress(db, project_id, "bob").total == 2  # ann's label on it counts


def test_export_of_two_raters_comes_back_byte_for_byte(db, project_id, tmp_path):
    """Ann prefers what is stored second, so that an import stores it first."""
    case = show_case(add_comparison(db, project_id, "Q", "yes", "no"), "ann")
    for rater, verdict in (("ann", "b"), ("bob", "tie"), ("cleo", "both_bad")):
        save_label(db, case, rater, Judgement(verdict))
    first, again = tmp_path / "first.jsonl", tmp_path / "again.jsonl"
    export_pairs(db, project_id, first, "jsonl")
    other = create_project(db, "Other").project_id
    import_file(db, other, first)
    export_pairs(db, other, again, "jsonl")
    assert again.read_bytes() == first.read_bytes()


def test_answers_without_a_label_become_a_case(db, project_id, write):
    row = {"prompt": "Q", "answer_a": "one", "answer_b": "two"}
    assert import_file(db, project_id, write(row)).imported == 1
    comparison = next_turn(db, project_id, "ann").case.comparison
    assert (comparison.answer_a, comparison.answer_b, comparison.source) == (
        "one",
        "two",
        "imported",
    )
    assert import_file(db, project_id, write(row)).already_there == 1


def test_lone_prompt_joins_the_pool(db, project_id, write):
    rows = ({"prompt": "Q", "gold_answer": 5, "split": "pool"}, {"prompt": "R", "split": "pool"})
    assert import_file(db, project_id, write(*rows)).imported == 2
    assert [(p.prompt, p.gold_answer, p.split) for p in list_prompts(db, project_id)] == [
        ("Q", "5", "pool"),
        ("R", None, "pool"),
    ]
    assert import_file(db, project_id, write(*rows)).already_there == 2


def test_a_fifth_of_the_labelled_prompts_is_held_out_where_no_row_names_a_split(
    db, project_id, write
):
    rows = [pair(f"Q{n % 500}", f"yes {n}") for n in range(1000)]
    import_file(db, project_id, write(*rows, {"prompt": "P", "split": "pool"}))
    splits = Counter(prompt.split for prompt in list_prompts(db, project_id))
    # Binomial, n = 500, p = 0.2: mean 100, standard deviation 9.
    assert 65 < splits["held_out"] < 135
    assert splits["pool"] == 1
    held_out = {p.prompt for p in training_pairs(db, project_id) if p.split == "held_out"}
    train = {p.prompt for p in training_pairs(db, project_id) if p.split == "train"}
    assert not held_out & train
    other = create_project(db, "Other").project_id
    import_file(db, other, write(*rows[::-1], name="reversed.jsonl"))
    assert {p.prompt for p in training_pairs(db, other) if p.split == "held_out"} == held_out


def test_named_splits_are_kept_and_nothing_else_is_held_out(db, project_id, write):
    rows = [pair(f"Q{n}") for n in range(50)]
    import_file(db, project_id, write(*rows, pair("H", split="held_out")))
    held_out = [p.prompt for p in training_pairs(db, project_id) if p.split == "held_out"]
    assert held_out == ["H"]


def test_prompt_that_waits_for_a_judgement_is_not_held_out(db, project_id, write):
    rows = [pair(f"Q{n}") for n in range(50)]
    rows += [{"prompt": f"Q{n}", "answer_a": "one", "answer_b": "two"} for n in range(50)]
    import_file(db, project_id, write(*rows))
    assert {p.split for p in list_prompts(db, project_id)} == {"train"}


def test_prompt_is_never_in_two_splits(db, project_id, write):
    report = import_file(
        db, project_id, write(pair(split="train"), pair(chosen="maybe", split="held_out"))
    )
    reason = "This question is already used for training; it cannot be in two splits."
    assert (report.imported, report.skipped) == (1, (SkippedRow(2, reason),))
    report = import_file(db, project_id, write(pair(chosen="perhaps", split="held_out")))
    assert report.skipped == (SkippedRow(1, reason),)
    assert {p.split for p in list_prompts(db, project_id)} == {"train"}


def test_bad_rows_are_named_with_line_and_reason_and_good_ones_kept(db, project_id, write):
    rows = [
        pair(),
        "{broken",
        "",
        '{"prompt": "x", "chosen": "\\u12"}',
        "[1, 2]",
        {"chosen": "a", "rejected": "b"},
        pair(" "),
        pair(chosen=""),
        pair(chosen="no"),
        pair(chosen=5),
        pair(strength=4),
        pair(strength=True),
        pair(verdict="great"),
        pair(split="test"),
        pair(is_acceptable="maybe"),
        pair(split="pool"),
        pair(reasons=["safety", 5]),
        {"prompt": "x"},
        pair(chosen="\ud800"),
        "[" * 100_000,
        pair("last"),
    ]
    report = import_file(db, project_id, write(*rows))
    assert report.imported == 2
    assert [(row.line, row.reason) for row in report.skipped] == [
        (2, "This line is not valid JSON."),
        (4, "This line is not valid JSON."),
        (5, "This line is not a JSON object with named values."),
        (6, "This row has no 'prompt'."),
        (7, "The question is empty."),
        (8, "The answer 'chosen' is empty."),
        (9, "Both answers are the same."),
        (10, "The value of 'chosen' is not text."),
        (11, "The strength must be 1, 2 or 3."),
        (12, "The strength must be 1, 2 or 3."),
        (13, "The verdict 'great' is none of preferred, tie, both_bad, cannot_judge."),
        (14, "The split 'test' is none of train, held_out, pool."),
        (15, "The value of 'is_acceptable' must be true or false."),
        (16, "The split 'pool' is for questions without answers."),
        (17, "The value of 'reasons' is not a list of texts."),
        (18, "This row has no answers; a question alone needs the split 'pool'."),
        (19, "The value of 'chosen' has a broken character (half of a pair)."),
        (20, "This line is not valid JSON."),
    ]


def test_csv_rows_are_named_by_the_line_they_begin_on(db, project_id, write):
    path = write(
        "prompt,chosen,rejected,strength",
        'Q1,"two\nlines",no,2',
        "Q2,too,few",
        "",
        'Q3,"wrong"quote,no,1',
        "Q4,yes,no,",
        'Q5,"never closed,no,1',
        "Q6,yes,no,1",
        name="rows.csv",
    )
    report = import_file(db, project_id, path)
    assert report.imported == 2
    assert report.skipped == (
        SkippedRow(4, "This row has 3 cells, but the first line names 4."),
        SkippedRow(6, "A quotation mark stands in the wrong place."),
        SkippedRow(8, "A quotation mark on this line is never closed."),
    )
    assert [(p.chosen, p.strength) for p in training_pairs(db, project_id)] == [
        ("two\nlines", 2),
        ("yes", 1),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_spreadsheets_elsewhere_is_read(db, project_id, tmp_path, delimiter):
    lines = [["Prompt", " chosen", "rejected", "split"], ["Q", "ja", "nein", "held_out"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8-sig")
    assert import_file(db, project_id, tmp_path / "rows.csv").imported == 1
    [stored] = training_pairs(db, project_id)
    assert (stored.prompt, stored.chosen, stored.split) == ("Q", "ja", "held_out")


def test_chats_become_texts(db, project_id, write):
    user = {"role": "user", "content": "Which score?"}
    yes, no = ({"role": "assistant", "content": text} for text in ("CURB-65", "none"))
    system = {"role": "system", "content": "Be brief."}
    rows = [
        pair([user], [yes], [no]),
        {"chosen": [system, user, yes], "rejected": [system, user, no]},
        pair([user], [user], [no]),
        pair([user], [{"role": "assistant"}], [no]),
    ]
    report = import_file(db, project_id, write(*rows))
    stored = [(p.prompt, p.chosen, p.rejected) for p in training_pairs(db, project_id)]
    assert stored == [
        ("Which score?", "CURB-65", "none"),
        ("System: Be brief.\n\nUser: Which score?", "CURB-65", "none"),
    ]
    assert report.skipped == (
        SkippedRow(3, "The chat has no message of the assistant."),
        SkippedRow(4, "A chat message needs a role and a content that is text."),
    )


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b"", "The file is empty."),
        ("a.csv", b"", "The file is empty."),
        ("a.jsonl", b"{broken\nmore\n", "No line of the file is valid JSON"),
        ("a.jsonl", b'{"question": "Q", "answer": "A"}\n1\n', "No row has a value 'prompt'"),
        ("a.csv", b"question,answer\nQ,A\n", "no column 'prompt'"),
        ("a.csv", b"prompt,chosen,chosen\nQ,A,B\n", "names the column 'chosen' twice"),
        ("a.csv", "prompt,chosen,rejected\nQ,grün,A\n".encode("latin-1"), "not UTF-8"),
        ("a.jsonl", '{"prompt": "grün"}\n'.encode("latin-1"), "not UTF-8"),
        ("a.jsonl", '{"prompt": "Q"}\n'.encode("utf-16"), "not UTF-8"),
        ("a.jsonl", b"x" * (16 * 2**20 + 2), "longer than 16 MB"),
    ],
)
def test_unreadable_file_is_refused_in_one_sentence(db, project_id, tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImportFileError, match=message):
        import_file(db, project_id, tmp_path / name)


def test_file_that_turns_unreadable_leaves_nothing(db, project_id, tmp_path):
    good = json.dumps(pair()).encode() + b"\n"
    (tmp_path / "a.jsonl").write_bytes(good * 600 + b"\xff\n")
    with pytest.raises(ImportFileError):
        import_file(db, project_id, tmp_path / "a.jsonl")
    assert list_prompts(db, project_id) == []


def test_missing_file_or_project_is_said(db, project_id, tmp_path, write):
    with pytest.raises(ImportFileError, match="cannot be read"):
        import_file(db, project_id, tmp_path / "nothing.jsonl")
    with pytest.raises(NotFoundError):
        import_file(db, "nowhere", write(pair()))
    with pytest.raises(NotFoundError):
        export_pairs(db, "nowhere", tmp_path / "out.csv", "csv")


def test_export_that_cannot_be_written_is_said(db, project_id, tmp_path):
    with pytest.raises(ExportError, match="cannot be written"):
        export_pairs(db, project_id, tmp_path, "jsonl")
    with pytest.raises(ExportError, match="formats jsonl, csv"):
        export_pairs(db, project_id, tmp_path / "out", "xls")


def test_parquet_and_folder_hold_the_same_rows(db, project_id, write, tmp_path):
    rows = (pair("Q1", split="train"), pair("Q2", split="held_out", rationale="because"))
    import_file(db, project_id, write(*rows))
    export_pairs(db, project_id, tmp_path / "out.parquet", "parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table["prompt"].to_pylist() == ["Q1", "Q2"]
    assert export_pairs(db, project_id, tmp_path / "hf", "hf") == 2
    held_out = pq.read_table(tmp_path / "hf" / "data" / "held_out.parquet")
    assert held_out.to_pylist() == table.to_pylist()[1:]
    assert "path: data/train.parquet" in (tmp_path / "hf" / "README.md").read_text()


def test_project_without_labels_exports_an_empty_file(db, project_id, tmp_path):
    assert export_pairs(db, project_id, tmp_path / "out.jsonl", "jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.slow
def test_folder_loads_with_datasets(db, project_id, write, tmp_path):
    datasets = pytest.importorskip("datasets")
    import_file(db, project_id, write(pair("Q1"), pair("Q2", split="held_out")))
    export_pairs(db, project_id, tmp_path / "hf", "hf")
    loaded = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {name: rows["prompt"][0] for name, rows in loaded.items()} == {
        "train": "Q1",
        "held_out": "Q2",
    }


# --- real files -------------------------------------------------------------------------------


def test_real_graded_answers_import_with_their_strengths(db, project_id, real_data):
    path = real_data / "medquad" / "pairs.jsonl"
    report = import_file(db, project_id, path)
    assert (report.imported, report.skipped) == (237, ())
    assert import_file(db, project_id, path).already_there == 237
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    stored = training_pairs(db, project_id)
    assert [(p.prompt, p.chosen, p.rejected, p.strength) for p in stored] == [
        (row["prompt"], row["chosen"], row["rejected"], row["strength"]) for row in rows
    ]


def test_real_questions_join_the_pool(db, project_id, real_data, write):
    source = real_data / "gsm8k" / "train_first2000.jsonl"
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    path = write(
        *(
            {"prompt": row["question"], "gold_answer": row["answer"].rsplit("#### ")[-1]}
            | {"split": "pool"}
            for row in rows
        )
    )
    assert import_file(db, project_id, path).imported == len(rows)
    stored = {p.prompt: p.gold_answer for p in list_prompts(db, project_id)}
    assert stored[rows[0]["question"]] == "72"


def test_real_csv_under_other_names_is_refused(db, project_id, real_data):
    with pytest.raises(ImportFileError, match="no column 'prompt'"):
        import_file(db, project_id, real_data / "truthfulqa" / "TruthfulQA.csv")


def test_demo_project_imports_without_a_bad_row(db, project_id):
    if not DEMO.exists():
        pytest.skip("the demo project is not built yet")
    report = import_file(db, project_id, DEMO)
    assert report.imported > 0
    assert report.skipped == ()
