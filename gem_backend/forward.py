"""Teacher forcing through any causal language model: batches, hidden states, and the true logits.

Models whose forward does more than ``head(backbone(ids))`` (scaled or soft-capped logits, for
example) are found by a probe and go through their own forward instead, one sequence at a time.
"""

import contextlib
import inspect
import weakref
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from gem_backend.errors import DataError

LanguageModel = PreTrainedModel | PeftModel
"""A causal language model, with or without an adapter."""


class TokenSequence(NamedTuple):
    """A prompt and the completion to be scored, as token ids."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens of both together."""
        return len(self.prompt_ids) + len(self.completion_ids)


def plan_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Group sequences of similar length so that rows times longest row stays within a budget.

    Args:
        lengths: tokens of each sequence, prompt included.
        max_tokens: budget of one batch, padding included; one sequence longer than it goes alone.

    Returns:
        Lists of indices into ``lengths``, longest first, so that a memory shortage shows at once.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def check_lengths(model: LanguageModel, sequences: Sequence[TokenSequence]) -> None:
    """Refuse sequences that the model cannot read.

    Raises:
        DataError: a prompt is empty, or a sequence is longer than the model can read.
    """
    if any(not s.prompt_ids for s in sequences):
        raise DataError("The prompt is empty; write something for the model to answer.")
    limit = context_length(model)
    longest = max((s.length for s in sequences), default=0)
    if limit and longest > limit:
        raise DataError(
            f"A prompt with its answer has {longest} tokens; this model reads at most {limit}."
        )


def context_length(model: LanguageModel) -> int | None:
    """Return how many tokens the model can read, None where its config does not say."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(limit) if limit else None


def is_checkpointed(module: nn.Module) -> bool:
    """Whether a module is a layer that keeps only its input while it is in training mode."""
    return isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing


def is_divided(model: LanguageModel) -> bool:
    """Whether the model is divided among processes, see ``gem_backend.sharding``."""
    return isinstance(backbone(model), FSDPModule)


def is_plain_head(model: LanguageModel) -> bool:
    """Whether ``head(backbone(ids))`` are the model's logits, by comparing both on a few tokens.

    The answer is remembered for the model's lifetime.
    """
    base = base_model(model)
    if base not in _PLAIN_HEADS:
        _PLAIN_HEADS[base] = _probe(model)
    return _PLAIN_HEADS[base]


def base_model(model: LanguageModel) -> PreTrainedModel:
    """Return the transformers model inside; adapter layers live in it and stay active."""
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    return cast(PreTrainedModel, inner)


@contextlib.contextmanager
def inference_mode(model: nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off, and put the training mode back afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


_PLAIN_HEADS: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


@torch.no_grad()
def _probe(model: LanguageModel) -> bool:
    head = _output_embeddings(model)
    if head is None or backbone(model) is base_model(model):
        return False
    ids = torch.arange(8, device=device_of(model))[None] % model.config.get_text_config().vocab_size
    with inference_mode(model):
        expected = model(input_ids=ids, use_cache=False).logits
        logits = head(backbone(model)(input_ids=ids, use_cache=False).last_hidden_state)
    if logits.shape != expected.shape:
        return False
    # Both ways run the same kernels, so a wrong "no" costs only speed; a wrong "yes" would lie.
    gap = (logits.float() - expected.float()).abs().max()
    return bool(gap <= 1e-3 * expected.float().abs().max())


def output_head(model: LanguageModel) -> nn.Module:
    """Return the projection from hidden states to logits."""
    return cast(nn.Module, _output_embeddings(model))


def device_of(model: LanguageModel) -> torch.device:
    """Return where the model takes its token ids."""
    return cast(Tensor, base_model(model).get_input_embeddings().weight).device


def as_tensor(ids: Sequence[int], device: torch.device) -> Tensor:
    """Return token ids as an int64 tensor, shape (T,)."""
    return torch.tensor(ids, dtype=torch.long, device=device)


def predicting_hidden(model: LanguageModel, sequences: Sequence[TokenSequence]) -> list[Tensor]:
    """Run the backbone once over right-padded rows; return what predicts each completion token.

    Returns:
        One (T, D) tensor a sequence, T its completion tokens, with gradient where there is one.
    """
    device = device_of(model)
    rows = [as_tensor(s.prompt_ids + s.completion_ids, device) for s in sequences]
    input_ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    mask = (torch.arange(input_ids.shape[1], device=device) < lengths[:, None]).long()
    output = backbone(model)(input_ids=input_ids, attention_mask=mask, use_cache=False)
    hidden_BTD: Tensor = output.last_hidden_state
    return [
        hidden[len(s.prompt_ids) - 1 : s.length - 1]
        for hidden, s in zip(hidden_BTD, sequences, strict=True)
    ]


def own_logits(model: LanguageModel, sequence: TokenSequence) -> Tensor:
    """Return the logits (T, V) that the model's own forward gives for the completion's tokens."""
    input_ids = as_tensor(sequence.prompt_ids + sequence.completion_ids, device_of(model))[None]
    kept = len(sequence.completion_ids) + 1
    options: dict[str, int] = {}
    if "logits_to_keep" in inspect.signature(base_model(model).forward).parameters:
        options["logits_to_keep"] = kept
    logits: Tensor = model(input_ids=input_ids, use_cache=False, **options).logits[0]
    return logits[-kept:-1]


def backbone(model: LanguageModel) -> nn.Module:
    """Return what maps token ids to the hidden states that the output head reads."""
    return cast(nn.Module, base_model(model).get_decoder())  # type: ignore[no-untyped-call]


def _output_embeddings(model: LanguageModel) -> nn.Module | None:
    head = base_model(model).get_output_embeddings()  # type: ignore[no-untyped-call]
    return cast(nn.Module | None, head)
