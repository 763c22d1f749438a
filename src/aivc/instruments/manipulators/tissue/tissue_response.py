"""What becomes of a tissue when cells are taken out, put in or changed: each cell answers its neighbours, in rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple, final

import numpy as np
from jaxtyping import Float
from scipy import sparse

from aivc.core.affected import Affected
from aivc.core.contracts import Manipulator
from aivc.core.errors import PerturbationError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Agent, CellCondition, Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.registry import MANIPULATORS
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.edits import BY, Edited, edited, is_edit, meant, steps_from
from aivc.instruments.manipulators.tissue.response_map import ResponseMap, fit_maps, graph_blocks
from aivc.instruments.manipulators.tissue.surroundings import Surroundings, averages, surroundings

# A round is damped until the next is no larger than this share of it, so that the change dies out.
_HANDED_ON = 0.9
# Changes below this share of the scatter of states are none; those above the other are counted.
_NOTHING, _COUNTED = 1e-5, 1e-2
_MOST_ROUNDS = 200


class _Stood(NamedTuple):
    """A change that has been handed on until it stood.

    Attributes:
        change: ``(m, d)`` of each cell.
        rounds: How many it took.
    """

    change: np.ndarray
    rounds: int


@final
@dataclass(frozen=True, eq=False)
class TissueResponse(Manipulator):
    """A ridge map from surroundings to states, asked before and after an edit, and again for every change it makes.

    The state of a cell is expected from its type and its shells: their mean states, with slopes that alike types
    share, and the composition of the nearest. An edit of the tissue (`aivc.data.tissue.edits`) changes the surroundings
    of some cells; the difference of what the map expects of them after and before is their first change. In each round
    the changes of all cells change the shell means of their neighbours, and these change in turn. A round is multiplied
    by a damping that keeps the bound of its spectral norm at or below 0.9, so that changes add up to a state that
    stands. A molecular perturbation is first asked of the manipulator of cells, for those cells that its condition
    names, and then handed on in the same way. Without links nothing is handed on: the answer is that of the cells.

    The map is fitted on who is found beside whom. It says what such tissue looks like, which is what an edit does only
    as far as neighbours are its cause. Draws are refits on blocks of cells weighted at random.

    Attributes:
        reads: Space it was fitted on.
        types: ``t`` and
        profile: ``(t, a)`` and
        center: ``(d,)`` and
        loadings: ``(d, q)`` and
        size: ``(reach,)`` and
        share: and
        composition: ``(t,)`` say how surroundings become numbers (`Surroundings`).
        level: ``(k + 2, t + 1, d)`` state of each type in average surroundings: of the map of all blocks, of ``k``
            draws, and of a map whose neighbours were shuffled within their types.
        shell: ``(k + 2, t + 1, p, d)`` slopes on shell means.
        named: ``(k + 2, t, d)`` slopes on composition.
        unit: Root mean square scatter of a state.
        cell: Answers what molecules do to a cell; None where nothing was measured or given.
        rounds: At most so many; a change then reaches ``rounds`` times the number of shells, and no further.
        choice: Prior variances of slopes of alike types and of composition, chosen on blocks left out.
        seed: Draws the cells of edits.
    """

    name: ClassVar[str] = "tissue-response.v1"
    resampled: ClassVar[bool] = False
    reads: Space
    types: tuple[str, ...]
    profile: Float[np.ndarray, "t a"]
    center: Float[np.ndarray, " d"]
    loadings: Float[np.ndarray, "d q"]
    size: Float[np.ndarray, " reach"]
    share: float
    composition: Float[np.ndarray, " t"]
    level: Float[np.ndarray, "k t1 d"]
    shell: Float[np.ndarray, "k t1 p d"]
    named: Float[np.ndarray, "k t d"]
    unit: float
    cell: Manipulator | None
    rounds: int
    choice: tuple[float, ...]
    seed: int

    @classmethod
    def fit(  # noqa: PLR0913 - one keyword for each thing that may be known better from outside
        cls,
        ur: UR,
        *,
        parts: UR | None = None,
        seed: int = 0,
        cell: Manipulator | str = "mean-effect",
        blocks: str = "",
        reach: int = 2,
        axes: int = 30,
        draws: int = 8,
        rounds: int = _MOST_ROUNDS,
    ) -> "TissueResponse":
        """Fit on cells with links and types, and on what was done to cells, where anything was.

        Args:
            ur: Cells with ``links`` and the column ``cell_type``; perturbed ones teach the manipulator of cells alone.
            parts: Passed on to the manipulator of cells.
            seed: Draws weights of blocks, the shuffle, and the cells of edits.
            cell: What answers for molecules: fitted already, or a registered name, fitted where states are perturbed.
            blocks: Column that names cells which are no independent samples, such as ``region`` or ``section``; by
                default ten blocks of cells near each other in the graph.
            reach: Number of shells.
            axes: Number of leading axes on which neighbours are read.
            draws: Number of draws.
            rounds: Most rounds in which a change is handed on.

        Raises:
            ControlError: Perturbed states without a control.
            SpaceError: The manipulator of cells reads another space.
        """
        perturbed = ur.perturbations.astype(str) != CONTROL
        own = cell if isinstance(cell, Manipulator) else None
        if isinstance(cell, str) and perturbed.any():
            own = MANIPULATORS.load(cell).fit(ur, parts=parts, seed=seed)
        if own is not None:
            own.reads.require(ur.space, cls.name)
        tissue = ur.take(~perturbed) if perturbed.any() else ur
        apart = tissue.entities[blocks].to_numpy() if blocks else graph_blocks(tissue)
        rings = averages(tissue.links, len(tissue), reach)
        given = surroundings(tissue, rings, axes=axes)
        choice, maps = fit_maps(tissue, rings, given, apart, draws=draws, seed=seed)
        unit = float(np.sqrt(((tissue.values - given.center) ** 2).sum(axis=1).mean())) or 1.0
        level, shell, named = (np.array([getattr(each, name) for each in maps]) for name in ("level", "shell", "named"))
        return cls(
            reads=ur.space,
            types=given.types,
            profile=given.profile,
            center=given.center,
            loadings=given.loadings,
            size=given.unit,
            share=given.share,
            composition=given.composition,
            level=level,
            shell=shell,
            named=named,
            unit=unit,
            cell=own,
            rounds=rounds,
            choice=choice,
            seed=seed,
        )

    @property
    def edits_tissue(self) -> bool:
        """It does."""
        return True

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Edit the tissue, ask the cells, and hand the change on until it stands.

        Rows of the draws are the cells that remain, in their order, then those that were added.

        Raises:
            PerturbationError: An edit has another form; or a molecular perturbation where no manipulator of cells is.
            SpaceError: ``ur`` lives in another space.
            UnknownNameError: A type, region, column or value that these cells do not have.
        """
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        asked = _Asked.of(perturbation)
        if ur.links is None and not asked.edits and all(where is None for where, _ in asked.molecular):
            answer = self._cell(perturbation).manipulate(ur, perturbation)
            return replace(answer, made_by=(self.name, *answer.made_by))
        here = edited(ur, asked.edits, seed=self.seed)
        answers = [_CellAnswer.of(self._cell(each), here.ur, where, each) for where, each in asked.molecular]
        stood = self._stood(ur, here, answers)
        draws = tuple(here.ur.moved(each.change, str(perturbation)) for each in stood[:-1])
        names = (self.name, *dict.fromkeys(name for each in answers for name in each.made_by))
        affected = None if ur.links is None else self._affected(ur, here, answers, stood)
        return Prediction(draws, names, self._applicability(asked, answers), affected=affected)

    def expected(self, ur: UR) -> np.ndarray:
        """``(n, d)`` states that cells of these types are expected to have in these surroundings.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """
        self.reads.require(ur.space, self.name)
        rings = averages(ur.links, len(ur), self.given.reach)
        return self.center + self.maps[0](*self.given.of(ur, rings))

    @cached_property
    def given(self) -> Surroundings:
        """How surroundings become numbers."""
        described = (self.types, self.profile, self.center, self.loadings, self.size, self.share, self.composition)
        return Surroundings(*described)

    @cached_property
    def maps(self) -> tuple[ResponseMap, ...]:
        """The map of all blocks, the draws, and that of shuffled neighbours."""
        return tuple(ResponseMap(*each) for each in zip(self.level, self.shell, self.named, strict=True))

    @cached_property
    def damping(self) -> float:
        """What each round is multiplied by, so that no change grows."""
        return min(1.0, _HANDED_ON / max(max(each.gain(self.given) for each in self.maps), 1e-12))

    def _cell(self, perturbation: Perturbation) -> Manipulator:
        if self.cell is None:
            raise PerturbationError(
                f"{perturbation} acts on molecules, and this tissue was fitted without a manipulator of cells. Fit it "
                "on perturbed states too, or pass one that reads the same space: cell=MANIPULATOR."
            )
        return self.cell

    def _stood(self, ur: UR, here: Edited, answers: "Sequence[_CellAnswer]") -> list[_Stood]:
        """What stands in each draw, and last with the map of shuffled neighbours."""
        given = self.given
        before = given.of(ur, averages(ur.links, len(ur), given.reach))
        rings = averages(here.ur.links, len(here.ur), given.reach)
        codes, means, shares = given.of(here.ur, rings)
        moved, named = means - before[1][here.origin], shares - before[2][here.origin]
        maps = self.maps[1:-1] or self.maps[:1]
        count = max([len(maps), *(len(each.changes) for each in answers)])
        shifts = [
            sum((each.change(k, here.ur.values.shape) for each in answers), np.zeros((1, 1))) for k in range(count)
        ]
        found = []
        for k in range(count + 1):
            by, shift = (maps[k % len(maps)], shifts[k]) if k < count else (self.maps[-1], shifts[0])
            first = by.change(codes, moved) + named @ by.named
            found.append(self._handed_on(by, rings, codes, self._cut(first) + shift))
        return found

    def _handed_on(
        self, by: ResponseMap, rings: Sequence[sparse.csr_matrix], codes: np.ndarray, first: np.ndarray
    ) -> _Stood:
        total, last, rounds = first, first, 0
        while rounds < self.rounds and last.any():
            last = self._cut(self.damping * by.change(codes, self.given.means(rings, last)))
            total, rounds = total + last, rounds + 1
        return _Stood(total, rounds)

    def _cut(self, change: np.ndarray) -> np.ndarray:
        """Leave out changes that are rounding, so that what is not reached stays as it was, exactly."""
        small = np.sqrt((change**2).sum(axis=1)) < _NOTHING * self.unit
        return np.where(small[:, None], 0.0, change)

    def _applicability(self, asked: "_Asked", answers: "Sequence[_CellAnswer]") -> Applicability:
        order = list(Applicability)
        names = {name for agent in asked.edits if agent.kind != "move" for name in agent.target.split(BY)}
        edits = [Applicability.EDGE if names <= set(self.types) else Applicability.OUT] if asked.edits else []
        return max([*edits, *(each.applicability for each in answers)], key=order.index)

    def _affected(self, ur: UR, here: Edited, answers: "Sequence[_CellAnswer]", stood: Sequence[_Stood]) -> Affected:
        untouched = here.same & ~np.any([each.rows for each in answers] or [np.zeros(len(here.ur), dtype=bool)], axis=0)
        change = np.mean([each.change for each in stood[:-1]], axis=0)
        sizes = [np.sqrt((each**2).sum(axis=1)) / self.unit for each in (change, stood[-1].change)]
        rows = np.flatnonzero(untouched & (sizes[0] > _COUNTED))
        return Affected(
            tuple(map(str, here.ur.entities.index[rows])),
            steps_from(ur, here, ~untouched)[rows],
            sizes[0][rows],
            int(untouched.sum()),
            max(each.rounds for each in stood[:-1]),
            self.damping,
            *(float(each[untouched].mean()) if untouched.any() else 0.0 for each in sizes),
        )


