"""Rows whose texts are chats, lists of ``{"role": ..., "content": ...}``, as rows of texts.

An answer is the chat's last message, and everything before it belongs to the question. The model
is asked with one text (``gem_backend.prompting``), so a question of several messages becomes one
text: each message after the name of its role, with an empty line between them; a lone message is
its text. Exported, it is that text and comes back as it is.
"""

from collections.abc import Sequence

from storage.import_rows import Row, RowError, storable

Message = tuple[str, str]  # role, content

_PAIRS = (("chosen", "rejected"), ("answer_a", "answer_b"))


def plain_texts(values: Row) -> Row:
    """Return a row with texts in the place of its chats.

    Raises:
        RowError: a chat is not one, has no reply at its end, or does not belong to the others.
    """
    if not any(isinstance(values.get(name), list) for name in ("prompt", *_PAIRS[0], *_PAIRS[1])):
        return values
    texts = dict(values)
    context: list[Message] = []
    for names in _PAIRS:
        if any(isinstance(values.get(name), list) for name in names):
            context = _shared_context(texts, names)
            break
    question = _question(values.get("prompt"), context)
    return texts if question is None else texts | {"prompt": question}


def _shared_context(texts: dict[str, object], names: tuple[str, str]) -> list[Message]:
    """Put each chat's reply in its place and return what comes before both."""
    contexts: list[list[Message]] = []
    for name in names:
        answer = texts.get(name)
        before: list[Message] = []
        if isinstance(answer, list):
            before, texts[name] = _split(answer)
        contexts.append(before)
    first, second = contexts
    if first != second:
        raise RowError(f"'{names[0]}' and '{names[1]}' do not answer the same conversation.")
    return first


def _split(chat: list[object]) -> tuple[list[Message], str]:
    """Return a chat without its last message, and the text of that, a reply."""
    messages = _messages(chat)
    if not messages:
        return [], ""
    if all(role != "assistant" for role, _ in messages):
        raise RowError("The chat has no message of the assistant.")
    *before, (role, reply) = messages
    if role != "assistant":
        raise RowError("The chat does not end with a message of the assistant.")
    return before, reply


def _question(prompt: object, context: list[Message]) -> str | None:
    """Return the whole conversation before an answer, None if the row's own prompt says it.

    Args:
        prompt: the row's; a text, a chat, or missing.
        context: what comes before the reply in the row's answers.

    Raises:
        RowError: the two are different conversations.
    """
    if not isinstance(prompt, list):
        if not context:
            return None
        if not isinstance(prompt, str) or not prompt.strip():
            return _as_text(context)
        asked = prompt.strip() in (_as_text(context), *(text.strip() for _, text in context))
        return _as_text(context if asked else _joined([("user", prompt)], context))
    return _as_text(_joined(_messages(prompt), context))


def _joined(prompt: list[Message], context: list[Message]) -> Sequence[Message]:
    """Return a prompt and what comes before the reply as one conversation."""
    if not context:
        return prompt
    if prompt in (context[: len(prompt)], context[-len(prompt) :]):
        return context
    if context[0][0] == "assistant":
        return prompt + context
    raise RowError("The 'prompt' is not the conversation that the answers belong to.")


def _messages(chat: list[object]) -> list[Message]:
    """Return the role and the text of each message of a chat."""
    messages = []
    for message in chat:
        fields = message if isinstance(message, dict) else {}
        role, content = fields.get("role"), fields.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise RowError("A chat message needs a role and a content that is text.")
        messages.append((role, storable(content, "content")))
    return messages


def _as_text(messages: Sequence[Message]) -> str:
    """Return a lone message's text, or all messages with their roles in front."""
    if len(messages) == 1:
        return messages[0][1]
    return "\n\n".join(f"{role.capitalize()}: {content}" for role, content in messages)
