"""Populations whose cells answer as a set: a transformer over control cells, added to predicted means."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.registry import MANIPULATORS
from aivc.core.space import Space
from aivc.core.state import State, pack
from aivc.core.ur import UR
from aivc.instruments.manipulators.populations.flow_training import (
    Frame,
    Group,
    energy_score,
    folds_of,
    frame,
    groups_of,
    single_cells,
)
from aivc.instruments.manipulators.populations.set_training import SIZE, asked, trained
from aivc.nn.sets import SetNetwork
from aivc.training.checkpoint import arrays_of, load_arrays

SHIFT, SETS = "shift", "sets"
_WEIGHTS = "weights."
_FOLDS, _FEWEST_TEXTS, _FEWEST_CELLS, _JUDGED = 3, 6, 500, 200
_STEPS, _BOUNDS = 3, (30, 300)
# Beyond chance: what is kept may move means, so a gain of one standard error is not enough.
_SURE = 2.0
_FEWEST_OF_BATCH = 16


@final
@dataclass(frozen=True, eq=False)
class SetV1(Manipulator):
    """Each control cell moves by the shift that another manipulator predicts, and by what it and its set add to it.

    Sets of control states of one context and batch go through a small transformer without positions, together with the
    expected shift and what is known of the molecules perturbed; it learns a correction for each cell, zero at first,
    from the energy distance between the sets it says and sets of cells seen (in the manner of Adduri et al. 2025).
    Controls beside other controls are among them, and every perturbation counts alike.

    The correction may move the mean. It is used only if, for perturbations left out of training and of the anchor, it
    lowers the energy score of the population by more than two standard errors of that gain; otherwise every cell moves
    by the same shift. ``verdict`` says which.

    Attributes:
        reads: Space it was fitted on.
        anchor: Manipulator that predicts shifts, and how far they can be trusted.
        contexts: ``c`` contexts with controls.
        centers: ``(c, d)`` mean control of each.
        batches: ``b`` batches with controls, by context and name.
        offsets: ``(b, d)`` mean control of each, from that of its context.
        unit: Root mean square scatter of a control cell.
        scatter: ``(d, d)`` covariance of controls, in squared units.
        parts: Names of what can be perturbed; none without.
        vectors: ``(g, e)`` what is known of each.
        seed: Of everything drawn, and of how cells are put into sets.
        verdict: ``kept``: ``shift`` or ``sets``; ``because``; and where it was judged, on how many ``perturbations``,
            the mean energy ``score`` with each, and the ``gain`` with its ``error``, in the scatter of a control cell.
        weights: Arrays of the network, by name; none where it was not kept.
    """

    name: ClassVar[str] = "set.v1"
    uses_parts: ClassVar[bool] = True
    needs_cells: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    reads: Space
    anchor: Manipulator
    contexts: tuple[str, ...]
    centers: Float[np.ndarray, "c d"]
    batches: tuple[str, ...]
    offsets: Float[np.ndarray, "b d"]
    unit: float
    scatter: Float[np.ndarray, "d d"]
    parts: tuple[str, ...]
    vectors: Float[np.ndarray, "g e"]
    seed: int
    verdict: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        cells: UR | None = None,
        anchor: str = "effect.v2",
        steps: int | None = None,
    ) -> "SetV1":
        """Fit the anchor, judge the network on perturbations left out, and train it on all if it helps.

        Args:
            ur: Perturbed and control states, whose means the anchor learns.
            parts: Molecular UR of what can be perturbed, for the anchor and the network.
            seed: Draws batches, first weights, and what is left out.
            cells: States of single cells, controls among them; None where ``ur`` is that.
            anchor: Registered name of the manipulator that predicts shifts.
            steps: Of descent; None takes three for every perturbation, 30 to 300. 0 leaves the plain shift.

        Raises:
            ControlError: A context has no control.
            DataError: States that stand for many cells each, and no single cells.
            SpaceError: Cells of another space than the states.
        """
        means = MANIPULATORS.load(anchor)
        cells = single_cells(cls.name, ur, cells, anchor, trained=steps != 0)
        texts = sorted(set(cells.perturbations.astype(str)) - {CONTROL})
        scale = frame(cells, parts, texts)
        measures: dict[str, Any] = {each.name: getattr(scale, each.name) for each in dataclasses.fields(Frame)}
        nothing = {"kept": SHIFT, "because": "asked for"}
        plain = cls(ur.space, means.fit(ur, parts=parts, seed=seed), seed=seed, verdict=nothing, **measures)
        if steps == 0:
            return plain
        count, folds = int((cells.perturbations.astype(str) != CONTROL).sum()), folds_of(texts, _FOLDS, seed)
        if count < _FEWEST_CELLS or len(texts) < _FEWEST_TEXTS or len(set(folds.values())) < _FOLDS:
            few = f"{len(texts)} perturbations of {count} cells are too few to judge on"
            return dataclasses.replace(plain, verdict={"kept": SHIFT, "because": few})
        steps = steps or int(np.clip(_STEPS * len(texts), *_BOUNDS))
        groups, rows = groups_of(cells, scale), np.array([folds.get(str(text), -1) for text in ur.perturbations])
        scores: dict[str, tuple[float, float]] = {}
        for fold in range(_FOLDS):
            rest = asked([group for group in groups if folds[group.text] != fold], ur, scale)
            network = trained(rest, scale, steps=steps, seed=seed)
            predicted = means.fit(ur.take(rows != fold), parts=parts, seed=seed, **plain.anchor.refits)
            judge = dataclasses.replace(plain, anchor=predicted, weights=arrays_of(network))
            scores.update(judge._scores([group for group in groups if folds[group.text] == fold], cells))
        verdict = _verdict(scores)
        if verdict["kept"] == SHIFT:
            return dataclasses.replace(plain, verdict=verdict)
        network = trained(asked(groups, ur, scale), scale, steps=steps, seed=seed)
        return dataclasses.replace(plain, verdict=verdict, weights=arrays_of(network))

    def _scores(self, groups: list[Group], cells: UR) -> dict[str, tuple[float, float]]:
        """Energy scores of the shift, and with the correction, for each perturbation; mean over its contexts."""
        found: dict[str, list[tuple[float, float]]] = {}
        rng = np.random.default_rng(self.seed)
        texts, contexts = cells.perturbations.astype(str), cells.contexts.astype(str)
        for text, context in sorted({(group.text, group.context) for group in groups}):
            start = cells.take(_some((texts == CONTROL) & (contexts == context), rng))
            seen_nd = cells.take(_some((texts == text) & (contexts == context), rng)).values / self.unit
            shift_nd = _shift(start, self.anchor.manipulate(start, Perturbation.parse(text)))
            said_nd = start.values + shift_nd
            ours_nd = said_nd + self._correction(start, shift_nd, Perturbation.parse(text))
            shift, ours = (energy_score(each / self.unit, seen_nd) for each in (said_nd, ours_nd))
            found.setdefault(text, []).append((shift, ours))
        means = {text: np.mean(each, axis=0) for text, each in found.items()}
        return {text: (float(mean[0]), float(mean[1])) for text, mean in means.items()}

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Draws of the anchor, each with what the network adds to its expected shift."""
        self.reads.require(ur.space, self.name)
        answer = self.anchor.manipulate(ur, perturbation)
        answer = answer.replace(made_by=(self.name, *answer.made_by))
        if perturbation.is_control or not self.weights:
            return answer
        more_nd = self._correction(ur, _shift(ur, answer), perturbation)
        draws = tuple(dataclasses.replace(draw, values=draw.values + more_nd) for draw in answer.draws)
        return answer.replace(draws=draws)

    @property
    def center(self) -> Manipulator | None:
        """The manipulator whose means these are, so that it explains a mean; None if corrected."""
        return None if self.weights else self.anchor

    def _correction(self, ur: UR, shift_nd: np.ndarray, perturbation: Perturbation) -> np.ndarray:
        """``(n, d)`` what is added to the shift of each state."""
        more_nd = np.zeros_like(ur.values)
        for rows in _together(ur):
            here, context = ur.take(rows), str(ur.contexts[rows[0]])
            shift_d = here.mass @ shift_nd[rows] / here.mass.sum()
            given = self._frame.condition(shift_d, self._frame.center(context, here), perturbation)
            more_nd[rows] = self._of_sets(self._frame.away(here, context), given.shift, given.part) * self.unit
        return more_nd

    @torch.no_grad()
    def _of_sets(self, away_nd: np.ndarray, shift: torch.Tensor, part: torch.Tensor) -> np.ndarray:
        # States are sorted before they are dealt out, so that their order tells nothing, and equal ones stay equal.
        own_md, back_n = np.unique(away_nd, axis=0, return_inverse=True)
        dealt = np.random.default_rng(self.seed).permutation(len(own_md))
        more_md = np.empty_like(own_md)
        for rows in np.array_split(dealt, -(-len(own_md) // SIZE)):
            y_1ld = torch.from_numpy(own_md[rows])[None]
            more_md[rows] = self._network(y_1ld, shift.double(), part.double())[0].numpy()
        return np.asarray(more_md[back_n.reshape(-1)])

    @cached_property
    def _frame(self) -> Frame:
        return Frame(*(getattr(self, each.name) for each in dataclasses.fields(Frame)))

    @cached_property
    def _network(self) -> SetNetwork:
        spread = torch.tensor(self._frame.spread, dtype=torch.float32)
        # The weights are there already: nothing of the caller's generator is used up.
        with torch.random.fork_rng(devices=[]):
            network = SetNetwork(len(spread), self.vectors.shape[1], spread)
        load_arrays(network, self.weights)
        return network.eval().double()

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        plain = pack(dataclasses.replace(self, weights={}))
        return State(
            plain.settings, {**plain.arrays, **{f"{_WEIGHTS}{name}": array for name, array in self.weights.items()}}
        )

    @classmethod
    def from_state(cls, state: State) -> "SetV1":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this manipulator.
        """
        weights = {k.removeprefix(_WEIGHTS): v for k, v in state.arrays.items() if k.startswith(_WEIGHTS)}
        plain = {name: array for name, array in state.arrays.items() if not name.startswith(_WEIGHTS)}
        found = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if weights:
            found._network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return found


def _verdict(scores: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Whether the correction gains more than two standard errors of its gain."""
    score_p2 = np.array(list(scores.values()))
    gain_p = score_p2[:, 0] - score_p2[:, 1]
    gain, error = float(gain_p.mean()), float(gain_p.std(ddof=1) / np.sqrt(len(gain_p)))
    earned = gain > _SURE * error
    shift, ours = map(float, score_p2.mean(axis=0))
    return {
        "kept": SETS if earned else SHIFT,
        "because": "gain above two standard errors" if earned else "no gain above two standard errors",
        "perturbations": len(gain_p),
        "score": {SHIFT: shift, SETS: ours},
        "gain": gain,
        "error": error,
    }


def _shift(ur: UR, answer: Prediction[UR]) -> np.ndarray:
    """``(n, d)`` expected displacement of each state."""
    return np.asarray(np.mean([draw.values for draw in answer.draws], axis=0) - ur.values)


def _together(ur: UR) -> list[np.ndarray]:
    """Rows of each context and batch; batches of a few states of one context are taken together."""
    batch = ur.entities["batch"].astype(str) if "batch" in ur.entities else np.full(len(ur), "")
    own = list(zip(ur.contexts.astype(str), batch, strict=True))
    count = Counter(own)
    own = [(context, name if count[context, name] >= _FEWEST_OF_BATCH else "") for context, name in own]
    return [np.array([i for i, each in enumerate(own) if each == key]) for key in sorted(set(own))]


def _some(rows_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most `_JUDGED` of the rows."""
    return np.sort(rng.permutation(np.flatnonzero(rows_n))[:_JUDGED])
