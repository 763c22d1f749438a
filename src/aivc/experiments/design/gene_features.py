"""What is known of the genes of a library before its screen: other screens, annotations, and tables of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import norm, rankdata

from aivc.core.errors import DataError
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.names.genes import resolve
from aivc.data.priors.gene_annotations import gene_annotations
from aivc.data.priors.gene_priors import block_slices, gene_priors

# Few axes against the many of annotations: without more weight they would hardly count.
_WEIGHT = 1.4
_AXES, _PENALTY, _TOP, _CLIP = 24, 300.0, 0.05, 6.0
BOTH, LOWER, RAISE = "both", "lower", "raise"
DIRECTIONS = (BOTH, LOWER, RAISE)


@final
@dataclass(frozen=True, eq=False)
class GeneFeatures:
    """Candidates of a gene campaign.

    Attributes:
        names: ``n`` genes, sorted, each once.
        values: ``(n, f)`` features, label-free.
        prior: ``(n,)`` strength expected before any measurement, from related screens and knowledge; zeros without.
        strength: ``(n,)`` mean strength over the related screens, as normal scores; zeros without.
        axes: ``(n, d)`` leading axes of the features, in which a first batch is spread.
        unknown: Names of which nothing is known: in no knowledge, related screen or table. A first batch meets them by
            chance.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "n f"]
    prior: Float[np.ndarray, " n"]
    strength: Float[np.ndarray, " n"]
    axes: Float[np.ndarray, "n d"]
    unknown: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def state(self) -> State:
        """Return all of it, for `State.save`."""
        arrays = {"values": self.values, "prior": self.prior, "strength": self.strength, "axes": self.axes}
        return State({"names": list(self.names), "unknown": list(self.unknown)}, arrays)

    @classmethod
    def from_state(cls, state: State) -> "GeneFeatures":
        """Inverse of `state`."""
        names, unknown = (tuple(map(str, state.settings.get(key, ()))) for key in ("names", "unknown"))
        return cls(names, **{key: state.arrays[key] for key in _FIELDS}, unknown=unknown)


_FIELDS = ("values", "prior", "strength", "axes")


def gene_features(
    genes: Sequence[str],
    related: Mapping[str, pd.Series] | None = None,
    *,
    directions: Mapping[str, str] | None = None,
    covariates: pd.DataFrame | None = None,
    knowledge: Sequence[UR] | None = None,
    seed: int = 0,
) -> GeneFeatures:
    """Gather what is known of the genes of a library.

    Args:
        genes: The library.
        related: Scores of other screens, by gene; genes that a screen lacks are as its average.
        directions: Of a related screen, what counts as strong: ``both`` (the default), ``lower`` or ``raise``.
        covariates: Numbers by gene, such as expression; missing ones are as the average.
        knowledge: Representations of genes with blocks; None takes `gene_annotations` and `gene_priors`.
        seed: Of the halves by which the prior is regressed on knowledge.

    Raises:
        DataError: A gene stands twice, there are fewer than ten, or nothing is known of any.
    """
    names = sorted(map(str, genes))
    if len(set(names)) != len(names) or len(names) < 10:
        raise DataError([f"A library has ten genes or more, each once, got {len(names)}. Give each gene once."])
    urs = [gene_annotations(), gene_priors()] if knowledge is None else list(knowledge)
    # Without knowledge the table of gene names is not needed, and need not be here.
    current = resolve(names).current if urs else tuple(names)
    known = [block for ur in urs for block in _blocks(ur, current)]
    tables = [] if covariates is None else [_WEIGHT * _scaled(_standard(covariates.reindex(names)))]
    screens = [_aligned(scores, names) for scores in (related or {}).values()]
    unknown = _unknown(names, current, urs, screens, covariates)
    sides = [(directions or {}).get(name, BOTH) for name in related or {}]
    strong_sn = [normal_scores(strong(score_n, side)) for score_n, side in zip(screens, sides, strict=True)]
    know_nf = np.column_stack([np.zeros((len(names), 0)), *known, *tables])
    strength_n = np.mean(strong_sn, axis=0) if strong_sn else np.zeros(len(names))
    views = [_views(score_n, side) for score_n, side in zip(screens, sides, strict=True)]
    own = [_WEIGHT * _scaled(np.column_stack(views))] if views else []
    values_nf = np.column_stack([*own, know_nf]).astype(np.float32)
    prior_n = transferred(know_nf, strength_n, seed) if strong_sn else np.zeros(len(names))
    return GeneFeatures(tuple(names), values_nf, prior_n, strength_n, _leading(values_nf), unknown)


def _unknown(
    names: Sequence[str],
    current: Sequence[str],
    urs: Sequence[UR],
    screens: Sequence[np.ndarray],
    covariates: pd.DataFrame | None,
) -> tuple[str, ...]:
    """Names of which nothing is known; refused where that is all of them, and a batch would be a lottery."""
    known_n = np.zeros(len(names), dtype=bool)
    for ur in urs:
        known_n |= pd.Index(list(current), dtype=object).isin(ur.entities.index)
    for score_n in screens:
        known_n |= np.isfinite(score_n)
    if covariates is not None:
        known_n |= covariates.reindex(names).notna().any(axis=1).to_numpy()
    if not known_n.any():
        raise DataError(
            [
                f"Nothing is known of any of {len(names)} genes, first {names[0]}. Name human genes by their symbols, "
                "or give related screens or a table of these names."
            ]
        )
    return tuple(name for name, known in zip(names, known_n, strict=True) if not known)


