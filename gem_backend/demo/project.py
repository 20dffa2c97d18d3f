"""Write the demo project: labelled pairs, cases to label and practice prompts, as JSON lines.

Run `python -m gem_backend.demo.project` to rewrite `project.jsonl`; the same seed gives the same
bytes. Rows of split "train" with `chosen` and `rejected` are the expert's few labels; rows with
`answer_a` and `answer_b` wait for a label; "held_out" rows measure; "pool" rows are prompts only.
"""

import json
import random
from pathlib import Path

from gem_backend.demo import PROJECT_FILE
from gem_backend.demo.chains import answer_of, write_chain, write_slipped_chain
from gem_backend.demo.published import TOPICS
from gem_backend.demo.scores import final_answer
from gem_backend.demo.vignettes import Split, Vignette, draw_vignette

SEED = 20
NUM_TRAIN_PAIRS = 32
NUM_HELD_OUT_PAIRS = 192
NUM_CASES = 24
NUM_POOL_PROMPTS = 96
OLDER_SCORE_SHARE = 0.87
"""Share of pairs whose rejected answer uses the older score; the others hold a slip."""
SAME_ANSWER_SHARE = 0.1
"""Share of older-score pairs in which both chains may end in the same final answer."""
RATER = "demo-expert"
OPENS_ON = 3
"""The training row that comes first: the model is unsure of its prompt, which shows variety."""

Row = dict[str, str]


def build_rows(seed: int = SEED) -> list[Row]:
    """Build all rows of the demo project, every prompt at most once."""
    rng = random.Random(seed)
    seen: set[str] = set()
    train = [_labelled_row(rng, "train", i, seen) for i in range(NUM_TRAIN_PAIRS)]
    rows = train[OPENS_ON:] + train[:OPENS_ON]
    rows += [_unlabelled_row(rng, i, seen) for i in range(NUM_CASES)]
    rows += [_labelled_row(rng, "held_out", i, seen) for i in range(NUM_HELD_OUT_PAIRS)]
    rows += [_prompt_row(_fresh(rng, "pool", i, seen), "pool") for i in range(NUM_POOL_PROMPTS)]
    return rows


def write_project(path: Path, seed: int = SEED) -> int:
    """Write the project file and give the number of its rows."""
    rows = build_rows(seed)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return len(rows)


def _fresh(rng: random.Random, split: Split, i: int, seen: set[str]) -> Vignette:
    """Draw a vignette whose prompt was not used yet; topics take turns."""
    while True:
        vignette = draw_vignette(rng, split, TOPICS[i % len(TOPICS)].key)
        if vignette.prompt not in seen:
            seen.add(vignette.prompt)
            return vignette


def _prompt_row(vignette: Vignette, split: str) -> Row:
    """Give the columns that every row has."""
    answer = final_answer(vignette.topic.current, vignette.findings)
    return {"prompt": vignette.prompt, "split": split, "gold_answer": answer}


def draw_rejected(rng: random.Random, vignette: Vignette) -> tuple[str, str] | None:
    """Choose a worse chain and the reason against it; None where this vignette is no use."""
    chosen = write_chain(vignette, vignette.topic.current)
    if rng.random() < OLDER_SCORE_SHARE:
        older = write_chain(vignette, vignette.topic.older)
        if answer_of(older) == answer_of(chosen) and rng.random() >= SAME_ANSWER_SHARE:
            return None
        return older, f"uses the older score, {vignette.topic.older.name}"
    slipped = write_slipped_chain(vignette, vignette.topic.current, rng)
    return None if slipped is None else (slipped.text, slipped.rationale)


def _draw_pair(
    rng: random.Random, split: Split, i: int, seen: set[str]
) -> tuple[Vignette, str, str, str]:
    """Draw a vignette with its chosen chain, a rejected chain and the rationale."""
    while True:
        vignette = _fresh(rng, split, i, seen)
        rejected = draw_rejected(rng, vignette)
        if rejected is not None:
            chosen = write_chain(vignette, vignette.topic.current)
            return vignette, chosen, *rejected


def _labelled_row(rng: random.Random, split: Split, i: int, seen: set[str]) -> Row:
    """Build one pair that the expert has judged."""
    vignette, chosen, rejected, rationale = _draw_pair(rng, split, i, seen)
    return {
        **_prompt_row(vignette, split),
        "chosen": chosen,
        "rejected": rejected,
        "rationale": rationale,
        "rater": RATER,
    }


def _unlabelled_row(rng: random.Random, i: int, seen: set[str]) -> Row:
    """Build one case to label; a coin decides which side holds the better answer."""
    vignette, chosen, rejected, _ = _draw_pair(rng, "cases", i, seen)
    sides = [chosen, rejected]
    rng.shuffle(sides)
    return {**_prompt_row(vignette, "train"), "answer_a": sides[0], "answer_b": sides[1]}


if __name__ == "__main__":
    write_project(PROJECT_FILE)
