"""Answers that say the same: by hand on made-up vectors, and through a real sentence model."""

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

from gem_backend.engine import Engine, EngineConfig
from gem_backend.engine_requests import MeaningRequest
from gem_backend.errors import ModelLoadError
from gem_backend.meaning import SentenceModel, group_by_meaning, what_decides

WORDS = ("refer", "admit", "to", "hospital", "the", "aspirin", "daily", "not", ".")
ANSWERS = ("Refer to hospital", "Refer to the hospital", "aspirin daily", "refer to hospital.")


def at(*degrees):
    """Unit vectors in a plane: the cosine of two is that of the angle between them."""
    return np.array([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees])


def test_alike_answers_are_one_meaning_and_the_largest_comes_first():
    """cos 30 = 0.87, cos 60 = 0.5."""
    answers = ["treat at home", "admit", "refer", "home care"]
    assert group_by_meaning(answers, at(90, 0, 30, 90), 0.8) == [(0, 3), (1, 2)]
    assert group_by_meaning(answers, at(0, 40, 80, 120), 0.8) == [(0,), (1,), (2,), (3,)]


def test_no_chain_of_steps_joins_what_is_not_alike():
    """0, 30 and 60 degrees: neighbours are 0.87 alike, the ends 0.5; the closer two are joined."""
    assert group_by_meaning(["a", "b", "c"], at(0, 29, 60), 0.8) == [(0, 1), (2,)]


def test_the_same_words_are_one_meaning_whatever_their_vectors_say():
    assert group_by_meaning(["2 points", "**2 points.**", ""], at(0, 90, 0), 0.99) == [(0, 1)]
    assert group_by_meaning(["", " "], at(0, 0), 0.8) == []


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("start anticoagulation", "do not start anticoagulation", False),
        ("It isn't needed", "It isn\N{RIGHT SINGLE QUOTATION MARK}t required", True),
        ("500 mg for 5 days", "250 mg for 5 days", False),
        ("500 mg for 5 days", "five days of 500 mg", True),
        ("2.5 mg", "25 mg", False),
        ("one of two", "2 of 1", True),
    ],
)
def test_numbers_and_denials_decide_however_alike_two_answers_are(one, other, is_same):
    assert (what_decides(one) == what_decides(other)) is is_same
    assert len(group_by_meaning([one, other], at(0, 1), 0.8)) == 2 - is_same


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny sentence model with random weights, saved as sentence-transformers saves one."""
    torch.manual_seed(0)
    where = tmp_path_factory.mktemp("sentences")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (where / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(vocab=str(where / "vocab.txt"))
    size = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "initializer_range": 0.5,
    }
    settings = BertConfig(vocab_size=len(vocabulary), intermediate_size=32, **size)
    tokenizer.save_pretrained(where / "bert")
    BertModel(settings).save_pretrained(where / "bert")
    bert = Transformer(str(where / "bert"))
    SentenceTransformer(modules=[bert, Pooling(32)], device="cpu").save(str(where / "model"))
    return where / "model"


def test_a_real_model_in_the_engine_finds_the_answers_that_share_their_words(folder):
    in_process = SentenceModel(folder, "cpu").group(ANSWERS, 0.93)
    assert in_process == [(0, 1, 3), (2,)]  # 0.98 alike and more, to the other 0.89 at most
    engine = Engine(EngineConfig("demo", "cpu", sentence_model=folder))
    try:
        assert engine.group_by_meaning(MeaningRequest(ANSWERS, 0.93)) == in_process
    finally:
        engine.release()


def test_what_is_no_sentence_model_is_refused_in_a_sentence(folder, tmp_path):
    with pytest.raises(ModelLoadError, match="no folder"):
        SentenceModel(tmp_path / "gone")
    with pytest.raises(ModelLoadError, match="holds no model"):
        SentenceModel(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in ("config.json", "tokenizer.json"):
        (broken / file).write_text("{}")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        SentenceModel(broken)
