"""The rivals through TRL: our ids, the right reference, the budget, a policy given back whole."""

import copy
import itertools
import json
import math
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn

from gem_backend import baselines, demo, rm_ppo
from gem_backend.baselines import Budget, train_baseline
from gem_backend.config import (
    BaselineConfig,
    LoraSettings,
    PromptConfig,
    RunConfig,
    SamplingConfig,
    preset_config,
)
from gem_backend.entropy import score_tokens, sequence_logps
from gem_backend.errors import ConfigError, TrainingError
from gem_backend.evaluate import evaluate
from gem_backend.forward import TokenSequence, base_model
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.sampling import PolicySampler
from gem_backend.stopping import StopRequestedError
from gem_backend.trainer import with_adapter
from gem_backend.trl_session import on_one_device
from gem_backend.types import PreferencePair

METHODS = ["sft", "dpo", "ipo", "rm_ppo"]
ONE_AND_SLOW_OTHERS = [
    "dpo",
    *(pytest.param(m, marks=pytest.mark.slow) for m in METHODS if m != "dpo"),
]
PAIRS = [
    PreferencePair("Which?", "A.", "Bee."),
    PreferencePair("Which one?", "The second one.", "None."),
    PreferencePair("Why?", "Age.", "Sex or so."),
    PreferencePair("How many of them?", "Two, I think.", "Seven"),
]
PROMPTS = [pair.prompt for pair in PAIRS]


def settings(method, **baseline):
    """Small enough for the two-layer model over bytes."""
    return RunConfig(
        method=method,
        device="cpu",
        sampling=SamplingConfig(num_candidates=3, max_new_tokens=6),
        lora=LoraSettings(rank=4, alpha=8),
        baseline=BaselineConfig(**{"batch_size": 2, "learning_rate": 1e-2, **baseline}),
    )


def train(policy, config, tokens=60, pairs=PAIRS, prompts=None, **options):
    """Train and return the tokens, what was said of each step, and the checks that were made."""
    steps, checks = [], []
    hooks = {
        "seed": 0,
        "num_checks": 2,
        "on_check": checks.append,
        "on_step": lambda number, figures: steps.append((number, figures)),
        "stop_if_asked": lambda: None,
    }
    prompts = [pair.prompt for pair in pairs] if prompts is None else prompts
    spent = train_baseline(
        policy, pairs, prompts, config, budget_tokens=tokens, **(hooks | options)
    )
    return spent, steps, checks


def adapter(policy):
    return {k: v.clone() for k, v in get_peft_model_state_dict(policy.model).items()}


def is_same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def our_sequences(policy, pairs, prompt_config, side):
    return [
        TokenSequence(
            tuple(encode_prompt(policy.tokenizer, pair.prompt, prompt_config)),
            tuple(completion_ids(policy.tokenizer, getattr(pair, side), add_eos=True)),
        )
        for pair in pairs
    ]


def logps(policy, pairs, side, *, per_token=False):
    """Log-probability of each answer by our own code, shape (pairs,)."""
    scored = score_tokens(policy.model, our_sequences(policy, pairs, PromptConfig(), side))
    return torch.stack([s.logprob_T.mean() if per_token else s.logprob_T.sum() for s in scored])


def margins(policy, pairs, *, per_token=False):
    chosen = logps(policy, pairs, "chosen", per_token=per_token)
    return chosen - logps(policy, pairs, "rejected", per_token=per_token)


# --- the embedded model and its project -------------------------------------------------------


@pytest.fixture(scope="module")
def demo_pairs():
    lines = Path(demo.__file__).with_name("project.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        PreferencePair(row["prompt"], row["chosen"], row["rejected"])
        for row in rows
        if row["split"] == "train" and row.get("chosen")
    ][:16]


def demo_settings(method, **baseline):
    baseline = {"learning_rate": 1e-3, "batch_size": 8} | baseline
    return preset_config("quick").model_copy(
        update={"method": method, "baseline": BaselineConfig(**baseline)}
    )


@pytest.fixture
def warm_policy(demo_policy, demo_pairs):
    """The embedded model under an adapter with two steps of warm start behind it."""
    settings = demo_settings("sft")
    policy = with_adapter(demo_policy, settings.lora, settings.seed)
    train(policy, settings, 1, demo_pairs)
    return policy


