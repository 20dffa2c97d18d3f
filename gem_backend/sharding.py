"""A model divided among the processes of a run, for one that no single device can hold (FSDP2).

Each process keeps its part of every layer of the frozen model. The weights of a layer are put
together just before it computes and let go behind it, which all processes have to do at the same
time; but each answers and trains on a share of its own, in as many passes as that takes. So every
pass begins with a question to all (``InStep``), and who has none of the kind that is due makes an
empty one. The adapter is small and is what is trained: every process has all of it, as ever.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from gem_backend.errors import TrainingError
from gem_backend.forward import backbone, base_model
from gem_backend.policy import Policy

NO_LAYERS = (
    "This model does not say which of its parts are layers; start again without 'shard_model'."
)
NONE, READING, TRAINING = 0, 1, 2  # kinds of passes; the highest that somebody wants is due


class InStep:
    """Lets the processes of a run make their passes through a divided model together.

    Args:
        decoder: what all passes go through.
        accelerator: of the run; knows the other processes.
    """

    def __init__(self, decoder: nn.Module, accelerator: Accelerator) -> None:
        self.num_empty = 0
        self._decoder = decoder
        self._accelerator = accelerator
        self._is_empty = False
        decoder.register_forward_pre_hook(self._begin, prepend=True)

    def catch_up(self) -> None:
        """Take part in the others' passes until nobody wants one; before all other exchange."""
        while kind := self._due(NONE):
            self._empty_pass(kind)

    def _begin(self, *_: object) -> None:
        """Before a pass of this process: wait until its kind is due."""
        if self._is_empty:
            return
        wanted = TRAINING if torch.is_grad_enabled() else READING
        while (kind := self._due(wanted)) != wanted:
            self._empty_pass(kind)

    def _due(self, wanted: int) -> int:
        mine = torch.tensor([wanted], device=self._accelerator.device)
        return int(self._accelerator.gather(mine).max())

    def _empty_pass(self, kind: int) -> None:
        """Compute one token, and its gradients of zero where the others have a way back to go."""
        self.num_empty += 1
        self._is_empty = True
        ids = torch.zeros(1, 1, dtype=torch.long, device=self._accelerator.device)
        with torch.set_grad_enabled(kind == TRAINING):
            hidden: Tensor = self._decoder(input_ids=ids, use_cache=False)[0]
        self._is_empty = False
        if kind == TRAINING:
            torch.autograd.backward(hidden, torch.zeros_like(hidden))


def load_divided(load: Callable[[], Policy], accelerator: Accelerator) -> tuple[Policy, InStep]:
    """Load a model in each process and keep a part; in turn, as the whole takes a lot of memory.

    Args:
        load: returns the whole policy under its adapter, in the processor's memory.
        accelerator: of the run; says who the others are and where to compute.

    Raises:
        TrainingError: the model has no layers to divide.
    """
    for turn in range(accelerator.num_processes):
        if turn == accelerator.local_process_index:
            policy = divide(load(), accelerator)
        accelerator.wait_for_everyone()
    return policy, InStep(backbone(policy.model), accelerator)


def divide(policy: Policy, accelerator: Accelerator) -> Policy:
    """Keep this process's part of each layer on its device, and all else there whole."""
    decoder = backbone(policy.model)
    names = set(getattr(base_model(policy.model), "_no_split_modules", None) or ())
    layers = [module for module in decoder.modules() if type(module).__name__ in names]
    if not layers:
        raise TrainingError(NO_LAYERS)
    device = torch.device(accelerator.device.type)  # the process's own, by its number, on a GPU
    mesh = init_device_mesh(device.type, (accelerator.num_processes,))
    for layer in layers:
        fully_shard(
            layer, mesh=mesh, ignored_params={p for p in layer.parameters() if p.requires_grad}
        )
    # The decoder divides nothing of its own; it lets each layer fetch the next one's weights ahead.
    fully_shard(decoder, mesh=mesh, ignored_params=set(decoder.parameters()))
    nn.Module.to(policy.model, device)
    return replace(policy, device=device)
