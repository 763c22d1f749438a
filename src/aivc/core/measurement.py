"""What was read from cells, real or virtual: the same type for both, so comparing them needs no adapter."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias, final, runtime_checkable
from weakref import WeakValueDictionary

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.parsed import ParsedPerturbations
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.units import is_effect, parse_units


@runtime_checkable
class StoredRows(Protocol):
    """Values that stay on disk and are handed out in blocks of rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of entities, of features, and of what else there is of each."""
        ...

    def rows(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Rows ``start`` to ``stop``."""
        ...


Values: TypeAlias = np.ndarray | sparse.csr_matrix | StoredRows

CONTROL = str(Perturbation.control())
# Arrays of feature names that were looked through already, for as long as they are in use.
_DISTINCT: "WeakValueDictionary[int, np.ndarray]" = WeakValueDictionary()


@final
@dataclass(frozen=True, eq=False)
class Measurement:
    """Readings of ``n`` entities on ``f`` features, in declared units.

    Attributes:
        values: ``(n, f)`` dense, CSR, or `StoredRows` on disk. Sparse zeros are measured zeros. ``(n, f, …)``, dense or
            on disk, where a feature is more than a number: of images the features are channels, ``(n, f, h, w)``. A
            memory map is dense. What needs a number for each feature refuses the rest (`require_table`).
        features: ``(f,)`` names, unique.
        entities: ``n`` rows indexed by unique names. Columns with a meaning everywhere: ``perturbation`` (text of
            `Perturbation`), ``context`` (cell type or line), ``donor``, ``batch``, ``cells`` (how many cells a row
            stands for), ``time`` (when it was read, in hours), ``clone`` (which cells descend from one; blank where it
            is not known). Those that begin with ``matched:`` say what controls are
            matched by, such as ``matched:hours`` (`aivc.core.matching`). Others are kept as they come.
        units: See `aivc.core.units.parse_units`. There is no default: a default would be a guess.
        modality: Such as ``rna``, ``protein``, ``phospho``, ``effect``.
        scale: Physical scale of the entities.
        observed: ``(f,)`` or ``(n, f)`` True where measured; None means everywhere. "Zero" and "not measured" differ.
        coordinates: ``(n, 2)`` or ``(n, 3)`` positions, or None.
        links: ``(n, n)`` CSR, which entities are neighbours: row i holds the finite, non-negative weights of those of
            entity i, and nothing for all others; None where none are stated. `take` cuts both axes.
        provenance: JSON-ready notes: dataset, address, licence, how it was derived.

    Raises:
        DataError: Shapes disagree, or names stand twice.
        UnitsError: The units are unknown.
    """

    values: Values
    features: np.ndarray
    entities: pd.DataFrame
    units: str
    modality: str = "rna"
    scale: Scale = Scale.CELLULAR
    observed: np.ndarray | None = None
    coordinates: np.ndarray | None = None
    links: sparse.csr_matrix | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", parse_units(self.units))
        object.__setattr__(self, "features", np.asarray(self.features, dtype=object))
        if problems := list(self._problems()):
            raise DataError(problems)

    def _problems(self) -> Any:
        n, f = len(self.entities), len(self.features)
        if self.values.shape[:2] != (n, f):
            yield f"Values have shape {self.values.shape}, but there are {n} entities and {f} features. Align them."
        if self.observed is not None and self.observed.shape not in ((f,), (n, f)):
            yield f"The observed mask has shape {self.observed.shape}; it must be ({f},) or ({n}, {f})."
        if self.coordinates is not None and (self.coordinates.ndim != 2 or len(self.coordinates) != n):
            yield f"Coordinates have shape {self.coordinates.shape}; they must have {n} rows of 2 or 3 numbers."
        yield from broken_links(self.links, n)
        if "time" in self.entities and not _all_numbers(self.entities["time"]):
            yield (
                "The column time is when each entity was read, a finite number of hours; some are not. Declare time "
                "and time_unit in the schema, or call the column otherwise."
            )
        yield from self._repeated_features()
        if not self.entities.index.is_unique:
            twice = self.entities.index[self.entities.index.duplicated()].unique()[:5]
            yield f"Entities stand twice: {', '.join(map(str, twice))}. Make their names unique."

    def _repeated_features(self) -> Any:
        # A screen makes thousands of measurements with one array of names, and looking through it takes longest.
        if _DISTINCT.get(id(self.features)) is self.features:
            return
        features = pd.Index(self.features)
        if not features.is_unique:
            twice = features[features.duplicated()].unique()[:5]
            yield f"Features stand twice: {', '.join(map(str, twice))}. Rename or sum them."
        else:
            _DISTINCT[id(self.features)] = self.features

    def __len__(self) -> int:
        return len(self.entities)

    def __repr__(self) -> str:
        shape = f"{len(self)} {self.scale} entities × {len(self.features)} {self.modality} features"
        return f"Measurement({shape}, {self.units})"

    @cached_property
    def perturbations(self) -> np.ndarray:
        """``(n,)`` texts of `Perturbation`, ``control`` where the column is absent."""
        if "perturbation" not in self.entities:
            return np.full(len(self), CONTROL, dtype=object)
        return self.entities["perturbation"].to_numpy(dtype=object)

    @cached_property
    def parsed(self) -> ParsedPerturbations:
        """The perturbations as objects, each distinct one parsed once.

        Raises:
            PerturbationError: A text of the column is none.
        """
        return ParsedPerturbations.of(self.perturbations)

    @cached_property
    def contexts(self) -> np.ndarray:
        """``(n,)`` contexts, ``all`` where the column is absent."""
        if "context" not in self.entities:
            return np.full(len(self), "all", dtype=object)
        return self.entities["context"].to_numpy(dtype=object)

    @property
    def times(self) -> np.ndarray | None:
        """``(n,)`` hours at which each entity was read, on a clock that all share; None where it is not stated.

        How long a perturbation lasted is part of the perturbation (`Perturbation.hours`).
        """
        return self.entities["time"].to_numpy(dtype=np.float64) if "time" in self.entities else None

    @property
    def in_memory(self) -> bool:
        """Whether the values are in memory rather than on disk."""
        return not isinstance(self.values, StoredRows)

    @property
    def is_effects(self) -> bool:
        """Whether values are effects, differences from a control that is zero, rather than states: the units say so."""
        return is_effect(self.units)

    @property
    def is_table(self) -> bool:
        """Whether each feature of an entity is one number, rather than an image or a series."""
        return len(self.values.shape) == 2

    def require_table(self, asker: str) -> None:
        """Refuse values of more than two axes.

        Args:
            asker: What needs one number per entity and feature.

        Raises:
            DataError: The values have more axes.
        """
        if not self.is_table:
            axes = " × ".join(map(str, self.values.shape))
            problem = (
                f"{asker} needs one number per entity and feature, (n, f), but these {self.modality} values have "
                f"{len(self.values.shape)} axes: {axes}. Encode them with an encoder of such values (morphology for "
                "images), or reduce each feature to a number first, such as its mean over the further axes."
            )
            raise DataError([problem])

    @property
    def mass(self) -> np.ndarray:
        """``(n,)`` how many cells each row stands for; 1 where there is no ``cells`` column."""
        if "cells" not in self.entities:
            return np.ones(len(self))
        return self.entities["cells"].to_numpy(dtype=np.float64)

    def block(self, start: int, stop: int) -> sparse.csr_matrix | np.ndarray:
        """Values of rows ``start`` to ``stop``, wherever they lie."""
        return self.values.rows(start, stop) if isinstance(self.values, StoredRows) else self.values[start:stop]

    def take(self, rows: np.ndarray) -> "Measurement":
        """Keep some entities: ``rows`` are positions, or True per entity. Loads those rows, and only those."""
        where = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, dtype=int)
        values = self._read(where) if isinstance(self.values, StoredRows) else self.values[where]
        observed = self.observed
        return dataclasses.replace(
            self,
            values=values,
            entities=self.entities.iloc[where],
            observed=observed[where] if observed is not None and observed.ndim == 2 else observed,
            coordinates=None if self.coordinates is None else self.coordinates[where],
            links=None if self.links is None else self.links[where][:, where],
        )

    def _read(self, where: np.ndarray, block: int = 16384) -> sparse.csr_matrix | np.ndarray:
        order = np.argsort(where, kind="stable")
        ordered, pieces = where[order], []
        for start in range(0, len(self), block):
            inside = ordered[np.searchsorted(ordered, start) : np.searchsorted(ordered, start + block)]
            if len(inside):
                pieces.append(self.block(start, min(start + block, len(self)))[inside - start])
        if not pieces:
            return self.block(0, 0)
        stacked = sparse.vstack(pieces, format="csr") if sparse.issparse(pieces[0]) else np.concatenate(pieces)
        return stacked[np.argsort(order, kind="stable")]

    def select(self, features: list[str] | np.ndarray) -> "Measurement":
        """Keep some features, in the order given; in memory only.

        Raises:
            UnknownNameError: A feature is absent.
        """
        where = pd.Index(self.features).get_indexer(pd.Index(features))
        if (where < 0).any():
            raise UnknownNameError(
                "feature", str(np.asarray(features, dtype=object)[where < 0][0]), map(str, self.features)
            )
        if isinstance(self.values, StoredRows):
            raise IntegrityError(
                "Features are selected in memory only. Take the rows you need first: measurement.take(rows)."
            )
        observed = self.observed
        return dataclasses.replace(
            self,
            values=self.values[:, where],
            features=self.features[where],
            observed=None if observed is None else observed[..., where],
        )

    def dense(self) -> np.ndarray:
        """``(n, f, …)`` values as a dense float array; for small selections."""
        values = self.block(0, len(self))
        return np.asarray(values if isinstance(values, np.ndarray) else values.toarray(), dtype=np.float64)

    def dense_row(self, row: int) -> np.ndarray:
        """``(f, …)`` values of one row, NaN where it was not observed."""
        block = self.block(row, row + 1)
        values = np.array(block if isinstance(block, np.ndarray) else block.toarray(), dtype=np.float64)[0]
        if self.observed is not None:
            values[~(self.observed[row] if self.observed.ndim == 2 else self.observed)] = np.nan
        return values

    def replace(self, **changes: Any) -> "Measurement":
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def _all_numbers(column: pd.Series) -> bool:
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    return bool(np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan)).all())


def broken_links(links: sparse.csr_matrix | None, n: int) -> Iterator[str]:
    """Say what is wrong with the links of ``n`` entities.

    Args:
        links: ``(n, n)`` weights of neighbours, or None.
        n: Number of entities.
    """
    if links is None:
        return
    if links.shape != (n, n):
        yield f"Links have shape {links.shape}; they must be ({n}, {n}): entities by their neighbours."
    elif not (np.isfinite(links.data).all() and (links.data >= 0).all()):
        yield "Links are finite weights, never negative; some are not. Leave out what is no neighbour."