# --- token ids --------------------------------------------------------------------------------


def unpadded(ids, mask):
    return [tuple(row[kept.bool()].tolist()) for row, kept in zip(ids, mask, strict=True)]


@pytest.fixture
def seen(monkeypatch):
    """What reaches the loss of each of TRL's trainers: prompt and completion ids of every row."""
    rows = {"sft": [], "pairs": [], "reward": [], "policy": []}

    def spy(name, trainer, method, read):
        original = getattr(trainer, method)

        def watched(self, model, inputs, *args, **options):
            rows[name] += read(inputs)
            return original(self, model, inputs, *args, **options)

        monkeypatch.setattr(trainer, method, watched)

    def split(inputs, is_completion):
        whole = unpadded(inputs["input_ids"], inputs["attention_mask"])
        answers = unpadded(inputs["input_ids"], is_completion)
        return [(w[: len(w) - len(a)], a) for w, a in zip(whole, answers, strict=True)]

    spy("sft", baselines.SFTTrainer, "compute_loss", lambda i: split(i, i["labels"] != -100))
    spy("pairs", baselines.DPOTrainer, "_compute_loss", lambda i: split(i, i["completion_mask"]))
    spy(
        "reward",
        rm_ppo.RewardTrainer,
        "compute_loss",
        lambda i: unpadded(i["input_ids"], i["attention_mask"]),
    )
    spy(
        "policy",
        rm_ppo.GRPOTrainer,
        "_compute_loss",
        lambda i: list(
            zip(
                unpadded(i["prompt_ids"], i["prompt_mask"]),
                unpadded(i["completion_ids"], i["completion_mask"]),
                strict=True,
            )
        ),
    )
    return rows


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
def test_trl_trains_on_the_ids_of_our_own_trainer(warm_policy, demo_pairs, seen, method):
    config = demo_settings(method, batch_size=2)
    pairs = demo_pairs[:4]
    train(warm_policy, config, 450 if method == "sft" else 900, pairs)
    chosen = [tuple(s) for s in our_sequences(warm_policy, pairs, config.prompt, "chosen")]
    rejected = [tuple(s) for s in our_sequences(warm_policy, pairs, config.prompt, "rejected")]
    both = {*chosen, *rejected}
    if method == "sft":
        assert set(seen["sft"]) == set(chosen)
    elif method == "rm_ppo":
        assert set(seen["reward"]) == {prompt + answer for prompt, answer in both}
        assert {prompt for prompt, _ in seen["policy"]} <= {prompt for prompt, _ in both}
        assert seen["policy"]
    else:
        assert set(seen["pairs"]) == both


@pytest.mark.slow
def test_the_policys_phase_trains_on_the_very_ids_that_were_sampled(
    adapted_policy, seen, monkeypatch
):
    sampled = []
    answer = rm_ppo._Rollouts.answer

    def watched(self, *args):
        output = answer(self, *args)
        sampled.extend(zip(output["prompt_ids"], output["completion_ids"], strict=True))
        return output

    monkeypatch.setattr(rm_ppo._Rollouts, "answer", watched)
    train(adapted_policy, settings("rm_ppo"), 400)
    assert set(seen["policy"]) <= {(tuple(prompt), tuple(ids)) for prompt, ids in sampled}
    assert len(seen["policy"]) > 3


# --- losses and references --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dpo", "ipo"])
def test_the_reference_is_the_warm_started_policy_and_stays_it(adapted_policy, method):
    """Both losses written down by hand at the margins that our own code measures."""
    beta = 0.2
    config = settings(method, beta=beta, batch_size=len(PAIRS), learning_rate=3e-3)
    per_token = method == "ipo"
    with adapted_policy.model.disable_adapter():
        base = margins(adapted_policy, PAIRS)
    start, start_each = (
        margins(adapted_policy, PAIRS),
        margins(adapted_policy, PAIRS, per_token=True),
    )
    assert (start - base).abs().min() > 0.01
    now = []

    def on_step(_number, figures):
        now.append(
            (
                figures,
                margins(adapted_policy, PAIRS) - start,
                margins(adapted_policy, PAIRS, per_token=True) - start_each,
            )
        )

    tokens = sum(
        len(s.completion_ids)
        for side in ("chosen", "rejected")
        for s in our_sequences(adapted_policy, PAIRS, PromptConfig(), side)
    )
    train(adapted_policy, config, 3 * tokens, on_step=on_step)
    first = now[0][0]
    assert first["loss"] == pytest.approx(math.log(2) if method == "dpo" else (1 / (2 * beta)) ** 2)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert len(now) == 3
    for (_, gap, gap_each), (figures, *_) in itertools.pairwise(now):
        assert gap.abs().max() > 0.01
        assert figures["rewards/margins"] == pytest.approx(beta * float(gap.mean()), abs=1e-4)
        loss = (
            (gap_each - 1 / (2 * beta)) ** 2 if per_token else -nn.functional.logsigmoid(beta * gap)
        )
        assert figures["loss"] == pytest.approx(float(loss.mean()), rel=1e-4)


