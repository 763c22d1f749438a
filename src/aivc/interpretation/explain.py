"""What carried a prediction: which perturbations, contexts and knowledge; which genes; which pathways."""

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
from aivc.experiments.foretell import foretell
from aivc.interpretation.enrichment import enrichment

_MEAN = "mean effect"


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a prediction is what it is.

    Attributes:
        perturbation: As text.
        context: Where.
        units: Of effects.
        pieces: What the prediction adds up, the largest first: ``source``, ``name``, ``detail``, ``weight``, ``share``
            (of the squared length of the predicted effect: shares add up to 1, and one that pulls the other way is
            negative) and ``changed`` (length of the effect's change without the piece, over the effect's own).
        sources: The same by kind of evidence and by block of knowledge: ``source``, ``detail``, how many ``pieces``,
            ``share`` and ``changed``.
        genes: Features with the largest effect: ``feature``, ``effect``, ``low``, ``high``, and ``carried_by``, the
            piece that adds most to it in its direction.
        pathways: Sets that hold more of the features than chance: those of `enrichment`, and ``direction``; or None
            where no sets were given.
    """

    perturbation: str
    context: str
    units: str
    pieces: pd.DataFrame
    sources: pd.DataFrame
    genes: pd.DataFrame
    pathways: pd.DataFrame | None


def explain(
    cell: VirtualCell,
    perturbation: Perturbation | str,
    context: str = "",
    *,
    top: int = 20,
    sets: Mapping[str, frozenset[str]] | None = None,
    level: float = 0.9,
    new_context: bool = False,
) -> Explanation:
    """Say what a virtual cell's prediction is made of. The pieces add up to it exactly; nothing is estimated.

    Args:
        cell: With one manipulator and one decoder.
        perturbation: As an object or as text.
        context: Where; the only one, unless named.
        top: How many features are listed, and how many risen and fallen ones are looked for in sets.
        sets: Such as `aivc.data.gene_sets.gene_sets("hallmark")`.
        level: Of the intervals.
        new_context: Whether the context is new, although its name reads like that of a known one.

    Raises:
        DataError: The cell's manipulator cannot say what its predictions are made of, or control was asked about.
        UnknownNameError: No such context.
    """
    asked = Perturbation.parse(perturbation) if isinstance(perturbation, str) else perturbation
    if asked.is_control:
        raise DataError(["Control changes nothing, so there is nothing to explain. Name a perturbation."])
    start = cell.start(context, new_context=new_context)
    where = str(start.contexts[0])
    manipulator, decoder = _only(cell, Manipulator), _only(cell, Decoder)
    pieces = _attributable(manipulator).attribute(asked, where)
    said = foretell(cell, start, asked)
    read = said.prediction.draws[0]
    # Read out in one go: a piece is the difference that it makes to the readout of the control state.
    effects = np.array([_readout(decoder, start, piece.shift) for piece in pieces])
    whole = _readout(decoder, start, np.sum([piece.shift for piece in pieces], axis=0))
    if not np.allclose(left := whole - effects.sum(axis=0), 0.0, atol=1e-9):
        # Readouts below zero are raised to it, once for the whole and once for each piece.
        pieces, effects = (
            [*pieces, Piece("readout", "never below zero", "", 1.0, np.zeros(0))],
            np.vstack([effects, left]),
        )
    table, sources = _pieces(pieces, effects, whole)
    low, high = said.interval(level)
    order = np.argsort(-np.abs(said.effect), kind="stable")
    carried = [_carrier(pieces, effects[:, i], float(said.effect[i])) for i in order[:top]]
    genes = pd.DataFrame(
        {
            "feature": read.features[order[:top]].astype(str),
            "effect": said.effect[order[:top]],
            "low": low[order[:top]],
            "high": high[order[:top]],
            "carried_by": carried,
        }
    )
    pathways = None if sets is None else _pathways(said.effect, read.features, sets, top)
    return Explanation(str(asked), where, said.prediction.profile_units, table, sources, genes, pathways)


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
            raise DataError(
                [f"{name} cannot say what its predictions are made of. Fit the cell with effect.v2."]
            )
        part = inner
    return part


def _readout(decoder: Manipulator | Decoder, start: UR, shift_d: np.ndarray) -> np.ndarray:
    assert isinstance(decoder, Decoder)
    return decoder.profile(start.moved(shift_d, "explained")) - decoder.profile(start)


def _pieces(pieces: Sequence[Piece], effects: np.ndarray, whole: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    squared = max(float(whole @ whole), 1e-300)
    share, size = effects @ whole / squared, np.linalg.norm(effects, axis=1) / squared**0.5
    table = pd.DataFrame(
        {
            "source": [piece.source for piece in pieces],
            "name": [piece.name for piece in pieces],
            "detail": [piece.detail for piece in pieces],
            "weight": [piece.weight for piece in pieces],
            "share": share,
            "changed": size,
        }
    )
    groups = table.groupby(["source", "detail"], sort=False).indices
    rows = [
        (
            source,
            detail,
            len(rows),
            float(share[rows].sum()),
            float(np.linalg.norm(effects[rows].sum(axis=0)) / squared**0.5),
        )
        for (source, detail), rows in groups.items()
    ]
    sources = pd.DataFrame(rows, columns=["source", "detail", "pieces", "share", "changed"])
    return (
        table.sort_values("changed", ascending=False, kind="stable").reset_index(drop=True),
        sources.sort_values("changed", ascending=False, kind="stable").reset_index(drop=True),
    )


def _carrier(pieces: Sequence[Piece], effect_k: np.ndarray, whole: float) -> str:
    best = pieces[int(np.argmax(effect_k * np.sign(whole)))]
    return (
        best.source
        if best.source == _MEAN
        else f"{best.source} {best.name}" + (f" ({best.detail})" if best.detail else "")
    )


def _pathways(effect: np.ndarray, features: np.ndarray, sets: Mapping[str, frozenset[str]], top: int) -> pd.DataFrame:
    names = features.astype(str)
    order = np.argsort(-effect, kind="stable")
    found = []
    for direction, rows in (("up", order[:top]), ("down", order[::-1][:top])):
        kept = [names[i] for i in rows if (effect[i] > 0) == (direction == "up") and effect[i]]
        found.append(enrichment(kept, names, sets).assign(direction=direction))
    return pd.concat(found, ignore_index=True).sort_values(["p", "set"], kind="stable").reset_index(drop=True)
