"""A library of candidates for a virtual screen: combinations are counted and reached by arithmetic, never listed."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import read_text
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.state import write_text
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import require_absent
from aivc.experiments.known_names import questions
from aivc.experiments.library_blocks import ContextQuestion, Factor, LibraryBlock
from aivc.experiments.library_limits import Limit, OnPlates, WithinCost, expressed_genes, gene_targets

FORMAT = "aivc.library.v1"


@final
@dataclass(frozen=True)
class Library:
    """Candidates by their place, made when asked for.

    Constraints on names (`only`, `without`, `expressed`, `druggable`) make it shorter at once, and leave every
    candidate within reach by arithmetic. Constraints on whole combinations (`plate`, `cost`) are applied to what is
    taken: places stay as they are, and `take` gives fewer candidates than places (`sift` counts which were left out).

    Attributes:
        blocks: One after another.
        limits: On whole combinations.
        history: What each constraint on names left out, as sentences.

    >>> library = Library.pairs(["A", "B", "C"]) + Library.doses(["nutlin-3"], ["1uM", "10uM"], [24, 48])
    >>> len(library), str(library.question(1).perturbation), str(library.question(6).perturbation)
    (7, 'ko:A + ko:C', 'drug:nutlin-3@10uM for 48h')
    >>> len(Library.triples([f"G{i}" for i in range(20_000)]))
    1333133340000
    """

    blocks: tuple[LibraryBlock, ...]
    limits: tuple[Limit, ...] = ()
    history: tuple[str, ...] = ()

    @classmethod
    def singles(cls, names: Sequence[str], kind: str = "ko") -> "Library":
        """Each name alone."""
        return cls((LibraryBlock((Factor(kind, tuple(names)),)),))

    @classmethod
    def pairs(cls, names: Sequence[str], kind: str = "ko") -> "Library":
        """Every two of the names."""
        return cls((LibraryBlock((Factor(kind, tuple(names), 2),)),))

    @classmethod
    def triples(cls, names: Sequence[str], kind: str = "ko") -> "Library":
        """Every three of the names."""
        return cls((LibraryBlock((Factor(kind, tuple(names), 3),)),))

    @classmethod
    def doses(
        cls,
        drugs: Sequence[str],
        doses: Sequence[str],
        hours: Sequence[float | int | None] = (None,),
        *,
        kind: str = "drug",
        order: int = 1,
    ) -> "Library":
        """Every drug, or ``order`` of them together, at every dose such as ``1uM``, for every duration."""
        stated = tuple(None if each is None else float(each) for each in hours)
        return cls((LibraryBlock((Factor(kind, tuple(drugs), order, tuple(doses)),), stated),))

    def times(self, other: "Library") -> "Library":
        """Every candidate of this library together with every one of another, such as genes with drugs.

        Raises:
            DataError: Both state hours or contexts, which then contradict each other, or they share an agent.
        """
        both = list(itertools.product(self.blocks, other.blocks))
        if any(block.hours != (None,) or block.contexts != ("",) for _, block in both):
            raise DataError(["Hours and contexts are those of the first library. Leave them out of the second."])
        blocks = tuple(replace(one, factors=one.factors + two.factors) for one, two in both)
        return Library(blocks, self.limits + other.limits, self.history + other.history)

    def across(self, contexts: Sequence[str]) -> "Library":
        """Ask all of it in each of some contexts, one context after another.

        Raises:
            DataError: It names contexts already.
        """
        if self.contexts not in ((), ("",)):
            raise DataError([f"The library names contexts already: {', '.join(self.contexts)}. Name them once."])
        found = tuple(replace(block, contexts=(name,)) for name in contexts for block in self.blocks)
        return replace(self, blocks=found)

    def __add__(self, other: "Library") -> "Library":
        """This library, then another; limits of either hold for both."""
        return Library(self.blocks + other.blocks, self.limits + other.limits, self.history + other.history)

    @property
    def contexts(self) -> tuple[str, ...]:
        """All that are named; the empty text is the context that the cell is asked in."""
        return tuple(dict.fromkeys(name for block in self.blocks for name in block.contexts))

    @cached_property
    def _ends(self) -> tuple[int, ...]:
        return tuple(itertools.accumulate(block.size for block in self.blocks))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def question(self, place: int) -> ContextQuestion:
        """Perturbation and context of a place, whether limits admit it or not.

        Raises:
            IndexError: There is no such place.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"The library has {len(self):,} places, numbered from 0; {place:,} is none of them.")
        return next(self._all(place, place + 1))

    def _all(self, start: int, stop: int) -> Iterator[ContextQuestion]:
        """Questions of places, limits aside."""
        # Blocks are few: a library is a handful of sources.
        for block, end in zip(self.blocks, self._ends, strict=True):
            begin = end - block.size
            if start < end and stop > begin:
                yield from block.walk(max(start, begin) - begin, min(stop, end) - begin)

    def questions(self, start: int, stop: int) -> Iterator[ContextQuestion]:
        """Questions of places ``start`` to ``stop`` that the limits admit, in order, one at a time."""
        for asked in self._all(max(start, 0), stop):
            if all(limit.admits(asked.perturbation) for limit in self.limits):
                yield asked

    def take(self, start: int, stop: int) -> list[Perturbation]:
        """Perturbations of places ``start`` to ``stop`` that the limits admit."""
        return [asked.perturbation for asked in self.questions(start, stop)]

    def sift(self, start: int, stop: int) -> tuple[list[ContextQuestion], Counter[str]]:
        """As `questions`, and how many candidates each limit left out; what two forbid counts for the first."""
        kept, left_out = [], Counter({limit.name: 0 for limit in self.limits})
        for asked in self._all(max(start, 0), stop):
            refused = next((limit.name for limit in self.limits if not limit.admits(asked.perturbation)), None)
            if refused is None:
                kept.append(asked)
            else:
                left_out[refused] += 1
        return kept, left_out

    def __iter__(self) -> Iterator[Perturbation]:
        return (asked.perturbation for asked in self.questions(0, len(self)))

    def only(self, names: Collection[str] | Path) -> "Library":
        """Keep candidates all of whose targets are among the names, or on the lines of a file."""
        listed = _listed(names)
        return self._kept(lambda factor, name: name in listed, "named")

    def without(self, names: Collection[str] | Path) -> "Library":
        """Leave out candidates with one of these targets, such as a list of what is not safe."""
        listed = _listed(names)
        return self._kept(lambda factor, name: name not in listed, "not excluded")

    def expressed(self, cell: VirtualCell, context: str = "", *, least: float | None = None) -> "Library":
        """Keep genes that the control cells of a context express; what is no gene stays, what was not measured goes.

        Args:
            cell: Whose decoded control cells are looked at.
            context: Needed where the cell keeps several.
            least: Mean reading from which a gene counts, in the units of the cell; unless given, 0.02 counts of
                10,000, which needs units that are logarithms of counts.

        Raises:
            UnitsError: Units of another kind, and no ``least``.
            UnknownNameError: The cell keeps no such context.
        """
        named = {name for block in self.blocks for factor in block.factors for name in factor.names}
        genes = expressed_genes(cell, named, context, least)
        return self._kept(_genes_only(genes), f"expressed in {context or 'the control cells'}")

    def druggable(self) -> "Library":
        """Keep genes that a drug of the packaged table of drug mechanisms acts on; what is no gene stays."""
        return self._kept(_genes_only(gene_targets()), "druggable")

    def plate(self, plates: Mapping[str, str], *, most: int = 1) -> "Library":
        """Keep what stands on a vendor's plates, and combinations whose agents are on ``most`` of them.

        Args:
            plates: Name of its plate by name of the target.
            most: How many plates the agents of one candidate may come from.
        """
        found = self._kept(lambda factor, name: name in plates, "on a plate")
        return replace(found, limits=(*found.limits, OnPlates(plates, most)))

    def cost(self, prices: Mapping[str, float], most: float) -> "Library":
        """Keep combinations whose agents cost at most so much together; what has no price is left out.

        Args:
            prices: By name of the target, for one well.
            most: In the currency of the prices.
        """
        found = self._kept(lambda factor, name: prices.get(name, math.inf) <= most, "affordable alone")
        return replace(found, limits=(*found.limits, WithinCost(prices, most)))

    def known_to(self, cell: VirtualCell, *, allow_unknown: bool = False) -> "Library":
        """Bring each name to the one that a cell knows, once for all combinations; before plates and prices are given.

        Raises:
            DataError: Several names are unknown to the cell.
            PerturbationError: A dose is missing where doses were measured, or has a unit in which none was.
            UnknownNameError: A name is unknown to the cell.
        """

        def resolved(factor: Factor) -> Factor:
            asked = [Perturbation((factor.agent(i),)) for i in range(len(factor.names))]
            # Of further doses one name is asked, for their units.
            asked += [Perturbation((factor.agent(0, i),)) for i in range(1, factor.doses_each) if asked]
            found = questions(cell, asked, allow_unknown=allow_unknown)[: len(factor.names)]
            return replace(factor, names=tuple(dict.fromkeys(each.targets[0] for each in found)))

        return self._changed(resolved)

    def _kept(self, keep: Callable[[Factor, str], bool], what: str) -> "Library":
        found = self._changed(lambda factor: factor.kept(lambda name: keep(factor, name)))
        before, after = (len({n for b in each.blocks for f in b.factors for n in f.names}) for each in (self, found))
        return replace(found, history=(*self.history, f"{after:,} of {before:,} names are {what}."))

    def _changed(self, change: Callable[[Factor], Factor]) -> "Library":
        blocks = tuple(replace(block, factors=tuple(map(change, block.factors))) for block in self.blocks)
        return replace(self, blocks=blocks)

    def to_json(self) -> dict[str, Any]:
        """The sources, never their product, as JSON can hold them."""
        blocks = [
            {
                "factors": [
                    {"kind": f.kind, "names": list(f.names), "order": f.order, "doses": list(f.doses)}
                    for f in block.factors
                ],
                "hours": list(block.hours),
                "contexts": list(block.contexts),
            }
            for block in self.blocks
        ]
        limits = [limit.to_json() for limit in self.limits]
        return {"format": FORMAT, "blocks": blocks, "limits": limits, "history": list(self.history)}

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the sources as JSON.

        Raises:
            IntegrityError: A file is there, and is not to be replaced.
            WritingError: The place cannot be written to.
        """
        require_absent(Path(path), overwrite=overwrite)
        write_text(Path(path), json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "Library":
        """Read what `save` wrote, or what was written by hand: ``order``, ``hours`` and such are optional.

        Raises:
            IntegrityError: The file is missing, or holds no library.
        """
        try:
            return cls.from_json(json.loads(read_text(Path(path))))
        except json.JSONDecodeError as error:
            raise IntegrityError(f"{path} is no JSON ({error}). Save the library again.") from error

    @classmethod
    def from_json(cls, body: Any) -> "Library":
        """The inverse of `to_json`.

        Raises:
            IntegrityError: It holds no library.
        """
        try:
            if body["format"] != FORMAT:
                raise ValueError(f"its format is {str(body['format'])[:60]!r}")
            blocks = tuple(_block(each) for each in body["blocks"])
            limits = tuple(Limit.from_json(each) for each in body.get("limits", ()))
            return cls(blocks, limits, tuple(map(str, body.get("history", ()))))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise IntegrityError(
                f"This is no library ({error}). It reads "
                f'{{"format": "{FORMAT}", "blocks": [{{"factors": [{{"kind": "ko", "names": ["A", "B"]}}]}}]}}.'
            ) from error


def _block(body: Mapping[str, Any]) -> LibraryBlock:
    factors = tuple(
        Factor(str(f["kind"]), _texts(f["names"]), int(f.get("order", 1)), _texts(f.get("doses", [])))
        for f in body["factors"]
    )
    hours = tuple(None if each is None else float(each) for each in body.get("hours", [None]))
    return LibraryBlock(factors, hours, _texts(body.get("contexts", [""])))


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError(f"names are a list of texts, got {str(values)[:60]!r}")
    return tuple(values)


def _genes_only(genes: Collection[str]) -> Callable[[Factor, str], bool]:
    def keep(factor: Factor, name: str) -> bool:
        gene = Agent(factor.kind, name).gene
        return gene is None or gene in genes or name in genes

    return keep


def _listed(names: Collection[str] | Path) -> frozenset[str]:
    if not isinstance(names, Path):
        return frozenset(names)
    try:
        lines = read_text(names).splitlines()
    except IntegrityError as error:
        raise UnavailableError(f"{names} cannot be read ({error}). Give a text file of one name a line.") from error
    return frozenset(line.strip() for line in lines if line.strip())
