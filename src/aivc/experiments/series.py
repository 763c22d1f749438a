"""A simulated series of populations, and the tables that are read from it: growth, states, and who became what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.core.views import ABOUT, NOT_FOR_TESTING
from aivc.experiments.cell_states import CellStates
from aivc.experiments.trajectory import Moment

if TYPE_CHECKING:
    from anndata import AnnData

_AXES = "X_aivc"
_RESAMPLED = 100
# Tables that a file of a series holds, with the columns that a figure is drawn from.
TABLES: Mapping[str, tuple[str, ...]] = {
    "steps": ("step", "begin", "end", "done", "applicability", "inside", "seen", "mass", "low", "high"),
    "growth": ("step", "time", "mass", "low", "high", "untreated"),
    "states": ("step", "time", "state", "share", "low", "high"),
    "flows": ("step", "source", "target", "leaves", "arrives"),
    "fates": ("start", "state", "share", "low", "high"),
}


@final
@dataclass(frozen=True, eq=False)
class SeriesTables:
    """What figures of a series are drawn from; read again from a file of it.

    Attributes:
        steps: One row a step: hours it begins and ends on the clock of the data, what was done, how far it lies where
            there is evidence, and how many cells one cell of the start has become, with its interval.
        growth: Mass for one cell of the start at each moment, with its interval, and of untreated cells.
        states: Share of cells in each state at each moment.
        flows: Mass that goes from one state to another in each step, for one cell of the start: as it leaves, and as
            it arrives, cells having divided and died on the way.
        fates: Share of the descendants of each state of the start that are in each state of the end.
        about: ``schedule``, ``context``, ``assumptions``, ``semigroup``, ``level`` and what made it.
    """

    steps: pd.DataFrame
    growth: pd.DataFrame
    states: pd.DataFrame
    flows: pd.DataFrame
    fates: pd.DataFrame
    about: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path | str) -> "SeriesTables":
        """Read the tables of a file that `Series.to_anndata` or ``aivc simulate`` made.

        Raises:
            IntegrityError: The file holds no series.
        """
        from anndata.io import read_elem
        from h5py import File

        try:
            with File(path, "r") as file:
                about = dict(read_elem(file["uns"][ABOUT]))
            tables = {name: pd.DataFrame(about.pop(name)) for name in TABLES}
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"{path} holds no simulated series ({error!r}). Make one with aivc simulate."
            ) from error
        for name, columns in TABLES.items():
            if missing := set(columns) - set(tables[name]):
                raise IntegrityError(f"The table {name} of {path} lacks {', '.join(sorted(missing))}. Simulate again.")
        return cls(**tables, about=about)


@final
@dataclass(frozen=True, eq=False)
class Series:
    """Populations of one simulated experiment, from its start to its end.

    Attributes:
        moments: The start, and the end of each step.
        readings: What is measured at each moment: cell ``i`` of the start in row ``i``, read in draw ``i`` modulo the
            number of draws.
        profiles: For each moment ``(k, f)`` expected mean profile of each draw.
        profile_units: Of these.
        states: Of the cells, population by population, those of one moment together.
        about: See `SeriesTables`.
        seed: Draws cells anew for intervals.
    """

    moments: tuple[Moment, ...]
    readings: tuple[Measurement, ...]
    profiles: tuple[Float[np.ndarray, "k f"], ...]
    profile_units: str
    states: CellStates
    about: Mapping[str, Any]
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.moments) < 2:
            raise DataError(["A series has a start and one step at least."])

    def __repr__(self) -> str:
        first, last = self.moments[0], self.moments[-1]
        draws = len(last.draws)
        return (
            f"Series({last.step} steps from {first.time:g} h to {last.time:g} h, {len(last.draws[0])} cells × {draws})"
        )

    @property
    def times(self) -> tuple[float, ...]:
        """Hours of each moment, on the clock of the data."""
        return tuple(moment.time for moment in self.moments)

    def mass(self, step: int, *, untreated: bool = False) -> Float[np.ndarray, " k"]:
        """``(k,)`` how many cells one cell of the start has become, by draw."""
        moment, start = self.moments[step], self.moments[0].draws[0].mass.sum()
        draws = moment.untreated if untreated else moment.draws
        return np.array([draw.mass.sum() / start for draw in draws])

    @cached_property
    def tables(self) -> SeriesTables:
        """Growth, states and fates, with intervals over draws and over which cells of the start were taken."""
        growth = self._growth()
        rows = [
            {
                "step": moment.step,
                "begin": before.time,
                "end": moment.time,
                "done": str(moment.done) if moment.done and moment.done.agents else "wait",
                "applicability": str(moment.applicability),
                "inside": moment.inside,
                "seen": "" if moment.seen is None else "seen" if moment.seen else "unseen",
                "made_by": " → ".join(moment.made_by),
            }
            for before, moment in zip(self.moments, self.moments[1:], strict=False)
        ]
        steps = pd.DataFrame(rows).merge(growth[["step", "mass", "low", "high"]], on="step")
        return SeriesTables(steps, growth, self._shares(), self._flows(), self._fates(), self.about)

    @cached_property
    def _again(self) -> np.ndarray:
        """``(b, n)`` how often each cell of the start is taken: once, and as in samples of their number."""
        n = len(self.moments[0].draws[0])
        drawn = np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), _RESAMPLED)
        return np.vstack([np.ones(n), drawn])

    def _interval(self, said: Sequence[np.ndarray]) -> tuple[float, float, float]:
        """Mean over draws, and quantiles over draws and samples of cells; NaN where nothing was there."""
        table = np.array(said)
        tail = (1 - float(self.about["level"])) / 2
        low, high = np.nanquantile(table, [tail, 1 - tail]) if np.isfinite(table).any() else (np.nan, np.nan)
        return float(table[:, 0].mean()), float(low), float(high)

    def _growth(self) -> pd.DataFrame:
        begin_b = self._again @ self.moments[0].draws[0].mass
        rows = []
        for moment in self.moments:
            mass, low, high = self._interval([self._again @ draw.mass / begin_b for draw in moment.draws])
            apart = float(self.mass(moment.step, untreated=True).mean())
            rows.append((moment.step, moment.time, mass, low, high, apart))
        return pd.DataFrame(rows, columns=TABLES["growth"])

    def _codes(self, step: int) -> list[np.ndarray]:
        count = len(self.moments[0].draws)
        return list(self.states.codes[step * count : (step + 1) * count])

    def _shares(self) -> pd.DataFrame:
        rows = []
        for moment in self.moments:
            for j, name in enumerate(self.states.names):
                own = [
                    self._share(draw.mass, code == j)
                    for draw, code in zip(moment.draws, self._codes(moment.step), strict=True)
                ]
                rows.append((moment.step, moment.time, name, *self._interval(own)))
        return pd.DataFrame(rows, columns=TABLES["states"])

    def _share(self, mass: np.ndarray, there: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """``(b,)`` share of mass, in each sample of cells; NaN where a sample has none."""
        of = mass if among is None else mass * among
        whole_b = self._again @ of
        return np.asarray(np.where(whole_b > 0, self._again @ (of * there) / np.maximum(whole_b, 1e-300), np.nan))

    def _flows(self) -> pd.DataFrame:
        rows, start = [], self.moments[0].draws[0].mass.sum()
        for before, after in zip(self.moments, self.moments[1:], strict=False):
            found: dict[tuple[str, str], np.ndarray] = {}
            pairs = zip(before.draws, after.draws, self._codes(before.step), self._codes(after.step), strict=True)
            for old, new, was, now in pairs:
                for i in range(len(was)):
                    key = self.states.names[was[i]], self.states.names[now[i]]
                    found[key] = found.get(key, np.zeros(2)) + np.array([old.mass[i], new.mass[i]])
            for key, both in sorted(found.items()):
                leaves, arrives = both / start / len(before.draws)
                rows.append((after.step, *key, leaves, arrives))
        return pd.DataFrame(rows, columns=TABLES["flows"])

    def _fates(self) -> pd.DataFrame:
        rows, last = [], self.moments[-1]
        first, ends = self._codes(0), self._codes(last.step)
        for i, start in enumerate(self.states.names):
            if not any((code == i).any() for code in first):
                continue
            for j, name in enumerate(self.states.names):
                own = [
                    self._share(draw.mass, end == j, begin == i)
                    for draw, begin, end in zip(last.draws, first, ends, strict=True)
                ]
                rows.append((start, name, *self._interval(own)))
        return pd.DataFrame(rows, columns=TABLES["fates"])

    def followed(self) -> tuple[np.ndarray, pd.DataFrame]:
        """Each cell of the start at each moment: cell ``i`` in draw ``i`` modulo their number, so it keeps its way.

        Returns:
            ``(m n, d)`` states, moment by moment in the order of the start; and as many rows of ``obs`` (`to_anndata`).
        """
        values = np.concatenate([self._mixed(moment)[0] for moment in self.moments])
        return values, pd.concat([self._obs(moment.step) for moment in self.moments])

    def to_anndata(self) -> "AnnData":
        """Make an AnnData of the series: a row for each cell at each moment.

        Returns:
            ``X`` in the units of the readings; ``obs`` with ``time`` in hours, ``step``, ``mass`` (how many cells a
            cell of the start has become), ``cell`` (its name at the start), ``state``, ``draw``, ``perturbation`` and
            ``context``; ``obsm["X_aivc"]`` the states; ``varm["mean"]``, ``["low"]`` and ``["high"]`` the expected
            profile of each moment; ``uns["aivc"]`` the tables (`SeriesTables`) and what made them.
        """
        from anndata import AnnData

        states, obs = self.followed()
        values = [each.block(0, len(each)) for each in self.readings]
        counts = self.readings[0].units == COUNTS
        stacked = sparse.vstack([sparse.csr_matrix(v, dtype=np.float32) for v in values], format="csr")
        tables = {name: getattr(self.tables, name).astype({}) for name in TABLES}
        return AnnData(
            stacked if counts else stacked.toarray(),
            obs=obs,
            var=pd.DataFrame(index=pd.Index(self.readings[0].features.astype(str))),
            obsm={_AXES: states.astype(np.float32)},
            varm=self._ends(),
            uns={
                "units": self.readings[0].units,
                ABOUT: {
                    **dict(self.about),
                    **tables,
                    "units": self.readings[0].units,
                    "profile_units": self.profile_units,
                    "time_unit": "h",
                    "not_for_testing": NOT_FOR_TESTING,
                },
            },
        )

    def _ends(self) -> dict[str, np.ndarray]:
        tail = (1 - float(self.about["level"])) / 2
        low, high = (np.array([np.quantile(each, q, axis=0) for each in self.profiles]).T for q in (tail, 1 - tail))
        mean = np.array([each.mean(axis=0) for each in self.profiles]).T
        known = len(self.profiles[0]) > 1
        return {
            "mean": mean,
            "low": low if known else np.full_like(mean, np.nan),
            "high": high if known else np.full_like(mean, np.nan),
        }

    def _mixed(self, moment: Moment) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """States, masses and state numbers of the rows of a file: cell ``i`` in draw ``i`` modulo their number."""
        count, n = len(moment.draws), len(moment.draws[0])
        of_n = np.arange(n) % count
        values = np.array([moment.draws[k].values[i] for i, k in enumerate(of_n)])
        mass = np.array([moment.draws[k].mass[i] for i, k in enumerate(of_n)])
        codes = self._codes(moment.step)
        return values, mass, np.array([codes[k][i] for i, k in enumerate(of_n)])

    def _obs(self, step: int) -> pd.DataFrame:
        moment = self.moments[step]
        _, mass, code = self._mixed(moment)
        start = self.moments[0].draws[0]
        names = start.entities.index.astype(str)
        columns = {
            "time": moment.time,
            "step": step,
            "mass": mass,
            "cell": names.to_numpy(dtype=object),
            "state": pd.Categorical.from_codes(code, list(self.states.names)),
            "draw": np.arange(len(mass)) % len(moment.draws),
            "perturbation": "control" if moment.done is None else str(moment.done),
            "context": start.contexts.astype(str),
        }
        return pd.DataFrame(columns, index=[f"{name}-{step}" for name in names])


def read_rows(draws: Sequence[UR]) -> list[np.ndarray]:
    """For each of ``k`` draws, which cells are read out in it: cell ``i`` in draw ``i`` modulo ``k``."""
    return [np.arange(k, len(draws[0]), len(draws)) for k in range(len(draws))]
