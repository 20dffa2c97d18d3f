import random
import subprocess
import sys

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from gem_backend.errors import ModelLoadError
from gem_backend.spans import answer_text, locate_spans, span_names, token_texts
from gem_backend.types import Span

MARKER = "Final Answer:"
HARD_TEXTS = [
    "plain words",
    "naïve café, été à Zürich: µg/mL ≥ 5 °C",
    "emoji 👩🏽‍⚕️ and 🩺 and 日本語",
    "line one\r\nline two\r\n\r\n\ttabbed  twice",
    "",
    " leading and trailing ",
    "a\u0301 combining, zero\u200bwidth, \ufffd replacement",
]


def split(text):
    """One token a character: the finest cut there is."""
    return list(text)


def part(tokens, span):
    return "".join(tokens[slice(*span)])


def llama_like_tokenizer():
    """Metaspace with byte fallback and a stripped first space, as Llama 2's tokenizer has."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {f"<0x{byte:02X}>": byte + 3 for byte in range(256)}
    letters = "▁abcdefghijklmnopqrstuvwxyzFA:.,0123456789"
    vocabulary |= {letter: 259 + i for i, letter in enumerate(letters)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", bos_token="<s>")


# --- token_texts ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_token_texts_join_to_the_text_over_bytes(byte_tokenizer, text):
    ids = byte_tokenizer.encode(text, add_special_tokens=False)
    assert "".join(token_texts(byte_tokenizer, ids)) == text


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_token_texts_join_to_the_text_with_gpt2(gpt2_tokenizer, text):
    ids = gpt2_tokenizer.encode(text, add_special_tokens=False)
    texts = token_texts(gpt2_tokenizer, ids)
    assert "".join(texts) == text
    assert len(texts) == len(ids)


def test_the_token_that_completes_a_character_gets_it(byte_tokenizer):
    ids = byte_tokenizer.encode("é😀x", add_special_tokens=False)
    assert token_texts(byte_tokenizer, ids) == ("", "é", "", "", "", "😀", "x")


def test_special_tokens_have_no_text(byte_tokenizer):
    ids = [256, *byte_tokenizer.encode("a", add_special_tokens=False), 257]
    assert token_texts(byte_tokenizer, ids) == ("", "a", "")


def test_bytes_that_never_become_a_character_go_to_the_last_ordinary_token(byte_tokenizer):
    ids = byte_tokenizer.encode("a😀", add_special_tokens=False)[:-1]
    texts = token_texts(byte_tokenizer, [*ids, 257])
    assert texts == ("a", "", "", "\ufffd", "")


@pytest.mark.parametrize("make", ["bytes", "llama", "gpt2"])
def test_any_ids_join_to_the_decoded_text(request, make):
    """A model under training samples bytes that are no text; nothing may be lost or doubled."""
    if make == "llama":
        tokenizer = llama_like_tokenizer()
    else:
        tokenizer = request.getfixturevalue({"bytes": "byte_tokenizer"}.get(make, "gpt2_tokenizer"))
    chance = random.Random(0)
    for _ in range(300):
        ids = [chance.randrange(len(tokenizer)) for _ in range(chance.randrange(1, 40))]
        decoded = tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True)
        texts = token_texts(tokenizer, ids)
        assert "".join(texts) == decoded
        assert len(texts) == len(ids)


def test_an_id_beyond_the_vocabulary_has_no_text(byte_tokenizer):
    ids = byte_tokenizer.encode("ab", add_special_tokens=False)
    assert token_texts(byte_tokenizer, [ids[0], 999, ids[1]]) == ("a", "", "b")


def test_a_tokenizer_without_a_fast_form_is_refused():
    with pytest.raises(ModelLoadError, match="fast form"):
        token_texts(object(), [1])


# --- locate_spans -----------------------------------------------------------------------------


def test_the_last_marker_counts():
    tokens = split("We write 'Final Answer: 3' later. Final Answer: 4")
    spans = locate_spans(tokens, MARKER)
    assert part(tokens, spans.cot_span) == "We write 'Final Answer: 3' later. "
    assert part(tokens, spans.final_span) == " 4"
    assert spans.is_committed


def test_a_marker_split_over_tokens_is_found():
    tokens = ["Add", " them.", "\nFi", "nal", " Ans", "wer", ":", " 4", ""]
    spans = locate_spans(tokens, MARKER)
    assert spans.cot_span == Span(0, 3)  # "\nFi" begins before the marker
    assert spans.final_span == Span(7, 8)  # the end token is left out


def test_a_token_with_marker_and_answer_belongs_to_the_answer():
    assert locate_spans(["So. ", "Final Answer", ": 4", "2"], MARKER).final_span == Span(2, 4)
    everything = locate_spans(["So. Final Answer: 42"], MARKER)
    assert everything.final_span == Span(0, 1)
    assert everything.cot_span == Span(0, 0)


def test_a_marker_at_the_start_leaves_no_reasoning():
    spans = locate_spans(["Final Answer:", " 4"], MARKER)
    assert spans == (Span(0, 0), Span(1, 2), True)


def test_bytes_of_a_split_character_go_where_the_character_goes(byte_tokenizer):
    text = "né Réponse: é"
    ids = byte_tokenizer.encode(text, add_special_tokens=False)
    tokens = token_texts(byte_tokenizer, [*ids, 257])
    spans = locate_spans(tokens, "Réponse:")
    raw = text.encode()
    assert spans.cot_span == Span(0, raw.index(b"R"))
    assert spans.final_span == Span(raw.index(b":") + 1, len(raw))
    accented = locate_spans(token_texts(byte_tokenizer, ids), "é Réponse: ")
    assert accented.cot_span == Span(0, 1)
    assert accented.final_span == Span(len(raw) - 2, len(raw))  # both bytes of the last é


def test_gpt2_tokens_are_cut_as_the_text_is(gpt2_tokenizer):
    text = "Heart failure: 1.\r\nNaïve 🩺 sum: 2.\r\nFinal Answer: 2 — high 🙂"
    tokens = token_texts(gpt2_tokenizer, gpt2_tokenizer.encode(text))
    spans = locate_spans(tokens, MARKER)
    assert part(tokens, spans.cot_span) == text[: text.index(MARKER)]
    assert part(tokens, spans.final_span) == " 2 — high 🙂"


@pytest.mark.parametrize(("count", "final"), [(1, 1), (4, 1), (5, 1), (6, 2), (10, 2), (11, 3)])
def test_without_a_marker_the_last_fifth_is_the_answer(count, final):
    spans = locate_spans(["x"] * count + [""], MARKER)
    assert spans == (Span(0, count - final), Span(count - final, count), False)


@pytest.mark.parametrize("ending", ["", " ", "\n\n  "])
def test_a_marker_with_nothing_after_it_is_not_committed(ending):
    tokens = split("Two and two. Final Answer:" + ending)
    spans = locate_spans(tokens, MARKER)
    assert not spans.is_committed
    assert spans.final_span == Span(len(tokens) - -(-len(tokens) // 5), len(tokens))
    assert answer_text("".join(tokens), MARKER) == ""


def test_only_an_end_token_is_its_own_answer_and_nothing_has_none():
    assert locate_spans([""], MARKER) == (Span(0, 0), Span(0, 1), False)
    assert locate_spans([], MARKER) == (Span(0, 0), Span(0, 0), False)


@pytest.mark.parametrize(
    ("text", "cot", "final"),
    [
        ("<think>add</think>It is 4", "add", "It is 4"),
        ("add</think>4", "add", "4"),  # the template wrote the opening tag
        ("<think>Final Answer: 3?</think>4", "Final Answer: 3?", "4"),
        ("<think>add</think>So. Final Answer: 4", "add", " 4"),
        ("<think>\n\n</think>So. Final Answer: 4", "So. ", " 4"),
        ("x<think>a</think>b<think>c</think>4", "a</think>b<think>c", "4"),
    ],
)
def test_think_tags_hold_the_reasoning(text, cot, final):
    tokens = split(text)
    spans = locate_spans(tokens, MARKER)
    assert (part(tokens, spans.cot_span), part(tokens, spans.final_span)) == (cot, final)
    assert spans.is_committed
    assert answer_text(text, MARKER) == final.strip()


def test_tag_tokens_belong_to_neither_part():
    spans = locate_spans(["<think>", "add", "</think>", "4", ""], MARKER)
    assert span_names(spans, 5) == ("marker", "cot", "marker", "final", "marker")


@pytest.mark.parametrize(
    "text", ["<think>Final Answer: 4 perhaps", "<think>add</think> \n", "<think> </think>It is 4"]
)
def test_unfinished_or_empty_thinking_is_not_committed(text):
    assert not locate_spans(split(text), MARKER).is_committed


def test_spans_partition_random_cuts_of_a_text():
    """However a text is cut into tokens, the parts differ from the text's by less than a token."""
    text = "Age 70: 1 point. Stroke: 2 points.\nFinal Answer: 3"
    chance = random.Random(1)
    for _ in range(200):
        cuts = sorted(chance.sample(range(1, len(text)), chance.randrange(1, 30)))
        tokens = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        spans = locate_spans(tokens, MARKER)
        assert spans.is_committed
        assert 0 <= spans.cot_span.start <= spans.cot_span.end <= spans.final_span.start
        assert spans.final_span.end == len(tokens)
        final = part(tokens, spans.final_span)
        assert final.endswith(" 3") and " 3".endswith(final[-2:])
        assert len(final) - 2 < len(tokens[spans.final_span.start])


def test_locating_spans_needs_no_torch():
    code = "import sys, gem_backend.spans, gem_backend.ranking, gem_backend.statistics; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
