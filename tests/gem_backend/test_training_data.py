"""From labels to the parts of a run: disjoint prompts, reasons counted, nothing lost without a
word.
"""

from dataclasses import replace

from gem_backend.run_dir import PoolPrompt
from gem_backend.training_data import split_training_data
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
