"""Drawing tokens: bounded batches, chance that belongs to each candidate, nothing but our settings.

Every random number is drawn beforehand from the candidate's own seed and turned into a token by
inverting the cumulative distribution. So a candidate does not depend on its neighbours in a batch,
and torch's global generators are neither read nor moved. What remains is floating point: another
batch shape, device or library version rounds the logits differently and can tip a token.

Our own loop (``decoding``) serves every model whose keys and values it can handle; others go
through transformers' ``generate``, to the same tokens.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from gem_backend.config import SamplingConfig
from gem_backend.decoding import Pick, Start, decode
from gem_backend.forward import (
    LanguageModel,
    base_model,
    device_of,
    inference_mode,
    plan_batches,
)
from gem_backend.memory import MAX_BATCH_ROWS
from gem_backend.policy import Policy
from gem_backend.shared_prompts import can_share_prompts, left_padded

OnProgress = Callable[[int, int], object]
"""Told how many candidates are sampled, and of how many; an error it raises ends the work."""

OnTokens = Callable[[Sequence[int]], object]
"""Told how many tokens each candidate has so far, a few times a second; its errors end the work."""

TOKENS_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate to be sampled: its prompt's ids, its number, and its source of chance."""

    prompt: str
    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    number: int
    seed_words: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampled:
    """The ids that came, up to and including the end token if there was one."""

    ids: tuple[int, ...]
    is_finished: bool


class InverseCdf:
    """Turns distributions into tokens, by uniform numbers drawn beforehand.

    Args:
        temperature: divides the logits.
        top_p: the smallest set of tokens with at least this probability stays; 1 keeps all.
    """

    def __init__(self, temperature: float, top_p: float) -> None:
        """Choose the warpers; nothing is drawn yet."""
        self._warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(float(temperature))]
        if top_p < 1:
            self._warpers.append(TopPLogitsWarper(top_p))

    def pick(self, logits_BV: Tensor, uniforms_B: Tensor) -> Tensor:
        """Return one token a row, (B,), for raw logits and numbers in [0, 1), float64."""
        for warper in self._warpers:
            logits_BV = warper(logits_BV.new_empty(0, dtype=torch.long), logits_BV)
        cdf_BV = logits_BV.double().softmax(-1).cumsum(-1)
        # the factor keeps a number next to 1 below the last step of the distribution
        target_B1 = uniforms_B[:, None] * cdf_BV[:, -1:] * (1 - 1e-12)
        return torch.searchsorted(cdf_BV, target_B1, right=True)[:, 0]


