"""From labels to the parts of a run: disjoint prompts, reasons counted, nothing lost without a
word.
"""

from dataclasses import replace

from gem_backend.run_dir import PoolPrompt
from gem_backend.training_data import TooLong, leave_out_too_long, split_training_data
from gem_backend.types import PreferencePair


def pairs(count, split, start=0):
    return [
        PreferencePair(f"prompt {split} {i}", f"good {i}", f"bad {i}", split=split)
        for i in range(start, start + count)
    ]


def test_parts_share_no_prompt_and_a_third_of_held_out_chooses():
    data = split_training_data(pairs(32, "train") + pairs(192, "held_out"), [PoolPrompt("pool")])
    assert (len(data.train), len(data.validation), len(data.test)) == (32, 64, 128)
    parts = [{pair.prompt for pair in part} for part in (data.train, data.validation, data.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert {item.prompt for item in data.prompts} == parts[0] | {"pool"}
    assert data.obstacle == ""


def test_few_held_out_pairs_all_measure():
    data = split_training_data(pairs(4, "train") + pairs(23, "held_out"))
    assert (len(data.validation), len(data.test)) == (0, 23)


def test_a_fifth_is_kept_aside_where_nobody_held_pairs_out():
    first = split_training_data(pairs(20, "train"))
    assert (len(first.train), len(first.test)) == (16, 4)
    reordered = split_training_data(pairs(20, "train")[::-1])
    assert {pair.prompt for pair in reordered.test} == {pair.prompt for pair in first.test}


def test_every_pair_left_out_is_counted_with_its_reason():
    clear = pairs(8, "train")
    odd = [
        replace(clear[0], prompt="t", verdict="tie"),
        replace(clear[1], prompt="b", verdict="both_bad"),
        replace(clear[2], prompt="c", verdict="cannot_judge"),
        replace(clear[3], prompt="n", is_acceptable=False),
        replace(clear[4], prompt="s", rejected=clear[4].chosen),
    ]
    data = split_training_data(clear + odd)
    assert dict(data.left_out) == {
        "judged a tie": 1,
        "both answers judged bad": 1,
        "could not be judged": 1,
        "the better answer is not acceptable to use": 1,
        "both answers are the same": 1,
    }
    assert len(data.train) + len(data.test) == 8
    assert {"t", "b", "c"} <= {item.prompt for item in data.prompts}


def test_a_held_out_prompt_never_reaches_training_by_another_way():
    held_out = pairs(4, "held_out")
    same_prompt = replace(held_out[0], split="train")
    tie = replace(held_out[1], prompt="held tie", verdict="tie")
    pool = [PoolPrompt(held_out[2].prompt), PoolPrompt("held tie")]
    data = split_training_data([*pairs(4, "train"), *held_out, same_prompt, tie], pool)
    used = {pair.prompt for pair in data.train} | {item.prompt for item in data.prompts}
    assert not used & ({pair.prompt for pair in held_out} | {"held tie"})


def test_too_few_pairs_is_said_in_a_sentence():
    assert "Label at least 2 pairs" in split_training_data(pairs(1, "train")).obstacle
    assert "measure" in split_training_data(pairs(3, "train")).obstacle


def count_words(prompt, *answers):
    return len(prompt.split()) + max((len(answer.split()) + 1 for answer in answers), default=0)


def test_what_is_too_long_is_left_out_and_counted_and_the_rest_stays():
    """ "prompt train 0" with "good 0" and its end are six words."""
    long = "word " * 10
    data = split_training_data(
        [
            *pairs(8, "train"),
            replace(pairs(1, "train", 20)[0], chosen=long),
            replace(pairs(1, "train", 21)[0], rejected=long * 9),
            *pairs(4, "held_out"),
            replace(pairs(1, "held_out", 30)[0], rejected=long * 9),
        ],
        [PoolPrompt(long), PoolPrompt("pool")],
    )
    kept = leave_out_too_long(data, count_words, max_length=6, context_length=50)
    assert kept.too_long == TooLong(chosen=1, held_out=1, prompts=1)
    assert kept.too_long.total == 3
    assert [pair.chosen for pair in kept.train] == [*(f"good {i}" for i in range(8)), "good 21"]
    assert len(kept.test) == 4
    assert {item.prompt for item in data.prompts} - {item.prompt for item in kept.prompts} == {long}
    assert kept.obstacle == ""
    assert leave_out_too_long(data, count_words, 100, None) == data


def test_a_short_context_counts_where_the_settings_allow_more():
    data = split_training_data([*pairs(8, "train"), *pairs(4, "held_out")])
    assert leave_out_too_long(data, count_words, 100, context_length=6) == data
    kept = leave_out_too_long(data, count_words, 100, context_length=5)
    assert kept.too_long == TooLong(chosen=8, held_out=4, prompts=0)
    assert "short enough" in kept.obstacle


def test_too_few_short_pairs_are_said_in_a_sentence():
    data = split_training_data([*pairs(8, "train"), *pairs(4, "held_out")])
    assert "short enough" in leave_out_too_long(data, count_words, 5, None).obstacle


def test_no_prompt_to_answer_is_said_in_a_sentence():
    data = split_training_data([*pairs(8, "train"), *pairs(4, "held_out")])
    assert "Add prompts" in replace(data, prompts=()).obstacle
