"""How a prompt is put to the model, as text and as token ids (METHOD section 1)."""

import contextlib
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from gem_backend.config import PromptConfig
from gem_backend.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def has_template(tokenizer: "PreTrainedTokenizerBase", config: PromptConfig) -> bool:
    """Whether prompts go through the model's own chat template."""
    return config.use_chat_template and bool(tokenizer.chat_template)


def render_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: str, config: PromptConfig) -> str:
    """Return the text that the model continues.

    With a chat template: the system text and the prompt as its turns; a template that refuses the
    system role gets the system text at the head of the user's turn. Without: prompt and a line
    feed. ``{answer_marker}`` in the system text stands for the marker.

    Args:
        tokenizer: of the model that will answer.
        prompt: the question as the expert wrote it.
        config: template, system text and answer marker.

    Raises:
        DataError: the chat template is broken, or takes no question.
    """
    if not has_template(tokenizer, config):
        return prompt + "\n"
    system_text = config.system_text.replace("{answer_marker}", config.answer_marker)
    if system_text:
        turns = [{"role": "system", "content": system_text}, {"role": "user", "content": prompt}]
        with contextlib.suppress(TemplateError):
            return _apply(tokenizer, turns)
        prompt = f"{system_text}\n\n{prompt}"
    try:
        return _apply(tokenizer, [{"role": "user", "content": prompt}])
    except TemplateError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise DataError(f"The model's chat template does not take a question: {reason}.") from error


def prompt_ids(
    tokenizer: "PreTrainedTokenizerBase", text: str, *, is_templated: bool = False
) -> list[int]:
    """Return the token ids of a rendered prompt.

    Args:
        tokenizer: of the model that will answer.
        text: from ``render_prompt``, or any text as given.
        is_templated: the text came out of a chat template, which writes special tokens itself.
            Otherwise the tokenizer's own start tokens are added, unless the text begins with one,
            and an end token never.

    Raises:
        DataError: there is not one token to start from.
    """
    start = tokenizer.bos_token
    has_start = is_templated or bool(start and text.startswith(start))
    ids: list[int] = tokenizer.encode(text, add_special_tokens=not has_start)
    end = tokenizer.eos_token
    if not has_start and ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(end):
        ids = ids[:-1]
    if not ids and tokenizer.bos_token_id is not None:
        ids = [tokenizer.bos_token_id]
    if not ids:
        raise DataError("The prompt is empty; write something for the model to answer.")
    return ids


def encode_prompt(
    tokenizer: "PreTrainedTokenizerBase", prompt: str, config: PromptConfig
) -> list[int]:
    """Render a prompt and return its token ids; the one way from an expert's prompt to the model.

    Raises:
        DataError: there is not one token to start from, or the chat template takes no question.
    """
    text = render_prompt(tokenizer, prompt, config)
    return prompt_ids(tokenizer, text, is_templated=has_template(tokenizer, config))


def completion_ids(
    tokenizer: "PreTrainedTokenizerBase", completion: str, add_eos: bool
) -> list[int]:
    """Return the token ids of a written answer, apart from its prompt.

    Args:
        tokenizer: of the model.
        completion: the answer's text.
        add_eos: end with the end token, as a model that finishes would; a tokenizer without an end
            token adds none.
    """
    ids: list[int] = tokenizer.encode(completion, add_special_tokens=False)
    if add_eos and tokenizer.eos_token_id is not None:
        ids.append(tokenizer.eos_token_id)
    return ids


def _apply(tokenizer: "PreTrainedTokenizerBase", turns: list[dict[str, str]]) -> str:
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return str(text)
