"""Populations that develop: several ways to fill the time between, shared by what times left out say of each."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.ur import UR
from aivc.instruments.manipulators.time.cell_rows import CellRows
from aivc.instruments.manipulators.time.copying import mixture_moved, nearest_moved, next_moved, previous_moved
from aivc.instruments.manipulators.time.growth import (
    EARLY,
    LATE,
    NONE,
    PLAN,
    SPREAD,
    Counts,
    declared_counts,
    require_growth,
)
from aivc.instruments.manipulators.time.judging import (
    FEWEST_HELD,
    POOL,
    POWER,
    Held,
    Way,
    halves_and_copy,
    held_out,
    stacked,
)
from aivc.instruments.manipulators.time.of_time import TODAY, ManipulatorOfTime, fields_of
from aivc.instruments.manipulators.time.progress import Progress
from aivc.instruments.manipulators.time.snapshots import Line, drawn, table_of
from aivc.instruments.manipulators.time.transport_v1 import FURTHER, beyond_verdict
from aivc.instruments.manipulators.time.transporter import Moved, Transporter, TransportSettings

# Ways of transport and how much of the answer is theirs before any evidence: one third of ways is straight; plans that
# keep their sums and two strengths of growth count alike; growth comes early or evenly. Late growth, mixing and
# copying have a small share, which evidence may raise. Where there is no evidence at all, half of the answer is the
# pool of both neighbors: the transport distance of a mixture is at most the mean of the distances by share, so that
# neither of the two, whichever is worse, does more than half of its harm.
REACHES = (None, 1.0, 0.2)
_CURVED, _OTHERS = 2 / 3, 0.1
_TIMED = {EARLY: 0.5, SPREAD: 0.5, LATE: 0.0}
_POOLED = 0.5
MIXED, HALVED = "mixture of ways", "half of each"
NEAREST = "nearest"
_READ = ("previous", "next", NEAREST, "mixture", POOL)
SIMPLE = (*_READ, "straight, exact sums")


def prior_of(growth: str) -> dict[str, float]:
    """Share of each way before evidence; they add up to one.

    >>> sum(prior_of("none").values()), len(prior_of("none")), len(prior_of("plan"))
    (1.0, 7, 19)
    """
    reaches = REACHES if growth == PLAN else (None,)
    found = dict.fromkeys(_READ, 0.0)
    for curved, share in ((True, _CURVED), (False, 1 - _CURVED)):
        for reach in reaches:
            for timing, part in {EARLY: 1.0}.items() if reach is None else _TIMED.items():
                found[way_name(reach, timing, curved=curved)] = share / len(reaches) * part
    return {name: (1 - _OTHERS) * share + _OTHERS / len(found) for name, share in found.items()}


def way_name(reach: float | None, timing: str, *, curved: bool) -> str:
    """Name of a way of transport."""
    sums = "exact sums" if reach is None else f"reach {reach:g}, growth {timing}"
    return f"{'curved' if curved else 'straight'}, {sums}"


@final
@dataclass(frozen=True, eq=False)
class DevelopmentV1(ManipulatorOfTime):
    """A mixture of ways along plans, of mixing and of copying, with weights found on times left out.

    Interior times of the fit are left out one by one and filled by each way from the others. The energy distance of a
    mixture of ways is convex in its weights, so the best ones are found, drawn by relative entropy to weights that
    were laid down before. A simple way (copying, mixing, pooling, straight transport) that was better than the mixture
    on each time left out answers alone, and one that was better on average has half of the answer.

    With fewer than two such times nothing is found: half of the answer is the pool of both neighbors, the other half
    has weights that were laid down before. Where halves of a time are nearly as far as neighbors in time, no way can be
    distinguished from copying, and the nearest answers. Each cell goes one of the ways, chosen by its name; where it
    mixes or is pooled, it becomes its descendant along a plan.

    Attributes:
        growing: ``plan`` or ``none``.
        shares: ``(k,)`` share of each way, in the order of ``prior_of``.
        verdict: ``kept``, ``because``, the ``shares`` by name, and mean ``scores`` on times left out, in those of the
            better copy; with too few of them how far ``halves`` of a time and a ``copy`` are instead.
    """

    name: ClassVar[str] = "development.v1"
    growing: str
    shares: Float[np.ndarray, " k"]
    verdict: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        growth: str = PLAN,
        counts: Counts | None = None,
        draws: int = 1,
        extrapolate: bool = False,
    ) -> "DevelopmentV1":
        """Find the share of each way.

        Args:
            ur: States with ``time``.
            parts: Not used.
            seed: Draws descendants, and cells to judge on.
            growth: ``plan`` lets cells grow and die as far as plans say so; ``none`` keeps the mass of each.
            counts: Numbers of cells by hours, where known: total mass follows them.
            draws: How many populations are drawn.
            extrapolate: Whether times after the last are answered.

        Raises:
            ConvergenceError: A plan did not converge.
            DataError: Fewer than two times, or none stated.
            UnknownNameError: Growth is neither.
        """
        require_growth(growth if growth in (PLAN, NONE) else f"{growth} of {cls.name}", EARLY)
        kept = fields_of(table_of(cls.name, ur, None, seed))
        hours, numbers = declared_counts(counts)
        prior = np.array(list(prior_of(growth).values()))
        made = cls(
            ur.space,
            **kept,
            count_hours=hours,
            counts=numbers,
            seed=seed,
            draws=draws,
            extrapolate=extrapolate,
            growing=growth,
            shares=prior,
            verdict={},
        )
        return made._judged()

    @property
    def growth(self) -> str:
        """How cells differ in growth."""
        return self.growing

    def _moved(self, line: Line, cells: CellRows, end: float, salt: str) -> Moved:
        ways = list(self._ways_of[id(line)].values())
        way_p = drawn(self.shares, cells.at(f"way {salt}"))
        values, factor = np.array(cells.values), np.ones(len(way_p))
        for k in np.unique(way_p):
            some = np.flatnonzero(way_p == k)
            moved = ways[k](cells.take(some), end, salt)
            values[some], factor[some] = moved.values, moved.factor
        return Moved(values, factor)

    def _beyond(self, line: Line, cells: CellRows, hours: float) -> tuple[np.ndarray, str]:
        if self.verdict.get("beyond") == FURTHER:
            return Transporter(line, TransportSettings(), Progress.of(line)).beyond(cells.values, hours), ""
        return cells.values, TODAY

    @cached_property
    def _ways_of(self) -> dict[int, Mapping[str, Way]]:
        return {id(line): ways_of(line, self.growing) for line in self._lines.values()}

    def _judged(self) -> "DevelopmentV1":
        line, names = max(self._lines.values(), key=len), list(prior_of(self.growing))
        beyond = beyond_verdict(line, TransportSettings(), self.seed) if self.extrapolate else {}
        if len(line) - 2 < FEWEST_HELD:
            shares, verdict = laid_down(line, names, self.shares, self.seed)
            verdict = {**verdict, "shares": self._named(names, shares), **beyond}
            return dataclasses.replace(self, shares=shares, verdict=verdict)
        held = held_out(line, lambda rest: ways_of(rest, self.growing), self.seed)
        shares, verdict = chosen(held, names, self.shares)
        verdict = {**verdict, "shares": self._named(names, shares), **beyond}
        return dataclasses.replace(self, shares=shares, verdict=verdict)

    def _named(self, names: list[str], shares: np.ndarray) -> dict[str, float]:
        return {name: round(float(share), 4) for name, share in zip(names, shares, strict=True) if share >= 5e-5}


def laid_down(line: Line, names: list[str], prior_k: np.ndarray, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Shares where no time can be left out: half the pool, or the nearest time where there is no power.

    Args:
        line: Populations.
        names: Of ways.
        prior_k: Shares of ways before evidence.
        seed: Draws cells.
    """
    one_kk = np.eye(len(names))
    halves, copy = halves_and_copy(line, seed)
    said = {"halves": round(halves, 4), "copy": round(copy, 4)}
    if halves > POWER * copy:
        because = f"no power: halves of a time are {halves:.3g} apart, and a time halfway to the next {copy:.3g}"
        return one_kk[names.index(NEAREST)], {"kept": NEAREST, "because": because, **said}
    few = f"{len(line)} times are too few to leave any out: shares were laid down before, not found on data"
    shares = _POOLED * one_kk[names.index(POOL)] + (1 - _POOLED) * prior_k
    return shares, {"kept": "prior", "because": few, **said}


