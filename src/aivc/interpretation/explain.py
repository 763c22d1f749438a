"""What a prediction is made from: which perturbations, contexts and knowledge; which genes; which pathways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.attribution import Attributable, Piece
from aivc.core.contracts import Decoder, Manipulator
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.known_names import KnownNames
from aivc.interpretation.enrichment import enrichment

# Pieces read out one by one; those beyond are summed, each kind of evidence apart.
_SHOWN = 30


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a prediction is what it is.

    Attributes:
        perturbation: As text.
        context: Where.
        units: Of effects.
        pieces: What the prediction adds up, the largest first: ``source`` (`aivc.core.attribution.Piece`), ``name``,
            ``detail``, ``weight``, ``share`` (of the squared length of the predicted effect: shares add up to 1, and
            one that pulls the other way is negative) and ``changed`` (length of the effect's change without the piece,
            over the effect's own). Beyond thirty, pieces of one source are summed.
        sources: The same by kind of evidence: ``source``, how many ``pieces``, ``share`` and ``changed``.
        genes: Features with the largest effect: ``feature``, ``effect``, ``low``, ``high``, and ``carried_by``, the
            piece that adds most to it in its direction.
        pathways: Sets that hold more of the features than chance: those of `enrichment`, and ``direction``; or None
            where no sets were given.
        sureness: One line: how many effects have an interval clear of zero.
    """

    perturbation: str
    context: str
    units: str
    pieces: pd.DataFrame
    sources: pd.DataFrame
    genes: pd.DataFrame
    pathways: pd.DataFrame | None
    sureness: str


def explain(
    cell: VirtualCell,
    perturbation: Perturbation | str,
    context: str = "",
    *,
    top: int = 20,
    sets: Mapping[str, frozenset[str]] | None = None,
    level: float = 0.9,
    new_context: bool = False,
    allow_unknown: bool = False,
) -> Explanation:
    """Say what a virtual cell's prediction is made of. The pieces add up to it exactly; nothing is estimated.

    Args:
        cell: With one manipulator and one decoder.
        perturbation: As an object or as text.
        context: Where; the only one, unless named.
        top: How many features are listed, and how many risen and fallen ones are looked for in sets.
        sets: Such as `aivc.data.priors.gene_sets.gene_sets("hallmark")`.
        level: Of the intervals.
        new_context: Whether the context is new, although its name reads like that of a known one.
        allow_unknown: Explain also the default answer, where nothing is known of a name.

    Raises:
        DataError: The cell's manipulator cannot say what its predictions are made of, or control was asked about.
        UnknownNameError: No such context, or nothing is known of a target.
    """
    asked = KnownNames.of(cell).question(perturbation, allow_unknown=allow_unknown)
    if asked.is_control:
        raise DataError(["Control changes nothing, so there is nothing to explain. Name a perturbation."])
    start = cell.start(context, new_context=new_context)
    where = str(start.contexts[0])
    manipulator, decoder = _only(cell, Manipulator), _only(cell, Decoder)
    pieces, count = _gathered(_attributable(manipulator).attribute(asked, where))
    said = cell.predict(start, asked)
    read = said.draws[0]
    # Read out in one go: a piece is the difference that it makes to the readout of the control state.
    effects = np.array([_readout(decoder, start, piece.shift) for piece in pieces])
    whole = _readout(decoder, start, np.sum([piece.shift for piece in pieces], axis=0))
    if not np.allclose(left := whole - effects.sum(axis=0), 0.0, atol=1e-9):
        # Readouts below zero are raised to it, once for the whole and once for each piece.
        pieces, count = [*pieces, Piece("readout", "never below zero", "", 1.0, np.zeros(0))], [*count, 1]
        effects = np.vstack([effects, left])
    table, sources = _pieces(pieces, count, effects, whole)
    low, high = said.effect_interval(level)
    order = np.argsort(-np.abs(said.effect), kind="stable")
    largest = [_carrier(pieces, effects[:, i], float(said.effect[i])) for i in order[:top]]
    genes = pd.DataFrame(
        {
            "feature": read.features[order[:top]].astype(str),
            "effect": said.effect[order[:top]],
            "low": low[order[:top]],
            "high": high[order[:top]],
            "carried_by": largest,
        }
    )
    pathways = None if sets is None else _pathways(said.effect, read.features, sets, top)
    return Explanation(str(asked), where, said.profile_units, table, sources, genes, pathways, said.sureness(level))


