"""Cells beside their controls: how they are measured, grouped and left out, and how a population is judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from aivc.core.errors import ControlError, DataError
from aivc.core.matching import matched_columns
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.priors.places import index_of, locate, unit_rows
from aivc.nn.flow import Condition

_FEWEST, _PART_AXES = 8, 8
_TINY = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Frame:
    """How states are measured: from the controls of their context and batch, in units of the scatter of controls.

    Attributes:
        contexts: ``c`` contexts with controls.
        centers: ``(c, d)`` mean control of each.
        batches: ``b`` batches with controls, each by its context and name.
        offsets: ``(b, d)`` mean control of each, from that of its context.
        unit: Root mean square scatter of a control cell over the axes.
        scatter: ``(d, d)`` covariance of controls of one context and batch, in squared units.
        parts: Names of what can be perturbed.
        vectors: ``(g, e)`` what is known of each.
    """

    contexts: tuple[str, ...]
    centers: Float[np.ndarray, "c d"]
    batches: tuple[str, ...]
    offsets: Float[np.ndarray, "b d"]
    unit: float
    scatter: Float[np.ndarray, "d d"]
    parts: tuple[str, ...]
    vectors: Float[np.ndarray, "g e"]

    @property
    def spread(self) -> np.ndarray:
        """``(d,)`` standard deviation of controls on each axis, in units."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.scatter), 1e-6)))

    def center(self, context: str, states: UR) -> np.ndarray:
        """``(d,)`` mean control of a context; the mean of the states given for one without controls in training."""
        return self.centers[self.contexts.index(context)] if context in self.contexts else states.mean

    def away(self, ur: UR, context: str) -> Float[np.ndarray, "n d"]:
        """States of one context from the mean control of their batch; of the context, for a batch without controls."""
        known = index_of(self.batches)
        away_nd = ur.values - self.center(context, ur)
        for name in set(batches := _finest(ur, self.batches)):
            if name in known:
                away_nd[batches == name] -= self.offsets[known[name]]
        return np.asarray(away_nd / self.unit)

    def condition(self, shift_d: np.ndarray, center_d: np.ndarray, perturbation: Perturbation) -> Condition:
        """One row of what a population is asked to become.

        Args:
            shift_d: Of its mean, in the axes of the space.
            center_d: Mean control.
            perturbation: What is done.
        """
        away_d = shift_d / self.unit
        way_d = away_d / max(float(np.linalg.norm(away_d)), _TINY)
        scatter = max(float(np.sqrt(way_d @ self.scatter @ way_d)), 1e-3)
        # Of a single context there is nothing to tell it from.
        spread_d = self.centers.std(axis=0) if len(self.contexts) > 1 else np.full(len(shift_d), np.inf)
        place_d = np.clip((center_d - self.centers.mean(axis=0)) / np.maximum(spread_d, _TINY), -3, 3)
        known = locate(perturbation, index_of(self.parts), self.vectors)
        part_e = np.zeros(self.vectors.shape[1]) if known is None else known
        each = (away_d, way_d, np.array(scatter), place_d, part_e)
        return Condition(*(torch.tensor(part, dtype=torch.float32)[None] for part in each))


def single_cells(name: str, ur: UR, cells: UR | None, anchor: str, *, trained: bool) -> UR:
    """States of single cells that a network can learn from: those given, or ``ur`` where it holds them.

    Raises:
        ControlError: None of them is a control.
        DataError: Something is to be trained, but states stand for many cells each.
        SpaceError: They are of another space.
    """
    cells = ur if cells is None else cells
    ur.space.require(cells.space, name)
    if trained and (cells.mass > 1).any():
        raise DataError(
            [
                f"{name} learns from single cells, but was given states that stand for up to "
                f"{cells.mass.max():g} cells each. Pass the states of single cells as cells=, or choose {anchor}."
            ]
        )
    if not (cells.perturbations.astype(str) == CONTROL).any():
        raise ControlError("A population is moved from its controls, and there are none. Add control cells.")
    return cells


def frame(cells: UR, parts: UR | None, texts: Sequence[str]) -> Frame:
    """Measure the controls, and reduce what is known of molecules to the few axes on which those perturbed differ."""
    control = cells.take(cells.perturbations.astype(str) == CONTROL)
    where = control.contexts.astype(str)
    contexts = tuple(sorted(set(where)))
    centers = np.array([control.values[where == context].mean(axis=0) for context in contexts])
    around_nd = control.values - centers[[contexts.index(context) for context in where]]
    labels = _batches(control)
    counts = Counter(name for own in labels for name in own.tolist())
    batches = tuple(sorted(name for name, count in counts.items() if count >= _FEWEST))
    rows = {name: own == name for own in labels for name in set(own.tolist()) & set(batches)}
    offsets = np.array([around_nd[rows[name]].mean(axis=0) for name in batches]).reshape(
        len(batches), control.space.dim
    )
    own = _finest(control, batches)
    for name, offset_d in zip(batches, offsets, strict=True):
        around_nd[own == name] -= offset_d
    covariance = around_nd.T @ around_nd / max(len(around_nd) - max(len(contexts), len(batches)), 1)
    unit = float(np.sqrt(max(np.trace(covariance) / len(covariance), _TINY)))
    names, vectors = _reduced(parts, texts)
    return Frame(contexts, centers, batches, offsets, unit, covariance / unit**2, names, vectors)