def transferred(know_nf: Float[np.ndarray, "n f"], strength_n: Float[np.ndarray, " n"], seed: int) -> np.ndarray:
    """Strength in other screens, regressed on knowledge: each gene by the half of the genes that it is not in."""
    half_n = np.random.default_rng(1000 + seed).permutation(len(know_nf)) < len(know_nf) // 2
    found_n = np.zeros(len(know_nf))
    for fit_n in (half_n, ~half_n):
        x_mf = know_nf[fit_n].astype(np.float64)
        center_f, level = x_mf.mean(axis=0), float(strength_n[fit_n].mean())
        z_mf = x_mf - center_f
        weight_f = np.linalg.solve(
            z_mf.T @ z_mf + _PENALTY * np.eye(z_mf.shape[1]), z_mf.T @ (strength_n[fit_n] - level)
        )
        found_n[~fit_n] = level + (know_nf[~fit_n] - center_f) @ weight_f
    return found_n


def strong(score_n: Float[np.ndarray, " n"], direction: str) -> Float[np.ndarray, " n"]:
    """Strength of scores: their size, or how far they lie on one side.

    >>> strong(np.array([-2.0, 1.0]), "lower").tolist()
    [2.0, -1.0]
    """
    if direction not in DIRECTIONS:
        raise DataError([f"A direction is one of {', '.join(DIRECTIONS)}, got {direction!r}. Choose one of them."])
    return np.abs(score_n) if direction == BOTH else (-score_n if direction == LOWER else score_n)


def normal_scores(value_n: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Normal quantiles of ranks; what is not a number becomes zero, as the average is.

    >>> normal_scores(np.array([3.0, np.nan, 1.0])).round(2).tolist()
    [0.67, 0.0, -0.67]
    """
    found_n, known_n = np.zeros(len(value_n)), np.isfinite(value_n)
    found_n[known_n] = norm.ppf((rankdata(value_n[known_n]) - 0.5) / max(int(known_n.sum()), 1))
    return found_n


def _aligned(scores: pd.Series, names: Sequence[str]) -> np.ndarray:
    return scores[~scores.index.duplicated()].reindex(list(names)).to_numpy(dtype=float)


def _views(score_n: np.ndarray, side: str) -> np.ndarray:
    """Five readings of one screen: signed and by strength, by rank and by value, and its strongest."""
    strong_n = strong(score_n, side)
    top_n = np.isfinite(strong_n) & (np.nan_to_num(strong_n, nan=-np.inf) >= np.nanquantile(strong_n, 1 - _TOP))
    parts = [normal_scores(score_n), normal_scores(strong_n), _robust(score_n) / 2, _robust(strong_n) / 2, 4.0 * top_n]
    return np.column_stack(parts)


def _robust(value_n: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(value_n)
    spread = 1.4826 * np.nanmedian(np.abs(value_n - middle)) + 1e-9
    return np.nan_to_num(np.clip((value_n - middle) / spread, -_CLIP, _CLIP))


def _blocks(ur: UR, current: Sequence[str]) -> list[np.ndarray]:
    """Blocks of a representation, rows in the order asked for, each with rows of mean squared length one."""
    rows = ur.entities.index.get_indexer(pd.Index(list(current), dtype=object))
    values_nf = np.where(rows[:, None] >= 0, ur.values[np.maximum(rows, 0)], 0.0)
    found = []
    for name, axes in block_slices(ur).items():
        # Counts are few axes that are no directions: standardized, as tables are.
        block = (
            _WEIGHT * _scaled(_standard(pd.DataFrame(values_nf[:, axes]))) if name == "amounts" else values_nf[:, axes]
        )
        found.append(block if name == "amounts" else _scaled(block))
    return found


def _standard(table: pd.DataFrame) -> np.ndarray:
    values_nf = table.to_numpy(dtype=float)
    known_nf = np.isfinite(values_nf)
    count_f = np.maximum(known_nf.sum(axis=0), 1)
    mean_f = np.where(known_nf, values_nf, 0).sum(axis=0) / count_f
    apart_nf = np.where(known_nf, values_nf - mean_f, 0.0)
    return apart_nf / np.maximum(np.sqrt((apart_nf**2).sum(axis=0) / count_f), 1e-9)


def _scaled(block_nf: np.ndarray) -> np.ndarray:
    size = float(np.sqrt((block_nf**2).sum(axis=1).mean()))
    return block_nf / size if size > 0 else block_nf


def _leading(values_nf: np.ndarray) -> np.ndarray:
    """Principal axes of the features, the first varying most."""
    center_f = values_nf.mean(axis=0, dtype=np.float64)
    apart_nf = values_nf - center_f.astype(np.float32)
    _, vector_ff = np.linalg.eigh((apart_nf.T @ apart_nf).astype(np.float64))
    kept_fd = vector_ff[:, ::-1][:, :_AXES]
    kept_fd = kept_fd * np.sign(kept_fd[np.abs(kept_fd).argmax(axis=0), np.arange(kept_fd.shape[1])])
    return np.asarray(apart_nf.astype(np.float64) @ kept_fd)