def _only(cell: VirtualCell, contract: type[Manipulator] | type[Decoder]) -> Manipulator | Decoder:
    found = [part for part in cell.instruments.values() if isinstance(part, contract)]
    if len(found) != 1:
        raise DataError(
            [f"An explanation needs a cell with one {contract.__name__.lower()}, this one has {len(found)}."]
        )
    return found[0]


def _attributable(part: object) -> Attributable:
    """The part itself, or the one that a wrapper such as an ensemble stands around."""
    while not isinstance(part, Attributable):
        inner = getattr(part, "center", None)
        if not isinstance(inner, Manipulator):
            name = getattr(part, "name", type(part).__name__)
            raise DataError([f"{name} cannot say what its predictions are made of. Fit the cell with effect.v2."])
        part = inner
    return part


def _readout(decoder: Manipulator | Decoder, start: UR, shift_d: np.ndarray) -> np.ndarray:
    assert isinstance(decoder, Decoder)
    return decoder.profile(start.moved(shift_d, "explained")) - decoder.profile(start)


def _gathered(pieces: Sequence[Piece]) -> tuple[list[Piece], list[int]]:
    """The largest pieces as they are, and the sum of the others of each source; and of how many each is the sum."""
    order = np.argsort([-float(piece.shift @ piece.shift) for piece in pieces], kind="stable")
    shown = [pieces[i] for i in order[:_SHOWN]]
    rest: dict[str, list[Piece]] = {}
    for piece in (pieces[i] for i in order[_SHOWN:]):
        rest.setdefault(piece.source, []).append(piece)
    for source, some in rest.items():
        weight, shift_d = sum(each.weight for each in some), np.sum([each.shift for each in some], axis=0)
        shown.append(Piece(source, f"{len(some)} more", "", weight, shift_d) if len(some) > 1 else some[0])
    return shown, [1] * min(len(pieces), _SHOWN) + [len(some) for some in rest.values()]


def _pieces(
    pieces: Sequence[Piece], count: Sequence[int], effects: np.ndarray, whole: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    squared = max(float(whole @ whole), 1e-300)
    table = pd.DataFrame(
        {
            "source": [piece.source for piece in pieces],
            "name": [piece.name for piece in pieces],
            "detail": [piece.detail for piece in pieces],
            "weight": [piece.weight for piece in pieces],
            "share": effects @ whole / squared,
            "changed": np.linalg.norm(effects, axis=1) / squared**0.5,
        }
    )
    rows = [
        {
            "source": source,
            "pieces": int(np.sum(np.array(count)[rows])),
            "share": float(table["share"].iloc[rows].sum()),
            "changed": float(np.linalg.norm(effects[rows].sum(axis=0)) / squared**0.5),
        }
        for source, rows in table.groupby("source", sort=False).indices.items()
    ]
    largest = {"by": "changed", "ascending": False, "kind": "stable", "ignore_index": True}
    return table.sort_values(**largest), pd.DataFrame(rows).sort_values(**largest)


def _carrier(pieces: Sequence[Piece], effect_k: np.ndarray, whole: float) -> str:
    best = pieces[int(np.argmax(effect_k * np.sign(whole)))]
    return f"{best.source} {best.name}" + (f" ({best.detail})" if best.detail else "")


def _pathways(effect: np.ndarray, features: np.ndarray, sets: Mapping[str, frozenset[str]], top: int) -> pd.DataFrame:
    names = features.astype(str)
    order = np.argsort(-effect, kind="stable")
    found = []
    for direction, rows in (("up", order[:top]), ("down", order[::-1][:top])):
        kept = [names[i] for i in rows if (effect[i] > 0) == (direction == "up") and effect[i]]
        found.append(enrichment(kept, names, sets).assign(direction=direction))
    return pd.concat(found, ignore_index=True).sort_values(["p", "set"], kind="stable").reset_index(drop=True)