@final
@dataclass(frozen=True, eq=False)
class _Asked:
    """A perturbation of a tissue, taken apart.

    Attributes:
        edits: Who is taken out, put in, exchanged or moved.
        molecular: What is done to cells, and to which of them.
    """

    edits: tuple[Agent, ...]
    molecular: tuple[tuple[CellCondition | None, Perturbation], ...]

    @classmethod
    def of(cls, perturbation: Perturbation) -> "_Asked":
        edits = tuple(agent for agent in perturbation.agents if is_edit(agent))
        others = [agent for agent in perturbation.agents if not is_edit(agent)]
        alone = {
            where: Perturbation(
                tuple(replace(agent, where=None) for agent in others if agent.where == where), perturbation.hours
            )
            for where in dict.fromkeys(agent.where for agent in others)
        }
        time = {None: Perturbation((), perturbation.hours)} if not perturbation.agents else {}
        return cls(edits, tuple((alone or time).items()))


@final
@dataclass(frozen=True, eq=False)
class _CellAnswer:
    """What the manipulator of cells says of those that a condition names.

    Attributes:
        rows: ``(n,)`` True for these.
        changes: ``(r, d)`` changes of their states, draw by draw.
        made_by: Who said so.
        applicability: Whether it has evidence.
    """

    rows: np.ndarray
    changes: tuple[np.ndarray, ...]
    made_by: tuple[str, ...]
    applicability: Applicability

    @classmethod
    def of(cls, cell: Manipulator, ur: UR, where: CellCondition | None, asked: Perturbation) -> "_CellAnswer":
        rows = meant(ur, where)
        start = ur.take(rows)
        answer = cell.manipulate(start, asked)
        changes = tuple(draw.values - start.values for draw in answer.draws)
        return cls(rows, changes, answer.made_by, answer.applicability)

    def change(self, draw: int, shape: tuple[int, ...]) -> np.ndarray:
        found = np.zeros(shape)
        found[self.rows] = self.changes[draw % len(self.changes)]
        return found
