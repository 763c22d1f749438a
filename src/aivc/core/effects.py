"""What each perturbation did: mean displacement from the control of the same context, hours and batch."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import sparse

from aivc.core.errors import ControlError, DataError
from aivc.core.matching import matched_columns, narrowed
from aivc.core.measurement import CONTROL
from aivc.core.parsed import ParsedPerturbations
from aivc.core.ur import UR


@final
@dataclass(frozen=True, eq=False)
class Effects:
    """Mean shifts, one row per context and perturbation.

    Attributes:
        shifts: ``(p, d)`` mean perturbed state minus mean control state; 0 where nothing was measured.
        perturbations: ``(p,)`` texts.
        contexts: ``(p,)`` contexts.
        cells: ``(p,)`` cells behind each perturbed mean.
        measured: ``(p, d)`` True where the shift was measured; everywhere by default.
        noise: ``(p, d)`` sampling variance of the perturbed mean; 0 by default, and where nothing was measured.
        shared: ``(p, d)`` sampling variance of the control mean it was compared with, which rows of one context share;
            0 by default.
    """

    shifts: Float[np.ndarray, "p d"]
    perturbations: np.ndarray
    contexts: np.ndarray
    cells: Float[np.ndarray, " p"]
    measured: Bool[np.ndarray, "p d"] = None  # type: ignore[assignment]
    noise: Float[np.ndarray, "p d"] = None  # type: ignore[assignment]
    shared: Float[np.ndarray, "p d"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        # One value seen from everywhere takes no memory; a table of thousands of features would take it three times.
        if self.measured is None:
            object.__setattr__(self, "measured", _same(True, self.shifts.shape))  # noqa: FBT003
        for name in ("noise", "shared"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, _same(0.0, self.shifts.shape))

    def __len__(self) -> int:
        return len(self.shifts)

    @cached_property
    def parsed(self) -> ParsedPerturbations:
        """The perturbations as objects, each distinct one parsed once."""
        return ParsedPerturbations.of(self.perturbations)

    @property
    def complete(self) -> bool:
        """Whether every shift was measured."""
        return bool(self.measured.all()) if any(self.measured.strides) else bool(self.measured.flat[:1].all())

    def take(self, rows: np.ndarray) -> "Effects":
        """Keep some rows: positions, or True per row."""
        more = (_take(each, rows) for each in (self.measured, self.noise, self.shared))
        return Effects(self.shifts[rows], self.perturbations[rows], self.contexts[rows], self.cells[rows], *more)

    def by_perturbation(self) -> "Effects":
        """Average each perturbation over the contexts it was measured in, weighted by cells; controls are apart."""
        texts, codes = np.unique(self.perturbations.astype(str), return_inverse=True)
        found = self.grouped(codes, len(texts))
        everywhere = np.full(len(texts), "all", dtype=object)
        return Effects(
            found.shifts, texts.astype(object), everywhere, found.cells, found.measured, found.noise, found.shared
        )

    def grouped(self, codes: Int[np.ndarray, " p"], count: int) -> "Effects":
        """Average groups of rows over what was measured, weighted by cells; names are those of each group's first row.

        Args:
            codes: ``(p,)`` group of each row; no group is empty.
            count: How many groups there are.
        """
        if count == len(self):
            return self if (np.diff(codes) > 0).all() else self.take(np.argsort(codes))
        into = _indicator(codes, count)
        weight = self.cells[:, None] * (1.0 if self.complete else self.measured)
        total = into @ weight
        noise, shared = (_averaged(into, weight, total, each) for each in (self.noise, self.shared))
        first = np.full(count, len(codes))
        np.minimum.at(first, codes, np.arange(len(codes)))
        return Effects(
            _over(into @ (self.shifts * weight), total),
            self.perturbations[first],
            self.contexts[first],
            np.bincount(codes, weights=self.cells, minlength=count).astype(float),
            _same(True, (count, self.shifts.shape[1])) if self.complete else total > 0,  # noqa: FBT003
            noise,
            shared,
        )

    def mean_effects(self) -> tuple[tuple[str, ...], Float[np.ndarray, "c d"], Float[np.ndarray, " d"]]:
        """Contexts, the mean shift over perturbations in each, and the mean over contexts.

        What was not measured takes no part. Where a context measured nothing of an axis, the mean over the other
        contexts stands in; where nobody did, it is 0.
        """
        contexts, codes = np.unique(self.contexts.astype(str), return_inverse=True)
        into, seen = _indicator(codes, len(contexts)), self.measured * 1.0
        count_cd = into @ seen
        mean_cd = _over(into @ (self.shifts * seen), count_cd)
        default_d = _over(mean_cd.sum(axis=0), (count_cd > 0).sum(axis=0).astype(float))
        return tuple(map(str, contexts)), np.where(count_cd > 0, mean_cd, default_d), default_d

    def filled(self) -> Float[np.ndarray, "p d"]:
        """Shifts, with the mean effect of the context where none was measured (`mean_effects`)."""
        if self.complete:
            return self.shifts
        contexts, mean_cd, _ = self.mean_effects()
        place = {context: i for i, context in enumerate(contexts)}
        mean_pd = mean_cd[[place[str(context)] for context in self.contexts]]
        return np.where(self.measured, self.shifts, mean_pd)


def effects(ur: UR) -> Effects:
    """Measure what each perturbation did, against the control of its own context, batch by batch.

    Where a batch holds cells of a perturbation but no control, the control of the whole context is used. Columns that
    begin with ``matched:`` narrow the controls down before the batch does (`aivc.core.matching`). Only what was
    measured (finite variance) enters a mean; a control that was not measured counts as 0, as in tables of effects.

    Args:
        ur: Perturbed and control states; rows may stand for many cells (``mass``). The variance of a row is taken for
            its sampling variance.

    Raises:
        ControlError: A context has no control.
        DataError: A row has no context, perturbation or batch.
    """
    batch = ur.entities["batch"].to_numpy(dtype=object) if "batch" in ur.entities else "all"
    matched = {name: ur.entities[name].to_numpy(dtype=object) for name in matched_columns(ur.entities)}
    keys = pd.DataFrame({"context": ur.contexts, "perturbation": ur.perturbations, "batch": batch, **matched})
    if keys.isna().to_numpy().any():
        raise DataError(["Effects need a context, a perturbation and a batch in every row. Fill in what is blank."])
    means = _of_rows(ur, keys.astype(str))
    control = means[means.keys["perturbation"].to_numpy() == CONTROL]
    seen = means[means.keys["perturbation"].to_numpy() != CONTROL]
    compared = _compared(seen.keys, control)
    codes = seen.keys.groupby(["context", "perturbation"], sort=True).ngroup().to_numpy()
    count = int(codes.max(initial=-1)) + 1
    texts, contexts = (seen.keys[name].to_numpy(dtype=object) for name in ("perturbation", "context"))
    # The controls of a table are zero, and rows are many.
    shift = seen.mean - compared @ control.mean if control.mean.any() else seen.mean
    if any(seen.seen.strides):
        shift = np.where(seen.seen, shift, 0.0)
    found = Effects(shift, texts, contexts, seen.cells, seen.seen, seen.variance).grouped(codes, count)
    shared = _same(0.0, found.shifts.shape)
    if any(control.variance.strides):
        # The same control may stand behind several batches of a perturbation: weights add up before they are squared.
        share = sparse.diags(1 / np.maximum(found.cells, 1e-300)) @ _indicator(codes, count) @ sparse.diags(seen.cells)
        shared = np.asarray((share @ compared).power(2) @ control.variance)
    return Effects(found.shifts, found.perturbations, found.contexts, found.cells, found.measured, found.noise, shared)


@final
@dataclass(frozen=True, eq=False)
class _Means:
    """Means ``(g, d)`` of groups, their variance, where they were measured, cells ``(g,)`` and names."""

    mean: np.ndarray
    variance: np.ndarray
    seen: np.ndarray
    cells: np.ndarray
    keys: pd.DataFrame

    def __getitem__(self, rows: np.ndarray) -> "_Means":
        variance, seen = _take(self.variance, rows), _take(self.seen, rows)
        return _Means(self.mean[rows], variance, seen, self.cells[rows], self.keys[rows].reset_index(drop=True))


def _of_rows(ur: UR, keys: pd.DataFrame) -> _Means:
    """Means of each context, perturbation and batch, over what was measured and weighted by mass."""
    codes = keys.groupby(list(keys), sort=True).ngroup().to_numpy()
    first = np.unique(codes, return_index=True)[1]
    count, named = len(first), keys.iloc[first].reset_index(drop=True)
    values, variance, seen = ur.values, _same(0.0, ur.values.shape), _same(True, ur.values.shape)  # noqa: FBT003
    if ur.variance is not None:
        variance = ur.variance
        if not (known := np.isfinite(variance)).all():
            values, variance, seen = np.where(known, values, 0.0), np.where(known, variance, 0.0), known
        variance = variance if variance.any() else _same(0.0, values.shape)
    cells = np.bincount(codes, weights=ur.mass, minlength=count).astype(float)
    if count == len(codes):
        return _Means(values[first], _take(variance, first), _take(seen, first), cells, named)
    into, everywhere = _indicator(codes, count), not any(seen.strides)
    weight = ur.mass[:, None] if everywhere else ur.mass[:, None] * seen
    total = into @ weight
    seen = _same(True, (count, ur.space.dim)) if everywhere else total > 0  # noqa: FBT003
    return _Means(_over(into @ (values * weight), total), _averaged(into, weight, total, variance), seen, cells, named)


def _compared(asked: pd.DataFrame, control: _Means) -> sparse.csr_matrix:
    """``(g, controls)`` which controls each group is compared with: those of its batch, or of the whole context."""
    contexts = control.keys["context"].to_numpy()
    rows, columns, shares = [], [], []
    by = [*matched_columns(asked), "batch"]
    labels = [control.keys[name].to_numpy(dtype=object) for name in by]
    pooled = {context: np.flatnonzero(contexts == context) for context in set(contexts)}
    chosen: dict[tuple[str, ...], np.ndarray] = {}
    for row, key in enumerate(zip(asked["context"], *(asked[name] for name in by), strict=True)):
        if key[0] not in pooled:
            raise ControlError(
                f"Context {key[0]!r} has no control cells, so no effect can be measured in it. "
                "Declare which label is the control in the schema, or leave that context out."
            )
        if key not in chosen:
            chosen[key] = narrowed(labels, key[1:], pooled[key[0]])
        with_it = chosen[key]
        rows.append(np.full(len(with_it), row))
        columns.append(with_it)
        shares.append(control.cells[with_it] / control.cells[with_it].sum())
    shape = (len(asked), len(contexts))
    if not rows:
        return sparse.csr_matrix(shape)
    where = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix((np.concatenate(shares), where), shape=shape)


def _indicator(codes: np.ndarray, count: int) -> sparse.csr_matrix:
    """``(count, n)`` matrix that sums rows into groups."""
    return sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(count, len(codes)))


def _over(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Means from sums; 0 where nothing was summed."""
    return np.asarray(np.where(weight > 0, total, 0.0) / np.where(weight > 0, weight, 1.0))


def _same(value: float | bool, shape: tuple[int, ...]) -> np.ndarray:  # noqa: FBT001
    """One value seen from everywhere."""
    return np.broadcast_to(np.array(value), shape)


def _averaged(into: sparse.csr_matrix, weight: np.ndarray, total: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Variance of weighted means of independent rows."""
    if not any(variance.strides) and not variance.flat[:1].any():
        return _same(0.0, (into.shape[0], variance.shape[1]))
    return _over(into @ (weight**2 * variance), total**2)


def _take(each: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of an array; those of one value seen from everywhere stay that."""
    if any(each.strides) or not each.size:
        return each[rows]
    return np.broadcast_to(each.flat[0], (len(np.arange(len(each))[rows]), each.shape[1]))
