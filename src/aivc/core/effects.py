"""What each perturbation did: mean displacement from the control of the same context and batch."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL
from aivc.core.ur import UR


@final
@dataclass(frozen=True, eq=False)
class Effects:
    """Mean shifts, one row per context and perturbation.

    Attributes:
        shifts: ``(p, d)`` mean perturbed state minus mean control state.
        perturbations: ``(p,)`` texts.
        contexts: ``(p,)`` contexts.
        cells: ``(p,)`` cells behind each perturbed mean.
    """

    shifts: Float[np.ndarray, "p d"]
    perturbations: np.ndarray
    contexts: np.ndarray
    cells: Float[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.shifts)

    def take(self, rows: np.ndarray) -> "Effects":
        """Keep some rows: positions, or True per row."""
        return Effects(self.shifts[rows], self.perturbations[rows], self.contexts[rows], self.cells[rows])

    def by_perturbation(self) -> "Effects":
        """Average each perturbation over its contexts, weighted by cells."""
        texts, codes = np.unique(self.perturbations.astype(str), return_inverse=True)
        cells = np.bincount(codes, weights=self.cells, minlength=len(texts)).astype(float)
        shifts = np.zeros((len(texts), self.shifts.shape[1]))
        np.add.at(shifts, codes, self.shifts * self.cells[:, None])
        everywhere = np.full(len(texts), "all", dtype=object)
        return Effects(shifts / cells[:, None], texts.astype(object), everywhere, cells)


def effects(ur: UR) -> Effects:
    """Measure what each perturbation did, against the control of its own context, batch by batch.

    Where a batch holds cells of a perturbation but no control, the control of the whole context is used.

    Args:
        ur: Perturbed and control states; rows may stand for many cells (``mass``).

    Raises:
        ControlError: A context has no control.
        DataError: A row has no context, perturbation or batch.
    """
    batch = ur.entities["batch"].to_numpy(dtype=object) if "batch" in ur.entities else "all"
    keys = pd.DataFrame({"context": ur.contexts, "perturbation": ur.perturbations, "batch": batch})
    if keys.isna().to_numpy().any():
        raise DataError(["Effects need a context, a perturbation and a batch in every row. Fill in what is blank."])
    means = _sums(ur.values, ur.mass, keys.astype(str), ["context", "perturbation", "batch"])
    control = means[means.keys["perturbation"].to_numpy() == CONTROL]
    pooled = _sums(control.mean, control.mass, control.keys, ["context"])
    seen = means[means.keys["perturbation"].to_numpy() != CONTROL]
    shift = seen.mean - _reference(seen.keys, control, pooled)
    found = _sums(shift, seen.mass, seen.keys, ["context", "perturbation"])
    texts, contexts = (found.keys[name].to_numpy(dtype=object) for name in ("perturbation", "context"))
    return Effects(found.mean, texts, contexts, found.mass)


@final
@dataclass(frozen=True, eq=False)
class _Means:
    """Weighted means ``(g, d)`` of groups, their masses ``(g,)``, and what names them."""

    mean: np.ndarray
    mass: np.ndarray
    keys: pd.DataFrame

    def __getitem__(self, rows: np.ndarray) -> "_Means":
        return _Means(self.mean[rows], self.mass[rows], self.keys[rows].reset_index(drop=True))


def _sums(values: np.ndarray, mass: np.ndarray, keys: pd.DataFrame, by: list[str]) -> _Means:
    codes = keys.groupby(by, sort=True).ngroup().to_numpy()
    count = int(codes.max(initial=-1)) + 1
    total = np.zeros((count, values.shape[1]))
    np.add.at(total, codes, values * mass[:, None])
    weight = np.bincount(codes, weights=mass, minlength=count).astype(float)
    named = keys[by].assign(code=codes).drop_duplicates("code").sort_values("code").drop(columns="code")
    return _Means(total / weight[:, None], weight, named.reset_index(drop=True))


def _reference(asked: pd.DataFrame, control: _Means, pooled: _Means) -> np.ndarray:
    """``(g, d)`` the control of the same context and batch, or of the whole context."""
    context = pd.Index(pooled.keys["context"]).get_indexer(asked["context"])
    if (context < 0).any():
        alone = asked["context"].to_numpy()[context < 0][0]
        raise ControlError(
            f"Context {alone!r} has no control cells, so no effect can be measured in it. "
            "Declare which label is the control in the schema, or leave that context out."
        )
    batches = pd.MultiIndex.from_frame(control.keys[["context", "batch"]])
    batch = batches.get_indexer(pd.MultiIndex.from_frame(asked[["context", "batch"]]))
    own = batch >= 0
    reference = pooled.mean[context]
    reference[own] = control.mean[batch[own]]
    return reference