class PickingProcessor(LogitsProcessor):
    """Makes transformers' greedy search take our tokens.

    Args:
        pick: chooses each step's tokens.
        prompt_length: tokens of the (padded) prompts, so that the step is known.
    """

    def __init__(self, pick: Pick, prompt_length: int) -> None:
        """Keep both."""
        self._pick = pick
        self._prompt_length = prompt_length

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores (B, V) that are 0 for the chosen token and -inf for all others."""
        rows_B = torch.arange(len(input_ids), device=input_ids.device)
        ids_B = self._pick(scores, rows_B, input_ids.shape[1] - self._prompt_length)
        return torch.full_like(scores, -torch.inf).scatter(1, ids_B[:, None], 0.0)


def generate(
    policy: Policy,
    rows: Sequence[Row],
    config: SamplingConfig | None,
    max_batch_tokens: int,
    on_progress: OnProgress | None = None,
    on_tokens: OnTokens | None = None,
) -> list[Sampled]:
    """Continue every row, in bounded batches of similar length.

    Args:
        policy: the model as it stands, adapter included.
        rows: what to continue.
        config: temperature and top-p; None takes the most likely token each time.
        max_batch_tokens: bounds rows times (longest prompt + room for the answer).
        on_progress: called after each batch.
        on_tokens: called within a batch.

    Returns:
        In the order of ``rows``.
    """
    sampled: dict[int, Sampled] = {}
    watch = None if on_tokens is None else TokenWatch(on_tokens, len(rows))
    lengths = [len(row.prompt_ids) + row.max_new_tokens for row in rows]
    for batch in _row_batches(lengths, max_batch_tokens):
        watched = None if watch is None else watch.of(batch)
        results = _generate_batch(policy, [rows[i] for i in batch], config, watched)
        sampled.update(zip(batch, results, strict=True))
        if watch is not None:
            watch.settle({row: len(result.ids) for row, result in sampled.items()})
        if on_progress is not None:
            on_progress(len(sampled), len(rows))
    return [sampled[index] for index in range(len(rows))]


class TokenWatch:
    """Counts the tokens of each candidate while they are drawn.

    Args:
        on_tokens: told the counts, at most every ``TOKENS_EVERY_S`` seconds.
        num_rows: how many candidates there are.
    """

    def __init__(self, on_tokens: OnTokens, num_rows: int) -> None:
        """Start with no tokens."""
        self._on_tokens = on_tokens
        self._counts = [0] * num_rows
        self._next_s = 0.0

    def of(self, batch: Sequence[int]) -> Callable[[Tensor, int], None]:
        """Return what is to be told the rows (B,) of a batch that draw, and their step."""

        def drawn(rows_B: Tensor, step: int) -> None:
            now = time.monotonic()
            if now < self._next_s:
                return
            self._next_s = now + TOKENS_EVERY_S
            for row in rows_B.tolist():
                self._counts[batch[row]] = step + 1
            self._on_tokens(tuple(self._counts))

        return drawn

    def settle(self, lengths: Mapping[int, int]) -> None:
        """Take the final lengths of the candidates that are complete."""
        for row, length in lengths.items():
            self._counts[row] = length


def _generate_batch(
    policy: Policy,
    rows: Sequence[Row],
    config: SamplingConfig | None,
    drawn: Callable[[Tensor, int], None] | None,
) -> list[Sampled]:
    ends = end_ids(policy)
    starts = [Start(row.prompt_ids, row.max_new_tokens) for row in rows]
    choose = _most_likely if config is None else _drawing(rows, config, policy.device)

    def pick(logits_BV: Tensor, rows_B: Tensor, step: int) -> Tensor:
        if drawn is not None:
            drawn(rows_B, step)
        return choose(logits_BV, rows_B, step)

    with inference_mode(policy.model):
        way = decode if can_share_prompts(policy.model) else _by_transformers
        generated = way(policy.model, starts, pick, ends)
    return [_cut(ids[: row.max_new_tokens], ends) for ids, row in zip(generated, rows, strict=True)]


def _most_likely(logits_BV: Tensor, _rows_B: Tensor, _step: int) -> Tensor:
    return logits_BV.argmax(-1)


def _drawing(rows: Sequence[Row], config: SamplingConfig, device: torch.device) -> Pick:
    """Draw all of the rows' random numbers, and return what turns them into tokens."""
    room = max(row.max_new_tokens for row in rows)
    draws = [np.random.default_rng(row.seed_words).random(room) for row in rows]
    uniforms_BT = torch.from_numpy(np.stack(draws)).to(device)
    inverse = InverseCdf(config.temperature, config.top_p)

    def pick(logits_BV: Tensor, rows_B: Tensor, step: int) -> Tensor:
        return inverse.pick(logits_BV, uniforms_BT[rows_B, step])

    return pick


def _by_transformers(
    model: LanguageModel, starts: Sequence[Start], pick: Pick, end_ids: Sequence[int]
) -> list[list[int]]:
    """Do what ``decode`` does, for any model; slower."""
    input_ids, mask = left_padded([start.prompt_ids for start in starts], device_of(model))
    plain = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        max_new_tokens=max(start.room for start in starts),
        eos_token_id=list(end_ids) or None,
        pad_token_id=end_ids[0] if end_ids else 0,
    )
    processors = LogitsProcessorList([PickingProcessor(pick, input_ids.shape[1])])
    base = base_model(model)
    with _only_these_settings(base, plain):
        output = base.generate(  # type: ignore[operator]  # added by a mixin
            input_ids=input_ids, attention_mask=mask, logits_processor=processors
        )
    generated: list[list[int]] = output[:, input_ids.shape[1] :].tolist()
    return generated


@contextlib.contextmanager
def _only_these_settings(model: PreTrainedModel, settings: GenerationConfig) -> Iterator[None]:
    """Keep the model folder's own generation settings (top-k, penalties) out of the sampling.

    An explicit config is not enough: transformers fills what it leaves open from the model's own.
    """
    own = model.generation_config
    model.generation_config = settings
    try:
        yield
    finally:
        model.generation_config = own


def _row_batches(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    for batch in plan_batches(lengths, max_tokens):
        for start in range(0, len(batch), MAX_BATCH_ROWS):
            yield batch[start : start + MAX_BATCH_ROWS]


def end_ids(policy: Policy) -> list[int]:
    """Return every id that ends an answer: the model folder's, and the tokenizer's own."""
    settings = base_model(policy.model).generation_config
    stated = settings.eos_token_id if settings is not None else None
    ids = stated if isinstance(stated, list) else [stated]
    return sorted({i for i in [*ids, policy.tokenizer.eos_token_id] if i is not None})


def _cut(ids: list[int], ends: Sequence[int]) -> Sampled:
    end = next((t for t, token in enumerate(ids) if token in ends), None)
    return Sampled(tuple(ids if end is None else ids[: end + 1]), end is not None)
