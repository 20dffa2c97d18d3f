"""The adapter of a policy as a folder, for an engine in another process that samples with it."""

import hashlib
import shutil
import uuid
from pathlib import Path
from typing import NamedTuple

from peft import PeftModel, get_model_status, get_peft_model_state_dict

from gem_backend.policy import Policy


class Adapter(NamedTuple):
    """An adapter in a folder, under a name and a number that no other weights had."""

    name: str
    number: int
    folder: str


class HandedAdapter:
    """Hands the adapter over as it stands, under a new name and number when its weights changed.

    An engine would answer from keys and values of the old weights if they kept their name.

    Args:
        folder: made anew; holds the newest adapter alone.
        name: of the run. A part by chance follows: a server may still hold what this very run
            handed over before it was killed.
    """

    def __init__(self, folder: Path, name: str = "gem") -> None:
        self._folder = folder
        self._name = f"{name}-{uuid.uuid4().hex[:8]}"
        self._newest: tuple[str, Adapter] | None = None
        self.clear()

    def hand_over(self, policy: Policy) -> Adapter | None:
        """Return where the adapter is; None where the policy is the base model."""
        model = policy.model
        if not isinstance(model, PeftModel) or get_model_status(model).enabled is False:
            return None
        digest = _digest(model)
        if self._newest is not None and self._newest[0] == digest:
            return self._newest[1]
        number = 1 + (self._newest[1].number if self._newest else 0)
        self.clear()
        folder = self._folder / str(number)
        model.save_pretrained(str(folder))
        self._newest = digest, Adapter(f"{self._name}-{number}", number, str(folder.resolve()))
        return self._newest[1]

    def clear(self) -> None:
        """Delete the folder; the next adapter still gets a new name."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _digest(model: PeftModel) -> str:
    digest = hashlib.sha256()
    for name, weight in sorted(get_peft_model_state_dict(model).items()):
        digest.update(name.encode())
        digest.update(weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
