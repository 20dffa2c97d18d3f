"""What a run works with: the model under a fresh adapter, the data that fits it, a way to stop.

Several processes may carry one run (torchrun): each has everything and does what is not divided
in the same way as the others; a step's answers and a round's prompts are divided among them.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from torch.nn import Parameter
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gem_backend.checkpoint import Progress
from gem_backend.config import LoraSettings, RunConfig
from gem_backend.errors import TrainingError
from gem_backend.forward import base_model, context_length
from gem_backend.four_bit import adapted_layers
from gem_backend.memory import MAX_BATCH_TOKENS
from gem_backend.policy import (
    Device,
    Dtype,
    Policy,
    load_policy,
    resolve_device,
    resolve_dtype,
)
from gem_backend.prompting import completion_ids, encode_prompt
from gem_backend.reporter import Reporter
from gem_backend.run_dir import RunDir, write_whole
from gem_backend.run_engine import start_engine
from gem_backend.sampling import HERE, PolicySampler, Sampler
from gem_backend.sharding import InStep, load_divided
from gem_backend.stopping import StoppableSampler, StopRequestedError
from gem_backend.token_engine import TokenEngine, token_source
from gem_backend.training_data import TrainingData, leave_out_too_long, split_training_data

T = TypeVar("T")
TOO_LONG = (
    "Too long for this run and left out, nothing was cut: {chosen} of the training pairs, "
    "{held_out} of the held-out pairs, {prompts} of the prompts."
)

ONE_PROCESS = (
    "Only the method itself trains in several processes, and without vLLM; start this run without "
    "torchrun."
)


NOT_DIVIDED = (
    "'shard_model' divides a model among several processes, and not one in four bits; start with "
    "torchrun, or without it."
)
ONE_MODEL = (
    "vLLM would answer with the whole model and not with the one in four bits that trains; start "
    "again without 'load_in_4bit', or with the engine 'transformers'."
)


@dataclass(frozen=True, slots=True)
class Trainer:
    """What every step of the loop holds in its hands.

    ``since`` is when (``time.monotonic``) the run would have started had it never been stopped.
    """

    run: RunDir
    reporter: Reporter
    config: RunConfig
    data: TrainingData
    accelerator: Accelerator
    policy: Policy
    sampler: Sampler
    since: float
    engine: TokenEngine | None = None
    in_step: InStep | None = None

    def close(self) -> None:
        """End the engine that samples, if there is one."""
        if self.engine is not None:
            self.engine.close()

    @property
    def model(self) -> PeftModel:
        """The policy: the base model under its adapter."""
        return cast(PeftModel, self.policy.model)

    @property
    def worked_s(self) -> float:
        """Seconds worked on the run: this leg, and the earlier ones up to their last checkpoint."""
        return time.monotonic() - self.since

    @property
    def is_first(self) -> bool:
        """Whether this process writes for all; there is always one."""
        return bool(self.accelerator.is_main_process)

    def write(self, file: Path, content: bytes) -> None:
        """Have the first process write a file whole; all go on when it is there."""
        if self.is_first:
            write_whole(file, content)
        self.wait_for_all()

    def wait_for_all(self) -> None:
        """Go on when all processes are here."""
        self._meet()
        self.accelerator.wait_for_everyone()

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this process's part of the items, in their order; where it is alone, all."""
        with self.accelerator.split_between_processes(list(items)) as own:
            return list(own)

    def joined(self, own: list[T]) -> list[T]:
        """Put the processes' results together, in the order of the items that ``share`` divided."""
        self._meet()
        joined: list[T] = gather_object(own)
        return joined

    def total(self, own: float) -> float:
        """Return the sum of the processes' figures."""
        if self.accelerator.num_processes == 1:
            return own
        self._meet()
        figure = torch.tensor(own, dtype=torch.float64, device=self.accelerator.device)
        return float(self.accelerator.reduce(figure, "sum"))

    def total_gradients(self, parameters: Sequence[Parameter]) -> None:
        """Give every process the sum of all gradients; a share without any counts as zero."""
        if self.accelerator.num_processes == 1:
            return
        self._meet()
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [cast(torch.Tensor, parameter.grad) for parameter in parameters]
        total = self.accelerator.reduce(parameters_to_vector(gradients), "sum")
        vector_to_parameters(total, gradients)

    def _meet(self) -> None:
        """Before any exchange: help the others to end their passes where the model is divided."""
        if self.in_step is not None:
            self.in_step.catch_up()

    def stop_if_asked(self) -> None:
        """Leave the loop if somebody asked for it: all processes at the same step, or none.

        One that saw the flag a moment earlier would leave the others waiting for its gradients. So
        all ask at the same places.

        Raises:
            StopRequestedError: somebody did.
        """
        if self.total(float(self.reporter.is_stop_requested())):
            raise StopRequestedError


