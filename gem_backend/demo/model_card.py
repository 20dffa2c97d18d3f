"""The model card that is written beside the demo model's weights."""

from pathlib import Path

from gem_backend.demo.corpus import OLDER_SHARE, SLIP_SHARE
from gem_backend.demo.measure import DemoFigures
from gem_backend.demo.published import TOPICS

_TEMPLATE = """# Demo model: clinical scores

**Synthetic, and not for clinical use.** This model knows seven published clinical scores and
nothing else. It was made to be corrected: it often uses an outdated score, and it slips. Never use
its answers for a patient.

## How it was made

`python -m gem_backend.demo.pretrain --seed {seed}` trains the tokenizer and the model from scratch
in minutes on two CPU cores. No pretrained weights and no patient data are involved: every text
comes from the generator in `gem_backend/demo/`, which holds the scores with their sources.

- Llama architecture, {num_parameters:,} parameters, float32, byte-level BPE tokenizer.
- {num_tokens:,} training tokens (padding included), one pass; loss on the chains only.
- {older_share:.0%} of the pretraining chains use the older score, {slip_share:.0%} were drawn
  to hold one slip (a finding missed, an unrelated finding counted, a wrong sum).

| topic | older score | current score | older share |
|---|---|---|---|
{rows}

## How to use it

No chat template. The prompt is the vignette and a newline (the tokenizer prepends `<|bos|>`);
the model writes a chain that ends in `Final Answer: <total>, <action>` and `<|eos|>`.

## Base figures

On the {figures.n} held-out pairs of `project.jsonl`, before any alignment:

| figure | value |
|---|---|
| preference accuracy (summed log-probability) | {figures.preference_accuracy:.3f} |
| greedy final answer equals the current score's answer | {figures.greedy_answer_accuracy:.3f} |
| sampled final answer (temperature 0.9) equals it | {figures.sampled_answer_accuracy:.3f} |
| sampled chains with a final answer | {figures.marker_share:.3f} |
"""


def write_model_card(
    path: Path, seed: int, num_parameters: int, num_tokens: int, figures: DemoFigures
) -> None:
    """Write the model card with the figures that were measured on the model beside it."""
    rows = "\n".join(
        f"| {t.title} | {t.older.name} | {t.current.name} | {OLDER_SHARE[t.key]:.0%} |"
        for t in TOPICS
    )
    text = _TEMPLATE.format(
        seed=seed,
        num_parameters=num_parameters,
        num_tokens=num_tokens,
        older_share=sum(OLDER_SHARE.values()) / len(OLDER_SHARE),
        slip_share=SLIP_SHARE,
        rows=rows,
        figures=figures,
    )
    path.write_text(text, "utf-8")
