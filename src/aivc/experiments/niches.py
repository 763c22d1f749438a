"""Niches: surroundings that recur in a tissue, how many kinds there are, what lives in them, and who has more."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse
from scipy.stats import norm

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.clusters import adjusted_rand, k_means, squares
from aivc.data.tissue.spacing import SECTION

_SAMPLE = 5000


@final
@dataclass(frozen=True, eq=False)
class Niches:
    """Kinds of surroundings, found in some sections and recognized in others.

    Attributes:
        space: Of the states that they were found among.
        centers: ``(k, width)`` mean surroundings of each niche.
        labels: ``(n,)`` number of the niche of each cell that they were found among.
        stability: A row for each number of niches and of rounds tried: ``number``, ``rounds``, ``agreement`` (mean
            adjusted Rand index between runs of k-means that differ in their start) and ``spread`` (its standard
            deviation).
        reach: Number of shells in a state.
        rounds: How often each cell was averaged with its neighbours.
    """

    space: Space
    centers: Float[np.ndarray, "k width"]
    labels: np.ndarray
    stability: pd.DataFrame
    reach: int
    rounds: int

    def assign(self, ur: UR) -> np.ndarray:
        """``(n,)`` number of the niche of each cell.

        Raises:
            DataError: The states state no links.
            SpaceError: They are of another space.
        """
        self.space.require(ur.space, "niches")
        return squares(surroundings(ur, reach=self.reach, rounds=self.rounds), self.centers).argmin(axis=1)

    def frequencies(self, ur: UR, column: str = SECTION) -> pd.DataFrame:
        """Share of the cells of each section, or of what else a column tells apart, that lie in each niche.

        Raises:
            DataError: The states state no links.
            SpaceError: They are of another space.
            UnknownNameError: There is no such column.
        """
        names = _column(ur.entities, column)
        found = pd.crosstab(names, self.assign(ur), normalize="index")
        return found.reindex(columns=range(len(self.centers)), fill_value=0.0)


def find_niches(
    ur: UR,
    *,
    reach: int = 3,
    numbers: Sequence[int] = tuple(range(4, 13)),
    rounds: Sequence[int] = (1, 2, 3, 4),
    runs: int = 10,
    seed: int = 0,
) -> Niches:
    """Divide a tissue into niches, as many as are found again from another start.

    Surroundings are means of cells with their neighbours: the noise of a cell's own state, which would make a niche of
    each cell type, is averaged out. How often to average, and how many niches there are, is decided by stability
    (Varrone et al. 2024, Nat Genet 56:74): k-means has to give the same answer from different starts. The answer is the
    run that fits best.

    Args:
        ur: States with links: as the encoder ``shells`` writes them, or those of cells with ``reach=0``.
        reach: Number of shells that the encoder wrote.
        numbers: Numbers of niches to try; a single one is taken.
        rounds: How often to average each cell with its neighbours, likewise.
        runs: Starts of k-means for each number.
        seed: Draws the starts, and the 5,000 cells on which numbers are compared where there are more.

    Raises:
        DataError: The states state no links, their axes do not divide into shells, or there are too few cells.
    """
    if not numbers or min(numbers) < 2 or max(numbers) > len(ur):
        raise DataError([f"Numbers of niches lie between 2 and {len(ur)}, that of cells; got {list(numbers)}."])
    drawn = np.random.default_rng(seed).permutation(len(ur))[:_SAMPLE]
    rows = []
    for often in rounds:
        x_nd = surroundings(ur, reach=reach, rounds=often)[drawn]
        rows += [(number, often, *_agreement(x_nd, number, runs, seed)) for number in numbers]
    stability = pd.DataFrame(rows, columns=["number", "rounds", "agreement", "spread"])
    number, often = map(int, stability.loc[stability["agreement"].idxmax(), ["number", "rounds"]])
    x_nd = surroundings(ur, reach=reach, rounds=often)
    centers = min((k_means(x_nd, number, seed=seed + run) for run in range(runs)), key=lambda found: found[1])[0]
    return Niches(ur.space, centers, squares(x_nd, centers).argmin(axis=1), stability, reach, often)


def surroundings(ur: UR, *, reach: int = 3, rounds: int = 1) -> Float[np.ndarray, "n width"]:
    """``(n, width)`` mean state of each cell with its neighbours, again and again.

    Args:
        ur: States as the encoder ``shells`` writes them, with links.
        reach: Number of shells that the encoder wrote.
        rounds: How often.

    Raises:
        DataError: The states state no links, or their axes do not divide into shells.
    """
    if ur.links is None:
        raise DataError(["Niches need to know who is whose neighbour. Encode with shells, which keeps the links."])
    if ur.space.dim % (reach + 1):
        raise DataError([f"{ur.space.dim} axes do not divide into those of a cell and of {reach} shells. Give reach=."])
    together = sparse.csr_matrix((np.ones(ur.links.nnz), ur.links.indices, ur.links.indptr), shape=ur.links.shape)
    together = together + sparse.eye(len(ur), format="csr")
    mean = sparse.diags(1 / np.asarray(together.sum(axis=1)).ravel()) @ together
    found = ur.values[:, : ur.space.dim // (reach + 1)].astype(np.float64)
    for _ in range(rounds):
        found = mean @ found
    return np.asarray(found)


def enrichment(niche_n: np.ndarray, entities: pd.DataFrame, column: str) -> pd.DataFrame:
    """Say what lives in each niche, compared with types shuffled among the cells of their section.

    Mean and variance of the shuffle are exact (hypergeometric); no shuffle is drawn.

    Args:
        niche_n: Number of the niche of each cell.
        entities: ``n`` rows; the column ``section`` tells sections apart where it is there.
        column: Holds the types.

    Returns:
        A row for each niche and type: ``niche``, ``type``, ``cells``, ``expected``, ``log2_ratio`` (one cell added to
        both), ``z`` and ``p`` (two-sided, normal approximation), the most enriched type of each niche first.

    Raises:
        UnknownNameError: There is no such column.
    """
    types = _column(entities, column)
    where = entities[SECTION].astype(str).to_numpy() if SECTION in entities else np.full(len(entities), "")
    niches, kinds = np.unique(niche_n), np.unique(types)
    seen, mean, variance = (np.zeros((len(niches), len(kinds))) for _ in range(3))
    for name in np.unique(where):
        inside = where == name
        table = (niche_n[inside, None] == niches).T.astype(float) @ (types[inside, None] == kinds).astype(float)
        n, in_niche, of_type = inside.sum(), table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
        seen, mean = seen + table, mean + in_niche * of_type / n
        variance = variance + in_niche * of_type * (n - in_niche) * (n - of_type) / max(n**2 * (n - 1), 1)
    z = (seen - mean) / np.sqrt(np.maximum(variance, 1e-12))
    z[variance <= 0] = 0.0
    found = pd.DataFrame(
        {
            "niche": np.repeat(niches, len(kinds)),
            "type": np.tile(kinds, len(niches)),
            "cells": seen.ravel().astype(int),
            "expected": mean.ravel(),
            "log2_ratio": np.log2((seen + 1) / (mean + 1)).ravel(),
            "z": z.ravel(),
            "p": 2 * norm.sf(np.abs(z.ravel())),
        }
    )
    return found.sort_values(["niche", "z"], ascending=[True, False], ignore_index=True)


def niche_names(table: pd.DataFrame, most: int = 2, least: float = 3.0) -> dict[int, str]:
    """Name each niche by the types that are enriched in it, such as ``beta, alpha``; ``mixed`` where none is.

    Args:
        table: As `enrichment` gives it.
        most: How many types a name holds.
        least: z of a type that counts as enriched.
    """
    names = {}
    for niche, rows in table.groupby("niche"):
        names[int(niche)] = ", ".join(rows["type"][rows["z"] >= least][:most]) or "mixed"
    return names


def abundance(
    niche_n: np.ndarray,
    entities: pd.DataFrame,
    condition: str,
    *,
    patient: str = "donor",
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare how much of each niche patients of different conditions have; a patient, not a cell, is one observation.

    Args:
        niche_n: Number of the niche of each cell.
        entities: ``n`` rows.
        condition: Column of the condition, the same for all cells of a patient.
        patient: Column of the patient.
        permutations: How often conditions are dealt anew to patients.
        seed: Draws them.

    Returns:
        A row for each niche: ``niche``, the mean share of cells of each condition, ``difference`` (largest minus
        smallest of these) and ``p`` (by permutation, of the variance between conditions).

    Raises:
        DataError: A patient has several conditions, or there is one condition only.
        UnknownNameError: There is no such column.
    """
    owner_n, state_n = _column(entities, patient), _column(entities, condition)
    own = pd.crosstab(owner_n, state_n)
    if ((own > 0).sum(axis=1) > 1).any() or own.shape[1] < 2:
        raise DataError(
            [f"Two values of {condition!r} or more, and one for each {patient}, are wanted: a {patient} is one case."]
        )
    share = pd.crosstab(owner_n, niche_n, normalize="index")
    state_p = own.columns.to_numpy()[own.to_numpy().argmax(axis=1)]
    rng = np.random.default_rng(seed)
    seen = _between(share.to_numpy(), state_p)
    drawn = np.array([_between(share.to_numpy(), rng.permutation(state_p)) for _ in range(permutations)])
    means = share.groupby(state_p).mean().T
    return (
        means.assign(
            difference=means.max(axis=1) - means.min(axis=1),
            p=(1 + (drawn >= seen - 1e-12).sum(axis=0)) / (1 + permutations),
        )
        .rename_axis("niche")
        .reset_index()
    )


def _agreement(x_nd: np.ndarray, number: int, runs: int, seed: int) -> tuple[float, float]:
    found = [squares(x_nd, k_means(x_nd, number, seed=seed + run)[0]).argmin(axis=1) for run in range(runs)]
    pairs = [adjusted_rand(a, b) for a, b in combinations(found, 2)]
    return (float(np.mean(pairs)), float(np.std(pairs))) if pairs else (1.0, 0.0)


def _between(share_pk: np.ndarray, state_p: np.ndarray) -> np.ndarray:
    """``(k,)`` variance of shares between conditions, each patient counting once."""
    middle = share_pk.mean(axis=0)
    parts = [(state_p == each).sum() * (share_pk[state_p == each].mean(axis=0) - middle) ** 2 for each in set(state_p)]
    return np.asarray(np.sum(parts, axis=0))


def _column(entities: pd.DataFrame, name: str) -> np.ndarray:
    if name not in entities:
        raise UnknownNameError("column", name, map(str, entities), "Name a column of the entities.")
    return entities[name].astype(str).to_numpy(dtype=object)
