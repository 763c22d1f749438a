"""Many cells, little memory: read in blocks, add up per group, and draw cells at random."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement, StoredRows
from aivc.core.units import COUNTS, parse_units
from aivc.data.streaming.group_sums import GroupSums, Table, add_by_group, moments
from aivc.data.streaming.normalize import Block, normalize_block, require_path

# Called with what is being done, how far, of how much.
Progress: TypeAlias = Callable[[str, int, int], None]

CHUNK = 16384


def chunks(measurement: Measurement, size: int = CHUNK) -> Iterator[tuple[slice, Block]]:
    """Walk through the values in blocks of rows; what is in memory is viewed, not copied.

    Yields:
        Which rows, and their values, of as many axes as there are: dense, or CSR.
    """
    for start in range(0, len(measurement), size):
        stop = min(start + size, len(measurement))
        yield slice(start, stop), _view(measurement, start, stop)


def _view(measurement: Measurement, start: int, stop: int) -> Block:
    values = measurement.values
    if isinstance(values, np.ndarray | StoredRows):
        return measurement.block(start, stop)
    first, last = values.indptr[start], values.indptr[stop]
    pointer = values.indptr[start : stop + 1] - first
    parts = (values.data[first:last], values.indices[first:last], pointer)
    return sparse.csr_matrix(parts, shape=(stop - start, values.shape[1]), copy=False)


@final
@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each entity is in.

    Attributes:
        codes: ``(n,)`` group of each entity.
        labels: ``p`` rows, one per non-empty group, sorted; one column per grouping column.
    """

    codes: np.ndarray
    labels: pd.DataFrame

    def __len__(self) -> int:
        return len(self.labels)


def groups(measurement: Measurement, by: Sequence[str]) -> Groups:
    """Group entities by columns. ``context`` and ``perturbation`` have their defaults where a column is absent.

    Raises:
        UnknownNameError: Another column is absent.
        DataError: An entity has no label in a column.
    """
    if not len(measurement):
        raise DataError(["There are no entities to group. Check the filter that left none."])
    codes_n = np.zeros(len(measurement), dtype=np.int64)
    levels: list[tuple[str, pd.Index]] = []
    for name in by:
        level_n, level = pd.factorize(pd.Series(_column(measurement, name)), sort=True)
        if missing := int((level_n < 0).sum()):
            raise DataError(
                [f"{missing} entities have no {name!r}. Fill the column in, or leave them out with measurement.take."]
            )
        codes_n = codes_n * len(level) + level_n
        levels.append((name, level))
    present, codes_n = np.unique(codes_n, return_inverse=True)
    labels: dict[str, np.ndarray] = {}
    for name, level in reversed(levels):
        present, which = np.divmod(present, len(level))
        labels[name] = np.asarray(level.astype(object) if level.dtype.kind not in "iufb" else level)[which]
    table = pd.DataFrame({name: labels[name] for name in by})
    table.index = pd.Index(["|".join(map(str, row)) for row in table.itertuples(index=False)], dtype=object)
    return Groups(codes_n.astype(np.int32), table)


def _column(measurement: Measurement, name: str) -> np.ndarray | pd.Series:
    defaults = {"perturbation": measurement.perturbations, "context": measurement.contexts}
    if name in measurement.entities:
        return measurement.entities[name]
    if name in defaults:
        return defaults[name]
    raise UnknownNameError("column", name, map(str, measurement.entities), "Group by columns of the entities.")