def chosen(held: list[Held], names: list[str], prior_k: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Shares of ways; the best simple way has all or half of the answer where the mixture is not better.

    The mixture is judged on each time left out with shares found on the others.

    Args:
        held: What times left out say, two or more.
        names: Of ways.
        prior_k: Shares before evidence.
    """
    apart_h = np.array([each.score(stacked([other for other in held if other is not each], prior_k)) for each in held])
    simple = {name: np.array([each.score(np.eye(len(names))[names.index(name)]) for each in held]) for name in SIMPLE}
    scores = {name: float(each.mean()) for name, each in {**simple, MIXED: apart_h}.items()}
    # A few times say little: the mixture steps back wholly only before what was better every time.
    better = [name for name, each in simple.items() if (each < apart_h).all()]
    if better:
        best = min(better, key=lambda name: scores[name])
        because = f"better than the mixture of ways on each of {len(held)} times left out"
        return np.eye(len(names))[names.index(best)], {"kept": best, "because": because, "scores": scores}
    best = min(simple, key=lambda name: scores[name])
    if scores[best] < scores[MIXED]:
        because = f"{best} was better on average over {len(held)} times left out, and not on each"
        shares = (np.eye(len(names))[names.index(best)] + stacked(held, prior_k)) / 2
        return shares, {"kept": HALVED, "because": because, "scores": scores}
    because = f"no simple way was better on average over {len(held)} times left out"
    return stacked(held, prior_k), {"kept": MIXED, "because": because, "scores": scores}


def ways_of(line: Line, growth: str) -> dict[str, Way]:
    """Ways to take cells along a line, by name, in the order of their shares."""
    found: dict[str, Way] = {}
    progress = Progress.of(line)
    plans: dict[tuple[float | None, bool], Transporter] = {}
    for curved in (True, False):
        for reach in REACHES if growth == PLAN else (None,):
            grown = NONE if reach is None else PLAN
            settings = TransportSettings(reach=reach, growth=grown, curved=curved)
            plans[reach, curved] = Transporter(line, settings, progress if curved else None)
            for timing in (EARLY,) if reach is None else tuple(_TIMED):
                found[way_name(reach, timing, curved=curved)] = partial(plans[reach, curved].advance, timing=timing)
    # Cells become those that were read at other times, and each its own descendant, so that it can be followed. The
    # nearest answers alone where plans do not differ from chance.
    along = plans[None, False].advance
    read: dict[str, Way] = {
        "previous": partial(previous_moved, line, along=along),
        "next": partial(next_moved, line, along=along),
        NEAREST: partial(nearest_moved, line),
        "mixture": partial(mixture_moved, line, along=along),
        POOL: partial(mixture_moved, line, along=along, counted=True),
    }
    return {**read, **found}