def test_sft_loss_is_the_mean_over_the_answers_tokens(adapted_policy):
    scored = score_tokens(
        adapted_policy.model, our_sequences(adapted_policy, PAIRS, PromptConfig(), "chosen")
    )
    expected = -float(torch.cat([one.logprob_T for one in scored]).mean())
    _, steps, _ = train(adapted_policy, settings("sft", batch_size=len(PAIRS)), 1)
    assert steps[0][1]["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
@pytest.mark.slow
def test_the_gradient_does_not_depend_on_the_token_budget_of_a_pass(adapted_policy, method):
    def first_step(max_tokens):
        policy = copy.deepcopy(adapted_policy)
        config = settings(method, batch_size=4).model_copy(
            update={"micro_batch_tokens": max_tokens}
        )
        _, steps, _ = train(policy, config, 1)
        return {number: (f["loss"], f.get("grad_norm", 0.0)) for number, f in steps}

    whole, cut = first_step(10**6), first_step(80)
    assert whole.keys() == cut.keys()
    for number in whole:
        assert cut[number] == pytest.approx(whole[number], rel=1e-3, abs=1e-5)


# --- what the policy is like afterwards -------------------------------------------------------


def everything_but_the_adapter(policy):
    model, base = policy.model, base_model(policy.model)
    return {
        "weights": {k: v.clone() for k, v in model.state_dict().items() if "lora_" not in k},
        "flags": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "dropout": {n: m.p for n, m in model.named_modules() if isinstance(m, nn.Dropout)},
        "hooks": {
            name: (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for name, m in model.named_modules()
        },
        "attributes": {n: set(vars(m)) for n, m in model.named_modules()},
        "adapters": (set(model.peft_config), model.active_adapter),
        "config": base.config.to_dict(),
        "generation": base.generation_config.to_dict(),
        "tokenizer": (policy.tokenizer.pad_token, policy.tokenizer.padding_side),
        "gradients": [name for name, p in model.named_parameters() if p.grad is not None],
    }


def assert_given_back(policy, before):
    after = everything_but_the_adapter(policy)
    assert is_same(before.pop("weights"), after.pop("weights"))
    assert after == before


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
def test_only_the_adapters_weights_change_and_nothing_is_left_behind(
    adapted_policy, method, capfd, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert adapted_policy.tokenizer.pad_token is None
    before, weights = everything_but_the_adapter(adapted_policy), adapter(adapted_policy)
    cached = set(Path(os.environ["HF_HOME"]).rglob("*"))
    train(adapted_policy, settings(method))
    assert_given_back(adapted_policy, before)
    assert not is_same(weights, adapter(adapted_policy))
    assert not list(tmp_path.iterdir())
    assert set(Path(os.environ["HF_HOME"]).rglob("*")) == cached
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
def test_sampling_measuring_and_our_own_steps_work_as_before(adapted_policy, method):
    config = settings(method)
    sampler = PolicySampler(adapted_policy)
    accelerator = Accelerator(cpu=True)

    def use():
        sampled = sampler.sample(PROMPTS, config.sampling)
        measured = evaluate(adapted_policy, sampler, PAIRS, config)
        sequences = our_sequences(adapted_policy, PAIRS, config.prompt, "chosen")
        loss = -torch.cat(sequence_logps(adapted_policy.model, sequences).logps).mean()
        accelerator.backward(loss)
        parameters = [p for p in adapted_policy.model.parameters() if p.requires_grad]
        norm = accelerator.clip_grad_norm_(parameters, 1.0)
        adapted_policy.model.zero_grad(set_to_none=True)
        return sampled, measured, float(norm)

    before, weights = use(), adapter(adapted_policy)
    train(adapted_policy, config)
    set_peft_model_state_dict(adapted_policy.model, weights)
    assert use() == before


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
@pytest.mark.slow
def test_measuring_between_steps_sees_the_policy_and_disturbs_nothing(adapted_policy, method):
    config, seen = settings(method), []
    quiet = copy.deepcopy(adapted_policy)
    train(quiet, config, 200)
    sampler = PolicySampler(adapted_policy)

    def look(number):
        modes = {module.training for module in adapted_policy.model.modules()}
        seen.append((number, modes, adapter(adapted_policy)))
        measured, _ = evaluate(adapted_policy, sampler, PAIRS, config)
        assert measured.kl > 0

    train(adapted_policy, config, 200, on_check=look)
    assert [(number, modes) for number, modes, _ in seen] == [(1, {False}), (2, {False})]
    assert is_same(seen[-1][2], adapter(adapted_policy))
    assert is_same(adapter(quiet), adapter(adapted_policy))


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
@pytest.mark.slow
def test_a_stop_comes_out_and_leaves_the_policy_whole(adapted_policy, method):
    before, calls = everything_but_the_adapter(adapted_policy), itertools.count(1)

    def stop():
        if next(calls) == 5:
            raise StopRequestedError

    with pytest.raises(StopRequestedError):
        train(adapted_policy, settings(method), 10**4, stop_if_asked=stop)
    assert_given_back(adapted_policy, before)
    assert PolicySampler(adapted_policy).greedy(PROMPTS, 3)


def test_an_adapter_that_was_frozen_is_trained_and_frozen_again(adapted_policy):
    adapted_policy.model.requires_grad_(False)
    before, weights = everything_but_the_adapter(adapted_policy), adapter(adapted_policy)
    train(adapted_policy, settings("dpo"))
    assert_given_back(adapted_policy, before)
    assert not is_same(weights, adapter(adapted_policy))


# --- budget, checks, seeds --------------------------------------------------------------------


def test_checks_lie_at_equal_portions_of_a_budget():
    due = partial(Budget(100).checks_due, num_checks=4)
    assert [due(tokens) for tokens in (0, 24, 25, 74, 99, 100, 130)] == [0, 0, 1, 2, 3, 4, 4]
    assert Budget(100).checks_due(100, 0) == 0


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
def test_the_budget_is_reached_and_kept_within_one_batch(adapted_policy, method):
    budget = 700
    spent, steps, checks = train(adapted_policy, settings(method), budget, num_checks=3)
    longest = max(len(pair.chosen) + len(pair.rejected) + 2 for pair in PAIRS)
    a_batch = 2 * max(longest, 3 * 6)  # pairs, or three sampled answers a prompt
    assert budget <= spent < budget + a_batch
    assert checks == [1, 2, 3]
    assert [number for number, _ in steps] == list(range(1, len(steps) + 1))
    for _, figures in steps:
        assert "loss" in figures
        assert all(type(value) is float and math.isfinite(value) for value in figures.values())


@pytest.mark.slow
def test_half_of_the_budget_of_rm_ppo_goes_to_its_reward_model(adapted_policy):
    _, steps, _ = train(adapted_policy, settings("rm_ppo"), 800)
    is_reward = ["reward_model/accuracy" in figures for _, figures in steps]
    first = is_reward.index(False)
    assert all(is_reward[:first])
    assert not any(is_reward[first:])
    mean = sum(len(p.chosen) + len(p.rejected) + 2 for p in PAIRS) / len(PAIRS)
    assert first * 2 * mean == pytest.approx(400, abs=2 * 2 * mean)
    assert {"kl", "entropy", "clip_ratio/region_mean"} <= steps[-1][1].keys()
    assert "reward" in steps[first][1]  # a rollout's figures are those of its first step


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(adapted_policy, method):
    results = []
    for seed in (1, 1, 2):
        policy = copy.deepcopy(adapted_policy)
        torch.rand(3)  # what was drawn before does not matter
        train(policy, settings(method), 100, seed=seed)
        results.append(adapter(policy))
    assert is_same(results[0], results[1])
    assert not is_same(results[0], results[2])


@pytest.mark.slow
def test_few_prompts_and_pairs_suffice(adapted_policy):
    spent, *_ = train(
        adapted_policy, settings("rm_ppo", batch_size=8), 500, PAIRS[:2], prompts=["Why?"]
    )
    assert spent >= 500


# --- what is refused --------------------------------------------------------------------------


def test_what_is_no_rival_is_refused(adapted_policy):
    with pytest.raises(ConfigError, match="gem"):
        train(adapted_policy, settings("gem"))


def test_rm_ppo_needs_answers_to_compare(adapted_policy):
    config = settings("rm_ppo").model_copy(update={"sampling": SamplingConfig(num_candidates=1)})
    with pytest.raises(ConfigError, match="2 or more"):
        train(adapted_policy, config)


@pytest.mark.parametrize("method", ONE_AND_SLOW_OTHERS)
def test_a_pair_too_long_is_left_out_and_never_cut(adapted_policy, seen, method):
    too_long = PreferencePair("Q", "short", "long " * 60)  # 256 bytes are the model's limit
    train(adapted_policy, settings(method), 300, [*PAIRS, too_long], PROMPTS)
    rows = [*seen["sft"], *seen["pairs"]]
    assert len(seen["reward"]) + len(rows) > 8
    assert all(len(row) < 100 for row in seen["reward"])
    assert all(bytes(prompt[1:2]) != b"Q" for prompt, _ in rows)
    with pytest.raises(TrainingError, match="short enough"):
        train(adapted_policy, settings(method), 300, [too_long])


def test_a_loss_that_is_no_number_ends_the_training(adapted_policy):
    before = everything_but_the_adapter(adapted_policy)
    with pytest.raises(TrainingError, match="no longer a number"):
        train(adapted_policy, settings("sft", learning_rate=1e30), 10**4)
    assert_given_back(adapted_policy, before)


def test_several_devices_do_not_make_trl_refuse(tmp_path):
    many = baselines.SFTConfig(str(tmp_path), use_cpu=True, report_to="none", bf16=False)
    many._n_gpu = 8
    assert on_one_device(many).n_gpu == 1


# --- do they learn? ---------------------------------------------------------------------------


@pytest.mark.slow
def test_dpo_raises_the_margins_of_its_pairs(warm_policy, demo_pairs):
    before = margins(warm_policy, demo_pairs)
    train(warm_policy, demo_settings("dpo", learning_rate=2e-3), 4000, demo_pairs)
    assert (margins(warm_policy, demo_pairs) > before).all()


@pytest.mark.slow
def test_sft_makes_its_answers_likelier(warm_policy, demo_pairs):
    before = logps(warm_policy, demo_pairs, "chosen").mean()
    train(warm_policy, demo_settings("sft", learning_rate=2e-3), 2500, demo_pairs)
    assert logps(warm_policy, demo_pairs, "chosen").mean() > before


@pytest.mark.slow
def test_the_policys_phase_earns_more_and_more_of_a_reward(adapted_policy, monkeypatch):
    def low_bytes(_self, prompts, completion_ids, **_):
        return [sum(token < 64 for token in ids) / len(ids) for ids in completion_ids]

    monkeypatch.setattr(rm_ppo._Rollouts, "reward", low_bytes)
    config = settings("rm_ppo", batch_size=8, beta=1e-3)
    _, steps, _ = train(adapted_policy, config, 10_000)
    earned = [figures["reward"] for _, figures in steps if "reward" in figures]
    assert sum(earned[-3:]) / 3 > sum(earned[:3]) / 3 + 0.15


@pytest.mark.slow
def test_the_reward_model_separates_its_pairs(warm_policy, demo_pairs, monkeypatch):
    monkeypatch.setattr(rm_ppo, "REWARD_MODEL_SHARE", 0.95)
    config = demo_settings("rm_ppo", learning_rate=3e-3)
    _, steps, _ = train(warm_policy, config, 16_000, demo_pairs[:8])
    judged = [figures for _, figures in steps if "reward_model/accuracy" in figures]
    assert judged[0]["reward_model/accuracy"] < 1
    assert all(figures["reward_model/accuracy"] == 1 for figures in judged[-3:])
    assert judged[-1]["reward_model/margin"] > 1
