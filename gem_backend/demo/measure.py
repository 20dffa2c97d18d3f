"""Measure a demo model on the project's held-out pairs: preferences, answers, well-formedness."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gem_backend.demo.chains import ANSWER_MARKER, answer_of
from gem_backend.demo.encoding import encode_completions, encode_prompts

MAX_NEW_TOKENS = 128
_BATCH_SIZE = 64


@dataclass(frozen=True)
class DemoFigures:
    """What a model does on `n` held-out pairs; all figures are shares between 0 and 1.

    `preference_accuracy` compares summed log-probabilities of chosen and rejected; the answer
    figures compare with the gold answer; `marker_share` counts sampled chains with an answer line.
    """

    n: int
    preference_accuracy: float
    greedy_answer_accuracy: float
    sampled_answer_accuracy: float
    marker_share: float


def load_held_out(project_file: Path) -> list[dict[str, str]]:
    """Read the held-out pairs of a project file."""
    rows = [json.loads(line) for line in project_file.read_text("utf-8").splitlines()]
    return [row for row in rows if row["split"] == "held_out"]


@torch.no_grad()
def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: list[dict[str, str]]
) -> DemoFigures:
    """Measure a model on labelled pairs; sampling uses temperature 0.9 and a fixed seed."""
    model.train(False)
    prompts = [row["prompt"] for row in pairs]
    gold = [row["gold_answer"] for row in pairs]
    chosen = completion_logps(model, tokenizer, prompts, [row["chosen"] for row in pairs])
    rejected = completion_logps(model, tokenizer, prompts, [row["rejected"] for row in pairs])
    greedy = generate(model, tokenizer, prompts, temperature=0.0)
    torch.manual_seed(0)
    sampled = generate(model, tokenizer, prompts, temperature=0.9)
    return DemoFigures(
        n=len(pairs),
        preference_accuracy=(chosen > rejected).double().mean().item(),
        greedy_answer_accuracy=_share(
            [answer_of(g) == a for g, a in zip(greedy, gold, strict=True)]
        ),
        sampled_answer_accuracy=_share(
            [answer_of(s) == a for s, a in zip(sampled, gold, strict=True)]
        ),
        marker_share=_share([ANSWER_MARKER in text for text in sampled]),
    )


@torch.no_grad()
def completion_logps(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    completions: list[str],
) -> Tensor:
    """Give the summed log-probability of each completion, nats, shape (B,), float32."""
    prompt_ids = encode_prompts(tokenizer, prompts)
    completion_ids = encode_completions(tokenizer, completions)
    sums = []
    for start in range(0, len(prompts), _BATCH_SIZE):
        part = slice(start, start + _BATCH_SIZE)
        pairs = list(zip(prompt_ids[part], completion_ids[part], strict=True))
        ids_BT = pad_sequence([torch.tensor(p + c) for p, c in pairs], batch_first=True)
        labels_BT = pad_sequence(
            [torch.tensor([-100] * len(p) + c) for p, c in pairs], True, padding_value=-100
        )
        logits_BTV = model(input_ids=ids_BT).logits[:, :-1].float()  # right padding, causal
        loss_BT = torch.nn.functional.cross_entropy(
            logits_BTV.transpose(1, 2), labels_BT[:, 1:], ignore_index=-100, reduction="none"
        )
        sums.append(-loss_BT.sum(1))
    return torch.cat(sums)


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    temperature: float,
) -> list[str]:
    """Generate one completion for each prompt; temperature 0 is greedy."""
    texts = []
    prompt_ids = encode_prompts(tokenizer, prompts)
    options = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
    for start in range(0, len(prompts), _BATCH_SIZE):
        batch = tokenizer.pad(
            {"input_ids": prompt_ids[start : start + _BATCH_SIZE]},
            padding_side="left",
            return_tensors="pt",
        )
        output = model.generate(  # type: ignore[operator]  # comes from a mixin that mypy misses
            **batch, do_sample=temperature > 0, max_new_tokens=MAX_NEW_TOKENS, **options
        )
        new_ids = output[:, batch["input_ids"].shape[1] :]
        texts += tokenizer.batch_decode(new_ids, skip_special_tokens=True)
    return texts


def _share(flags: list[bool]) -> float:
    """Give the share of true flags."""
    return sum(flags) / len(flags)
