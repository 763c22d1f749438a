"""Whether learned tokens of images are worth it: on plates left out, beside six numbers and an untrained network."""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from aivc.core.contracts import Encoder
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.registry import ENCODERS
from aivc.data.images.layout import is_mask
from aivc.data.streaming.stream import random_ranks

TOKENS, UNTRAINED, NUMBERS, MORPHOLOGY = "tokens", "untrained", "intensity", "morphology"
RIVALS = (UNTRAINED, NUMBERS, MORPHOLOGY)
_PARTS, _MOST_PAIRS, _MOST_PLATES, _FEWEST = 5, 60, 2, 30
# Penalties of the readout, as shares of the mean power of an axis; each rival has the one that is best for it.
_PENALTIES = (0.03, 0.3, 3.0)


class Judged(NamedTuple):
    """What was found on plates left out.

    Attributes:
        scores: Of each of `TOKENS` and `RIVALS`: mean area under the curve over pairs of labels.
        errors: Of each of `RIVALS`: standard error of what the tokens gain on it, over parts of plates.
        plates: Which were left out.
    """

    scores: dict[str, float]
    errors: dict[str, float]
    plates: tuple[str, ...]

    @property
    def opened(self) -> bool:
        """Whether the tokens gain on each rival by more than two standard errors."""
        return bool(self.scores) and all(
            self.scores[TOKENS] - self.scores[rival] > 2 * self.errors[rival] for rival in RIVALS
        )


def plates_to_leave_out(measurement: Measurement) -> list[str]:
    """Plates that can be asked: of thirty crops or more under two labels at least, with another plate to learn from.

    The two with the most labels, and of these with the most crops.
    """
    plate_n, label_n = plates_of(measurement), measurement.perturbations
    names = [str(name) for name in np.unique(plate_n.astype(str)) if name]
    rows = {name: plate_n == name for name in names}
    asked = [name for name in names if rows[name].sum() >= _FEWEST and len(np.unique(label_n[rows[name]])) > 1]
    asked = [name for name in asked if (label_n[rows[name]] == CONTROL).any()]
    asked.sort(key=lambda name: (-len(np.unique(label_n[rows[name]])), -int(rows[name].sum()), name))
    return asked[:_MOST_PLATES] if len(names) > 1 else []


def plates_of(measurement: Measurement) -> np.ndarray:
    """``(n,)`` plate of each entity as text, empty where none is given."""
    if "batch" not in measurement.entities:
        return np.full(len(measurement), "", dtype=object)
    column = measurement.entities["batch"]
    return np.where(column.isna(), "", column.astype(str)).astype(object)


def judge(
    measurement: Measurement,
    plates: list[str],
    rivals: dict[str, Float[np.ndarray, "n f"]],
    tokens_without: Callable[[str], dict[str, Float[np.ndarray, "n e"]]],
    dim: int,
) -> Judged:
    """Ask plates left out.

    Of the plate that is asked nothing is learned but, by its controls, where its middle lies. Labels are then read by a
    ridge regression: one that was fitted on the other plates where these hold the labels, else one of other parts of
    the plate (fields, where the column ``field`` names them). Each rival is normalized and whitened as the tokens are.

    Args:
        measurement: Crops with labels.
        plates: To be left out, one after another.
        rivals: ``(n, f)`` numbers of every crop by name; the same whichever plate is left out.
        tokens_without: Of a plate: ``(n, e)`` numbers by name, that were learned without it.
        dim: Axes of states.
    """
    plate_n, part_n = plates_of(measurement), _parts_of(measurement)
    found: dict[str, list[float]] = {name: [] for name in (TOKENS, *RIVALS)}
    for plate in plates:
        out_n = plate_n == plate
        for name, x_nf in (rivals | tokens_without(plate)).items():
            states = states_of(x_nf, measurement, out_n, dim)
            found[name] += _said(states, measurement.perturbations, out_n, part_n)
    if not found[TOKENS]:
        return Judged({}, {}, tuple(plates))
    gains = {name: np.array(found[TOKENS]) - found[name] for name in RIVALS}
    return Judged(
        {name: float(np.mean(values)) for name, values in found.items()},
        {name: float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 1.0 for name, each in gains.items()},
        tuple(plates),
    )


