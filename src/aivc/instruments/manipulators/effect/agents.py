"""What perturbations are made of, as far as effects transfer: agents, doses and hours, molecular knowledge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.dose_units import amount, quantity
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.ur import UR
from aivc.data.priors.gene_priors import block_slices
from aivc.instruments.manipulators.priors.places import locate, unit_rows

# Likeness of an agent at two doses falls by 1/e over a factor of ten, and at two times over a factor of four.
_DECADES, _QUADRUPLES = 1.0, 1.0
# Lengths in one minus cosine, over which likeness by knowledge is averaged: few perturbations cannot choose among them.
_LENGTHS = (0.15, 0.3, 0.6, 1.2)
_WHOLE = "priors"
# How little and how much combinations may do of the sum of their parts, and how many must tell it.
_TOGETHER, _FEWEST = (0.3, 1.5), 8


@lru_cache(maxsize=200_000)
def canonical(perturbation: Perturbation) -> Perturbation:
    """The same, with every dose in the unit that all of its quantity share.

    >>> str(canonical(Perturbation.parse("drug:nutlin-3@10000nM for 24h")))
    'drug:nutlin-3@10uM for 24h'
    """
    agents = (
        replace(each, dose=amount(each.dose, each.unit), unit=quantity(each.unit))
        if each.dose is not None and each.unit is not None
        else each
        for each in perturbation.agents
    )
    return Perturbation(tuple(dict.fromkeys(agents)), perturbation.hours)


def is_nothing(perturbation: Perturbation) -> bool:
    """Whether no more was done than to the control: no dose of anything, or for no time.

    >>> [is_nothing(Perturbation.parse(text)) for text in ("drug:A@0uM", "ko:A for 0h", "ko:A", "time for 24h")]
    [True, True, False, False]
    """
    if perturbation.hours == 0:
        return True
    return bool(perturbation.agents) and all(agent.dose == 0 for agent in perturbation.agents)


def agents_in_common(ours: Sequence[str], theirs: Sequence[str], together: float = 1.0) -> Float[np.ndarray, "p q"]:
    """How much of what two perturbations are made of is the same: agents given alike count 1, and add up.

    In a combination each agent counts ``together``: effects may add up to less than their sum, or to more. One
    agent at two doses, or for two durations, counts less the further these lie apart on a logarithmic scale; where
    only one of the two is stated, it counts half.
    """
    found = np.zeros((len(ours), len(theirs)))
    both, others = (np.where(combined(each), together, 1.0) for each in (ours, theirs))
    where: dict[str, list[tuple[int, Agent, float | None]]] = {}
    for column, text in enumerate(theirs):
        asked = Perturbation.parse(text)
        for agent in asked.agents:
            where.setdefault(name_of(agent), []).append((column, agent, asked.hours))
    for row, text in enumerate(ours):
        asked = Perturbation.parse(text)
        for agent in asked.agents:
            for column, other, hours in where.get(name_of(agent), ()):
                found[row, column] += (
                    both[row]
                    * others[column]
                    * _near(agent.dose, other.dose, 10.0, _DECADES)
                    * _near(asked.hours, hours, 4.0, _QUADRUPLES)
                )
    return found


def combined(texts: Sequence[str]) -> Bool[np.ndarray, " p"]:
    """``(p,)`` True for combinations of agents."""
    return np.array([len(Perturbation.parse(text).agents) > 1 for text in texts], dtype=bool)


def share_together(texts: Sequence[str], contexts: Sequence[str], shifts_rd: Float[np.ndarray, "r d"]) -> float:
    """How much of the sum of what agents do alone they do together, by least squares; 1 where too few tell it."""
    place = {key: i for i, key in enumerate(zip(texts, contexts, strict=True))}
    along, size, count = 0.0, 0.0, 0
    for row, (text, context) in enumerate(zip(texts, contexts, strict=True)):
        asked = Perturbation.parse(text)
        parts = [place.get((str(part), context)) for part in asked.parts()] if len(asked.agents) > 1 else []
        if parts and None not in parts:
            sum_d = shifts_rd[np.array(parts, dtype=int)].sum(axis=0)
            along, size, count = along + float(sum_d @ shifts_rd[row]), size + float(sum_d @ sum_d), count + 1
    return float(np.clip(along / size, *_TOGETHER)) if count >= _FEWEST and size else 1.0


@lru_cache(maxsize=100_000)
def name_of(agent: Agent) -> str:
    """An agent, and the quantity that its dose is an amount of."""
    return f"{replace(agent, dose=None, unit=None)} in {quantity(agent.unit) if agent.unit else None}"


def _near(one: float | None, other: float | None, base: float, length: float) -> float:
    if one == other:
        return 1.0
    if not one or not other:
        return 0.5
    return float(np.exp(-abs(np.log(one / other)) / np.log(base) / length))


@final
@dataclass(frozen=True, eq=False)
class Knowledge:
    """Molecular positions of whatever can be perturbed.

    Attributes:
        names: ``g`` names; none where nothing is known.
        values: ``(g, m)`` positions.
        covered: ``(g, b)`` which block knows which name.
        ends: ``(b,)`` where the axes of each block end.
    """

    names: tuple[str, ...]
    values: Float[np.ndarray, "g m"]
    covered: Bool[np.ndarray, "g b"]
    ends: Int[np.ndarray, " b"]

    @classmethod
    def of(cls, parts: UR | None) -> "Knowledge":
        """Take it from a molecular UR; without named blocks all axes are one, and a row of zeros is unknown."""
        if parts is None:
            return cls((), np.zeros((0, 0)), np.zeros((0, 0), dtype=bool), np.zeros(0, dtype=int))
        axes = block_slices(parts) or {_WHOLE: slice(0, parts.space.dim)}
        known = [
            parts.entities[f"covered_{block}"].to_numpy(dtype=bool)
            if f"covered_{block}" in parts.entities
            else (parts.values != 0).any(axis=1)
            for block in axes
        ]
        ends = np.array([where.stop for where in axes.values()], dtype=int)
        names = tuple(map(str, parts.entities.index.tolist()))
        return cls(names, np.asarray(parts.values, dtype=float), np.array(known).T.reshape(len(parts), len(axes)), ends)

    def likeness(self, ours: Sequence[str], theirs: Sequence[str]) -> Float[np.ndarray, "p q"]:
        """How alike perturbations are by what is known of their targets, 0 to 1.

        For each block, the mean of ``exp((cosine - 1) / length)`` over four lengths; over blocks, the mean, where a
        block that does not know both adds nothing.
        """
        one, known = self._places(ours)
        key = tuple(theirs)
        if self._kept.get("key") != key:
            # The same rows are compared with one question after the other.
            self._kept.update(key=key, places=self._places(theirs))
        two, covered = self._kept["places"]
        found, start = np.zeros((len(ours), len(theirs))), 0
        for block, end in enumerate(self.ends):
            cosine = one[:, start:end] @ two[:, start:end].T
            kernel = np.mean([np.exp((cosine - 1) / length) for length in _LENGTHS], axis=0)
            found += kernel * np.outer(known[:, block], covered[:, block])
            start = int(end)
        return found / max(len(self.ends), 1)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        return {}

    def share(self, text: str) -> float:
        """Share of the blocks that know all that a perturbation acts on: how alike it is to itself."""
        return float(self._places([text])[1].mean()) if len(self.ends) else 0.0

    def knows(self, text: str) -> bool:
        """Whether any block does."""
        return self.share(text) > 0

    def _places(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """``(p, m)`` positions, each block of length one, and ``(p, b)`` whether the block knows all targets."""
        index = _index_of(self.names)
        places, known = np.zeros((len(texts), self.values.shape[1])), np.zeros((len(texts), len(self.ends)), dtype=bool)
        for row, text in enumerate(texts):
            asked = Perturbation.parse(text)
            here = [index[agent.molecule] for agent in asked.agents if agent.molecule in index]
            # All or nothing: half a pair is another perturbation.
            if here and len(here) == len(asked.agents):
                place = locate(asked, index, self.values)
                places[row] = 0.0 if place is None else place
                known[row] = self.covered[here].all(axis=0)
        start = 0
        for end in self.ends:
            places[:, start:end] = unit_rows(places[:, start:end])
            start = int(end)
        return places, known


@lru_cache(maxsize=8)
def _index_of(names: tuple[str, ...]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}
