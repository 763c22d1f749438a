"""Cells on their way along plans between consecutive times of a line, straight or along their tangents."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from scipy.spatial import cKDTree

from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.growth import (
    EARLY,
    NONE,
    PLAN,
    SCORES,
    exponent,
    normalizer,
)
from aivc.instruments.manipulators.time.progress import Progress
from aivc.instruments.manipulators.time.snapshots import SAME, Line, Snapshot, bracket
from aivc.nn.transport import Certificate, Coupling, PlanSettings, couple

# Weight of bending against displacement in the choice of partners, and the largest speed beside that of the pair.
_BENDING, _FASTEST = 0.1, 8.0
_PAIRS, _NEAREST, _SINGLE = 4000, 5, 4_000_000


class Moved(NamedTuple):
    """Where cells have come to.

    Attributes:
        values: ``(p, d)`` states.
        factor: ``(p,)`` mass of each for one unit of mass at the start.
    """

    values: np.ndarray
    factor: np.ndarray


class OnTheWay(NamedTuple):
    """Cells at moments between the times of a line.

    Attributes:
        values: ``(q, d)`` states.
        hours: ``(q,)`` when.
        velocity: ``(q, d)`` in states per hour.
        rate: ``(q,)`` net growth per hour.
        weight: ``(q,)`` mass there.
    """

    values: np.ndarray
    hours: np.ndarray
    velocity: np.ndarray
    rate: np.ndarray
    weight: np.ndarray


@final
@dataclass(frozen=True)
class TransportSettings:
    """How cells are taken along plans.

    Attributes:
        epsilon: Entropic blur of plans, in mean costs.
        reach: Penalty, in mean costs, on growth and death that make a plan cheaper; None keeps the sums exactly.
        growth: ``none``; ``scores``, by the rate of each cell; or ``plan``, by what a plan with a reach sends.
        timing: When the growth of an interval happens: ``early``, ``spread`` or ``late``.
        curved: Whether ways follow the tangents of development, or are straight.
    """

    epsilon: float = 0.02
    reach: float | None = None
    growth: str = NONE
    timing: str = EARLY
    curved: bool = True

    @property
    def plan(self) -> PlanSettings:
        """Of plans between two times."""
        return PlanSettings(epsilon=self.epsilon, reach_n=self.reach, rounds=20_000, tolerance=2e-3)


class _Pairs(NamedTuple):
    """Cells of both ends of an interval that belong together, and their velocities there."""

    start: np.ndarray
    end: np.ndarray
    leave: np.ndarray
    arrive: np.ndarray
    grown: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Transporter:
    """Plans between all consecutive times of one line.

    Attributes:
        line: Populations.
        settings: How.
        progress: Tangents of the line; None where ways are straight.
    """

    line: Line
    settings: TransportSettings
    progress: Progress | None

    @property
    def certificates(self) -> list[Certificate]:
        """What each plan is worth."""
        return [interval.coupling.certificate for interval in self._intervals if interval.coupling.certificate]

    def advance(self, cells: CellRows, end: float, salt: str, timing: str | None = None) -> Moved:
        """Take cells to a later time, within the times of the line.

        Args:
            cells: Where they are.
            end: Hours at which they are wanted.
            salt: Tells draws of descendants apart.
            timing: When the growth of an interval happens; as the settings have it by default.
        """
        at, rate_p, moved = cells.start, cells.rates, Moved(cells.values, np.ones(len(cells.values)))
        while at < end - SAME:
            k = bracket(self.line, at)
            interval = self._intervals[k]
            until = min(end, interval.end.hours)
            # By the interval, not by the step: two steps through an interval lead to the same descendant as one.
            place_p = cells.at(f"descendant {k} {salt}")
            step, rate_p = interval.advance(moved.values, rate_p, (at, until), place_p, timing or self.settings.timing)
            moved, at = Moved(step.values, moved.factor * step.factor), until
        return moved

    def on_the_way(self, seed: int) -> OnTheWay:
        """Cells at random moments of all intervals, with the velocity and the growth that plans give them."""
        parts = [interval.on_the_way(np.random.default_rng([seed, k])) for k, interval in enumerate(self._intervals)]
        return OnTheWay(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def beyond(self, values_pd: np.ndarray, hours: float) -> np.ndarray:
        """Continue the displacement of the last interval past its end, for so many hours."""
        last = self._intervals[-1]
        return values_pd + hours * last.velocity_at_end(values_pd)

    @cached_property
    def _intervals(self) -> list["_Interval"]:
        return [
            _Interval(start, end, self.settings, self.progress)
            for start, end in zip(self.line, self.line[1:], strict=False)
        ]


@final
@dataclass(frozen=True, eq=False)
class _Interval:
    start: Snapshot
    end: Snapshot
    settings: TransportSettings
    progress: Progress | None

    @property
    def hours(self) -> float:
        return self.end.hours - self.start.hours

    @cached_property
    def coupling(self) -> Coupling:
        weight = self.start.weight
        if self.settings.growth == SCORES:
            # Cells that divide send more: the plan moves what they have become.
            weight = weight * np.exp(self.start.rate * self.hours)
        x, y = self._lift(self.start.values, self._leave, 1.0), self._lift(self.end.values, self._arrive, -1.0)
        kind = torch.float32 if len(x) * len(y) > _SINGLE else torch.float64
        settings, weights = self.settings.plan, (weight, self.end.weight)
        w_n, w_m = (torch.tensor(each / each.sum(), dtype=kind) for each in weights)
        return couple(torch.tensor(x, dtype=kind), torch.tensor(y, dtype=kind), settings, weight_n=w_n, weight_m=w_m)

    def advance(
        self, values_pd: np.ndarray, rate_p: np.ndarray, when: tuple[float, float], place_p: np.ndarray, timing: str
    ) -> tuple[Moved, np.ndarray]:
        """Take cells to a later moment of the interval; and the rates of what they have become."""
        s0, s1 = ((each - self.start.hours) / self.hours for each in when)
        s0, s1 = max(s0, 0.0), 1.0 if s1 > 1 - SAME else s1
        if s0 < SAME:
            leave_pd = self._tangents(values_pd)
            lifted = torch.tensor(self._lift(values_pd, leave_pd, 1.0))
            to_p = self.coupling.drawn(torch.tensor(place_p), lifted).numpy()
            grown = self._grown(lifted, rate_p)
            pairs = _Pairs(values_pd, self.end.values[to_p], leave_pd, self._arrive[to_p], grown)
            values_pd, s0 = self._at(pairs, s1), 0.0
            arrived = self.end.rate[to_p]
        else:
            pairs = _Pairs(*(each[self._nearest(values_pd, s0, place_p)] for each in self._sample))
            values_pd = values_pd + self._at(pairs, s1) - self._at(pairs, s0)
            arrived = np.full(len(values_pd), np.nan)
        share = exponent(timing, s0, s1)
        # A population as a whole keeps its mass in a plan, whatever the timing; scores say an absolute growth.
        total = 1.0 if self.settings.growth == SCORES else self._total(share)
        rate_p = arrived if s1 == 1.0 and np.isfinite(self.end.rate).all() else rate_p
        return Moved(values_pd, pairs.grown**share / total), rate_p

    def on_the_way(self, rng: np.random.Generator) -> OnTheWay:
        """Pairs of the plan, each at a moment of its own."""
        pairs, s_q = self._sample, rng.random(_PAIRS)[:, None]
        apart = 1e-4
        velocity = (self._at(pairs, s_q + apart) - self._at(pairs, s_q - apart)) / (2 * apart * self.hours)
        hours = self.start.hours + s_q[:, 0] * self.hours
        rate = np.log(np.maximum(pairs.grown, 1e-12)) / self.hours
        return OnTheWay(self._at(pairs, s_q), hours, velocity, rate, pairs.grown ** s_q[:, 0])

    def velocity_at_end(self, values_pd: np.ndarray) -> np.ndarray:
        """``(p, d)`` mean velocity with which cells near these have come."""
        near_pk = cKDTree(self._sample.end).query(values_pd, k=_NEAREST)[1]
        pairs = self._sample
        return np.asarray(((pairs.end - pairs.start) / self.hours)[near_pk].mean(axis=1))

    def _grown(self, lifted: torch.Tensor, rate_p: np.ndarray) -> np.ndarray:
        """Mass that each cell becomes by the end of the interval."""
        if self.settings.growth == SCORES:
            return np.exp(rate_p * self.hours)
        if self.settings.growth == PLAN:
            return self.coupling.growth(lifted).double().numpy()
        return np.ones(len(lifted))

    def _total(self, share: float) -> float:
        if self.settings.growth != PLAN or share == 0.0:
            return 1.0
        weight = self.coupling.log_n.exp().double().numpy()
        return normalizer(weight, self._growth**share)

    @cached_property
    def _growth(self) -> np.ndarray:
        return np.asarray(self.coupling.growth().double().numpy())

    @cached_property
    def _leave(self) -> np.ndarray:
        return self._tangents(self.start.values)

    @cached_property
    def _arrive(self) -> np.ndarray:
        return self._tangents(self.end.values)

    @cached_property
    def _pace(self) -> float:
        """Root mean square speed between any two cells of the ends."""
        x, y = self.start, self.end
        spread = sum(float(np.average(((e.values - _mean(e)) ** 2).sum(axis=1), weights=e.weight)) for e in (x, y))
        return float(np.sqrt(spread + ((_mean(y) - _mean(x)) ** 2).sum())) / self.hours

    def _tangents(self, points_pd: np.ndarray) -> np.ndarray:
        if self.progress is None:
            return np.zeros_like(points_pd)
        return _capped(self.progress.tangents(points_pd), np.full(len(points_pd), self._pace * _FASTEST / 2))

    def _lift(self, points_pd: np.ndarray, tangent_pd: np.ndarray, side: float) -> np.ndarray:
        """Coordinates in which a squared distance is displacement plus the bending of the way between.

        The squared acceleration of a cubic way from ``x`` with velocity ``v`` to ``y`` with ``w``, over an hour, is
        ``3 |v + w - 2 (y - x)|² + |v - w|²`` (as in measure-valued splines, Chen et al. 2018): a squared distance.
        """
        if self.progress is None:
            return points_pd
        reach = np.sqrt(_BENDING) * self.hours
        midway = np.sqrt(3.0) * reach * (2 * points_pd / self.hours + side * tangent_pd)
        return np.hstack([points_pd, midway, reach * tangent_pd])

    def _at(self, pairs: _Pairs, s: float | np.ndarray) -> np.ndarray:
        """Places of pairs on their ways: a cubic from start to end with the velocities there."""
        chord_pd = pairs.end - pairs.start
        if isinstance(s, float) and s >= 1.0:
            return pairs.end
        if self.progress is None:
            return np.asarray(pairs.start + s * chord_pd)
        fastest_p = _FASTEST * np.linalg.norm(chord_pd, axis=1)
        leave_pd, arrive_pd = (_capped(v * self.hours, fastest_p) for v in (pairs.leave, pairs.arrive))
        return np.asarray(
            (2 * s**3 - 3 * s**2 + 1) * pairs.start
            + (s**3 - 2 * s**2 + s) * leave_pd
            + (3 * s**2 - 2 * s**3) * pairs.end
            + (s**3 - s**2) * arrive_pd
        )

    @cached_property
    def _sample(self) -> _Pairs:
        """Pairs of the plan, by which cells within the interval are continued."""
        rng = np.random.default_rng(0)
        weight = self.coupling.log_n.exp().double().numpy()
        from_q = rng.choice(len(weight), _PAIRS, p=weight / weight.sum())
        lifted = self.coupling.x[torch.tensor(from_q)]
        to_q = self.coupling.drawn(torch.tensor(rng.random(_PAIRS)), lifted).numpy()
        grown = self._grown(lifted, self.start.rate[from_q])
        start, end = self.start.values[from_q], self.end.values[to_q]
        return _Pairs(start, end, self._leave[from_q], self._arrive[to_q], grown)

    def _nearest(self, values_pd: np.ndarray, s: float, place_p: np.ndarray) -> np.ndarray:
        """One of the pairs that pass nearest to each cell at a moment of the interval."""
        near_pk = cKDTree(self._at(self._sample, s)).query(values_pd, k=_NEAREST)[1]
        return np.asarray(near_pk[np.arange(len(values_pd)), (place_p * _NEAREST).astype(int) % _NEAREST])


def _capped(velocity_pd: np.ndarray, fastest_p: np.ndarray) -> np.ndarray:
    size_p = np.linalg.norm(velocity_pd, axis=1)
    return np.asarray(velocity_pd * np.minimum(1.0, fastest_p / np.maximum(size_p, 1e-12))[:, None])


def _mean(snapshot: Snapshot) -> np.ndarray:
    return np.asarray(snapshot.weight @ snapshot.values)
