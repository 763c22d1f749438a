"""Weights of a network as arrays of a part: how they are saved beside its settings, and put back into a network."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from aivc.core.state import State, pack
from aivc.training.checkpoint import load_arrays

N = TypeVar("N", bound=nn.Module)

_PREFIX = "weights."


def weights_to_arrays(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights under the names they are saved by, ``weights.`` before each."""
    return {f"{_PREFIX}{name}": array for name, array in weights.items()}


def arrays_to_weights(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inverse of `weights_to_arrays`: the weights, and all other arrays.

    >>> weights, others = arrays_to_weights({"weights.bias": np.zeros(1), "center": np.zeros(2)})
    >>> list(weights), list(others)
    (['bias'], ['center'])
    """
    weights = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
    return weights, {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}


def pack_with_weights(part: Any) -> State:
    """State of a part whose field ``weights`` maps names to arrays; all other fields are packed as always."""
    plain = pack(dataclasses.replace(part, weights={}))
    return State(plain.settings, {**plain.arrays, **weights_to_arrays(part.weights)})


def network_of(make: Callable[[], N], weights: Mapping[str, np.ndarray]) -> N:
    """A network with these weights, in evaluation mode.

    It is made without drawing weights, which are there already: nothing of the caller's generator is used up.

    Raises:
        IntegrityError: Names or shapes are those of another network.
    """
    with torch.device("meta"):
        network = make()
    network.to_empty(device="cpu")
    load_arrays(network, weights)
    return network.eval()
