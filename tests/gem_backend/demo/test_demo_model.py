"""The embedded model loads offline, is small, speaks the demo's format and is imperfect."""

import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from gem_backend.demo import MODEL_DIR, PROJECT_FILE
from gem_backend.demo.chains import ANSWER_MARKER
from gem_backend.demo.encoding import encode_completions, encode_prompts
from gem_backend.demo.measure import load_held_out, measure

HOSTILE_TEXTS = [
    "",
    "Final Answer: 3, anticoagulate",
    "naïve café — Müller\u2019s ≥ 38.5 °C",
    "心房細動の患者、七十八歳",
    "مريض عمره ٧٨ سنة",
    "👩🏽‍⚕️🏳️‍🌈\u200d\u200b\ufeff",
    "e\u0301 versus \u00e9, ﬁ ﬂ, \u202eabc",
    " leading,  double   spaces , trailing ",
    "tab\tline\r\nfeed\x00null\x7f",
    "it 's n't . , !",
]


@pytest.fixture(scope="module")
def demo_tokenizer():
    return AutoTokenizer.from_pretrained(MODEL_DIR, local_files_only=True)


@pytest.fixture(scope="module")
def demo_model():
    return AutoModelForCausalLM.from_pretrained(MODEL_DIR, local_files_only=True)


def test_weights_are_safetensors_of_a_few_megabytes():
    weights = sorted(path.name for path in MODEL_DIR.glob("model*"))
    assert weights == ["model.safetensors"]
    assert not [path for path in MODEL_DIR.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]
    assert sum(path.stat().st_size for path in MODEL_DIR.iterdir()) < 8_000_000


def test_model_card_says_it_is_not_for_clinical_use():
    card = (MODEL_DIR / "README.md").read_text("utf-8")
    assert "not for clinical use" in card
    assert "gem_backend.demo.pretrain --seed" in card


def test_model_is_a_small_llama(demo_model):
    assert demo_model.config.model_type == "llama"
    assert 500_000 < demo_model.num_parameters() < 2_000_000


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_tokenizer_gives_back_any_text(demo_tokenizer, text):
    ids = demo_tokenizer(text, add_special_tokens=False)["input_ids"]
    assert demo_tokenizer.decode(ids) == text


def test_tokenizer_prepends_bos_and_never_appends_eos(demo_tokenizer):
    ids = demo_tokenizer("A patient.\n")["input_ids"]
    assert ids[0] == demo_tokenizer.bos_token_id
    assert demo_tokenizer.eos_token_id not in ids
    assert demo_tokenizer.chat_template is None


def test_encoded_prompt_and_completion_follow_the_format(demo_tokenizer):
    (prompt,) = encode_prompts(demo_tokenizer, ["A patient."])
    (completion,) = encode_completions(demo_tokenizer, ["A chain."])
    assert demo_tokenizer.decode(prompt) == f"{demo_tokenizer.bos_token}A patient.\n"
    assert demo_tokenizer.decode(completion) == f"A chain.{demo_tokenizer.eos_token}"


def test_prompts_and_chains_are_short(demo_tokenizer):
    rows = [json.loads(line) for line in PROJECT_FILE.read_text("utf-8").splitlines()]
    prompts = encode_prompts(demo_tokenizer, [row["prompt"] for row in rows])
    chains = encode_completions(demo_tokenizer, [row["chosen"] for row in rows if "chosen" in row])
    assert max(map(len, prompts)) <= 80
    assert max(map(len, chains)) <= 90


def test_model_answers_a_vignette_in_the_demo_format(demo_model, demo_tokenizer):
    prompt = "72-year-old man with atrial fibrillation. Diabetic, smokes. Stroke risk and plan?\n"
    batch = demo_tokenizer(prompt, return_tensors="pt")
    output = demo_model.generate(**batch, max_new_tokens=128, do_sample=False)
    assert output[0, -1] == demo_tokenizer.eos_token_id
    assert f"\n{ANSWER_MARKER} " in demo_tokenizer.decode(output[0])


@pytest.mark.slow
def test_base_model_is_imperfect_but_well_formed(demo_model, demo_tokenizer):
    figures = measure(demo_model, demo_tokenizer, load_held_out(PROJECT_FILE))
    assert figures.n == 192
    assert 0.1 < figures.preference_accuracy < 0.5
    assert 0.1 < figures.greedy_answer_accuracy < 0.5
    assert figures.marker_share > 0.97
