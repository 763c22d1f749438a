"""Ways to describe a section by its cells: what there is, which niches, and who touches whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.clusters import k_means, squares
from aivc.data.tissue.contacts import contact_enrichment

KINDS = ("composition", "niches", "attention", "contacts")
TYPE, SECTION, PATIENT = "cell_type", "section", "donor"
# Niches are found after averaging each cell with its neighbours so often, and are so many.
_ROUNDS, _NUMBERS, _RUNS, _SAMPLE = (1, 2), (6, 12, 24), 2, 5000
# Attention is learned over niches of a middle number.
_ATTENDED = (1, 12)
# Pairs of types that would meet less often than this in a section say nothing there.
_FEWEST_LINKS = 5.0


class SectionView(NamedTuple):
    """One way to describe a section.

    Attributes:
        kind: One of `KINDS`.
        rounds: How often each cell was averaged with its neighbours, for niches.
        number: Of niches.
    """

    kind: str
    rounds: int = 0
    number: int = 0


@final
@dataclass(frozen=True, eq=False)
class SectionRows:
    """Who belongs to which section.

    Attributes:
        code: ``(n,)`` section of each cell.
        name: ``(s,)`` names of the sections.
        owner: ``(s,)`` their patients.
        label: ``(s,)`` their classes; empty texts where none were asked for.
    """

    code: np.ndarray
    name: np.ndarray
    owner: np.ndarray
    label: np.ndarray

    @classmethod
    def of(cls, entities: pd.DataFrame, section: str, patient: str, column: str | None = None) -> "SectionRows":
        """Read columns of the cells.

        Raises:
            UnknownNameError: There is no such column.
            DataError: A section belongs to several patients, or to several classes.
        """
        names = _column(entities, section)
        owners = _column(entities, patient)
        labels = np.full(len(names), "", dtype=object) if column is None else _column(entities, column)
        found, first, code = np.unique(names, return_index=True, return_inverse=True)
        for what, each in (("patients", owners), ("classes", labels)):
            if (each != each[first][code]).any():
                raise DataError([f"A section has cells of several {what}. Name sections so that each has one."])
        return cls(code, found, owners[first], labels[first])


@final
@dataclass(frozen=True, eq=False)
class SectionViews:
    """How sections are described; learned without classes.

    Attributes:
        space: Of the states.
        kinds: Descriptions used, of `KINDS`.
        types: ``(t,)`` cell types whose contacts are counted; none where contacts are not used.
        pairs: ``(q, 2)`` pairs of types that meet often enough.
        centers: ``(k, d)`` of the niches of all rounds and numbers, one set after another.
    """

    space: Space
    kinds: tuple[str, ...]
    types: np.ndarray
    pairs: np.ndarray
    centers: Float[np.ndarray, "k d"]

    @classmethod
    def fit(cls, ur: UR, given: SectionRows, kinds: Sequence[str], seed: int) -> "SectionViews":
        """Find niches among 5,000 cells, and the pairs of types that meet.

        Raises:
            DataError: The states state no links.
        """
        types, pairs = np.zeros(0, dtype=object), np.zeros((0, 2), dtype=np.int64)
        if "contacts" in kinds and TYPE in ur.entities:
            types = np.unique(_column(ur.entities, TYPE)).astype(object)
            expected = _contacts(ur, given, types)[1].mean(axis=0)
            pairs = np.argwhere(np.triu(expected >= _FEWEST_LINKS)).astype(np.int64)
        centers = [np.zeros((0, ur.space.dim))]
        rows = np.sort(np.random.default_rng(seed).permutation(len(ur))[:_SAMPLE])
        if {"niches", "attention"} & set(kinds):
            for rounds, x_nd in _averaged(ur).items():
                for number in _NUMBERS:
                    few = min(number, len(rows))
                    runs = (k_means(x_nd[rows], few, seed=seed + 100 * rounds + run) for run in range(_RUNS))
                    found = min(runs, key=lambda each: each[1])[0]
                    # Fewer cells than niches: the last ones are twice there, and nobody's nearest.
                    centers.append(np.pad(found, ((0, number - few), (0, 0)), mode="edge"))
        return cls(ur.space, tuple(kinds), types, pairs, np.concatenate(centers))

    def tables(self, ur: UR, given: SectionRows) -> Mapping[SectionView, np.ndarray]:
        """``(s, p)`` of each description; frequencies as they are, all else as a regression may read it."""
        found, s = {}, len(given.name)
        if "composition" in self.kinds:
            mean_sd = _means(ur.values, given.code, s)
            # Roots of shares: one in ten is further from none than from two in ten.
            found[SectionView("composition")] = np.sign(mean_sd) * np.sqrt(np.abs(mean_sd))
        if len(self.pairs):
            ratio = _contacts(ur, given, self.types)[0]
            found[SectionView("contacts")] = ratio[:, self.pairs[:, 0], self.pairs[:, 1]]
        at = 0
        for rounds, x_nd in _averaged(ur).items() if len(self.centers) else ():
            for number in _NUMBERS:
                niche_n = squares(x_nd, self.centers[at : at + number]).argmin(axis=1)
                share_sk = _means(np.eye(number)[niche_n], given.code, s)
                at += number
                if "niches" in self.kinds:
                    found[SectionView("niches", rounds, number)] = share_sk
                if "attention" in self.kinds and (rounds, number) == _ATTENDED:
                    found[SectionView("attention", rounds, number)] = share_sk
        return found


def _averaged(ur: UR) -> dict[int, np.ndarray]:
    """``(n, d)`` states averaged with those of neighbours, once and again."""
    if ur.links is None:
        raise DataError(["Niches and contacts need to know who is whose neighbour. Link the cells first."])
    n = len(ur)
    together = sparse.csr_matrix((np.ones(ur.links.nnz), ur.links.indices, ur.links.indptr), shape=(n, n))
    together = together + sparse.eye(n, format="csr")
    mean = sparse.diags(1 / np.asarray(together.sum(axis=1)).ravel()) @ together
    found, x_nd = {}, ur.values
    for rounds in range(1, max(_ROUNDS) + 1):
        x_nd = np.asarray(mean @ x_nd)
        found[rounds] = x_nd
    return {rounds: found[rounds] for rounds in _ROUNDS}


def _contacts(ur: UR, given: SectionRows, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if ur.links is None:
        raise DataError(["Niches and contacts need to know who is whose neighbour. Link the cells first."])
    code_n = pd.Index(types).get_indexer(pd.Index(_column(ur.entities, TYPE)))
    known = code_n >= 0
    links = ur.links[known][:, known]
    return contact_enrichment(links, code_n[known], given.code[known], types=len(types), sections=len(given.name))


def _means(values: np.ndarray, code_n: np.ndarray, sections: int) -> np.ndarray:
    member = sparse.csr_matrix((np.ones(len(code_n)), (code_n, np.arange(len(code_n)))), shape=(sections, len(code_n)))
    return np.asarray((member @ values) / np.bincount(code_n, minlength=sections)[:, None])


def _column(entities: pd.DataFrame, name: str) -> np.ndarray:
    if name not in entities:
        raise UnknownNameError("column", name, map(str, entities), "Name a column of the cells.")
    return entities[name].astype(str).to_numpy(dtype=object)
