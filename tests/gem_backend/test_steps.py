"""Steps: the gradient does not depend on the token budget, and modes do not depend on the past."""

import math
import time
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from gem_backend.config import RunConfig, SamplingConfig, SegaConfig
from gem_backend.entropy import score_tokens, sequence_logps
from gem_backend.forward import TokenSequence, base_model, inference_mode
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.sampling import PolicySampler
from gem_backend.sega import advantages, sega_loss
from gem_backend.shared_prompts import can_share_prompts
from gem_backend.steps import (
    Contrast,
    Group,
    contrast_backward,
    sega_backward,
    sft_backward,
    updating,
)
from gem_backend.stopping import StoppableSampler, StopRequestedError
from gem_backend.trainer import (
    Trainer,
    checkpoint_layers,
)
from gem_backend.training_data import split_training_data
from gem_backend.types import PreferencePair

WHOLE, TINY = 10**6, 40  # tokens of one forward pass
PAIRS = [
    PreferencePair("Which?", "A.", "B."),
    PreferencePair("Which one of the two?", "The second one, because it is lower.", "None."),
    PreferencePair("Why?", "Age.", "Sex."),
]
GROUPS = [
    Group(
        sequences_K=tuple(
            TokenSequence((256, 1 + number, 2), tuple(range(5, 5 + length)))
            for length in (3, 25, 9, 14)
        ),
        scores_K=torch.tensor([0.3, -1.0, 2.0, 0.1]) * (1 + number),
        base_logps_K=tuple(-torch.rand(length) * 6 for length in (3, 25, 9, 14)),
    )
    for number in range(2)
]


@pytest.fixture
def trainer(adapted_policy, tmp_path):
    config = RunConfig(device="cpu", micro_batch_tokens=WHOLE)
    run = RunDir.create(tmp_path / "run", RunSpec("run", config, tuple(PAIRS)))
    reporter = Reporter(run)
    for name, parameter in adapted_policy.model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    sampler = StoppableSampler(PolicySampler(adapted_policy), reporter)
    data = split_training_data(PAIRS)
    accelerator = Accelerator(cpu=True)
    yield Trainer(
        run, reporter, config, data, accelerator, adapted_policy, sampler, time.monotonic()
    )
    reporter.end("done", "")


def with_settings(trainer, max_tokens, **sega):
    config = trainer.config.model_copy(
        update={"micro_batch_tokens": max_tokens, "sega": SegaConfig(**sega)}
    )
    return replace(trainer, config=config)


def gradient_of(trainer, backward):
    """What a step adds to the gradient, its loss, and (rows, tokens) of each forward pass."""
    shapes = []
    decoder = base_model(trainer.model).get_decoder()
    hook = decoder.register_forward_pre_hook(
        lambda _module, _args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)),
        with_kwargs=True,
    )
    trainer.model.zero_grad()
    loss = backward(trainer)
    hook.remove()
    parameters = [p for p in trainer.model.parameters() if p.requires_grad]
    return torch.cat([p.grad.flatten() for p in parameters]), loss, shapes


def assert_same_under_a_tiny_budget(trainer, backward, least_rows=1, **sega):
    trainer.model.double()  # else the order of the sums alone would differ in the sixth digit
    with updating(trainer.model):
        whole, loss, _ = gradient_of(with_settings(trainer, WHOLE, **sega), backward)
        split, split_loss, shapes = gradient_of(with_settings(trainer, TINY, **sega), backward)
    assert len(shapes) > 1
    assert all(rows * tokens <= TINY or rows <= least_rows for rows, tokens in shapes)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(split, whole, rtol=1e-6, atol=1e-9)
    assert split_loss == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_the_warm_starts_gradient_does_not_depend_on_the_budget(trainer, weight):
    assert_same_under_a_tiny_budget(trainer, lambda t: sft_backward(t, PAIRS, weight))


