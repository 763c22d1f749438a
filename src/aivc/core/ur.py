"""The universal representation: a weighted cloud of states, never only a mean."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from aivc.core.entity_tables import intact, links_arrays, links_of, table_of, table_state
from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, broken_links
from aivc.core.parsed import ParsedPerturbations
from aivc.core.space import Space
from aivc.core.state import State


@final
@dataclass(frozen=True, eq=False)
class UR:
    """States of ``n`` entities on ``d`` axes (Bunne et al. 2024, "Universal representation").

    Attributes:
        values: ``(n, d)`` states.
        space: What the axes mean.
        entities: ``n`` rows, with the columns of the measurement they were encoded from.
        variance: ``(n, d)`` variance of each coordinate: posterior, or of sampling; None where the encoder states
            none. Infinite where nothing was measured; the value there is 0 and means nothing.
        mass: ``(n,)`` how many cells each state stands for; 1 each by default.
        links: ``(n, n)`` CSR, which entities are neighbours (`Measurement.links`); None where none are stated.

    Raises:
        DataError: Shapes disagree, values are not finite, or masses are not positive.
    """

    values: Float[np.ndarray, "n d"]
    space: Space
    entities: pd.DataFrame
    variance: Float[np.ndarray, "n d"] | None = None
    mass: Float[np.ndarray, " n"] = None  # type: ignore[assignment]
    links: sparse.csr_matrix | None = None

    def __post_init__(self) -> None:
        if self.mass is None:
            object.__setattr__(self, "mass", np.ones(len(self.values)))
        if problems := list(self._problems()):
            raise DataError(problems)

    def _problems(self) -> Any:
        n = len(self.entities)
        if self.values.shape != (n, self.space.dim):
            yield f"A UR in {self.space} of {n} entities has shape ({n}, {self.space.dim}), got {self.values.shape}."
        if not np.isfinite(self.values).all():
            yield "A UR holds finite numbers only; encode data without NaN, or declare what was not measured."
        if self.variance is not None and (self.variance.shape != self.values.shape or not (self.variance >= 0).all()):
            yield "The variance of a UR has the shape of its values and is never negative."
        if self.mass.shape != (n,) or not (self.mass > 0).all():
            yield "The mass of a UR is one positive number per entity."
        yield from broken_links(self.links, n)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"UR({len(self)} entities in {self.space})"

    @cached_property
    def mean(self) -> np.ndarray:
        """``(d,)`` mass-weighted mean state; not to be written to."""
        mean = np.asarray(self.mass @ self.values / self.mass.sum())
        mean.flags.writeable = False
        return mean

    @cached_property
    def perturbations(self) -> np.ndarray:
        """``(n,)`` texts of `Perturbation`."""
        return self._column("perturbation", CONTROL)

    @cached_property
    def parsed(self) -> ParsedPerturbations:
        """The perturbations as objects, each distinct one parsed once.

        Raises:
            PerturbationError: A text of the column is none.
        """
        return ParsedPerturbations.of(self.perturbations)

    @cached_property
    def contexts(self) -> np.ndarray:
        """``(n,)`` contexts, ``all`` where the column is absent."""
        return self._column("context", "all")

    @property
    def times(self) -> np.ndarray | None:
        """``(n,)`` hours at which each entity was read; None where it is not stated."""
        return self.entities["time"].to_numpy(dtype=np.float64) if "time" in self.entities else None

    def _column(self, name: str, default: str) -> np.ndarray:
        if name in self.entities:
            return self.entities[name].to_numpy(dtype=object)
        return np.full(len(self), default, dtype=object)

    def take(self, rows: np.ndarray) -> "UR":
        """Keep some entities: positions, or True per entity."""
        variance = None if self.variance is None else self.variance[rows]
        links = None if self.links is None else self.links[rows][:, rows]
        return UR(self.values[rows], self.space, self.entities.iloc[rows], variance, self.mass[rows], links)

    def sample(self, n: int, *, seed: int = 0) -> "UR":
        """Draw ``n`` states by mass, without replacement where there are enough, and shift them to the mean of all.

        The shift keeps a small population from carrying its own sampling error into every prediction.
        """
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(self), n, replace=n > len(self), p=self.mass / self.mass.sum())
        drawn = self.take(rows)
        entities = drawn.entities.set_axis([f"{name}-{i}" for i, name in enumerate(drawn.entities.index)], axis=0)
        ones = np.ones(n)
        return dataclasses.replace(
            drawn, values=drawn.values + self.mean - drawn.values.mean(axis=0), entities=entities, mass=ones
        )

    def moved(self, shift: np.ndarray, perturbation: str) -> "UR":
        """Shift every state by ``(d,)`` or ``(n, d)`` and relabel it with a perturbation."""
        entities = self._relabelled(perturbation)
        return UR(self.values + shift, self.space, entities, self.variance, self.mass, self.links)

    def moved_each(self, shifts: np.ndarray, perturbation: str) -> "tuple[UR, ...]":
        """Shift every state by each of ``(k, n, d)``, as `moved` does by one: ``k`` URs of one table of entities."""
        values_knd = self.values + shifts
        first = UR(values_knd[0], self.space, self._relabelled(perturbation), self.variance, self.mass, self.links)
        if not np.isfinite(values_knd).all():
            return tuple(dataclasses.replace(first, values=each) for each in values_knd)
        # All but the values was checked in the first; a screen moves states a hundred thousand times.
        mean_kd = self.mass @ values_knd / self.mass.sum()
        mean_kd.flags.writeable = False
        shared = {**first.__dict__, "perturbations": np.full(len(self), perturbation, dtype=object)}
        made = tuple(object.__new__(UR) for _ in values_knd)
        for each, values_nd, mean_d in zip(made, values_knd, mean_kd, strict=True):
            each.__dict__.update(shared, contexts=self.contexts, values=values_nd, mean=mean_d)
        return made

    def label_ahead(self, perturbations: Sequence[str]) -> None:
        """Make the tables of a single state under many labels at once: one by one takes longer than to move it."""
        table = self.entities.iloc[np.zeros(len(perturbations), dtype=int)].assign(perturbation=list(perturbations))
        place = {text: i for i, text in enumerate(perturbations)}
        object.__setattr__(self, "_ahead", (place, table))

    def _relabelled(self, perturbation: str) -> pd.DataFrame:
        ahead: tuple[dict[str, int], pd.DataFrame] | None = self.__dict__.get("_ahead")
        kept: tuple[str, pd.DataFrame] | None = self.__dict__.get("_labels")
        if ahead is not None and perturbation in ahead[0] and (kept is None or kept[0] != perturbation):
            place = ahead[0][perturbation]
            kept = perturbation, ahead[1].iloc[place : place + 1]
            object.__setattr__(self, "_labels", kept)
        # The members of an ensemble all move the same states: making the same table for each costs more than the move.
        if kept is None or kept[0] != perturbation:
            kept = perturbation, self.entities.assign(perturbation=perturbation)
            object.__setattr__(self, "_labels", kept)
        return kept[1]

    def save(self, folder: Path) -> None:
        """Write the UR into a folder, as JSON and safetensors."""
        self.state().save(folder)

    @property
    def digest(self) -> str:
        """sha256 of all of it."""
        return self.state().digest()

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        table = table_state(self.entities)
        arrays = {"values": self.values, "mass": self.mass, **links_arrays(self.links), **table.arrays}
        if self.variance is not None:
            arrays["variance"] = self.variance
        return State({"space": self.space.to_json(), **table.settings}, arrays)

    @classmethod
    def from_state(cls, state: State, where: object = "This") -> "UR":
        """Inverse of `state`.

        Args:
            state: Of a UR.
            where: Where it came from, for messages.

        Raises:
            IntegrityError: The state is not one of a UR.
        """
        with intact(where, "UR"):
            entities, arrays = table_of(state), state.arrays
            links = links_of(arrays, len(entities))
            space = Space.from_json(state.settings["space"])
            return cls(arrays["values"], space, entities, arrays.get("variance"), arrays["mass"], links)

    @classmethod
    def load(cls, folder: Path) -> "UR":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The folder holds no intact UR.
        """
        return cls.from_state(State.load(folder), folder)
