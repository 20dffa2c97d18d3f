"""Token after token for many rows at once, each prompt read once, finished rows let go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from gem_backend.forward import LanguageModel, base_model, device_of
from gem_backend.shared_prompts import left_padded, new_cache, positions_of, unique_prompts

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""Chooses tokens (B,) from raw logits (B, V), float32; told their rows (B,), and the step."""

LET_GO_FROM = 0.25  # ours: share of finished rows in a batch that is worth copying the others' keys


@dataclass(frozen=True, slots=True)
class Start:
    """A row to be continued: its prompt, and how many tokens there is room for."""

    prompt_ids: tuple[int, ...]
    room: int


@torch.no_grad()
def decode(
    model: LanguageModel, starts: Sequence[Start], pick: Pick, end_ids: Sequence[int]
) -> list[list[int]]:
    """Continue every row at least until an end token or until its room is used up.

    A finished row may stay for a while and take meaningless tokens; the caller cuts them off.

    Args:
        model: one that ``can_share_prompts``, in evaluation mode.
        starts: the rows.
        pick: chooses each step's tokens.
        end_ids: what ends a row.
    """
    device, base = device_of(model), base_model(model)
    cache = new_cache(model, is_growing=True)
    prompts, own_B = unique_prompts([start.prompt_ids for start in starts], device)
    ids, mask = left_padded(prompts, device)
    positions = positions_of(mask)
    logits = _next_logits(base, ids, mask, positions, cache)[own_B]
    cache.batch_select_indices(own_B)
    mask, position_B = mask[own_B], positions[own_B, -1]

    rooms_B = torch.tensor([start.room for start in starts], device=device)
    ends = torch.tensor(list(end_ids), device=device, dtype=torch.long)
    rows_B = torch.arange(len(starts), device=device)
    is_over_B = torch.zeros(len(starts), dtype=torch.bool, device=device)
    chosen: list[tuple[Tensor, Tensor]] = []
    for step in range(max(start.room for start in starts)):
        ids_B = pick(logits, rows_B, step)
        chosen.append((rows_B, ids_B))
        is_over_B = is_over_B | torch.isin(ids_B, ends) | (rooms_B[rows_B] <= step + 1)
        num_over = int(is_over_B.sum())
        if num_over == len(rows_B):
            break
        if num_over >= LET_GO_FROM * len(rows_B):
            going = (~is_over_B).nonzero()[:, 0]
            cache.batch_select_indices(going)
            rows_B, ids_B, mask = rows_B[going], ids_B[going], mask[going]
            position_B, is_over_B = position_B[going], is_over_B[going]
        mask = torch.cat([mask, mask.new_ones(len(rows_B), 1)], dim=1)
        position_B = position_B + 1
        logits = _next_logits(base, ids_B[:, None], mask, position_B[:, None], cache)
    return _by_row(chosen, len(starts))


def _next_logits(
    model: PreTrainedModel, ids_BT: Tensor, mask: Tensor, positions_BT: Tensor, cache: DynamicCache
) -> Tensor:
    """Read tokens behind those in the cache; return the logits (B, V) of what follows, float32."""
    output = model(
        input_ids=ids_BT,
        attention_mask=mask,
        position_ids=positions_BT,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return cast(Tensor, output.logits)[:, -1].float()


def _by_row(chosen: Sequence[tuple[Tensor, Tensor]], num_rows: int) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(num_rows)]
    for rows_B, ids_B in chosen:
        for row, token in zip(rows_B.tolist(), ids_B.tolist(), strict=True):
            rows[row].append(token)
    return rows