def states_of(x_nf: np.ndarray, measurement: Measurement, out_n: np.ndarray, dim: int) -> Float[np.ndarray, "n d"]:
    """States of all crops, normalized without the treated crops of what is left out."""
    table = table_of(x_nf, measurement)
    hidden_n = out_n & (measurement.perturbations != CONTROL)
    return normalizer(table.take(~hidden_n), dim).encode(table).values


def normalizer(table: Measurement, dim: int) -> Encoder:
    """What makes states of numbers: the encoder ``morphology`` of a table."""
    return ENCODERS.load(MORPHOLOGY).fit(table, dim=min(dim, len(table.features)))


def table_of(x_nf: Float[np.ndarray, "n f"], measurement: Measurement, name: str = "token") -> Measurement:
    """Numbers of crops as a table of features."""
    names = np.array([f"{name} {i}" for i in range(x_nf.shape[1])], dtype=object)
    return measurement.replace(
        values=x_nf, features=names, modality="profile", units="arbitrary", observed=None, provenance={}
    )


def intensity_numbers(measurement: Measurement) -> Float[np.ndarray, "n f"]:
    """``(n, 2 c)`` mean and standard deviation of each channel: six numbers of three channels."""
    where = [i for i, name in enumerate(measurement.features) if not is_mask(name)]
    made = []
    for start in range(0, len(measurement), 256):
        block = np.asarray(measurement.block(start, min(start + 256, len(measurement))))[:, where].astype(np.float64)
        made.append(np.concatenate([block.mean(axis=(2, 3)), block.std(axis=(2, 3))], axis=1))
    return np.concatenate(made)


def _parts_of(measurement: Measurement) -> np.ndarray:
    """``(n,)`` one of five parts; what was taken together in a field stays together."""
    by = measurement.entities.get("field", measurement.entities.index.to_series())
    text = np.asarray(by.astype(str), dtype=object)
    return (random_ranks(text, 0) % np.uint64(_PARTS)).astype(int)


def _said(z_nd: np.ndarray, label_n: np.ndarray, out_n: np.ndarray, part_n: np.ndarray) -> list[float]:
    """Score of each part of the plate that was left out, at the penalty where their mean is best."""
    names = np.unique(label_n[out_n].astype(str))
    y_nk = (label_n.astype(str)[:, None] == names).astype(float)
    # Another plate answers where it holds every label that is asked for.
    across = bool(y_nk[~out_n].any(axis=0).all())
    tried = []
    for share in _PENALTIES:
        scores = []
        for part in range(_PARTS):
            asked = out_n & (part_n == part)
            rows = ~out_n if across else out_n & (part_n != part)
            rows = rows & y_nk.any(axis=1)
            score = _pairwise(_read(z_nd, y_nk, rows, share)[asked], y_nk[asked])
            scores += [] if score is None else [score]
        tried.append(scores)
    return max(tried, key=lambda scores: float(np.mean(scores)) if scores else 0.0)


def _read(z_nd: np.ndarray, y_nk: np.ndarray, rows: np.ndarray, share: float) -> np.ndarray:
    x_ne = np.c_[z_nd, np.ones(len(z_nd))]
    # Each label counts as much as another, however many crops it has.
    weight_n = (y_nk[rows] / np.maximum(y_nk[rows].sum(axis=0), 1)).sum(axis=1)
    gram = (x_ne[rows] * weight_n[:, None]).T @ x_ne[rows]
    small = share * np.trace(gram) / len(gram) * np.eye(len(gram))
    small[-1, -1] = 1e-9
    return np.asarray(x_ne @ np.linalg.solve(gram + small, x_ne[rows].T @ (weight_n[:, None] * y_nk[rows])))


def _pairwise(said_nk: np.ndarray, y_nk: np.ndarray) -> float | None:
    """Mean over pairs of labels of how often a crop of the one is called more like it (Hand and Till 2001)."""
    pairs = list(combinations(np.flatnonzero(y_nk.any(axis=0)), 2))
    if len(pairs) > _MOST_PAIRS:
        kept = np.random.default_rng(0).permutation(len(pairs))[:_MOST_PAIRS]
        pairs = [pairs[i] for i in kept]
    found = []
    for a, b in pairs:
        of_a, of_b = y_nk[:, a] > 0, y_nk[:, b] > 0
        score = (said_nk[:, a] - said_nk[:, b])[of_a | of_b]
        count, positive = int(of_a.sum()), of_a[of_a | of_b]
        area = rankdata(score)[positive].sum() - count * (count + 1) / 2
        found.append(area / (count * int(of_b.sum())))
    return float(np.mean(found)) if found else None
