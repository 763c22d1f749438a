"""What protocols of tissue share: folds, states of cells and of their surroundings, and the shuffles beside them."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.stats import rankdata

from aivc.core.contracts import Encoder
from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS, MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.graph import sections
from aivc.evaluation.benchmarks.protocol import SHUFFLED

_SUBSETS = 8


def digits(text: str, n: int) -> np.ndarray:
    """``(n,)`` numbers of a text with one character for each row, a dot being -1.

    Raises:
        IntegrityError: It is of another number of rows.

    >>> digits("01.", 3)
    array([ 0,  1, -1])
    """
    if len(text) != n:
        raise IntegrityError(
            f"The benchmark was frozen on {len(text)} rows, and the data have {n}. Read the same file."
        )
    return np.array([-1 if each == "." else int(each) for each in text])


def rowhash(n: int, mod: int, seed: int = 0) -> np.ndarray:
    """``(n,)`` numbers below ``mod`` that look random and depend on the position of a row alone.

    >>> rowhash(8, 10)
    array([9, 3, 3, 6, 0, 0, 3, 3])
    """
    mixed = ((np.arange(n, dtype=np.uint64) + np.uint64(1 + seed)) * np.uint64(2654435761)) % np.uint64(2**32)
    return ((mixed >> np.uint64(8)) % np.uint64(mod)).astype(int)


def far_from(points: np.ndarray, asked: np.ndarray, buffer: float) -> np.ndarray:
    """True for what is not asked about, nor closer than the buffer to what is."""
    if not buffer:
        return ~asked
    return ~asked & (cKDTree(points[asked]).query(points)[0] >= buffer)


def variable_genes(cells: Measurement, train: np.ndarray, most: int) -> Measurement:
    """Log-normalized by totals over all genes; the genes that vary most over training cells."""
    x = normalize(cells, profile_units(cells.take(train)))
    seen = sparse.csr_matrix(x.values)[train]
    variance = np.asarray(seen.multiply(seen).mean(axis=0)).ravel() - np.asarray(seen.mean(axis=0)).ravel() ** 2
    return x.select(x.features[np.sort(np.argsort(-variance, kind="stable")[:most])])


def require_known(methods: Sequence[str], known: Collection[str], manipulators: Collection[str] = ()) -> None:
    """Let pass names that a protocol knows, encoders of tissue, and the manipulators named; each also shuffled.

    Raises:
        UnknownNameError: A method is none of these.
        SpaceError: An encoder is not one of tissue.
    """
    for method in methods:
        name = method.removesuffix(SHUFFLED)
        if method in known or name in known:
            continue
        if name in manipulators:
            MANIPULATORS.load(name)
            continue
        if name not in ENCODERS.names():
            listed = [*known, *manipulators, *ENCODERS.names()]
            raise UnknownNameError("method", method, listed, "An encoder of tissue is a method too.")
        if ENCODERS.load(name).scale is not Scale.MULTICELLULAR:
            raise SpaceError(
                f"{name} encodes cells by themselves, and this asks what surrounds them. Name one of tissue."
            )


def fit_encoder(name: str, cells: Measurement, parts: UR, dim: int, settings: Mapping[str, Any], seed: int) -> Encoder:
    """Fit an encoder of tissue, with those of the settings that it takes.

    Args:
        name: Registered.
        cells: Training cells with positions or links.
        parts: Their states.
        dim: Axes.
        settings: Such as ``rule``, ``reach`` and ``by_section``.
        seed: Of the encoder.
    """
    part: Any = ENCODERS.load(name)
    taken = inspect.signature(part.fit).parameters
    more = {key: value for key, value in settings.items() if key in taken}
    made: Encoder = part.fit(cells, dim=dim, seed=seed, **part.given(parts), **more)
    return made


def shells_of(encoder: Encoder) -> int:
    """Number of blocks of axes beside that of the cell itself; 0 where an encoder has no such blocks."""
    width = getattr(encoder, "width", 0)
    return encoder.writes.dim // width - 1 if width else 0


def shuffled_links(cells: Measurement, seed: int) -> Measurement:
    """Let cells exchange their neighbours with others of their section."""
    order, rng = np.arange(len(cells)), np.random.default_rng(seed)
    for where in sections(cells):
        order[where] = rng.permutation(where)
    assert cells.links is not None
    return cells.replace(links=sparse.csr_matrix(cells.links)[order][:, order])


def shuffled_within(groups: np.ndarray, seed: int) -> np.ndarray:
    """``(n,)`` order that exchanges rows of one group."""
    order, rng = np.arange(len(groups)), np.random.default_rng(seed)
    for rows in pd.Series(np.arange(len(groups))).groupby(groups).indices.values():
        order[rows] = rng.permutation(rows)
    return order


def masked_states(
    encoder: Encoder, cells: Measurement, parts: UR, blank_nd: np.ndarray, hidden_n: np.ndarray | None = None
) -> UR:
    """States of surroundings that hold nothing of the cell itself.

    An eighth of the cells at a time has the blank state when it is encoded, and only these are read out. So an encoder
    of any kind says what surrounds a cell, at the price of an eighth of its neighbours.

    Args:
        encoder: Of tissue.
        cells: With links.
        parts: ``(n, d)`` their states.
        blank_nd: ``(n, d)`` what stands for a state that is not known, such as the mean of its type.
        hidden_n: ``(n,)`` cells that are blank for everybody.
    """
    values, subset_n = parts.values.copy(), rowhash(len(cells), _SUBSETS)
    if hidden_n is not None:
        values[hidden_n] = blank_nd[hidden_n]
    found: UR | None = None
    out = np.zeros((len(cells), encoder.writes.dim))
    for subset in range(_SUBSETS):
        rows = np.flatnonzero(subset_n == subset)
        given = values.copy()
        given[rows] = blank_nd[rows]
        found = encoder.encode(cells, **encoder.given(replace(parts, values=given)))
        out[rows] = found.values[rows]
    assert found is not None
    return UR(out, found.space, cells.entities, links=cells.links)


def states_of(values: np.ndarray, cells: Measurement, name: str) -> UR:
    """Numbers of cells as states, with the links of the cells."""
    space = Space(name, Scale.CELLULAR, values.shape[1], "benchmark")
    return UR(np.asarray(values, dtype=np.float64), space, cells.entities, links=cells.links)


def type_means(values: np.ndarray, types: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """``(n, d)`` for each cell the mean of the seen cells of its type; of all seen cells where there are none."""
    made = np.tile(values[seen].mean(axis=0), (len(values), 1))
    for name in np.unique(types[seen]):
        made[types == name] = values[seen & (types == name)].mean(axis=0)
    return made


def auroc(score: np.ndarray, truth: np.ndarray) -> float:
    """Probability that one of the true ones has the larger score."""
    rank, n = rankdata(score), truth.sum()
    return float((rank[truth].sum() - n * (n + 1) / 2) / n / (len(truth) - n))


def macro_f1(own: np.ndarray, best: np.ndarray) -> float:
    """Mean F1 of the classes that there are."""
    same = [2 * ((own == c) & (best == c)).sum() / ((own == c).sum() + (best == c).sum()) for c in np.unique(own)]
    return float(np.mean(same))
