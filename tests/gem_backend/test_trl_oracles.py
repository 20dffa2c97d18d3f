"""Our gradients against those of TRL's own trainers, on the same batch of the same model.

TRL gets prompts, answers and scores; advantages, log-probabilities and losses are all its own.
"""

import time

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from gem_backend.baselines import IGNORED
from gem_backend.config import RunConfig, SegaConfig
from gem_backend.forward import TokenSequence
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir, RunSpec
from gem_backend.sampling import PolicySampler
from gem_backend.steps import Group, sega_backward, sft_backward, updating
from gem_backend.stopping import StoppableSampler
from gem_backend.trainer import Trainer
from gem_backend.training_data import split_training_data
from gem_backend.trl_session import lent_to_trl
from gem_backend.types import PreferencePair

K = 4
PAIRS = [
    PreferencePair("Which?", "A.", "B."),
    PreferencePair("Which one of the two?", "The second one, because it is lower.", "None."),
    PreferencePair("Why?", "Age.", "Sex."),
]
SCORES = [torch.tensor([0.3, -1.0, 2.0, 0.1]), torch.tensor([1.2, 0.4, -0.7, 0.5])]


def group(prompt, scores_K, lengths=(3, 25, 9, 14)):
    sequences = [TokenSequence(prompt, tuple(range(40, 40 + length))) for length in lengths]
    base_logps = tuple(-torch.rand(length) * 6 for length in lengths)
    return Group(tuple(sequences), scores_K, base_logps)


@pytest.fixture
def groups():
    return [group((256, 71), SCORES[0]), group((256, 70, 90, 110), SCORES[1], (7, 2, 30, 11))]


@pytest.fixture
def make_trainer(adapted_policy, tmp_path):
    """Our own trainer around the policy, with settings of equation (2)."""
    reporters = []

    def make(**sega):
        config = RunConfig(device="cpu", sega=SegaConfig(**sega))
        name = f"run-{len(reporters)}"
        run = RunDir.create(tmp_path / name, RunSpec(name, config, tuple(PAIRS)))
        reporters.append(Reporter(run))
        return Trainer(
            run,
            reporters[-1],
            config,
            split_training_data(PAIRS),
            Accelerator(cpu=True),
            adapted_policy,
            StoppableSampler(PolicySampler(adapted_policy), reporters[-1]),
            time.monotonic(),
        )

    yield make
    for reporter in reporters:
        reporter.end("done", "")


def our_gradient(trainer, backward):
    trainer.model.zero_grad()
    with updating(trainer.model):
        backward(trainer)
    return taken_gradient(trainer.model)


def taken_gradient(model):
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    model.zero_grad(set_to_none=True)
    return gradient


def assert_equal(gradient, expected):
    assert expected.norm() > 1e-3
    assert float((gradient - expected).norm() / expected.norm()) < 1e-5


