"""Reward model + clipped policy gradient: the rival that the paper calls RM + PPO.

TRL has no PPOTrainer any more. So a reward model is trained on the pairs by its RewardTrainer, and
the policy on that model's reward by its GRPOTrainer, whose loss is PPO's clipped one.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from accelerate import init_empty_weights
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from gem_backend.config import RunConfig
from gem_backend.errors import ConfigError, TrainingError
from gem_backend.forward import base_model, plan_batches
from gem_backend.generation import Row, generate
from gem_backend.memory import MAX_BATCH_TOKENS
from gem_backend.policy import Policy
from gem_backend.trl_session import (
    Budget,
    Pair,
    Plan,
    Session,
    Watch,
    lay_out,
    on_one_device,
    run_trainer,
    sequence_ids,
    shared_settings,
)

REWARD_MODEL_SHARE = 0.5  # ours: of the budget, for the reward model
STEPS_PER_ROLLOUT = 2  # ours: optimizer steps between samplings; each answer is in one of them
CLIP = 0.2  # PPO paper: how far a token's probability ratio may move the loss
NO_REWARD_MODEL = "This model cannot be made a reward model; choose another method or model."


class _CountingGRPOTrainer(GRPOTrainer):
    """TRL's trainer, counting the completion tokens that it trains on."""

    trained_tokens = 0

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        self.trained_tokens += int(inputs["completion_mask"].sum())
        loss: Tensor = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        return loss


