"""Dealing with TRL: what its trainers are given, what they say at each step, what is taken back.

TRL's trainers are made to own a model: they add adapters, replace its ``forward``, align its pad
and end tokens, tag it, report, print and write files. Here a policy is lent to them, and it comes
back with nothing changed but its adapter's weights.
"""

import contextlib
import itertools
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import transformers
from datasets import Dataset
from huggingface_hub import constants as hub
from peft import PeftModel
from torch import nn
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_callback import TrainerCallback, TrainerControl, TrainerState

from gem_backend.config import RunConfig
from gem_backend.errors import TrainingError
from gem_backend.forward import TokenSequence, base_model, context_length
from gem_backend.order import endless_batches
from gem_backend.policy import Policy
from gem_backend.prompting import encode_prompt

Settings = TypeVar("Settings", bound=TrainingArguments)
Pair = tuple[TokenSequence, TokenSequence]
"""A prompt with its chosen and with its rejected answer; both end with the end token."""

NO_FIGURES = ("epoch", "num_tokens", "step_time")  # in TRL's logs


@dataclass(frozen=True, slots=True)
class Budget:
    """How many completion tokens may go through a gradient, end tokens included.

    A method stops at the first step that reaches ``trained_tokens``. A token counts each time it is
    trained on: in every pass, in chosen and rejected answers, and in the reward model's training.
    """

    trained_tokens: int

    def checks_due(self, tokens: int, num_checks: int) -> int:
        """Return how many of evenly spaced checks lie at or before ``tokens`` trained tokens."""
        return min(num_checks, num_checks * tokens // self.trained_tokens)


@dataclass(frozen=True, slots=True)
class Session:
    """What every method works with: a lent policy, and what its owner wants to hear.

    ``folder`` is temporary; the rest is as in ``baselines.train_baseline``.
    """

    policy: Policy
    config: RunConfig
    seed: int
    folder: str
    num_checks: int
    on_check: Callable[[int], None]
    on_step: Callable[[int, dict[str, float]], None]
    stop_if_asked: Callable[[], None]

    @property
    def model(self) -> PeftModel:
        """The policy: the base model under its adapter."""
        return cast(PeftModel, self.policy.model)

    @property
    def context(self) -> int:
        """Tokens that the model can read."""
        return context_length(self.model) or sys.maxsize

    def prompt_ids(self, prompt: str) -> tuple[int, ...]:
        """Return the ids that our own trainer puts to the model."""
        return tuple(encode_prompt(self.policy.tokenizer, prompt, self.config.prompt))


class Plan(NamedTuple):
    """Rows in the order of their use, tokens spent after each step, and TRL's settings."""

    data: Dataset
    spent: list[int]
    settings: dict[str, Any]

    def spent_after(self, step: int) -> int:
        """Return the tokens trained on after a step; steps count from 1."""
        return self.spent[step - 1]


def lay_out(
    session: Session,
    rows: Sequence[Mapping[str, object]],
    answers: Sequence[Sequence[TokenSequence]],
    budget: Budget,
) -> Plan:
    """Lay out all batches up to the budget: shuffled passes over the rows, one after the other.

    Args:
        session: batch size and seed.
        rows: what TRL reads, one a pair.
        answers: what of each pair is trained on.
        budget: what to reach.
    """
    size = session.config.baseline.batch_size
    passes = endless_batches(range(len(rows)), size, f"{session.seed} {session.config.method}")
    stream = itertools.chain.from_iterable(passes)
    counts = [sum(len(sequence.completion_ids) for sequence in row) for row in answers]
    order: list[int] = []
    spent: list[int] = []
    while not spent or spent[-1] < budget.trained_tokens:
        batch = list(itertools.islice(stream, size))
        order += batch
        spent.append(sum(counts[index] for index in batch) + (spent[-1] if spent else 0))
    longest = max(len(row) * max(sequence.length for sequence in row) for row in answers)
    data = Dataset.from_list(list(rows)).select(order, keep_in_memory=True)
    return Plan(data, spent, shared_settings(session, longest, len(spent), size))


def sequence_ids(sequence: TokenSequence) -> list[int]:
    """Return a prompt and its answer as one row of ids."""
    return [*sequence.prompt_ids, *sequence.completion_ids]


def shared_settings(session: Session, row_tokens: int, max_steps: int, rows: int) -> dict[str, Any]:
    """Return the settings that all methods share: those of our own optimizer, and silence.

    Args:
        session: settings and the temporary folder.
        row_tokens: of the longest row.
        max_steps: at most.
        rows: of an optimizer step; cut into equal parts of at most ``micro_batch_tokens``.
    """
    fitting = max(1, min(rows, session.config.micro_batch_tokens // row_tokens))
    at_once = next(count for count in range(fitting, 0, -1) if rows % count == 0)
    return {
        "output_dir": session.folder,
        "seed": session.seed,
        "use_cpu": session.policy.device.type == "cpu",
        "max_steps": max_steps,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": rows // at_once,
        "train_sampling_strategy": "sequential",
        "learning_rate": session.config.baseline.learning_rate,
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "weight_decay": 0.0,
        "max_grad_norm": session.config.max_grad_norm,
        "bf16": False,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "log_level": "error",
        "disable_tqdm": True,
        "report_to": "none",
        "save_strategy": "no",
    }


@dataclass(eq=False)
class Watch(TrainerCallback):
    """Hears of each step from TRL: passes its figures on, calls the checks, ends in time.

    ``spent_after`` gives the tokens of this phase after one of its steps, ``first_step`` the steps
    before it. ``prefix`` goes before every figure but the loss; a phase with one has no checks.
    """

    session: Session
    budget: Budget
    spent_after: Callable[[int], int]
    first_step: int = 0
    prefix: str = ""
    spent: int = 0
    checks: int = 0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Leave if somebody asked for it."""
        self.session.stop_if_asked()

    def on_log(
        self,
        args: object,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - transformers' own signature
    ) -> None:
        """Take a step's figures; TRL's last log is of the whole training and has no loss.

        Raises:
            TrainingError: the loss is no longer finite.
        """
        logs: dict[str, float | None] = kwargs["logs"]
        if (loss := logs.get("loss")) is None:
            return
        if not math.isfinite(loss):
            raise TrainingError(
                "The loss is no longer a number. Start again with a lower learning rate."
            )
        figures = {
            name if name == "loss" else self.prefix + name: float(value)
            for name, value in logs.items()
            if name not in NO_FIGURES and value is not None and math.isfinite(value)
        }
        self.session.on_step(self.first_step + state.global_step, figures)
        self.spent = self.spent_after(state.global_step)
        due = 0 if self.prefix else self.budget.checks_due(self.spent, self.session.num_checks)
        for number in range(self.checks + 1, due + 1):
            self.session.model.eval()  # TRL switches back before it trains on
            self.session.on_check(number)
        self.checks = due
        control.should_training_stop = self.spent >= self.budget.trained_tokens


def on_one_device(settings: Settings) -> Settings:
    """Keep TRL on the policy's device where there are several: it would refuse to start."""
    settings._n_gpu = min(1, settings.n_gpu)
    return settings


def run_trainer(trainer: Trainer, watch: Watch) -> int:
    """Train to the end of the budget and return the completion tokens trained on."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    trainer.train()
    return watch.spent


@contextlib.contextmanager
def lent_to_trl(policy: Policy) -> Iterator[str]:
    """Lend the policy, its adapter trainable and nothing dropped out; yield a temporary folder.

    Everything but the adapter's weights is put back behind it, also after an error.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet(), _put_back(policy):
        model, tokenizer = cast(PeftModel, policy.model), policy.tokenizer
        if tokenizer.pad_token is None:  # padding is masked, so any token will do
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(model.active_adapter in name.split("."))
        yield folder


@contextlib.contextmanager
def _put_back(policy: Policy) -> Iterator[None]:
    model, base, tokenizer = (
        cast(PeftModel, policy.model),
        base_model(policy.model),
        policy.tokenizer,
    )
    things = [model, base, base.config, base.config.get_text_config(), base.generation_config]
    kept = [(thing, dict(vars(thing))) for thing in things if thing is not None]
    own, adapters, pad_token = model.active_adapter, set(model.peft_config), tokenizer.pad_token
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    rates = [(module, module.p) for module in model.modules() if isinstance(module, nn.Dropout)]
    try:
        yield
    finally:
        for name in set(model.peft_config) - adapters:
            model.delete_adapter(name)
        model.set_adapter(own)
        model.zero_grad(set_to_none=True)
        for thing, state in kept:
            vars(thing).clear()
            vars(thing).update(state)
        for dropout, rate in rates:
            dropout.p = rate
        for module, is_training in modes:
            module.training = is_training
        for parameter, needs_grad in flags:
            parameter.requires_grad_(needs_grad)
        tokenizer.pad_token = pad_token


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TRL from reporting home, and from warning of what is done here on purpose."""
    reports, verbosity = hub.HF_HUB_DISABLE_TELEMETRY, transformers.logging.get_verbosity()
    hub.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.HF_HUB_DISABLE_TELEMETRY = reports
        transformers.logging.set_verbosity(verbosity)
