"""Populations that change shape, not only place: a flow from control to perturbed cells around an anchored mean."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
import torch
from jaxtyping import Float

from aivc.core.contracts import Manipulator
from aivc.core.effects import effects
from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.registry import MANIPULATORS
from aivc.core.space import Space
from aivc.core.state import State, pack
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.instruments.manipulators.populations.flow_training import (
    Frame,
    Group,
    energy_score,
    folds_of,
    frame,
    groups_of,
    single_cells,
    trained,
)
from aivc.nn.flow import Condition, VelocityNetwork, solve
from aivc.training.checkpoint import arrays_of, load_arrays

SHIFT, ALONG, FULL = "shift", "along", "full"
_WEIGHTS = "weights."
_FOLDS, _FEWEST_TEXTS, _FEWEST_CELLS, _JUDGED = 3, 6, 500, 200
# Few perturbations are soon learned by heart: twenty knockouts of Papalexi 2021 gained most after thirty steps, and
# lost after a hundred and fifty.
_STEPS, _BOUNDS = 3, (30, 300)
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
        means = MANIPULATORS.load(anchor)
        cells = single_cells(cls.name, ur, cells, anchor, trained=steps != 0)
        texts = sorted(set(cells.perturbations.astype(str)) - {CONTROL})
        scale = frame(cells, parts, texts)
        measures: dict[str, Any] = {each.name: getattr(scale, each.name) for each in dataclasses.fields(Frame)}
        nothing = {"kept": SHIFT, "because": "asked for"}
        plain = cls(ur.space, means.fit(ur, parts=parts, seed=seed), verdict=nothing, **measures)
        count = int((cells.perturbations.astype(str) != CONTROL).sum())
        if steps == 0:
            return plain
        families = {family_of(Perturbation.parse(text)) for text in texts}
        folds = folds_of(texts, _FOLDS, seed)
        if count < _FEWEST_CELLS or len(families) < _FEWEST_TEXTS:
            few = f"{len(families)} targets of {count} cells are too few to judge on"
            return dataclasses.replace(plain, verdict={"kept": SHIFT, "because": few})
        steps = steps or int(np.clip(_STEPS * len(texts), *_BOUNDS))
        groups, rows = groups_of(cells, scale), np.array([folds.get(str(text), -1) for text in ur.perturbations])
        scores = {}
        for fold in range(_FOLDS):
            rest = [group for group in groups if folds[group.text] != fold]
            network = _trained(rest, ur, scale, steps, seed)
            predicted = means.fit(ur.take(rows != fold), parts=parts, seed=seed, **plain.anchor.refits)
            judge = dataclasses.replace(plain, anchor=predicted, weights=arrays_of(network))
            scores.update(judge._scores([group for group in groups if folds[group.text] == fold], cells, seed))
        verdict = _verdict(scores)
        if verdict["kept"] == SHIFT:
            return dataclasses.replace(plain, verdict=verdict)
        return dataclasses.replace(plain, verdict=verdict, weights=arrays_of(_trained(groups, ur, scale, steps, seed)))

    def _scores(self, groups: list[Group], cells: UR, seed: int) -> dict[str, tuple[float, float, float]]:
        """Energy scores of the shift and of both corrections, for each perturbation; mean over its contexts."""
        found: dict[str, list[tuple[float, float, float]]] = {}
        rng = np.random.default_rng(seed)
        texts, contexts = cells.perturbations.astype(str), cells.contexts.astype(str)
        for text, context in sorted({(group.text, group.context) for group in groups}):
            start = cells.take(_some((texts == CONTROL) & (contexts == context), rng))
            seen_nd = cells.take(_some((texts == text) & (contexts == context), rng)).values
            shift_nd = _shift(start, self.anchor.manipulate(start, Perturbation.parse(text)))
            said = [start.values + shift_nd]
            said += [said[0] + self._shape(start, shift_nd, Perturbation.parse(text), kept) for kept in (ALONG, FULL)]
            shift, along, full = (energy_score(each / self.unit, seen_nd / self.unit) for each in said)
            found.setdefault(text, []).append((shift, along, full))
        means = {text: np.mean(each, axis=0) for text, each in found.items()}
        return {text: (float(mean[0]), float(mean[1]), float(mean[2])) for text, mean in means.items()}

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Draws of the anchor, each with the shape that the flow gives its expected shift."""
        self.reads.require(ur.space, self.name)
        answer = self.anchor.manipulate(ur, perturbation)
        answer = answer.replace(made_by=(self.name, *answer.made_by))
        if perturbation.is_control or not self.weights:
            return answer
        shape_nd = self._shape(ur, _shift(ur, answer), perturbation, self.verdict["kept"])
        draws = tuple(dataclasses.replace(draw, values=draw.values + shape_nd) for draw in answer.draws)
        return answer.replace(draws=draws)

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
        return Frame(*(getattr(self, each.name) for each in dataclasses.fields(Frame)))

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
        plain = pack(dataclasses.replace(self, weights={}))
        return State(
            plain.settings, {**plain.arrays, **{f"{_WEIGHTS}{name}": array for name, array in self.weights.items()}}
        )

    @classmethod
    def from_state(cls, state: State) -> "FlowV1":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this manipulator.
        """
        weights = {k.removeprefix(_WEIGHTS): v for k, v in state.arrays.items() if k.startswith(_WEIGHTS)}
        plain = {name: array for name, array in state.arrays.items() if not name.startswith(_WEIGHTS)}
        flow = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        if weights:
            flow._network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return flow


def _trained(groups: list[Group], states: UR, scale: Frame, steps: int, seed: int) -> VelocityNetwork:
    """A velocity whose shifts are those measured."""
    seen = effects(states)
    shift = {(str(c), str(p)): s for c, p, s in zip(seen.contexts, seen.perturbations, seen.shifts, strict=True)}
    conditions = [
        scale.condition(
            shift[each.context, each.text],
            scale.centers[scale.contexts.index(each.context)],
            Perturbation.parse(each.text),
        )
        for each in groups
    ]
    given = Condition(*(torch.cat(column) for column in zip(*conditions, strict=True)))
    return trained(groups, given, scale, steps=steps, seed=seed)


def _verdict(scores: Mapping[str, tuple[float, float, float]]) -> dict[str, Any]:
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


def _shift(ur: UR, answer: Prediction[UR]) -> np.ndarray:
    """``(n, d)`` expected displacement of each state."""
    return np.asarray(np.mean([draw.values for draw in answer.draws], axis=0) - ur.values)


def _by_context(ur: UR) -> list[np.ndarray]:
    """Rows of each context."""
    contexts = ur.contexts.astype(str)
    return [np.flatnonzero(contexts == context) for context in sorted(set(contexts))]


def _some(rows_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most `_JUDGED` of the rows."""
    return np.sort(rng.permutation(np.flatnonzero(rows_n))[:_JUDGED])
