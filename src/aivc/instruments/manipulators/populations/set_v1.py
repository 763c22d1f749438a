"""Populations whose cells answer as a set: a transformer over control cells, added to predicted means."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.instruments.manipulators.populations.anchored import (
    FEWEST_CELLS,
    FEWEST_TEXTS,
    FOLDS,
    SHIFT,
    Scores,
    Training,
    anchored,
    frame_of,
    population_scores,
)
from aivc.instruments.manipulators.populations.frame import Frame, Group
from aivc.instruments.manipulators.populations.set_training import SIZE, shifted_sets, trained
from aivc.nn.sets import SetNetwork
from aivc.training.checkpoint import arrays_of, load_arrays
from aivc.training.weights import arrays_to_weights, pack_with_weights

SETS = "sets"
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
        given = Training.of(cls.name, ur, cells, parts, anchor, seed, trained=steps != 0)
        nothing = {"kept": SHIFT, "because": "asked for"}
        plain = cls(ur.space, given.anchor, seed=seed, verdict=nothing, **given.measures)
        if steps == 0:
            return plain
        count, texts = given.count, given.texts
        if count < FEWEST_CELLS or len(texts) < FEWEST_TEXTS or len(set(given.folds.values())) < FOLDS:
            few = f"{len(texts)} perturbations of {count} cells are too few to judge on"
            return dataclasses.replace(plain, verdict={"kept": SHIFT, "because": few})
        groups, steps = given.groups, given.steps(steps)

        def train(some: Sequence[Group]) -> SetNetwork:
            return trained(shifted_sets(some, ur, given.scale), given.scale, steps=steps, seed=seed)

        def score(anchor: Manipulator, weights: dict[str, np.ndarray], some: Sequence[Group]) -> Scores:
            judge = dataclasses.replace(plain, anchor=anchor, weights=weights)
            return population_scores(some, given.cells, anchor, judge._only, unit=plain.unit, seed=seed)

        verdict = _verdict(given.left_out(groups, train, score))
        if verdict["kept"] == SHIFT:
            return dataclasses.replace(plain, verdict=verdict)
        return dataclasses.replace(plain, verdict=verdict, weights=arrays_of(train(groups)))

    def _only(self, start: UR, shift_nd: np.ndarray, perturbation: Perturbation) -> list[np.ndarray]:
        return [self._correction(start, shift_nd, perturbation)]

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Draws of the anchor, each with what the network adds to its expected shift."""
        self.reads.require(ur.space, self.name)

        def correction(shift_nd: np.ndarray) -> np.ndarray:
            return self._correction(ur, shift_nd, perturbation)

        return anchored(self.name, self.anchor, ur, perturbation, correction if self.weights else None)

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
        return frame_of(self)

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
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "SetV1":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this manipulator.
        """
        weights, plain = arrays_to_weights(state.arrays)
        found = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if weights:
            found._network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return found


def _verdict(scores: Mapping[str, tuple[float, ...]]) -> dict[str, Any]:
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


def _together(ur: UR) -> list[np.ndarray]:
    """Rows of each context and batch; batches of a few states of one context are taken together."""
    batch = ur.entities["batch"].astype(str) if "batch" in ur.entities else np.full(len(ur), "")
    own = list(zip(ur.contexts.astype(str), batch, strict=True))
    count = Counter(own)
    own = [(context, name if count[context, name] >= _FEWEST_OF_BATCH else "") for context, name in own]
    return [np.array([i for i, each in enumerate(own) if each == key]) for key in sorted(set(own))]