def pseudobulk(
    measurement: Measurement,
    by: Sequence[str] = ("context", "perturbation"),
    *,
    units: str | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Add cells up per group, reading block by block; cells are never densified.

    Args:
        measurement: Cells, in memory or on disk.
        by: Columns that make a group.
        units: None adds counts. Otherwise the mean over cells of the values in these units, normalizing each cell
            first; rows that stand for many ``cells`` weigh as many.
        progress: Called with what is being done, how many entities are done, of how many.

    Returns:
        One row per non-empty group, sorted, named by its labels joined by ``|``, with a column ``cells``; values dense.

    Raises:
        UnitsError: Sums were asked of anything but counts, or the units cannot be reached.
        UnknownNameError: A column is absent.
        DataError: An entity has no label, or cannot be normalized; or values have more than two axes.

    >>> cells = pd.DataFrame({"perturbation": ["control", "ko:A", "ko:A"]}, index=["c1", "c2", "c3"])
    >>> counts = Measurement(np.array([[1], [2], [3]]), np.array(["A"]), cells, "counts")
    >>> pseudobulk(counts).values.tolist(), list(pseudobulk(counts).entities.index)
    ([[1.0], [5.0]], ['all|control', 'all|ko:A'])
    """
    if units is None and measurement.units != COUNTS:
        raise UnitsError(
            f"Sums per group need counts, but the values are in {measurement.units}. "
            f'Ask for means instead: units="{measurement.units}".'
        )
    _require_one_panel(measurement)
    found = groups(measurement, by)
    weight_n = _cells(measurement)
    cells_p = np.bincount(found.codes, weights=weight_n, minlength=len(found))
    weighted = units is not None and bool((weight_n != 1).any())
    total_pf = np.zeros((len(found), len(measurement.features)))
    for where, block in _blocks(measurement, units, progress):
        add_by_group(total_pf, found.codes[where], block, weight_n[where] if weighted else None)
    if units is not None:
        total_pf /= cells_p[:, None]
    return _table(measurement, total_pf, found, cells_p, units or COUNTS)


def pseudobulk_moments(
    measurement: Measurement,
    by: Sequence[str] = ("context", "perturbation"),
    *,
    units: str,
    progress: Progress | None = None,
) -> tuple[Measurement, Table]:
    """Mean and variance over the cells of each group, in one pass; large tables that are mostly zero come out as CSR.

    Args:
        measurement: Cells, in memory or on disk; each row one cell.
        by: Columns that make a group.
        units: Units of the values, reached by normalizing each cell first.
        progress: As in `pseudobulk`.

    Returns:
        The means, as from `pseudobulk`, and the ``(p, f)`` unbiased variances; NaN for groups of one cell.

    Raises:
        UnitsError: The units cannot be reached.
        DataError: A row stands for many cells, an entity has no label, or it cannot be normalized; or values have more
            than two axes.
    """
    _require_one_panel(measurement)
    if (_cells(measurement) != 1).any():
        raise DataError(
            ["A variance over cells needs one cell per row, but rows stand for many. Start from the cells."]
        )
    found = groups(measurement, by)
    cells_p = np.bincount(found.codes, minlength=len(found)).astype(float)
    total, square = (GroupSums(len(found), len(measurement.features)) for _ in range(2))
    for where, block in _blocks(measurement, units, progress):
        total.add(found.codes[where], block)
        square.add(found.codes[where], _squared(block))
    mean, variance = moments(total.table(), square.table(), cells_p)
    return _table(measurement, mean, found, cells_p, parse_units(units)), variance


def _require_one_panel(measurement: Measurement) -> None:
    measurement.require_table("A profile of a group")
    if measurement.observed is not None and measurement.observed.ndim == 2:
        raise DataError(
            ["Entities were measured on different features, so sums mean nothing. Group each panel by itself."]
        )


def _cells(measurement: Measurement) -> np.ndarray:
    if "cells" in measurement.entities:
        return measurement.entities["cells"].to_numpy(dtype=float)
    return np.ones(len(measurement))


def _blocks(measurement: Measurement, units: str | None, progress: Progress | None) -> Iterator[tuple[slice, Block]]:
    change = units is not None and parse_units(units) != measurement.units
    target = require_path(measurement.units, parse_units(str(units))) if change else None
    for where, block in chunks(measurement, CHUNK):
        yield where, normalize_block(block, target, measurement.observed) if change else block
        if progress is not None:
            progress("profiles", where.stop, len(measurement))


def _squared(block: Block) -> Block:
    if isinstance(block, np.ndarray):
        return np.square(block, dtype=np.float64)
    return sparse.csr_matrix((np.square(block.data, dtype=np.float64), block.indices, block.indptr), shape=block.shape)


def _table(measurement: Measurement, value_pf: Table, found: Groups, cells_p: np.ndarray, units: str) -> Measurement:
    step = {"by": list(found.labels), "value": "sum" if units == COUNTS else "mean", "entities": len(measurement)}
    return measurement.replace(
        values=value_pf,
        entities=found.labels.assign(cells=cells_p),
        units=parse_units(units),
        coordinates=None,
        links=None,
        provenance={**measurement.provenance, "pseudobulk": step},
    )


def random_ranks(names: Sequence[object] | np.ndarray | pd.Index, seed: int) -> np.ndarray:
    """Draw a random number for each name: ``(n,)`` uniform 64-bit integers that depend on name and seed alone.

    Sorting by them shuffles entities the same way whatever their order in the file, so a split survives reordering.

    >>> bool(random_ranks(["c1", "c2"], seed=0)[0] == random_ranks(["c2", "c1"], seed=0)[1])
    True
    """
    key = str(seed).encode()
    digests = (hashlib.blake2b(str(name).encode(), digest_size=8, key=key).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8")


def reservoir(measurement: Measurement, by: Sequence[str], per_group: int, seed: int) -> np.ndarray:
    """Draw up to ``per_group`` entities of each group, without replacement, from the entity table alone.

    Returns:
        ``(m,)`` sorted positions; the same entities whatever their order in the file.

    Raises:
        UnknownNameError: A column is absent.
        DataError: An entity has no label.
    """
    codes_n = groups(measurement, by).codes
    order = np.lexsort((random_ranks(measurement.entities.index, seed), codes_n))
    ordered = codes_n[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return np.sort(order[rank < per_group])