def options(folder, rows):
    return {
        "output_dir": folder,
        "per_device_train_batch_size": rows,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def trl_gradient(policy, groups, trainer_type, config_type, **settings):
    """Let TRL make advantages of the scores and a loss of them; return its gradient."""
    rows = [sequence for one in groups for sequence in one.sequences_K]
    scores = torch.cat([one.scores_K for one in groups]).tolist()
    prompts = [list(row.prompt_ids) for row in rows]
    answers = [list(row.completion_ids) for row in rows]
    with lent_to_trl(policy) as folder:
        config = config_type(
            **options(folder, len(rows)), num_generations=K, temperature=1.0, beta=0.0, **settings
        )
        trainer = trainer_type(
            policy.model,
            lambda **_: scores,
            config,
            train_dataset=Dataset.from_list([{"prompt": str(i)} for i in range(len(groups))]),
            processing_class=policy.tokenizer,
        )
        # The answers are given; what is sampled from the model is no business of these tests.
        texts = [""] * len(rows)
        generated = (prompts, answers, None, texts, None, {}, None, [])
        short = (prompts, answers, texts)
        trainer._generate = lambda _: generated if trainer_type is GRPOTrainer else short
        trainer.current_gradient_accumulation_steps = 1
        policy.model.train()
        inputs = trainer._generate_and_score_completions([{"prompt": "x"} for _ in rows])
        trainer.accelerator.backward(trainer._compute_loss(policy.model, inputs))
        return taken_gradient(policy.model)


def test_segas_gradient_is_that_of_luspo_at_token_level(make_trainer, adapted_policy, groups):
    """With ratios of 1, ``luspo`` is the mean over candidates of -A times the sum over tokens."""
    ours = our_gradient(make_trainer(), lambda trainer: sega_backward(trainer, groups))
    theirs = trl_gradient(
        adapted_policy,
        groups,
        GRPOTrainer,
        GRPOConfig,
        loss_type="luspo",
        importance_sampling_level="token",
        scale_rewards="none",
    )
    assert_equal(theirs, ours)


def test_segas_token_mean_is_the_first_grpo_loss(make_trainer, adapted_policy, groups):
    """``grpo`` takes the mean over an answer's tokens, then over the answers."""
    trainer = make_trainer(normalisation="token")
    ours = our_gradient(trainer, lambda trainer: sega_backward(trainer, groups))
    theirs = trl_gradient(
        adapted_policy, groups, GRPOTrainer, GRPOConfig, loss_type="grpo", scale_rewards="none"
    )
    assert_equal(theirs, ours)


def test_rloo_is_sega_times_k_over_k_minus_one(make_trainer, adapted_policy, groups):
    """The mean of the others is (K mean - r) / (K - 1), so r less it is K/(K-1) (r - mean)."""
    ours = our_gradient(make_trainer(), lambda trainer: sega_backward(trainer, groups))
    theirs = trl_gradient(adapted_policy, groups, RLOOTrainer, RLOOConfig)
    assert_equal(theirs, ours * K / (K - 1))


def test_trls_default_loss_is_not_sega(make_trainer, adapted_policy, groups):
    """It scales advantages by their deviation and divides by the tokens of the whole batch."""
    ours = our_gradient(make_trainer(), lambda trainer: sega_backward(trainer, groups))
    theirs = trl_gradient(adapted_policy, groups, GRPOTrainer, GRPOConfig)
    assert float((theirs / theirs.norm() - ours / ours.norm()).norm()) > 1e-2


def test_the_kl_term_is_trls_where_all_scores_are_equal(make_trainer, adapted_policy):
    """Only the KL term is left then; ``bnpo`` averages it over the tokens, as ours does.

    TRL's default weights the term by the ratio, which has another gradient: there the term's value
    is part of it. Ours is k3 as it is written.
    """
    one = group((256, 71), torch.ones(K))
    trainer = make_trainer(kl_weight=0.5)
    ours = our_gradient(trainer, lambda trainer: sega_backward(trainer, [one]))
    ids = [torch.tensor(sequence.completion_ids) for sequence in one.sequences_K]
    with lent_to_trl(adapted_policy) as folder:
        theirs = GRPOTrainer(
            adapted_policy.model,
            lambda **_: [0.0],
            GRPOConfig(
                **options(folder, K),
                num_generations=K,
                temperature=1.0,
                loss_type="bnpo",
                beta=0.5,
                use_bias_correction_kl=False,
            ),
            train_dataset=Dataset.from_list([{"prompt": "x"}]),
            processing_class=adapted_policy.tokenizer,
        )
        theirs.current_gradient_accumulation_steps = 1
        adapted_policy.model.train()
        inputs = {
            "prompt_ids": torch.tensor([sequence.prompt_ids for sequence in one.sequences_K]),
            "prompt_mask": torch.ones(K, 2, dtype=torch.long),
            "completion_ids": pad_sequence(ids, batch_first=True),
            "completion_mask": pad_sequence([torch.ones_like(i) for i in ids], batch_first=True),
            "advantages": torch.zeros(K),
            "ref_per_token_logps": pad_sequence(list(one.base_logps_K), batch_first=True),
        }
        theirs.accelerator.backward(theirs._compute_loss(adapted_policy.model, inputs))
        gradient = taken_gradient(adapted_policy.model)
    assert_equal(gradient, ours)


def test_the_warm_starts_gradient_is_that_of_trls_sft(make_trainer, adapted_policy):
    trainer = make_trainer()
    ours = our_gradient(trainer, lambda trainer: sft_backward(trainer, PAIRS, 1.0))
    tokenizer, rows = adapted_policy.tokenizer, []
    for pair in PAIRS:
        prompt = encode_prompt(tokenizer, pair.prompt, trainer.config.prompt)
        answer = completion_ids(tokenizer, pair.chosen, add_eos=True)
        labels = [IGNORED] * len(prompt) + answer
        rows.append({"input_ids": prompt + answer, "labels": labels})
    with lent_to_trl(adapted_policy) as folder:
        theirs = SFTTrainer(
            adapted_policy.model,
            SFTConfig(
                **options(folder, len(rows)),
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        inputs = dict(theirs.data_collator(rows))
        theirs.accelerator.backward(theirs.compute_loss(adapted_policy.model, inputs))
        gradient = taken_gradient(adapted_policy.model)
    assert_equal(gradient, ours)
