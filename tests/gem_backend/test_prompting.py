import pytest
from tokenizers import processors

from gem_backend.config import PromptConfig
from gem_backend.errors import DataError
from gem_backend.prompting import completion_ids, encode_prompt, prompt_ids, render_prompt

TEMPLATE = (
    "<|bos|>{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
CONFIG = PromptConfig(system_text="Think. End with '{answer_marker}'.", answer_marker="Result:")


def decoded(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=False)


def test_without_a_template_a_prompt_ends_with_a_line_feed(byte_tokenizer):
    assert render_prompt(byte_tokenizer, "Age 70?", CONFIG) == "Age 70?\n"
    assert decoded(byte_tokenizer, encode_prompt(byte_tokenizer, "Hi", CONFIG)) == "<|bos|>Hi\n"


def test_a_template_gets_the_system_text_with_the_projects_marker(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE
    text = render_prompt(byte_tokenizer, "Hi", CONFIG)
    assert text == "<|bos|>[system]Think. End with 'Result:'.[user]Hi[assistant]"


def test_the_default_system_text_names_whatever_marker_the_project_has(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE
    text = render_prompt(byte_tokenizer, "Hi", PromptConfig(answer_marker="Ergebnis:"))
    assert "starts with 'Ergebnis:'" in text


def test_a_template_can_be_switched_off(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE
    plain = PromptConfig(use_chat_template=False)
    assert render_prompt(byte_tokenizer, "Hi", plain) == "Hi\n"


def test_a_template_without_a_system_role_gets_the_text_in_the_users_turn(byte_tokenizer):
    byte_tokenizer.chat_template = NO_SYSTEM + TEMPLATE
    text = render_prompt(byte_tokenizer, "Hi", CONFIG)
    assert text == "<|bos|>[user]Think. End with 'Result:'.\n\nHi[assistant]"


def test_an_empty_system_text_makes_no_system_turn(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE
    text = render_prompt(byte_tokenizer, "Hi", PromptConfig(system_text=""))
    assert text == "<|bos|>[user]Hi[assistant]"


def test_start_tokens_are_never_doubled(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE
    ids = encode_prompt(byte_tokenizer, "Hi", CONFIG)
    assert ids.count(256) == 1
    text = render_prompt(byte_tokenizer, "Hi", CONFIG)
    assert prompt_ids(byte_tokenizer, text) == ids  # even for a caller who forgets


def test_a_template_without_a_start_token_gets_none(byte_tokenizer):
    byte_tokenizer.chat_template = TEMPLATE.removeprefix("<|bos|>")
    assert 256 not in encode_prompt(byte_tokenizer, "Hi", CONFIG)


def test_a_prompt_never_ends_with_an_end_token(byte_tokenizer):
    byte_tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 256), ("<|eos|>", 257)]
    )
    assert decoded(byte_tokenizer, prompt_ids(byte_tokenizer, "Hi")) == "<|bos|>Hi"


def test_an_empty_text_starts_from_the_start_token_or_is_refused(byte_tokenizer, gpt2_tokenizer):
    assert prompt_ids(byte_tokenizer, "") == [256]
    with pytest.raises(DataError, match="empty"):
        prompt_ids(gpt2_tokenizer, "")


def test_a_completion_gets_no_start_token_and_an_end_token_on_request(byte_tokenizer):
    assert decoded(byte_tokenizer, completion_ids(byte_tokenizer, "No", True)) == "No<|eos|>"
    assert decoded(byte_tokenizer, completion_ids(byte_tokenizer, "No", False)) == "No"
