"""Pretrain the demo model from scratch: its tokenizer, its weights and its model card.

Run `python -m gem_backend.demo.pretrain --seed 0 --out DIR`; it takes minutes on two CPU cores. The
model learns from chains that are often outdated and sometimes slipped (see `corpus.py`), so it is
imperfect on purpose: that is what an expert's pairs then correct.
"""

import argparse
import json
import logging
import math
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from gem_backend.demo import MODEL_DIR, PROJECT_FILE
from gem_backend.demo.corpus import Example, draw_examples
from gem_backend.demo.encoding import encode_completions, encode_prompts
from gem_backend.demo.measure import DemoFigures, load_held_out, measure
from gem_backend.demo.model_card import write_model_card

logger = logging.getLogger(__name__)

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
_IGNORED = -100


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that shapes a pretraining run; the defaults made the embedded model."""

    seed: int = 0
    num_examples: int = 52_000
    vocab_size: int = 1_280
    hidden_size: int = 128
    intermediate_size: int = 352
    num_layers: int = 4
    num_heads: int = 4
    batch_size: int = 32
    learning_rate: float = 4e-3
    warmup_steps: int = 60
    weight_decay: float = 0.05
    max_positions: int = 512


def train_tokenizer(texts: list[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer; any Unicode text survives encoding and decoding."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, bpe.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def build_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """Build the untrained model for a tokenizer."""
    llama = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_heads,
        max_position_embeddings=config.max_positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(llama)


@dataclass(frozen=True)
class Batch:
    """Token ids and labels of one batch, shape (B, T); labels are ignored on prompt and padding."""

    ids_BT: Tensor
    labels_BT: Tensor


def make_batches(
    examples: list[Example],
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int,
    rng: random.Random,
) -> Iterator[Batch]:
    """Yield batches of examples of like length, in random order; every example once."""
    prompt_ids = encode_prompts(tokenizer, [e.prompt for e in examples])
    chain_ids = encode_completions(tokenizer, [e.chain for e in examples])
    rows = list(zip(prompt_ids, chain_ids, strict=True))
    by_length = sorted(range(len(rows)), key=lambda i: (sum(map(len, rows[i])), i))
    groups = [by_length[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    rng.shuffle(groups)
    for group in groups:
        ids = [torch.tensor(rows[i][0] + rows[i][1]) for i in group]
        labels = [torch.tensor([_IGNORED] * len(rows[i][0]) + rows[i][1]) for i in group]
        yield Batch(
            pad_sequence(ids, batch_first=True),
            pad_sequence(labels, batch_first=True, padding_value=_IGNORED),
        )


def learning_rate_at(step: int, num_steps: int, config: PretrainConfig) -> float:
    """Give the learning rate of a step: linear warm-up, then a cosine to a twentieth."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
    return config.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def pretrain(config: PretrainConfig) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast, int]:
    """Train tokenizer and model from scratch; give both and the number of training tokens."""
    rng = random.Random(config.seed)
    torch.manual_seed(config.seed)
    examples = draw_examples(rng, config.num_examples)
    tokenizer = train_tokenizer(
        [text for e in examples[:8_000] for text in (e.prompt, e.chain)], config.vocab_size
    )
    model = build_model(config, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
    )
    num_steps = math.ceil(len(examples) / config.batch_size)
    num_tokens = 0
    model.train()
    for step, batch in enumerate(make_batches(examples, tokenizer, config.batch_size, rng)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, num_steps, config)
        loss = completion_loss(model, batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        num_tokens += batch.ids_BT.numel()
        if step % 100 == 0 or step == num_steps - 1:
            logger.info("step %d of %d, loss %.3f nats", step, num_steps, loss.item())
    model.train(False)
    return model, tokenizer, num_tokens


def completion_loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Give the mean cross-entropy of the completion tokens, nats, a scalar."""
    hidden_BTD = model.model(input_ids=batch.ids_BT, use_cache=False).last_hidden_state
    targets_BT = batch.labels_BT[:, 1:]
    is_scored_BT = targets_BT != _IGNORED
    logits_NV = model.lm_head(hidden_BTD[:, :-1][is_scored_BT])  # only scored positions
    return torch.nn.functional.cross_entropy(logits_NV, targets_BT[is_scored_BT])


def main() -> None:
    """Pretrain, measure, and write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    started = time.monotonic()
    config = PretrainConfig(seed=arguments.seed)
    model, tokenizer, num_tokens = pretrain(config)
    elapsed_s = time.monotonic() - started
    figures: DemoFigures = measure(model, tokenizer, load_held_out(PROJECT_FILE))
    logger.info(json.dumps({"elapsed_s": round(elapsed_s), **asdict(figures)}))
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    write_model_card(
        arguments.out / "README.md", config.seed, model.num_parameters(), num_tokens, figures
    )


if __name__ == "__main__":
    main()