def set_up(
    run: RunDir,
    reporter: Reporter,
    progress: Progress,
    started: float,
    data: TrainingData | None = None,
    parts: int = 1,
) -> Trainer:
    """Load the model, put a fresh adapter on it, and say what the run is made of.

    Args:
        run: a directory with a spec.
        reporter: takes events and says whether to stop.
        progress: where the run goes on from.
        started: when this leg of the run began (``time.monotonic``).
        data: the parts of the run; None cuts them from the spec's labels.
        parts: into which the batches that the settings allow are cut, where memory is short.

    Raises:
        TrainingError: the labels do not suffice, or too few of them are short enough.
        ModelLoadError: the model cannot be loaded.
    """
    spec = run.spec()
    fewer = {"micro_batch_tokens": max(1, spec.config.micro_batch_tokens // parts)}
    config = spec.config.model_copy(update=fewer)
    data = data or split_training_data(spec.pairs, spec.pool)
    _refuse(data)
    accelerator = Accelerator(cpu=resolve_device(config.device).type == "cpu")
    if accelerator.num_processes > 1 and (
        config.method != "gem" or config.engine != "transformers"
    ):
        raise TrainingError(ONE_PROCESS)
    if config.load_in_4bit and config.engine != "transformers":
        raise TrainingError(ONE_MODEL)
    if config.shard_model and (accelerator.num_processes == 1 or config.load_in_4bit):
        raise TrainingError(NOT_DIVIDED)
    reporter.say("Loading the model", total_steps=_total_steps(config, data))
    policy, in_step = _load(config, accelerator)
    count = partial(_count_tokens, policy, config)
    data = leave_out_too_long(data, count, config.max_length, context_length(policy.model))
    _refuse(data)
    engine, canary, source = None, None, HERE
    if config.engine != "transformers":
        prompts = [item.prompt for item in data.prompts]
        engine, canary = start_engine(run, config, policy, prompts)
        source = token_source(engine, config.engine)
    sampler: Sampler = PolicySampler(
        policy, config.prompt, MAX_BATCH_TOKENS // parts, source=source
    )
    if accelerator.num_processes == 1:  # several ask between their steps alone, see stop_if_asked
        sampler = StoppableSampler(sampler, reporter)
    since = started - progress.worked_s
    trainer = Trainer(
        run, reporter, config, data, accelerator, policy, sampler, since, engine, in_step
    )
    _announce(trainer, progress, _total_steps(config, data, count), spec.versions)
    if canary is not None:
        reporter.event("canary", reporter.status.step, **asdict(canary))
    return trainer


def _load(config: RunConfig, accelerator: Accelerator) -> tuple[Policy, InStep | None]:
    """Return the model under a fresh adapter, divided among the processes where that is wanted."""

    def load(device: Device, dtype: Dtype) -> Policy:
        policy = load_policy(
            config.model,
            device=device,
            dtype=dtype,
            trust_remote_code=config.trust_remote_code,
            in_4bit=config.load_in_4bit,
        )
        policy = with_adapter(policy, config.lora, config.seed)
        if config.gradient_checkpointing:
            checkpoint_layers(policy)
        return policy

    if not config.shard_model:
        return load(config.device, config.dtype), None
    is_short = resolve_dtype(config.dtype, accelerator.device) == torch.bfloat16
    return load_divided(lambda: load("cpu", "bfloat16" if is_short else "float32"), accelerator)


def _announce(
    trainer: Trainer, progress: Progress, total_steps: int, versions: dict[str, str]
) -> None:
    """Say what the run is made of, or from where it goes on."""
    reporter, data = trainer.reporter, trainer.data
    reporter.say("Loading the model", total_steps=total_steps)
    if progress.step or progress.best_round >= 0:
        at = {"from_round": progress.round, "from_epoch": progress.epoch}
        reporter.event("resumed", progress.step, **at)
        return
    reporter.event(
        "started",
        0,
        num_pairs=len(data.train),
        num_held_out=len(data.validation) + len(data.test),
        num_pool=len(data.prompts),
        left_out_too_long=data.too_long.total,
        device=str(trainer.policy.device),
        total_steps=total_steps,
        versions=versions,
    )
    if data.too_long.total:
        reporter.event("warning", 0, message=TOO_LONG.format(**asdict(data.too_long)))


def with_adapter(policy: Policy, settings: LoraSettings, seed: int) -> Policy:
    """Put a fresh adapter on the model, all in evaluation mode; ``updating`` says when not.

    Args:
        policy: without an adapter.
        settings: rank, alpha and dropout; on all linear layers.
        seed: of the adapter's first weights, and of torch from there on.
    """
    set_seed(seed)
    lora = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=adapted_layers(policy.model),
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(policy.model, lora).eval()
    nn.Module.to(adapted, policy.device)  # under layers in four bits it would stay where it is made
    return replace(policy, model=adapted)


def checkpoint_layers(policy: Policy) -> None:
    """Let the model's layers keep only what they are given, wherever ``updating`` says so.

    Raises:
        TrainingError: the model cannot.
    """
    try:
        base_model(policy.model).activation_checkpointing_enable()
    except ValueError as error:
        raise TrainingError(
            "This model cannot compute its layers once more; start again without "
            "'gradient_checkpointing'."
        ) from error


def _count_tokens(policy: Policy, config: RunConfig, prompt: str, *answers: str) -> int:
    """Return the tokens of a prompt with the longest of its answers, end token included.

    Args:
        policy: whose tokenizer counts.
        config: how prompts are put to the model.
        prompt: as the expert wrote it.
        answers: none for the prompt alone.
    """
    tokenizer = policy.tokenizer
    counts = [len(completion_ids(tokenizer, answer, add_eos=True)) for answer in answers]
    return len(encode_prompt(tokenizer, prompt, config.prompt)) + max(counts, default=0)


def _refuse(data: TrainingData) -> None:
    if data.obstacle:
        raise TrainingError(data.obstacle)


def _total_steps(
    config: RunConfig, data: TrainingData, count: Callable[..., int] | None = None
) -> int:
    """Return the steps of a run; a rival's are estimated, once tokens can be counted."""
    passes = config.sft.num_passes(len(data.train))
    sft = -(-len(data.train) // config.sft.batch_size) * passes
    if config.method == "gem":
        prompts = min(config.sega.prompts_per_round, len(data.prompts))
        return sft + -(-prompts // config.sega.prompts_per_step) * config.sega.rounds
    if count is None:
        return sft
    answers = 1 if config.method == "sft" else 2
    tokens = [count(pair.prompt, pair.chosen) - count(pair.prompt) for pair in data.train]
    step_tokens = config.baseline.batch_size * answers * sum(tokens) / len(tokens)
    return sft + math.ceil(config.baseline.budget_tokens / step_tokens)
