"""Training that can be taken up again: weights, optimizer and place, as safetensors and JSON; never a pickle."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from aivc.core.errors import IntegrityError
from aivc.core.saved_cell import fitting
from aivc.core.state import ARRAYS, SETTINGS, State
from aivc.core.writing import whole_folder

_NAME = re.compile(r"step-\d{9}")
_STEP, _MODEL, _BEST, _OPTIMIZER = "step-", "model.", "best.", "optimizer."


@final
@dataclass(frozen=True)
class Checkpoints:
    """Where, and how often, training is saved.

    Attributes:
        folder: One folder per run; each checkpoint is a folder ``step-…`` in it.
        every: Steps between two checkpoints; the last step is saved too.
        keep: How many of the latest are kept.
    """

    folder: Path
    every: int = 200
    keep: int = 2

    def latest(self) -> Path | None:
        """The last whole checkpoint; None before the first."""
        found = self.all()
        return found[-1] if found else None

    def all(self) -> list[Path]:
        """Every whole checkpoint, the earliest first."""
        return sorted(path for path in self.folder.glob(f"{_STEP}*[0-9]") if _NAME.fullmatch(path.name))


def arrays_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Weights by name, copied to numpy; what is sharded is gathered, for which every process has to ask."""
    return {name: _array(tensor) for name, tensor in model.state_dict().items()}


def load_arrays(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Inverse of `arrays_of`.

    Raises:
        IntegrityError: Names or shapes are those of another model.
    """
    try:
        own = model.state_dict()
        model.load_state_dict({name: _like(array, own.get(name)) for name, array in arrays.items()})
    except RuntimeError as error:
        raise IntegrityError(f"These weights belong to another model ({error}). Build the one they are of.") from error


def save(
    where: Checkpoints,
    step: int,
    settings: Mapping[str, Any],
    model: nn.Module,
    optimizer: Optimizer,
    best: Mapping[str, np.ndarray],
    *,
    write: bool = True,
) -> None:
    """Write one checkpoint whole or not at all, and drop the oldest.

    Args:
        where: Folder and how many to keep.
        step: Steps done so far, which is also the position in the data and all there is to the random state.
        settings: What JSON can hold: recipe and history.
        model: Being trained.
        optimizer: Of it.
        best: Weights with the best validation score so far, if there are any.
        write: False for a process that only hands in its share of what is sharded.
    """
    arrays = {f"{_MODEL}{name}": array for name, array in arrays_of(model).items()}
    arrays |= {f"{_BEST}{name}": array for name, array in best.items()}
    for place, slots in optimizer.state_dict()["state"].items():
        arrays |= {f"{_OPTIMIZER}{place}.{slot}": _array(tensor) for slot, tensor in slots.items()}
    if not write:
        return
    final_folder = where.folder / f"{_STEP}{step:09}"
    with whole_folder(final_folder, "checkpoint", _owns, overwrite=True) as fresh:
        State({**settings, "step": step}, arrays).save(fresh)
    for old in where.all()[: -where.keep]:
        # A stranger's file in it stays, and with it the folder.
        for name in (SETTINGS, ARRAYS):
            (old / name).unlink(missing_ok=True)
        with suppress(OSError):
            old.rmdir()


def restore(path: Path, model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Put weights and optimizer back as they were; return settings and the best weights so far.

    Raises:
        IntegrityError: The checkpoint is damaged, or of another model.
    """
    state = State.load(path)
    with fitting(f"The checkpoint {path}"):
        return _restored(state, model, optimizer)


def _restored(state: State, model: nn.Module, optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    parts: dict[str, dict[str, np.ndarray]] = {_MODEL: {}, _BEST: {}, _OPTIMIZER: {}}
    for name, array in state.arrays.items():
        prefix = name.split(".", 1)[0] + "."
        parts[prefix][name.removeprefix(prefix)] = array
    load_arrays(model, parts[_MODEL])
    slots: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name, array in parts[_OPTIMIZER].items():
        place, slot = name.split(".", 1)
        own = weights[int(place)] if int(place) < len(weights) else None
        slots.setdefault(int(place), {})[slot] = _like(array, own)
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return dict(state.settings), parts[_BEST]


def fingerprint(batches: Iterable[Mapping[str, Tensor]]) -> str:
    """Digest of batches, by which a checkpoint knows the data it came from."""
    sha = hashlib.sha256()
    for batch in batches:
        for name, tensor in sorted(batch.items()):
            whole = tensor.to_dense() if tensor.layout != torch.strided else tensor
            array = _array(whole.to(torch.float64) if whole.is_floating_point() else whole)
            sha.update(f"{name}{array.shape}".encode() + array.tobytes())
    return sha.hexdigest()


def _owns(path: str) -> bool:
    return path in (SETTINGS, ARRAYS)


def _array(tensor: Tensor) -> np.ndarray:
    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().cpu().numpy().copy()


def _like(array: np.ndarray, own: Tensor | None) -> Tensor:
    """The array as a tensor, sharded as the one it is for or beside is; single numbers are everyone's."""
    whole = torch.from_numpy(np.array(array))
    if not isinstance(own, DTensor) or whole.shape != own.shape:
        return whole
    return distribute_tensor(whole, own.device_mesh, own.placements)