def train_rm_ppo(
    session: Session, pairs: Sequence[Pair], prompts: Sequence[str], budget: Budget
) -> int:
    """Train a reward model, then the policy on its reward; what is not said here is TRL's default.

    An advantage is the reward less its group's mean, over the group's deviation; the loss is a mean
    over tokens. In a rollout's second step the ratios differ from 1, so clipping matters.
    """
    sampling, batch_size = session.config.sampling, session.config.baseline.batch_size
    if sampling.num_candidates < 2:
        raise ConfigError("This method compares sampled answers: ask for 2 or more candidates.")
    ids = {prompt: session.prompt_ids(prompt) for prompt in prompts}
    ids = {prompt: tokens for prompt, tokens in ids.items() if len(tokens) < session.context}
    if not ids:
        raise TrainingError("No prompt is short enough for this model.")
    reward_model, first = _train_reward_model(
        session, pairs, Budget(max(1, int(REWARD_MODEL_SHARE * budget.trained_tokens)))
    )
    rest = Budget(max(1, budget.trained_tokens - first.spent[-1]))
    longest = max(map(len, ids.values())) + sampling.max_new_tokens
    shared = shared_settings(
        session, longest, rest.trained_tokens, batch_size * sampling.num_candidates
    )
    settings = GRPOConfig(
        **shared,
        beta=session.config.baseline.beta,
        epsilon=CLIP,
        num_generations=sampling.num_candidates,
        steps_per_generation=STEPS_PER_ROLLOUT * shared["gradient_accumulation_steps"],
        max_completion_length=sampling.max_new_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
    )
    rows = [{"prompt": prompt} for prompt in ids]
    # TRL leaves out a rollout that would not be full
    enough = rows * -(-STEPS_PER_ROLLOUT * batch_size // len(rows))
    rollouts = _Rollouts(session, ids, reward_model)
    trainer = _CountingGRPOTrainer(
        session.model,
        rollouts.reward,
        on_one_device(settings),
        train_dataset=Dataset.from_list(enough),
        processing_class=session.policy.tokenizer,
        rollout_func=rollouts.answer,
    )
    watch = Watch(session, rest, lambda _: trainer.trained_tokens, first_step=len(first.spent))
    return first.spent[-1] + run_trainer(trainer, watch)


@dataclass
class _Rollouts:
    """Answers prompts with the policy as it stands, and rewards the answers."""

    session: Session
    ids: Mapping[str, tuple[int, ...]]
    reward_model: PeftModel
    num_sampled: int = 0

    def answer(self, prompts: Sequence[str], _trainer: GRPOTrainer) -> dict[str, object]:
        """Answer each prompt once, drawn as our own sampler draws; TRL repeats a group's prompt."""
        session, rows = self.session, []
        for prompt in prompts:
            room = min(
                session.config.sampling.max_new_tokens, session.context - len(self.ids[prompt])
            )
            chance = (session.seed, self.num_sampled)
            rows.append(Row(prompt, self.ids[prompt], room, self.num_sampled, chance))
            self.num_sampled += 1
        sampled = generate(
            session.policy,
            rows,
            session.config.sampling,
            MAX_BATCH_TOKENS,
            lambda *_: session.stop_if_asked(),
        )
        return {
            "prompt_ids": [list(row.prompt_ids) for row in rows],
            "completion_ids": [list(result.ids) for result in sampled],
            "logprobs": None,  # TRL computes them, at the sampling temperature
        }

    @torch.no_grad()
    def reward(
        self, prompts: Sequence[str], completion_ids: Sequence[list[int]], **_: object
    ) -> list[float | None]:
        """Return the reward model's score of each answer."""
        whole = [[*self.ids[p], *ids] for p, ids in zip(prompts, completion_ids, strict=True)]
        device, pad_id = self.session.policy.device, self.session.policy.tokenizer.pad_token_id
        rewards: dict[int, float] = {}
        for batch in plan_batches(list(map(len, whole)), self.session.config.micro_batch_tokens):
            rows = [torch.tensor(whole[index], device=device) for index in batch]
            input_ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
            mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
            logits_B1 = self.reward_model(input_ids=input_ids, attention_mask=mask).logits
            rewards.update(zip(batch, logits_B1[:, 0].tolist(), strict=True))
        return [rewards[index] for index in range(len(whole))]


def _train_reward_model(
    session: Session, pairs: Sequence[Pair], budget: Budget
) -> tuple[PeftModel, Plan]:
    rows = [
        {"chosen_ids": sequence_ids(pair[0]), "rejected_ids": sequence_ids(pair[1])}
        for pair in pairs
    ]
    plan = lay_out(session, rows, pairs, budget)
    model = _new_reward_model(session.policy, session.config, session.seed)
    trainer = RewardTrainer(
        model,
        on_one_device(RewardConfig(**plan.settings, max_length=None)),
        train_dataset=plan.data,
        processing_class=session.policy.tokenizer,
    )
    run_trainer(trainer, Watch(session, budget, plan.spent_after, prefix="reward_model/"))
    return model.eval(), plan


def _new_reward_model(policy: Policy, config: RunConfig, seed: int) -> PeftModel:
    """Put a score head and a fresh adapter on the policy's base weights, which both then share.

    Raises:
        TrainingError: transformers has no such model for this architecture.
    """
    torch.manual_seed(seed)
    base = base_model(policy.model)
    settings = deepcopy(base.config)
    settings.num_labels = 1
    settings.get_text_config().pad_token_id = policy.tokenizer.pad_token_id
    make = partial(AutoModelForSequenceClassification.from_config, settings, dtype=base.dtype)
    try:
        with init_empty_weights(include_buffers=False):
            model = make()
    except ValueError as error:
        raise TrainingError(NO_REWARD_MODEL) from error
    own = base.base_model.state_dict().items()
    shared = {name.replace(".base_layer.", "."): w for name, w in own if ".lora_" not in name}
    if model.base_model.load_state_dict(shared, strict=False, assign=True).missing_keys:
        raise TrainingError(NO_REWARD_MODEL)
    heads = sorted({name.split(".")[0] for name, p in model.named_parameters() if p.is_meta})
    for head in heads:  # what the policy has no weights for
        for parameter in getattr(model, head).to_empty(device=policy.device).parameters():
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    lora = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        target_modules="all-linear",
        modules_to_save=heads,
        task_type="SEQ_CLS",
    )
    return cast(PeftModel, get_peft_model(model.to(policy.device), lora))
