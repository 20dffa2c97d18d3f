"""Several answers to one prompt: the prompt is read once and its keys and values are shared.

Rows of different prompts stand in one batch, prompts padded on the left. What a model must have for
this (keys and values of a plain kind, positions of its own) is looked up, and then tried once on a
few tokens. A model that fails goes the plain way; nothing but speed depends on it.
"""

import inspect
import weakref
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from gem_backend.forward import (
    LanguageModel,
    TokenSequence,
    as_tensor,
    backbone,
    base_model,
    device_of,
    inference_mode,
    is_checkpointed,
    is_divided,
    plan_batches,
    predicting_hidden,
)
from gem_backend.memory import CPU_BATCH_TOKENS

SHARE_FROM = 0.25  # ours: of all tokens; below it the second pass costs more than it saves
ROOM_AHEAD = 64  # ours: tokens a growing layer allocates at once
EXACT, ROUNDED = 1e-4, 5e-2  # ours: gap of the trial, of the largest hidden value; second: 16 bit


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Keys and values of one layer that grow in place; transformers' own are copied at each token.

    Written into, so for decoding without gradients only.
    """

    def __init__(self) -> None:
        """Start without memory."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffers: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Take the keys and values (B, H, T, D) of new tokens and return those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < end:
            self._buffers = (
                _with_room(self.keys, key_states, end), _with_room(self.values, value_states, end)
            )  # fmt: skip
        keys, values = self._buffers
        keys[:, :, start:end] = key_states
        values[:, :, start:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, in this order; a row may be named several times."""
        super().batch_select_indices(indices)
        self._buffers = None


def _with_room(old: Tensor | None, new: Tensor, end: int) -> Tensor:
    """Return memory for ``end`` tokens and some more that begins with the old ones."""
    batch, heads, _, size = new.shape
    buffer = new.new_empty(batch, heads, end + ROOM_AHEAD, size)
    if old is not None and old.numel():
        buffer[:, :, : old.shape[-2]] = old
    return buffer


def new_cache(model: LanguageModel, *, is_growing: bool = False) -> DynamicCache:
    """Return an empty cache that fits the model; a growing one is faster and takes no gradient."""
    cache = DynamicCache(config=base_model(model).config)
    if is_growing:
        cache.layers = [
            GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
        ]
    return cache


def left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ids and attention mask (B, T); the padding id is never attended to."""
    width = max(map(len, prompts))
    ids = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions_of(mask_BT: Tensor) -> Tensor:
    """Return each token's position under left padding, (B, T)."""
    return (mask_BT.cumsum(-1) - 1).clamp_min(0)


def unique_prompts(
    prompts: Sequence[tuple[int, ...]], device: torch.device
) -> tuple[list[tuple[int, ...]], Tensor]:
    """Return the different prompts and, for each row, which of them is its own, (B,)."""
    unique = list(dict.fromkeys(prompts))
    place = {prompt: number for number, prompt in enumerate(unique)}
    return unique, as_tensor([place[prompt] for prompt in prompts], device)


# --- which models, which batches ------------------------------------------------------------------

_ABLE: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()


def can_share_prompts(model: LanguageModel) -> bool:
    """Whether rows can go on from a prompt that was read once, and come out as if read apart.

    Not while anything in the model is in training mode: dropout belongs to each row, and
    checkpointed layers keep no keys. Nor, with gradients, where the model is divided among
    processes: these go forward and back by turns. What the architecture says is remembered.
    """
    if any(_is_in_training(module) for module in model.modules()):
        return False
    if torch.is_grad_enabled() and is_divided(model):
        return False
    base = base_model(model)
    if base not in _ABLE:
        _ABLE[base] = _has_plain_cache(model) and _trial(model)
    return _ABLE[base]


def _is_in_training(module: nn.Module) -> bool:
    """A container's own flag says nothing, and the identity stands where dropout is 0."""
    if is_checkpointed(module):
        return module.training
    is_leaf = next(module.children(), None) is None
    return module.training and is_leaf and not isinstance(module, nn.Identity | nn.ModuleDict)


def _has_plain_cache(model: LanguageModel) -> bool:
    base = base_model(model)
    if backbone(model) is base:
        return False
    taken = inspect.signature(base.forward).parameters.keys()
    inner = inspect.signature(backbone(model).forward).parameters.keys()
    needed = {"input_ids", "attention_mask", "position_ids", "past_key_values"}
    if not (needed | {"logits_to_keep"} <= taken and needed <= inner):
        return False
    kinds = {type(layer) for layer in new_cache(model).layers}
    return bool(kinds) and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


@torch.no_grad()
def _trial(model: LanguageModel) -> bool:
    size = model.config.get_text_config().vocab_size
    tokens = [number * 7 % size for number in range(24)]
    one, two = tuple(tokens[:9]), tuple(tokens[9:12])
    sequences = [
        TokenSequence(one, tuple(tokens[12:20])), TokenSequence(two, tuple(tokens[20:])),
        TokenSequence(one, tuple(tokens[14:17])),
    ]  # fmt: skip
    with inference_mode(model):
        apart = torch.cat(predicting_hidden(model, sequences)).float()
        together = torch.cat(shared_hidden(model, sequences)).float()
    is_wide = base_model(model).dtype in (torch.float32, torch.float64)
    gap = (apart - together).abs().max()
    return bool(gap <= (EXACT if is_wide else ROUNDED) * apart.abs().max())


def plan_sequences(
    model: LanguageModel, sequences: Sequence[TokenSequence], max_tokens: int
) -> list[list[int]]:
    """Group sequences into batches of one forward pass, answers to one prompt beside each other.

    Args:
        model: says whether prompts can be shared at all; on a CPU batches stay small.
        sequences: prompts with their completions.
        max_tokens: budget of one batch, padding included; one sequence longer than it goes alone.

    Returns:
        Lists of indices into ``sequences``, longest first.
    """
    limit = _comfortable(model, max_tokens)
    if not shares_prompts(model, sequences):
        return plan_batches([s.length for s in sequences], limit)
    longest: dict[tuple[int, ...], int] = {}
    for s in sequences:
        longest[s.prompt_ids] = max(longest.get(s.prompt_ids, 0), s.length)
    order = sorted(
        range(len(sequences)),
        key=lambda i: (-longest[sequences[i].prompt_ids], sequences[i].prompt_ids, i),
    )
    batches: list[list[int]] = []
    for index in order:
        if batches and _cost([sequences[i] for i in [*batches[-1], index]]) <= limit:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def plan_groups(
    model: LanguageModel, groups: Sequence[Sequence[TokenSequence]], max_tokens: int
) -> list[list[int]]:
    """Group whole groups into batches of one forward pass.

    Args:
        model: says whether prompts can be shared at all; on a CPU batches stay small.
        groups: the answers to each prompt.
        max_tokens: budget of one batch, padding included; one group larger than it goes alone.

    Returns:
        Lists of indices into ``groups``, those with the longest answers first.
    """
    limit = _comfortable(model, max_tokens)
    order = sorted(range(len(groups)), key=lambda i: (-max(s.length for s in groups[i]), i))
    batches: list[list[int]] = []
    for index in order:
        together = [s for i in [*batches[-1], index] for s in groups[i]] if batches else []
        if together and forward_tokens(model, together) <= limit:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def forward_tokens(model: LanguageModel, sequences: Sequence[TokenSequence]) -> int:
    """Return the tokens of the passes that ``completion_hidden`` makes, padding included."""
    if shares_prompts(model, sequences):
        return _cost(sequences)
    return len(sequences) * max(s.length for s in sequences)


def shares_prompts(model: LanguageModel, sequences: Sequence[TokenSequence]) -> bool:
    """Whether the prompts of a batch are read once each: where it pays and can be done."""
    return _is_worth_sharing(sequences) and can_share_prompts(model)


def _comfortable(model: LanguageModel, max_tokens: int) -> int:
    return min(max_tokens, CPU_BATCH_TOKENS) if device_of(model).type == "cpu" else max_tokens


def _is_worth_sharing(sequences: Sequence[TokenSequence]) -> bool:
    repeated = sum(len(s.prompt_ids) for s in sequences) - sum(
        len(prompt) for prompt in {s.prompt_ids for s in sequences}
    )
    return repeated > 0 and repeated >= SHARE_FROM * sum(s.length for s in sequences)


def _cost(sequences: Sequence[TokenSequence]) -> int:
    """Return the tokens of the passes over a batch of a model that can share prompts."""
    if not _is_worth_sharing(sequences):
        return len(sequences) * max(s.length for s in sequences)
    prompts = {s.prompt_ids for s in sequences}
    width = max(len(s.completion_ids) for s in sequences)
    return len(prompts) * max(map(len, prompts)) + len(sequences) * width


# --- the two passes -------------------------------------------------------------------------------


def completion_hidden(model: LanguageModel, sequences: Sequence[TokenSequence]) -> list[Tensor]:
    """Return what predicts each completion token, prompts shared where it pays and can be done.

    Returns:
        As ``predicting_hidden``: one (T, D) tensor a sequence, with gradient where there is one.
    """
    if shares_prompts(model, sequences):
        return shared_hidden(model, sequences)
    return predicting_hidden(model, sequences)


def shared_hidden(model: LanguageModel, sequences: Sequence[TokenSequence]) -> list[Tensor]:
    """Read each different prompt once, then all completions behind their prompts' keys and values.

    Returns:
        One (T, D) tensor a sequence, T its completion tokens, with gradient where there is one.
    """
    device, decoder, cache = device_of(model), backbone(model), new_cache(model)
    prompts, own_B = unique_prompts([s.prompt_ids for s in sequences], device)
    ids, mask = left_padded(prompts, device)
    read = decoder(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions_of(mask),
        past_key_values=cache,
        use_cache=True,
    )
    first_BD: Tensor = read.last_hidden_state[
        own_B, -1
    ]  # the prompt's end predicts the first token
    inputs = [as_tensor(s.completion_ids[:-1], device) for s in sequences]
    width = max(map(len, inputs))
    if not width:
        return [first_BD[i : i + len(s.completion_ids)] for i, s in enumerate(sequences)]
    cache.batch_select_indices(own_B)
    lengths = as_tensor([len(row) for row in inputs], device)
    steps = torch.arange(width, device=device)
    mask = mask[own_B]
    read = decoder(
        input_ids=nn.utils.rnn.pad_sequence(inputs, batch_first=True),
        attention_mask=torch.cat([mask, (steps < lengths[:, None]).long()], dim=1),
        position_ids=mask.sum(-1, keepdim=True) + steps,
        past_key_values=cache,
        use_cache=True,
    )
    later_BTD = cast(Tensor, read.last_hidden_state)
    joined_BTD = torch.cat([first_BD[:, None], later_BTD], dim=1)
    return [joined_BTD[row, : len(s.completion_ids)] for row, s in enumerate(sequences)]
