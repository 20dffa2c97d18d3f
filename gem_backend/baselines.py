"""The rivals, trained through TRL after the same warm start (METHOD section 9).

    sft      more maximum likelihood on the chosen answers: SFTTrainer
    dpo      direct preference optimisation: DPOTrainer, loss "sigmoid"
    ipo      identity preference optimisation: DPOTrainer, loss "ipo"
    rm_ppo   reward model + clipped policy gradient (TRL has no PPOTrainer any more): RewardTrainer
             on the pairs, then GRPOTrainer on the prompts with that model's reward

All train the policy's own adapter in place: AdamW without weight decay, a constant learning rate,
no warm-up, no dropout. Token ids come from ``prompting`` alone; TRL never tokenises a text. The
reference of dpo, ipo and rm_ppo is the policy as it is at the call, not the base model.
"""

from collections.abc import Callable, Sequence

from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from gem_backend.config import RunConfig
from gem_backend.entropy import score_tokens
from gem_backend.errors import ConfigError, TrainingError
from gem_backend.forward import TokenSequence
from gem_backend.policy import Policy
from gem_backend.prompting import completion_ids
from gem_backend.rm_ppo import train_rm_ppo
from gem_backend.trl_session import (
    Budget,
    Pair,
    Session,
    Watch,
    lay_out,
    lent_to_trl,
    on_one_device,
    run_trainer,
    sequence_ids,
)
from gem_backend.types import PreferencePair

__all__ = ["Budget", "train_baseline"]

IGNORED = -100  # torch: the label of a token that is not trained on


def train_baseline(  # noqa: PLR0913 - four of them are what the caller wants to hear
    policy: Policy,
    pairs: Sequence[PreferencePair],
    prompts: Sequence[str],
    config: RunConfig,
    *,
    seed: int,
    budget_tokens: int,
    num_checks: int,
    on_check: Callable[[int], None],
    on_step: Callable[[int, dict[str, float]], None],
    stop_if_asked: Callable[[], None],
) -> int:
    """Train the policy's adapter by the rival method ``config.method``, in place.

    All else about the policy is afterwards as it was, also after an error.

    Args:
        policy: a PEFT model whose adapter "default" holds the warm start.
        pairs: "preferred" ones; a pair too long for the run is left out, no answer is cut.
        prompts: what rm_ppo samples answers to; the others do not need them.
        config: ``method``, ``prompt``, ``baseline``, ``max_grad_norm``, ``max_length`` and
            ``micro_batch_tokens``; rm_ppo reads ``sampling`` and ``lora`` too. ``baseline.beta`` is
            DPO's beta, IPO's tau, and the weight of rm_ppo's KL term. TRL's ipo compares means per
            token, as IPO's authors computed them; their paper writes sums.
        seed: of orders, sampling and the reward model's first weights.
        budget_tokens: at least 1, see ``Budget``; half of rm_ppo's goes to its reward model.
        num_checks: how often to call ``on_check``.
        on_check: called with 1, 2, ... at equal portions of the budget, the last at the end, the
            model in evaluation mode; in rm_ppo, of what its reward model left of the budget.
        on_step: called after each optimizer step with its number, from 1, and finite figures:
            "loss", and TRL's others; in rm_ppo's first phase those are "reward_model/...".
        stop_if_asked: called before each step and between sampled batches; may raise.

    Returns:
        The completion tokens trained on.

    Raises:
        TrainingError: no pair or prompt is short enough, the loss is no longer finite, or the model
            cannot be made a reward model.
        ConfigError: the method is not one of these, or rm_ppo has one candidate a prompt.
    """
    budget = Budget(budget_tokens)
    with lent_to_trl(policy) as folder:
        session = Session(
            policy, config, seed, folder, num_checks, on_check, on_step, stop_if_asked
        )
        match config.method:
            case "sft":
                return _sft(session, _encode(session, pairs), budget)
            case "dpo" | "ipo":
                return _dpo(session, _encode(session, pairs), budget)
            case "rm_ppo":
                return train_rm_ppo(session, _encode(session, pairs), prompts, budget)
        raise ConfigError(f"The method '{config.method}' is not trained through TRL.")


# --- the methods ----------------------------------------------------------------------------------


def _sft(session: Session, pairs: Sequence[Pair], budget: Budget) -> int:
    rows = [
        {
            "input_ids": sequence_ids(chosen),
            "labels": [IGNORED] * len(chosen.prompt_ids) + [*chosen.completion_ids],
        }
        for chosen, _ in pairs
    ]
    plan = lay_out(session, rows, [pair[:1] for pair in pairs], budget)
    settings = SFTConfig(
        **plan.settings, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}
    )
    trainer = SFTTrainer(
        session.model,
        on_one_device(settings),
        train_dataset=plan.data,
        processing_class=session.policy.tokenizer,
    )
    return run_trainer(trainer, Watch(session, budget, plan.spent_after))


class _TokenDPOTrainer(DPOTrainer):
    """TRL's trainer on token ids; its own preparation would tokenise texts its own way."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def _dpo(session: Session, pairs: Sequence[Pair], budget: Budget) -> int:
    """DPO or IPO; the reference's log-probabilities are taken once, before the first step."""
    logps = zip(*(_logps(session, side) for side in zip(*pairs, strict=True)), strict=True)
    rows = [
        {
            "prompt_ids": chosen.prompt_ids,
            "chosen_ids": chosen.completion_ids,
            "rejected_ids": rejected.completion_ids,
            "ref_chosen_logps": chosen_logp,
            "ref_rejected_logps": rejected_logp,
        }
        for (chosen, rejected), (chosen_logp, rejected_logp) in zip(pairs, logps, strict=True)
    ]
    plan = lay_out(session, rows, pairs, budget)
    settings = DPOConfig(
        **plan.settings,
        max_length=None,
        beta=session.config.baseline.beta,
        loss_type=["sigmoid" if session.config.method == "dpo" else "ipo"],
    )
    trainer = _TokenDPOTrainer(
        session.model,
        None,
        on_one_device(settings),
        train_dataset=plan.data,
        processing_class=session.policy.tokenizer,
    )
    trainer.precompute_ref_logps = True  # by its own name, TRL would hash the model and write files
    return run_trainer(trainer, Watch(session, budget, plan.spent_after))


def _logps(session: Session, sequences: Sequence[TokenSequence]) -> list[float]:
    tokens = session.config.micro_batch_tokens
    scored = score_tokens(session.model, sequences, max_tokens_per_batch=tokens, top_k=1)
    return [float(statistics.logprob_T.sum()) for statistics in scored]


def _encode(session: Session, pairs: Sequence[PreferencePair]) -> list[Pair]:
    """Return the pairs as our own trainer puts them to the model; too long ones are left out."""
    limit, encoded = min(session.config.max_length, session.context), []
    for pair in pairs:
        prompt = session.prompt_ids(pair.prompt)
        chosen, rejected = (
            TokenSequence(
                prompt, tuple(completion_ids(session.policy.tokenizer, answer, add_eos=True))
            )
            for answer in (pair.chosen, pair.rejected)
        )
        if max(chosen.length, rejected.length) <= limit:
            encoded.append((chosen, rejected))
    if not encoded:
        raise TrainingError("No pair is short enough for this run; raise 'max_length'.")
    return encoded