def bytes_kept(model, sequences):
    """What one pass keeps for the way back, each tensor's memory once; the weights are not kept."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logps = torch.cat(sequence_logps(model, sequences).logps)
    model.zero_grad()
    logps.sum().backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return sum(kept.values()), gradient


def test_layers_computed_twice_keep_less_for_the_same_gradient(trainer):
    sequences = [TokenSequence((256, 1, 2), tuple(range(5, 105))) for _ in range(3)]
    with updating(trainer.model):
        whole, expected = bytes_kept(trainer.model, sequences)
    checkpoint_layers(trainer.policy)
    with updating(trainer.model):
        assert not can_share_prompts(trainer.model)  # such a layer keeps no keys
        less, gradient = bytes_kept(trainer.model, sequences)
    assert less < whole / 2
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
    assert can_share_prompts(trainer.model)
    assert not any(module.training for module in trainer.model.modules())


def test_the_warm_starts_loss_is_the_mean_over_all_answer_tokens(trainer):
    loss = sft_backward(with_settings(trainer, TINY), PAIRS, weight=0.5)
    tokenizer = trainer.policy.tokenizer
    sequences = [
        TokenSequence(
            tuple(tokenizer(f"{pair.prompt}\n").input_ids),
            (*tokenizer(pair.chosen, add_special_tokens=False).input_ids, 257),
        )
        for pair in PAIRS
    ]
    scored = score_tokens(trainer.model, sequences)
    assert loss == pytest.approx(-torch.cat([s.logprob_T for s in scored]).mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    "sega",
    [
        {},
        {"normalisation": "token"},
        {"kl_weight": 0.5, "reward_mapping": "softmax", "scale_by_std": True},
    ],
)
def test_a_group_larger_than_the_budget_is_split_and_its_gradient_stays(trainer, sega):
    assert_same_under_a_tiny_budget(trainer, lambda t: sega_backward(t, GROUPS)[0], **sega)


@pytest.mark.parametrize("kl_weight", [0.0, 0.5])
def test_the_loss_is_equation_two_averaged_over_groups_with_the_kl_per_token(trainer, kl_weight):
    """Written down group by group, as the paper has it."""
    losses = []
    for group in GROUPS:
        logps = sequence_logps(trainer.model, group.sequences_K).logps
        gap = torch.cat(group.base_logps_K) - torch.cat(logps)
        k3 = (gap.exp() - gap - 1).mean()
        sums = torch.stack([one.sum() for one in logps])
        losses.append(sega_loss(sums, advantages(group.scores_K)) + kl_weight * k3)
    expected = torch.stack(losses).mean().item()
    loss, _ = sega_backward(with_settings(trainer, TINY, kl_weight=kl_weight), GROUPS)
    assert loss == pytest.approx(expected, rel=1e-4)


# --- modes ------------------------------------------------------------------------------------


@pytest.fixture
def dropping_model():
    """A base with dropout of its own under an adapter with dropout, as ``get_peft_model`` gives."""
    torch.manual_seed(0)
    config = GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=40, n_positions=32)
    settings = LoraConfig(
        r=2, lora_dropout=0.1, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True
    )
    return get_peft_model(GPT2LMHeadModel(config).eval(), settings)


def flags(model):
    return {name: module.training for name, module in model.named_modules()}


def test_modes_while_updating_are_the_same_whatever_came_before(dropping_model):
    with updating(dropping_model):
        at_once = flags(dropping_model)
    dropping_model.train()
    with inference_mode(dropping_model):
        pass
    with updating(dropping_model):
        assert flags(dropping_model) == at_once
    on = {name for name, is_training in at_once.items() if is_training}
    assert on == {
        name for name in at_once if name.endswith(("lora_dropout", "lora_dropout.default"))
    }
    assert on


def test_outside_updates_nothing_drops_out_even_after_an_error(dropping_model):
    with pytest.raises(KeyError), updating(dropping_model):
        raise KeyError
    assert not any(flags(dropping_model).values())


def test_while_updating_the_adapters_dropout_is_felt_and_the_bases_is_not(dropping_model):
    sequence = [TokenSequence((1, 2, 3), (4, 5, 6, 7))]

    def logps():
        return sequence_logps(dropping_model, sequence).logps[0].detach()

    with updating(dropping_model):
        assert torch.equal(logps(), logps())  # lora_B is zero still: only the base could differ
        with torch.no_grad():
            for name, parameter in dropping_model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_()
        assert not torch.equal(logps(), logps())


# --- stopping ---------------------------------------------------------------------------------


def test_a_stop_ends_sampling_after_the_batch_at_hand(trainer):
    seen = []
    small = StoppableSampler(PolicySampler(trainer.policy, None, 1), trainer.reporter)

    def ask_after_the_second(done, _total):
        seen.append(done)
        if len(seen) == 2:
            trainer.run.request_stop()

    config = SamplingConfig(num_candidates=5, max_new_tokens=4)
    with pytest.raises(StopRequestedError):
        small.sample(["one"], config, ask_after_the_second)
    assert seen == [1, 2]
    with pytest.raises(StopRequestedError):
        small.greedy(["one", "two"], 4)
    with pytest.raises(StopRequestedError):
        trainer.stop_if_asked()


def test_a_process_stops_at_the_step_at_which_another_one_saw_the_flag(trainer, monkeypatch):
    """Each reads it at a moment of its own; who goes on alone waits for gradients for ever."""
    trainer.stop_if_asked()
    monkeypatch.setattr(type(trainer), "total", lambda self, own: own + 1.0)
    with pytest.raises(StopRequestedError):
        trainer.stop_if_asked()


def test_a_sampler_that_can_be_stopped_samples_as_the_one_inside(trainer):
    config = SamplingConfig(num_candidates=2, max_new_tokens=8, seed=3)
    inside = PolicySampler(trainer.policy)
    assert trainer.sampler.sample(["one"], config) == inside.sample(["one"], config)
    assert trainer.sampler.greedy(["one"], 8) == inside.greedy(["one"], 8)


CONTRASTS = [
    Contrast(
        TokenSequence((256, 1 + number, 2), tuple(range(5, 9 + 7 * number))),
        TokenSequence((256, 1 + number, 2), tuple(range(30, 36))),
        float(number),
    )
    for number in range(3)
]


def test_a_contrast_has_the_same_gradient_under_any_token_budget(trainer):
    assert_same_under_a_tiny_budget(
        trainer, lambda t: contrast_backward(t, CONTRASTS, 0.7)[0], least_rows=2
    )


def test_a_contrast_at_its_reference_costs_ln_2_and_counts_its_tokens(trainer):
    """With the reference margin at the policy's own, DPO's loss is ln 2 a pair."""
    own = []
    for contrast in CONTRASTS:
        better, worse = score_tokens(trainer.model, [contrast.better, contrast.worse])
        margin = float(better.logprob_T.sum() - worse.logprob_T.sum())
        own.append(contrast._replace(reference_margin=margin))
    loss, tokens = contrast_backward(trainer, own, 0.5)
    assert loss == pytest.approx(0.5 * 3 * math.log(2), rel=1e-4)
    assert tokens == sum(len(c.better.completion_ids) + len(c.worse.completion_ids) for c in own)


def test_a_contrast_that_the_policy_holds_already_pulls_less(trainer):
    """The push is beta * sigmoid(-beta * (margin - reference)): it fades, as SEGA's does not."""
    far = [contrast._replace(reference_margin=-400.0) for contrast in CONTRASTS]
    near = [contrast._replace(reference_margin=400.0) for contrast in CONTRASTS]
    faded, _, _ = gradient_of(trainer, lambda t: contrast_backward(t, far, 1.0)[0])
    pulling, _, _ = gradient_of(trainer, lambda t: contrast_backward(t, near, 1.0)[0])
    assert faded.norm() < 1e-3 * pulling.norm()
