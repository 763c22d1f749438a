"""Cells of a file along their development: from a root that is given, or apart from it without one, and how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import anndata
import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError, UnitsError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import ARBITRARY, COUNTS, log1p_target
from aivc.core.ur import UR
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.schema import Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.streaming.stream import chunks
from aivc.experiments.fate import represented
from aivc.experiments.order import ROOTS, order, order_without_root, pair_auroc

# CellRank's PseudotimeKernel and scanpy's plots look under the first by default.
KEY, ROOT_FREE_KEY, ABOUT = "dpt_pseudotime", "root_free_pseudotime", "aivc_order"
# Standard deviation of a place that is drawn at random between 0 and 1.
_CHANCE = 12**-0.5
# Genes that were chosen because they vary say little of how many a cell expresses.
_MANY_GENES = 5000


@final
@dataclass(frozen=True, eq=False)
class CellOrder:
    """Cells of a file in order.

    Attributes:
        time: ``(n,)`` from 0, earliest, to 1: mean rank over choices nobody can make for sure.
        spread: ``(n,)`` standard deviation of these ranks; NaN without a root.
        root: What it begins with, in words; empty for an order without a root.
        roots: Names of the cells that stand for the root.
        notes: Where the direction comes from, how steady places are, and what measured times say, in sentences.
        later: How often an untreated cell read at a later time comes later, the mean over pairs of times; NaN without
            times.
        cells: The cells as they were read.
        labels: ``(n,)`` labels by which `by_label` sums up; empty where there are none.
    """

    time: Float[np.ndarray, " n"]
    spread: Float[np.ndarray, " n"]
    root: str
    roots: tuple[str, ...]
    notes: tuple[str, ...]
    later: float
    cells: Measurement
    labels: np.ndarray

    @property
    def key(self) -> str:
        """Column of ``obs`` that it is written to."""
        return KEY if self.root else ROOT_FREE_KEY

    def table(self, key: str = "") -> pd.DataFrame:
        """One row per cell: the place under ``key``, and with a root its spread under ``key_spread``."""
        key = key or self.key
        made = pd.DataFrame({key: self.time}, index=self.cells.entities.index)
        return made.assign(**{f"{key}_spread": self.spread}) if self.root else made

    @property
    def by_label(self) -> pd.DataFrame:
        """``label``, ``cells``, mean ``time`` and ``spread`` of each label, the earliest first."""
        if not len(self.labels):
            return pd.DataFrame(columns=["label", "cells", "time", "spread"])
        frame = pd.DataFrame({"label": self.labels, "time": self.time, "spread": self.spread})
        found = frame.groupby("label").agg(cells=("time", "size"), time=("time", "mean"), spread=("spread", "mean"))
        return found.sort_values("time", kind="stable").reset_index()

    def about(self, key: str = "") -> dict[str, Any]:
        """What ``uns["aivc_order"]`` says of the columns."""
        how = "mean rank over diffusion pseudotime and shortest paths" if self.root else "rank of genes detected"
        said = {"key": key or self.key, "how": how, "root": self.root, "note": "\n".join(self.notes)}
        return {**said, "root_cells": np.array(self.roots, dtype=object)} if self.root else said

    def to_anndata(self, key: str = "") -> anndata.AnnData:
        """The cells with the columns of `table` in ``obs`` and ``uns["aivc_order"]``."""
        made = to_anndata(self.cells)
        made.obs = made.obs.assign(**{name: column.to_numpy() for name, column in self.table(key).items()})
        made.uns[ABOUT] = self.about(key)
        return made


def cell_order(
    cells: Cells,
    root: str | Mapping[str, str] | Sequence[str] | None,
    *,
    states: str | UR = "factor-analysis",
    schema: Schema | None = None,
    dim: int = 32,
    seed: int = 0,
    **columns: Any,
) -> CellOrder:
    """Order the cells of a file along their development.

    Args:
        cells: A Measurement, an AnnData in memory, or a file; an order is checked against its times.
        root: A label of the schema's ``cell_type``, such as ``Ductal``; a column and its label; or names of cells. Of
            a label, untreated cells of the earliest times that hold five stand for the root, where there are such; all
            cells are ordered, treated ones too. None orders by the number of genes detected, most first, which runs
            backwards in some tissues.
        states: How cells are represented: an encoder by name, ``obsm:X_pca``, or a UR of these cells.
        schema: What the columns of an AnnData or a file mean.
        dim: Axes, where an encoder is fitted.
        seed: Draws the cells that an encoder learns from.
        **columns: Instead of ``schema``, its fields.

    Raises:
        DataError: There are too few cells, or no column of cell types for a label alone.
        UnitsError: Genes detected cannot be read from the units.
        UnknownNameError: No such column, label, cell, encoder or key.
    """
    measured = as_measurement(cells, schema, controls=False, **columns)
    if root is None:
        time_n = order_without_root(_detected(measured))
        return _made(measured, time_n, np.full(len(measured), np.nan), "", (), _without_root(measured), "cell_type")
    given, column = _given(measured, root)
    ur = states if isinstance(states, UR) else represented(cells, measured, states, dim, seed)
    if not ur.entities.index.equals(measured.entities.index):
        raise DataError(["The states are of other cells, or in another order. Give states of these cells."])
    # Labels are those of the file: states need not have brought them along.
    among, chosen = _among(measured, given)
    found = order(UR(ur.values, ur.space, measured.entities), given, among=among)
    steady = float(np.median(found.spread))
    notes = [
        f"The direction is that of the root, which was given: {found.root}. Nothing here finds where a process begins.",
        f"A cell's place, from 0 to 1, moves by {steady:.3f} (median standard deviation over two distances, "
        f"{len(found.roots)} roots and four numbers of neighbors); places at random would move by {_CHANCE:.2f}.",
        *chosen,
    ]
    if found.links:
        notes.append(
            f"{found.links} links had to be added between parts of the graph that had none: the order from one part "
            "to another is a guess."
        )
    return _made(measured, found.time, found.spread, found.root, found.roots, notes, column)


def _made(
    cells: Measurement,
    time_n: np.ndarray,
    spread_n: np.ndarray,
    root: str,
    roots: tuple[str, ...],
    notes: list[str],
    column: str,
) -> CellOrder:
    later = _later(cells, time_n)
    if np.isfinite(later):
        said = f"Untreated cells of a later time come later in {later:.2f} of pairs (chance 0.50)."
        against = " The order runs against the measured times: check the root or the direction."
        notes = [*notes, said if later > 0.5 else said + against]
    label_n = cells.entities[column].astype(str).to_numpy() if column in cells.entities else np.array([])
    return CellOrder(time_n, spread_n, root, roots, tuple(notes), later, cells, label_n)


def _given(cells: Measurement, root: str | Mapping[str, str] | Sequence[str]) -> tuple[Any, str]:
    """The root as `order` takes it, checked before cells are represented; and the column that sums up."""
    if isinstance(root, str):
        if "cell_type" not in cells.entities:
            raise DataError(
                [f"{root!r} alone is a cell type, and no column of cell types was declared. Add cell_type to the "
                 f"schema, or name the column: {{'COLUMN': {root!r}}} (--root COLUMN={root})."]
            )  # fmt: skip
        root = {"cell_type": root}
    if not isinstance(root, Mapping):
        for name in root:
            if name not in cells.entities.index:
                raise UnknownNameError("cell", str(name), map(str, cells.entities.index))
        return list(root), "cell_type"
    if len(root) != 1:
        raise DataError([f"A root is a label of one column, got {list(root)}. Give one."])
    ((column, label),) = root.items()
    if column not in cells.entities:
        raise UnknownNameError("column", column, map(str, cells.entities))
    there = sorted(set(cells.entities[column].astype(str)))
    if str(label) not in there:
        raise UnknownNameError(f"label in {column}", str(label), there)
    return {column: str(label)}, column


def _among(cells: Measurement, given: Mapping[str, str] | Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """``(n,)`` cells that may stand for the root, and what is to be said of treated cells and of times.

    A treatment or a later time may have moved cells of a type away from where the type began.
    """
    free_n = cells.perturbations == CONTROL
    treated, notes = int((~free_n).sum()), []
    if treated:
        notes.append(f"{treated} of {len(cells)} cells are treated; they are ordered with the others.")
    if not isinstance(given, Mapping):
        return np.ones(len(cells), dtype=bool), notes
    ((column, label),) = given.items()
    kept_n = (cells.entities[column].astype(str) == label).to_numpy()
    if treated and (kept_n & free_n).any():
        kept_n, notes = kept_n & free_n, [*notes, "Untreated cells stand for the root."]
    elif treated:
        notes.append("No cell of the root is untreated, so treated cells stand for it.")
    times = cells.times
    if times is None or len(set(times.tolist())) < 2:
        return kept_n, notes
    # One cell with a wrong label should not stand for all: times are added until there are as many as roots.
    time_m = np.sort(times[kept_n])
    until = float(time_m[min(ROOTS, len(time_m)) - 1])
    when = f"{until:g} h" if until == time_m[0] else f"{time_m[0]:g} to {until:g} h"
    notes.append(f"Cells of {when}, the earliest with {ROOTS} cells of the root where so many are, stand for the root.")
    return kept_n & (times <= until), notes


def _detected(cells: Measurement) -> np.ndarray:
    """``(n,)`` number of genes detected in each cell."""
    if cells.units != COUNTS and log1p_target(cells.units) is None:
        raise UnitsError(
            f"Genes detected are those with a count above zero, but values are in {cells.units}. Give counts or "
            f"log1p_cpN{' and not scaled values' if cells.units == ARBITRARY else ''}, or give a root."
        )
    found = [np.asarray((block > 0).sum(axis=1)).ravel() for _, block in chunks(cells, 2048)]
    return np.concatenate(found).astype(np.float64)


def _without_root(cells: Measurement) -> list[str]:
    notes = [
        "The direction rests on the number of genes detected, most first: a rule that holds in some tissues. Among "
        "myeloid progenitors of mouse it ran backwards (0.14 of pairs of cells in the known order, chance 0.50), among "
        "endocrine progenitors it did no better than chance (0.46). Check it against a marker, or give a root."
    ]
    if len(cells.features) < _MANY_GENES:
        notes.append(
            f"Only {len(cells.features)} features are here. If they were chosen, because they vary or for a panel, "
            "their number says little: give all genes."
        )
    return notes


def _later(cells: Measurement, time_n: np.ndarray) -> float:
    """How often an untreated cell of a later time comes later: others may have been held by a treatment."""
    if cells.times is None:
        return float("nan")
    kept = cells.perturbations == CONTROL
    times = cells.times[kept].tolist()
    days = sorted(set(times))
    if len(days) < 2:
        return float("nan")
    return pair_auroc(time_n[kept], np.array(list(map(str, times))), list(combinations(map(str, days), 2)))