def _batches(ur: UR) -> list[np.ndarray]:
    """``(n,)`` context and batch of each state, the context where there are no batches; within what is matched, too.

    Where controls are matched by more, such as hours, the finest labels come first, and the coarsest have the first
    matched column alone.
    """
    sites = [*matched_columns(ur.entities), *(["batch"] if "batch" in ur.entities else [])]
    labels = [np.asarray(ur.contexts.astype(str))]
    for name in sites:
        pairs = zip(labels[0], ur.entities[name].astype(str), strict=True)
        labels.insert(0, np.array([f"{coarse} | {value}" for coarse, value in pairs], dtype=object))
    return labels[: max(len(sites), 1)]


def _finest(ur: UR, known: Sequence[str]) -> np.ndarray:
    """``(n,)`` the finest label of each state that is known; the coarsest where none is."""
    finest, *coarser = _batches(ur)
    for label in coarser:
        finest = np.where(np.isin(finest.astype(str), list(known)), finest, label)
    return finest


def _reduced(parts: UR | None, texts: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    if parts is None:
        return (), np.zeros((0, 0))
    names, values = tuple(map(str, parts.entities.index)), unit_rows(parts.values)
    found = [locate(Perturbation.parse(text), index_of(names), values) for text in texts]
    known = np.array([each for each in found if each is not None])
    if len(known) < _FEWEST:
        return (), np.zeros((0, 0))
    _, size, axes = np.linalg.svd(known - known.mean(axis=0), full_matrices=False)
    kept = axes[:_PART_AXES] * (np.sqrt(len(known)) / np.maximum(size[:_PART_AXES], 1e-6))[:, None]
    return names, np.clip((values - known.mean(axis=0)) @ kept.T, -3, 3)


class Group(NamedTuple):
    """Cells of one perturbation and the controls they may have come from.

    Attributes:
        text: Perturbation.
        context: Of both.
        controls: ``(n, d)``.
        cells: ``(m, d)``.
    """

    text: str
    context: str
    controls: Tensor
    cells: Tensor


def groups_of(cells: UR, scale: Frame) -> list[Group]:
    """Cells beside the controls of their context, and of their batch where it holds enough of both."""
    texts, contexts = cells.perturbations.astype(str), cells.contexts.astype(str)
    batch, found = _finest(cells, scale.batches), []
    away_nd = torch.zeros(cells.values.shape)
    for context in scale.contexts:
        here = contexts == context
        away_nd[torch.from_numpy(here)] = torch.from_numpy(scale.away(cells.take(here), context)).float()
        for text in sorted(set(texts[here]) - {CONTROL}):
            whole = here & (texts == text), here & (texts == CONTROL)
            apart = [tuple(each & (batch == name) for each in whole) for name in sorted(set(batch[whole[0]]))]
            enough = [both for both in apart if min(each.sum() for each in both) >= _FEWEST]
            for own, control in enough or [whole]:
                found.append(Group(text, context, *(away_nd[torch.from_numpy(each)] for each in (control, own))))
    return found


def energy_score(said_nd: np.ndarray, seen_md: np.ndarray) -> float:
    """Mean distance of what was said to what was seen, less half the mean distance within what was said.

    A proper score: lowest in expectation for the distribution that what was seen comes from (Gneiting & Raftery 2007).

    >>> energy_score(np.array([[0.0], [2.0]]), np.array([[1.0]]))
    0.0
    """
    said, seen = torch.from_numpy(said_nd), torch.from_numpy(seen_md)
    within = torch.cdist(said, said).sum() / max(len(said) * (len(said) - 1), 1)
    return float(torch.cdist(said, seen).mean() - within / 2)


def folds_of(texts: Sequence[str], folds: int, seed: int) -> Mapping[str, int]:
    """Which part of the perturbations each is left out with; those of one family together."""
    family = {text: family_of(Perturbation.parse(text)) for text in texts}
    names = np.random.default_rng(seed).permutation(sorted(set(family.values())))
    fold = {str(name): i % folds for i, name in enumerate(names)}
    return {text: fold[family[text]] for text in texts}
