"""Populations that change shape, not only place: a flow from control to perturbed cells around an anchored mean."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.populations.anchored import (
    FEWEST_CELLS,
    FEWEST_TEXTS,
    SHIFT,
    Scores,
    Training,
    anchored,
    frame_of,
    measured_conditions,
    population_scores,
)
from aivc.instruments.manipulators.populations.flow_training import trained
from aivc.instruments.manipulators.populations.frame import Frame, Group
from aivc.nn.flow import Condition, VelocityNetwork, solve
from aivc.training.checkpoint import arrays_of, load_arrays
from aivc.training.weights import arrays_to_weights, pack_with_weights

ALONG, FULL = "along", "full"
_BEYOND, _FEWEST_STATES = 0.95, 20


@final
@dataclass(frozen=True, eq=False)
class FlowV1(Manipulator):
    """The mean that another manipulator predicts, and around it the shape that populations of such a shift have.

    A velocity is learned that carries controls to perturbed cells (conditional flow matching, Lipman et al. 2023; pairs
    from optimal transport between small batches, Tong et al. 2024). It is the constant shift of the anchor, and two
    corrections that start at zero: one along the shift, one in any direction. After the flow the population is
    centred on the anchor's mean again: the flow says how cells differ, and the anchor where they are.

    A correction is used only if, for perturbations left out of training and of the anchor, it lowers the energy score
    of the population by more than the standard error of that gain; otherwise every cell moves by the same shift.
    ``verdict`` says which.

    Attributes:
        reads: Space it was fitted on.
        anchor: Manipulator that predicts means, and how far they can be trusted.
        contexts: ``c`` contexts with controls.
        centers: ``(c, d)`` mean control of each.
        batches: ``b`` batches with controls, by context and name.
        offsets: ``(b, d)`` mean control of each, from that of its context.
        unit: Root mean square scatter of a control cell.
        scatter: ``(d, d)`` covariance of controls, in squared units.
        parts: Names of what can be perturbed; none without.
        vectors: ``(g, e)`` what is known of each.
        verdict: ``kept``: ``shift``, ``along`` or ``full``; ``because``; and where it was judged, the mean energy score
            with each, and gains over the shift with their standard errors, in the scatter of a control cell.
        weights: Arrays of the velocity, by name; none where it was not kept.
    """

    name: ClassVar[str] = "flow.v1"
    uses_parts: ClassVar[bool] = True
    needs_cells: ClassVar[bool] = True
    resampled: ClassVar[bool] = False
    for_means: ClassVar[Mapping[str, Any]] = MappingProxyType({"steps": 0})
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
    ) -> "FlowV1":
        """Fit the anchor, judge a velocity on perturbations left out, and train it on all if it helps.

        Args:
            ur: Perturbed and control states, whose means the anchor learns.
            parts: Molecular UR of what can be perturbed, for the anchor and the velocity.
            seed: Draws batches, first weights, and what is left out.
            cells: States of single cells, controls among them; None where ``ur`` is that.
            anchor: Registered name of the manipulator that predicts means.
            steps: Of descent; None takes three for every perturbation, 30 to 300. 0 leaves the plain shift.

        Raises:
            ControlError: A context has no control.
            DataError: States that stand for many cells each, and no single cells.
            SpaceError: Cells of another space than the states.
        """
        given = Training.of(cls.name, ur, cells, parts, anchor, seed, trained=steps != 0)
        nothing = {"kept": SHIFT, "because": "asked for"}
        plain = cls(ur.space, given.anchor, verdict=nothing, **given.measures)
        if steps == 0:
            return plain
        families = {family_of(Perturbation.parse(text)) for text in given.texts}
        if given.count < FEWEST_CELLS or len(families) < FEWEST_TEXTS:
            few = f"{len(families)} targets of {given.count} cells are too few to judge on"
            return dataclasses.replace(plain, verdict={"kept": SHIFT, "because": few})
        groups, steps = given.groups, given.steps(steps)

        def train(some: Sequence[Group]) -> VelocityNetwork:
            conditions = measured_conditions(some, ur, given.scale)
            whole = Condition(*(torch.cat(column) for column in zip(*conditions, strict=True)))
            return trained(some, whole, given.scale, steps=steps, seed=seed)

        def score(anchor: Manipulator, weights: dict[str, np.ndarray], some: Sequence[Group]) -> Scores:
            judge = dataclasses.replace(plain, anchor=anchor, weights=weights)
            return population_scores(some, given.cells, anchor, judge._both, unit=plain.unit, seed=seed)

        verdict = _verdict(given.left_out(groups, train, score))
        if verdict["kept"] == SHIFT:
            return dataclasses.replace(plain, verdict=verdict)
        return dataclasses.replace(plain, verdict=verdict, weights=arrays_of(train(groups)))

    def _both(self, start: UR, shift_nd: np.ndarray, perturbation: Perturbation) -> list[np.ndarray]:
        """Corrections along the shift, and in any direction."""
        return [self._shape(start, shift_nd, perturbation, kept) for kept in (ALONG, FULL)]

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Draws of the anchor, each with the shape that the flow gives its expected shift."""
        self.reads.require(ur.space, self.name)

        def shape(shift_nd: np.ndarray) -> np.ndarray:
            return self._shape(ur, shift_nd, perturbation, self.verdict["kept"])

        return anchored(self.name, self.anchor, ur, perturbation, shape if self.weights else None)

    @property
    def center(self) -> Manipulator:
        """The manipulator whose means these are, so that it explains a mean."""
        return self.anchor

    def responders(self, ur: UR, perturbation: Perturbation) -> float:
        """Share of cells that the perturbation moves beyond where control cells scatter.

        Along the predicted shift, the share of the population further out than 95 % of controls, less the 5 % of cells
        that lie there anyway. Where shifted cells still overlap with controls it is too low: it is the share of those
        that can be distinguished.

        Args:
            ur: Control states, at least 20.
            perturbation: What is done.

        Raises:
            DataError: Too few states to say how controls scatter.
            SpaceError: ``ur`` lives in another space.
        """
        if len(ur) < _FEWEST_STATES:
            wanted = f"Responders are found by how controls scatter: that takes {_FEWEST_STATES} control states"
            raise DataError([f"{wanted}, got {len(ur)}. Give more of them, such as ground.start(context)."])
        answer = self.manipulate(ur, perturbation)
        if perturbation.is_control:
            return 0.0
        end_nd = np.mean([draw.values for draw in answer.draws], axis=0)
        before_n, after_n = np.empty((2, len(ur)))
        for rows in _by_context(ur):
            here = ur.take(rows)
            moved_nd = end_nd[rows] - here.values
            shift_d = here.mass @ moved_nd / here.mass.sum()
            way_d = shift_d / max(float(np.linalg.norm(shift_d)), 1e-12)
            before_n[rows] = self._frame.away(here, str(here.contexts[0])) @ way_d * self.unit
            after_n[rows] = before_n[rows] + moved_nd @ way_d
        order = np.argsort(before_n)
        share = np.cumsum(ur.mass[order]) / ur.mass.sum()
        edge = before_n[order[min(int(np.searchsorted(share, _BEYOND)), len(ur) - 1)]]
        beyond = [float(ur.mass[each > edge].sum() / ur.mass.sum()) for each in (before_n, after_n)]
        return max(0.0, (beyond[1] - beyond[0]) / (1 - beyond[0]))

    def _shape(self, ur: UR, shift_nd: np.ndarray, perturbation: Perturbation, kept: str) -> np.ndarray:
        """``(n, d)`` how each state ends away from the shift; zero on average in every context."""
        shape_nd = np.zeros_like(ur.values)
        for rows in _by_context(ur):
            here = ur.take(rows)
            shift_d = here.mass @ shift_nd[rows] / here.mass.sum()
            context = str(here.contexts[0])
            given = self._frame.condition(shift_d, self._frame.center(context, here), perturbation)
            wide = Condition(*(each.double().expand(len(here), *each.shape[1:]) for each in given))
            start_nd = torch.from_numpy(self._frame.away(here, context))
            end_nd = solve(self._network, start_nd, wide, rest=kept == FULL).numpy()
            away_nd = (end_nd - start_nd.numpy()) * self.unit - shift_d
            shape_nd[rows] = away_nd - here.mass @ away_nd / here.mass.sum()
        return shape_nd

    @cached_property
    def _frame(self) -> Frame:
        return frame_of(self)

    @cached_property
    def _network(self) -> VelocityNetwork:
        spread = torch.tensor(self._frame.spread, dtype=torch.float32)
        # The weights are there already: nothing of the caller's generator is used up.
        with torch.random.fork_rng(devices=[]):
            network = VelocityNetwork(len(spread), self.vectors.shape[1], spread)
        load_arrays(network, self.weights)
        return network.eval().double()

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "FlowV1":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this manipulator.
        """
        weights, plain = arrays_to_weights(state.arrays)
        flow = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if weights:
            flow._network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return flow


def _verdict(scores: Mapping[str, tuple[float, ...]]) -> dict[str, Any]:
    """Which correction gains more than the standard error of its gain; of both, the one that gains more."""
    score_p3 = np.array(list(scores.values()))
    gain_p2 = score_p3[:, :1] - score_p3[:, 1:]
    gain_2 = gain_p2.mean(axis=0)
    error_2 = gain_p2.std(axis=0, ddof=1) / np.sqrt(len(gain_p2))
    earned = [i for i in (0, 1) if gain_2[i] > error_2[i]]
    kept = (ALONG, FULL)[max(earned, key=lambda i: gain_2[i])] if earned else SHIFT
    because = "gain above its standard error" if earned else "no gain above its standard error"
    stated = {name: float(score) for name, score in zip((SHIFT, ALONG, FULL), score_p3.mean(axis=0), strict=True)}
    judged = {"perturbations": len(gain_p2), "score": stated}
    gains = {
        name: {"gain": float(gain), "error": float(error)}
        for name, gain, error in zip((ALONG, FULL), gain_2, error_2, strict=True)
    }
    return {"kept": kept, "because": because, **judged, "gains": gains}


def _by_context(ur: UR) -> list[np.ndarray]:
    """Rows of each context."""
    contexts = ur.contexts.astype(str)
    return [np.flatnonzero(contexts == context) for context in sorted(set(contexts))]
