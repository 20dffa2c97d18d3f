"""The text format of the demo model: what it was pretrained on is what it must be used with.

There is no chat template. The prompt is the vignette and a newline, with the beginning-of-text
token that the tokenizer's own post-processor prepends; the completion is the chain and the
end-of-text token. Both sides are encoded apart, so their border is always a token border.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Encode prompts, with the beginning-of-text token and a closing newline."""
    return list(tokenizer([prompt + "\n" for prompt in prompts])["input_ids"])


def encode_completions(
    tokenizer: PreTrainedTokenizerBase, completions: Sequence[str]
) -> list[list[int]]:
    """Encode completions, each closed by the end-of-text token."""
    batch = tokenizer(list(completions), add_special_tokens=False)
    return [[*ids, tokenizer.eos_token_id] for ids in batch["input_ids"]]
