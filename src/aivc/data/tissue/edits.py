"""Edits of a tissue: cells taken out, put in, exchanged or moved, and who is whose neighbour afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import Agent, CellCondition, kind_of
from aivc.core.ur import UR

CELL_TYPE, REGION = "cell_type", "region"
BY = " by "
# In this order several edits are applied: who is moved or exchanged must still be there.
ORDER = ("move", "swap", "remove", "add")
_SHORT = {"type": CELL_TYPE}


@final
@dataclass(frozen=True, eq=False)
class Edited:
    """A tissue after an edit, and where each of its cells comes from.

    Attributes:
        ur: ``m`` cells: those kept in their order, then those put in.
        origin: ``(m,)`` which cell before the edit each one's state was taken from.
        same: ``(m,)`` True where that is the cell itself.
    """

    ur: UR
    origin: np.ndarray
    same: np.ndarray


def edited(ur: UR, agents: tuple[Agent, ...], *, seed: int = 0) -> Edited:
    """Apply every edit among some agents to a tissue; molecular ones are left to others.

    Args:
        ur: Cells with their links and the columns that are named, such as ``cell_type``.
        agents: What is done. ``remove:A`` takes cells of type A out; ``add:A@10%`` puts in as many cells of type A as
            are 10 % of those there, each beside a cell drawn at random; ``swap:A by B`` gives cells of type A type and
            state of a cell of type B drawn at random; ``move:R`` moves cells to places beside cells of region R.
        seed: Draws the cells.

    Raises:
        PerturbationError: An edit has another form, needs a condition, or would leave no cell.
        UnknownNameError: No such column, type, value or region.

    >>> from aivc.core.scale import Scale
    >>> from aivc.core.space import Space
    >>> types = pd.DataFrame({"cell_type": ["a", "b", "b"]}, index=["x", "y", "z"])
    >>> tissue = UR(np.eye(3), Space("states", Scale.CELLULAR, 3, ""), types)
    >>> edited(tissue, (Agent("remove", "b"),)).ur.entities.index.tolist()
    ['x']
    """
    here = Edited(ur, np.arange(len(ur)), np.ones(len(ur), dtype=bool))
    rng = np.random.default_rng(seed)
    for kind in ORDER:
        for agent in agents:
            if agent.kind == kind:
                here = _EDITS[kind](here, agent, rng)
    return here


def is_edit(agent: Agent) -> bool:
    """Whether an agent changes who is where, rather than a molecule."""
    return kind_of(agent.kind).tissue


def meant(ur: UR, where: CellCondition | None) -> np.ndarray:
    """``(n,)`` True where a condition holds; everywhere without one.

    Args:
        ur: Cells.
        where: ``type`` stands for ``cell_type`` where there is no column of that name.

    Raises:
        UnknownNameError: No such column, or no such value.
    """
    if where is None:
        return np.ones(len(ur), dtype=bool)
    name = where.column if where.column in ur.entities else _SHORT.get(where.column, where.column)
    return _holds(ur, name, where.value)


def steps_from(ur: UR, after: Edited, touched: np.ndarray) -> np.ndarray:
    """``(m,)`` links from each cell after an edit to the nearest that something was done to; infinite where none leads.

    Cells that were taken out, exchanged or moved count where they were before, too.

    Args:
        ur: The tissue before, with links.
        after: The tissue after.
        touched: ``(m,)`` True for cells that something was done to.
    """
    assert ur.links is not None
    steps = np.full(len(touched), np.inf)
    kept = np.zeros(len(ur), dtype=bool)
    kept[after.origin[after.same & ~touched]] = True
    for links, sources, rows in (
        (after.ur.links, np.flatnonzero(touched), np.arange(len(touched))),
        (ur.links, np.flatnonzero(~kept), after.origin),
    ):
        if len(sources):
            found = dijkstra(links, indices=sources, unweighted=True, min_only=True)[rows]
            steps = np.where(after.same, np.minimum(steps, found), steps)
    return steps


def _holds(ur: UR, column: str, value: str) -> np.ndarray:
    if column not in ur.entities:
        remedy = f"Give the cells a column {column!r}, or name one that they have."
        raise UnknownNameError("column of the cells", column, map(str, ur.entities), remedy)
    found = ur.entities[column].astype(str).to_numpy() == value
    if not found.any():
        raise UnknownNameError(column.replace("_", " "), value, sorted(set(ur.entities[column].astype(str))))
    return np.asarray(found)


def _remove(here: Edited, agent: Agent, rng: np.random.Generator) -> Edited:
    _undosed(agent)
    gone = _holds(here.ur, CELL_TYPE, agent.target) & meant(here.ur, agent.where)
    if gone.all():
        raise PerturbationError(f"{agent} would leave no cell. Remove a type that is not the only one.")
    return Edited(here.ur.take(~gone), here.origin[~gone], here.same[~gone])


def _swap(here: Edited, agent: Agent, rng: np.random.Generator) -> Edited:
    _undosed(agent)
    old, found, new = agent.target.partition(BY)
    if not found or BY in new:
        raise PerturbationError(f"A swap names two types, such as swap:T cell by macrophage; got {agent}.")
    rows = np.flatnonzero(_holds(here.ur, CELL_TYPE, old) & meant(here.ur, agent.where))
    others = np.flatnonzero(_holds(here.ur, CELL_TYPE, new))
    # A type exchanged for itself is the tissue as it was, not one of other cells of that type.
    return here if old == new else _with_states(here, rows, rng.choice(others, len(rows)))


def _with_states(here: Edited, rows: np.ndarray, donors: np.ndarray) -> Edited:
    """Give some cells the type and state of others; places, links and all other columns stay."""
    values, entities = np.array(here.ur.values), here.ur.entities.copy()
    values[rows] = here.ur.values[donors]
    entities.iloc[rows, entities.columns.get_loc(CELL_TYPE)] = entities[CELL_TYPE].to_numpy()[donors]
    origin, same = np.array(here.origin), np.array(here.same)
    origin[rows], same[rows] = here.origin[donors], False
    variance = None if here.ur.variance is None else np.array(here.ur.variance)
    if variance is not None and here.ur.variance is not None:
        variance[rows] = here.ur.variance[donors]
    return Edited(UR(values, here.ur.space, entities, variance, here.ur.mass, here.ur.links), origin, same)


def _move(here: Edited, agent: Agent, rng: np.random.Generator) -> Edited:
    _undosed(agent)
    if agent.where is None:
        raise PerturbationError(f"{agent} moves every cell. Say which: {agent} where cell_type=NAME.")
    there = _holds(here.ur, REGION, agent.target)
    rows = np.flatnonzero(meant(here.ur, agent.where) & ~there)
    entities = here.ur.entities.copy()
    entities.iloc[rows, entities.columns.get_loc(REGION)] = agent.target
    links = here.ur.links
    if links is not None and len(rows):
        stay = np.ones(len(here.ur))
        stay[rows] = 0
        links = sparse.diags(stay) @ links @ sparse.diags(stay)
        links = _beside(links, rows, rng.choice(np.flatnonzero(there), len(rows)))
    ur = UR(here.ur.values, here.ur.space, entities, here.ur.variance, here.ur.mass, links)
    return Edited(ur, here.origin, here.same)


def _add(here: Edited, agent: Agent, rng: np.random.Generator) -> Edited:
    if agent.unit != "%" or agent.dose is None:
        raise PerturbationError(f"How many cells are added is a share of those there: add:{agent.target}@10%.")
    hosts = np.flatnonzero(meant(here.ur, agent.where))
    count = round(agent.dose / 100 * len(hosts))
    if not count:
        raise PerturbationError(f"{agent.dose:g} % of {len(hosts)} cells is not one cell. Ask for a larger share.")
    donors = rng.choice(np.flatnonzero(_holds(here.ur, CELL_TYPE, agent.target)), count)
    chosen = rng.choice(hosts, count, replace=count > len(hosts))
    n, old = len(here.ur), here.ur
    fresh = old.entities.iloc[chosen].set_axis([f"added-{agent.target}-{i}" for i in range(count)], axis=0)
    fresh = fresh.assign(**{CELL_TYPE: agent.target})
    links = None if old.links is None else _beside(_widened(old.links, count), np.arange(n, n + count), chosen)
    variance = None if old.variance is None else np.concatenate([old.variance, old.variance[donors]])
    values, mass = np.concatenate([old.values, old.values[donors]]), np.r_[old.mass, old.mass[donors]]
    ur = UR(values, old.space, pd.concat([old.entities, fresh]), variance, mass, links)
    return Edited(ur, np.r_[here.origin, here.origin[donors]], np.r_[here.same, np.zeros(count, dtype=bool)])


def _widened(links: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """The same links with so many cells behind the others, who are linked to nobody yet."""
    n = links.shape[0] + count
    ends = np.r_[links.indptr, np.full(count, links.indptr[-1])]
    return sparse.csr_matrix((links.data, links.indices, ends), shape=(n, n))


def _beside(links: sparse.csr_matrix, rows: np.ndarray, hosts: np.ndarray) -> sparse.csr_matrix:
    """Link each of some cells without neighbours to a host and to the neighbours of that host."""
    n = links.shape[0]
    chosen = sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, hosts)), shape=(n, n))
    new = chosen + chosen @ links
    both = sparse.csr_matrix(links + new + new.T)
    both.setdiag(0)
    both.eliminate_zeros()
    both.data = np.ones(both.nnz, dtype=np.float32)
    return both


def _undosed(agent: Agent) -> None:
    if agent.dose is not None:
        raise PerturbationError(f"Only what is added has a share; leave {agent.dose:g}{agent.unit} out of {agent}.")


_EDITS: Mapping[str, Callable[[Edited, Agent, np.random.Generator], Edited]] = {
    "move": _move,
    "swap": _swap,
    "remove": _remove,
    "add": _add,
}
