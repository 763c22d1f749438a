"""Which neighbors matter: of which type, how far away, and through which ligands and receptors, beside a shuffle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import false_discovery_control

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.priors.ligand_receptor import Pair, ligand_receptor_pairs
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.data.tissue.rings import shells

_FEWEST = 20


@final
@dataclass(frozen=True, eq=False)
class NeighborEffects:
    """What surrounds some cells more than chance would have it.

    Chance: cells of a section exchange places, the cells looked at stay. In each table ``p`` is the share of shuffles
    that are as far from their mean, or further, on either side, ``z`` the distance in standard deviations of the
    shuffles, and ``q`` is corrected for all rows of the table (Benjamini & Hochberg 1995).

    Attributes:
        cells: How many cells were looked at.
        shells: By the number of steps: ``step``, ``neighbors`` on average, ``distance`` (median, in the unit of the
            positions), ``observed`` (how far the mean profile of these neighbors lies from that of the section, in
            standard deviations of features), ``expected``, ``z``, ``p`` and ``q``; here further means larger.
        types: By step and type of the neighbors: ``step``, ``cell_type``, ``observed`` and ``expected`` share, ``z``,
            ``p``, ``q``; None where the entities have no column ``cell_type``.
        pairs: By step, ligand and receptor: ``step``, ``pair``, ``family``, ``observed`` (mean over the cells of the
            receptor's expression times the mean ligand of the neighbors, each that of the scarcest subunit),
            ``expected``, ``z``, ``p``, ``q``; without a ligand or receptor that nobody expresses.
        missing: Pairs that could not be looked at, as genes of theirs are not on the panel: name, and which genes.
        note: One sentence: what was shuffled, and how many pairs could be looked at.
    """

    cells: int
    shells: pd.DataFrame
    types: pd.DataFrame | None
    pairs: pd.DataFrame
    missing: Mapping[str, tuple[str, ...]]
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "cells": self.cells,
            "shells": self.shells.to_dict("records"),
            "types": None if self.types is None else self.types.to_dict("records"),
            "pairs": self.pairs.to_dict("records"),
            "missing": {name: list(genes) for name, genes in self.missing.items()},
            "note": self.note,
        }


def neighbor_effects(
    tissue: Measurement,
    cells: np.ndarray | Mapping[str, str],
    *,
    pairs: Sequence[Pair] | None = None,
    graph: str = "nearest:8",
    reach: int = 3,
    within_type: bool = False,
    shuffles: int = 200,
    seed: int = 0,
) -> NeighborEffects:
    """Say what surrounds some cells, and through which ligands and receptors it could reach them.

    A high product of ligand and receptor says that both are there together, more than chance would have it; it does not
    say that a signal passes. Shuffling within types takes out what comes from which types live together.

    Args:
        tissue: Cells with positions, or with links, which are then used.
        cells: ``(n,)`` True for the cells to look at; positions of them; or a column and its value, such as
            ``{"niche": "border"}``.
        pairs: Ligands and receptors; those of CellPhoneDB unless given.
        graph: Text of a `GraphRule`, where the tissue has no links.
        reach: How many steps away to look.
        within_type: Whether cells exchange places only with cells of their type.
        shuffles: How often.
        seed: Draws the shuffles.

    Raises:
        DataError: There are no such cells, positions are missing, or there are fewer than 20 shuffles.
        UnavailableError: The pairs of CellPhoneDB are not here and cannot be fetched.
        UnknownNameError: There is no such column.

    >>> from aivc.data.synthetic_tissue import synthetic_tissue
    >>> tissue, _ = synthetic_tissue(cells=60)
    >>> pair = Pair("CXCL12-CXCR4", ("CXCL12",), ("CXCR4",))
    >>> neighbor_effects(tissue, {"cell_type": "T2"}, pairs=[pair], reach=1).pairs["pair"].tolist()
    ['CXCL12-CXCR4']
    """
    if shuffles < _FEWEST:
        raise DataError([f"p-values need {_FEWEST} shuffles or more, got {shuffles}. Ask for more."])
    where = _chosen(tissue, cells)
    if tissue.links is None:
        tissue = link(tissue, GraphRule.parse(graph))
    assert tissue.links is not None
    wanted = ligand_receptor_pairs() if pairs is None else tuple(pairs)
    profile = normalize(tissue, profile_units(tissue)) if tissue.units == COUNTS else tissue
    there, missing = _measured(wanted, profile)
    levels = _Levels.of(profile, there)
    reached = shells(tissue.links, reach, where)
    random = np.random.default_rng(seed)
    orders = [_shuffle(tissue, random, within_type=within_type) for _ in range(shuffles)]
    said = "section and type" if within_type else "section"
    note = (
        f"{len(where):,} cells; {shuffles} shuffles within {said}; {len(there):,} of {len(wanted):,} pairs are on the "
        f"panel with all their subunits."
    )
    types = None if "cell_type" not in tissue.entities else _types(tissue, reached, orders)
    shown = _pairs(levels, there, where, reached, orders)
    return NeighborEffects(len(where), _shells(tissue, levels, where, reached, orders), types, shown, missing, note)


@final
@dataclass(frozen=True, eq=False)
class _Levels:
    """Expression: ``(n, f)`` standardized in each section, and ``(n, p)`` of the ligand and receptor of each pair."""

    z_nf: np.ndarray
    ligand_np: np.ndarray
    receptor_np: np.ndarray

    @classmethod
    def of(cls, profile: Measurement, pairs: Sequence[Pair]) -> "_Levels":
        x_nf = profile.dense()
        z_nf = np.zeros_like(x_nf)
        for rows in sections(profile):
            spread = x_nf[rows].std(axis=0)
            z_nf[rows] = (x_nf[rows] - x_nf[rows].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        at = {str(name): i for i, name in enumerate(profile.features)}
        sides = [
            # A complex is there only as far as its scarcest subunit.
            [x_nf[:, [at[gene] for gene in getattr(pair, side)]].min(axis=1) for pair in pairs]
            for side in ("ligand", "receptor")
        ]
        ligand_np, receptor_np = (np.array(side).reshape(len(pairs), len(x_nf)).T for side in sides)
        return cls(z_nf, ligand_np, receptor_np)


def _chosen(tissue: Measurement, cells: np.ndarray | Mapping[str, str]) -> np.ndarray:
    if isinstance(cells, Mapping):
        mask = np.ones(len(tissue), dtype=bool)
        for column, value in cells.items():
            if column not in tissue.entities:
                raise UnknownNameError("column", column, map(str, tissue.entities))
            mask &= (tissue.entities[column].astype(str) == str(value)).to_numpy()
        cells = mask
    where = np.flatnonzero(cells) if cells.dtype == bool else np.asarray(cells, dtype=int)
    if not len(where):
        raise DataError(["There are no such cells in this tissue. Correct the column, or its value."])
    return where


def _measured(pairs: Sequence[Pair], profile: Measurement) -> tuple[list[Pair], dict[str, tuple[str, ...]]]:
    panel = set(map(str, profile.features))
    lacking = {pair.name: tuple(gene for gene in pair.genes if gene not in panel) for pair in pairs}
    return [pair for pair in pairs if not lacking[pair.name]], {name: genes for name, genes in lacking.items() if genes}


def _shuffle(tissue: Measurement, random: np.random.Generator, *, within_type: bool) -> np.ndarray:
    """``(n,)`` which cell comes to each place."""
    order = np.arange(len(tissue))
    types = tissue.entities["cell_type"].astype(str).to_numpy() if within_type else np.zeros(len(tissue), dtype=str)
    for rows in sections(tissue):
        for kind in np.unique(types[rows]):
            some = rows[types[rows] == kind]
            order[some] = random.permutation(some)
    return order


def _mean(shell: sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """``(m, d)`` mean over those in the shell of each cell, zero where nobody is there."""
    return np.asarray((shell @ values) / np.maximum(np.diff(shell.indptr), 1)[:, None])


def _compared(observed: np.ndarray, shuffled: np.ndarray, *, one_sided: bool = False) -> dict[str, np.ndarray]:
    """Columns of a table: the observed values beside ``(shuffles, rows)`` shuffled ones."""
    expected, spread = shuffled.mean(axis=0), shuffled.std(axis=0)
    away, chance = observed - expected, shuffled - expected
    if not one_sided:
        away, chance = np.abs(away), np.abs(chance)
    # Sums in another order differ by rounding, and are no further away.
    as_far = (chance >= away - 1e-12).sum(axis=0)
    z = np.where(spread > 0, (observed - expected) / np.where(spread > 0, spread, 1.0), 0.0)
    return {"observed": observed, "expected": expected, "z": z, "p": (1 + as_far) / (1 + len(shuffled))}


def _corrected(rows: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*columns, "p"])
    table["q"] = false_discovery_control(table["p"].to_numpy(dtype=float)) if len(table) else np.zeros(0)
    return table


def _shells(
    tissue: Measurement,
    levels: _Levels,
    where: np.ndarray,
    reached: Sequence[sparse.csr_matrix],
    orders: list[np.ndarray],
) -> pd.DataFrame:
    rows = []
    for step, shell in enumerate(reached, start=1):
        if not shell.nnz:
            continue
        observed = np.array([np.linalg.norm(_mean(shell, levels.z_nf).mean(axis=0))])
        chance = np.array([[np.linalg.norm(_mean(shell, levels.z_nf[order]).mean(axis=0))] for order in orders])
        row: dict[str, Any] = {"step": step, "neighbors": shell.nnz / len(where), "distance": np.nan}
        if tissue.coordinates is not None:
            ends = shell.tocoo()
            apart = tissue.coordinates[where[ends.row]] - tissue.coordinates[ends.col]
            row["distance"] = float(np.median(np.linalg.norm(apart, axis=1)))
        rows.append(pd.DataFrame({**row, **_compared(observed, chance, one_sided=True)}))
    return _corrected(rows, ["step", "neighbors", "distance", "observed", "expected", "z"])


def _types(tissue: Measurement, reached: Sequence[sparse.csr_matrix], orders: list[np.ndarray]) -> pd.DataFrame:
    names, code_n = np.unique(tissue.entities["cell_type"].astype(str), return_inverse=True)
    one_hot = np.eye(len(names))[code_n]
    rows = []
    for step, shell in enumerate(reached, start=1):
        if not shell.nnz:
            continue
        weight = np.asarray(shell.sum(axis=0)).ravel() / shell.nnz
        chance = np.array([weight @ one_hot[order] for order in orders])
        rows.append(pd.DataFrame({"step": step, "cell_type": names, **_compared(weight @ one_hot, chance)}))
    return _corrected(rows, ["step", "cell_type", "observed", "expected", "z"])


def _pairs(
    levels: _Levels,
    pairs: Sequence[Pair],
    where: np.ndarray,
    reached: Sequence[sparse.csr_matrix],
    orders: list[np.ndarray],
) -> pd.DataFrame:
    receptor_mp = levels.receptor_np[where]
    used = np.flatnonzero((receptor_mp > 0).any(axis=0) & (levels.ligand_np > 0).any(axis=0))
    kept = [pairs[i] for i in used.tolist()]
    names = {"pair": [pair.name for pair in kept], "family": [pair.family for pair in kept]}
    rows = []
    for step, shell in enumerate(reached, start=1):
        if not shell.nnz or not len(used):
            continue
        # The mean over cells of receptor times neighbors' ligand, as weights of the places that ligands come from.
        degree = np.maximum(np.diff(shell.indptr), 1)
        weight_np = np.asarray(shell.T @ (receptor_mp[:, used] / degree[:, None])) / len(where)
        ligand_np = levels.ligand_np[:, used]
        chance = np.array([np.einsum("np,np->p", weight_np, ligand_np[order]) for order in orders])
        observed = np.einsum("np,np->p", weight_np, ligand_np)
        rows.append(pd.DataFrame({"step": step, **names, **_compared(observed, chance)}))
    table = _corrected(rows, ["step", "pair", "family", "observed", "expected", "z"])
    return table.sort_values(["q", "p", "z"], ascending=[True, True, False], kind="stable", ignore_index=True)
