"""TRL's GRPO trainer on our prompts, one optimizer step at a time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from transformers import PrinterCallback
from transformers.trainer_callback import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from gem_backend.config import SamplingConfig
from gem_backend.policy import Policy
from gem_backend.trl_session import lent_to_trl, on_one_device

LEARNING_RATE = 1e-6  # of every method: the policy stays what it was, so all sample alike


@dataclass(frozen=True, slots=True)
class GrpoTimes:
    """Seconds of one step of TRL's, and the tokens it sampled. It has no scoring pass."""

    sample: float
    step: float
    tokens: int


@dataclass(eq=False)
class _Clock(TrainerCallback):
    """Seconds between the begin and the end of the optimizer step, sampling included."""

    now: Callable[[], float]
    begun: float = 0.0
    seconds: float = 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start."""
        self.begun = self.now()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop."""
        self.seconds = self.now() - self.begun


def _reward(completion_ids: Sequence[Sequence[int]], **_: object) -> list[float | None]:
    """Anything that differs between candidates and costs nothing."""
    return [float(len(ids)) for ids in completion_ids]


def grpo_step(
    policy: Policy,
    texts: Sequence[str],
    config: SamplingConfig,
    rows_at_once: int,
    now: Callable[[], float] = time.perf_counter,
) -> GrpoTimes:
    """Take one optimizer step over K answers to each prompt.

    Args:
        policy: lent to TRL; its adapter's weights move, nothing else.
        texts: prompts as the tokenizer is to read them.
        config: number, temperature, top-p, length and seed.
        rows_at_once: answers in one forward and backward pass; they are sampled all together.
        now: the clock.
    """
    num_rows = len(texts) * config.num_candidates
    with lent_to_trl(policy) as folder:
        settings = GRPOConfig(
            output_dir=folder,
            max_steps=1,
            per_device_train_batch_size=rows_at_once,
            gradient_accumulation_steps=num_rows // rows_at_once,
            num_generations=config.num_candidates,
            max_completion_length=config.max_new_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=config.seed,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant",
            optim="adamw_torch",
            weight_decay=0.0,
            gradient_checkpointing=False,
            shuffle_dataset=False,
            use_cpu=policy.device.type == "cpu",
            bf16=False,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            log_level="error",
        )
        trainer = GRPOTrainer(
            model=policy.model,
            reward_funcs=_reward,
            args=on_one_device(settings),
            train_dataset=Dataset.from_list([{"prompt": text} for text in texts]),
            processing_class=policy.tokenizer,
        )
        clock, sampled = _Clock(now), _watch_sampling(trainer, now)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
    return GrpoTimes(sampled.seconds, clock.seconds, sampled.tokens)


@dataclass(slots=True)
class _Sampled:
    seconds: float = 0.0
    tokens: int = 0


def _watch_sampling(trainer: GRPOTrainer, now: Callable[[], float]) -> _Sampled:
    """Time the part of TRL's step that samples, and count what comes out of it."""
    sampled, single_turn = _Sampled(), trainer._generate_single_turn

    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - TRL's own signature
        started = now()
        result = single_turn(  # type: ignore[no-untyped-call]
            *args, **kwargs
        )
        sampled.seconds += now() - started
        sampled.tokens += sum(map(len, result[0]))
        return result

    trainer._generate_single_turn = timed  # type: ignore[method-assign]
    return sampled
