"""From cells with positions to a virtual cell of three scales: molecules, cells, and who is beside whom."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, ENCODERS, MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from aivc.data.tissue.graph import GraphRule, link

_CELLS, _AROUND, _ANSWERS, _READS = "count-pca", "shells", "tissue-response.v1", "linear-expression"


def fit_tissue(
    tissue: Measurement,
    cell: VirtualCell | None = None,
    *,
    rule: str = "nearest:8",
    dim: int = 32,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> VirtualCell:
    """Fit what neighbours do to a cell, on top of a virtual cell where there is one.

    Args:
        tissue: Cells with positions or links, and the columns ``cell_type`` and, of several sections, ``section``.
        cell: Fitted on perturbed cells, such as by `aivc.fit`. Its cellular encoder reads the cells, its manipulator
            answers for molecules, its decoder reads out; all its parts are kept. Without one, an encoder and a decoder
            are fitted on the tissue, and molecules cannot be asked about unless the tissue holds perturbed cells.
        rule: Text of a `GraphRule`, where the cells state no links.
        dim: Number of axes of a new encoder.
        seed: For what draws.
        settings: Further arguments of the tissue's manipulator, such as ``{"blocks": "region"}``.

    Raises:
        DataError: The cells have no positions, or several lie at one place.
        UnknownNameError: The virtual cell has several manipulators or encoders of cells.

    >>> import numpy as np
    >>> from aivc.data.synthetic import synthetic_screen
    >>> cells, truth = synthetic_screen(perturbations=2, features=20, cells=20, controls=60, seed=0)
    >>> places = np.random.default_rng(0).uniform(0, 100, (len(cells), 2))
    >>> types = np.where(np.arange(len(cells)) % 3, "tumour", "T cell")
    >>> tissue = cells.replace(coordinates=places, entities=cells.entities.assign(cell_type=types))
    >>> three = fit_tissue(tissue, dim=4, settings={"draws": 2, "axes": 4})
    >>> list(three.encoders), list(three.instruments)
    (['cellular', 'multicellular'], ['linear-expression', 'tissue-response.v1'])
    >>> len(three.predict(tissue, "remove:T cell").affected.names) > 0
    True
    """
    linked = tissue if tissue.links is not None else link(tissue, GraphRule.parse(rule))
    linked = linked.replace(scale=Scale.CELLULAR)
    below = _cellular(linked, dim, seed) if cell is None else cell
    own = [part for part in below.instruments.values() if isinstance(part, Manipulator)]
    states = replace(below.encode(linked), links=linked.links)
    around: Encoder = ENCODERS.load(_AROUND).fit(
        linked.replace(scale=Scale.MULTICELLULAR), parts=states, rule=rule, seed=seed
    )
    molecules = {"cell": own[0]} if len(own) == 1 else {}
    answers: Manipulator = MANIPULATORS.load(_ANSWERS).fit(states, seed=seed, **molecules, **(settings or {}))
    encoders = {**below.encoders, str(Scale.MULTICELLULAR): around}
    card = {**below.card, "tissue": {"cells": len(tissue), "graph": rule}}
    return VirtualCell(encoders, {**below.instruments, _ANSWERS: answers}, card, below.starts, below.provenance)


def _cellular(cells: Measurement, dim: int, seed: int) -> VirtualCell:
    encoder: Encoder = ENCODERS.load(_CELLS).fit(cells, dim=dim, seed=seed)
    decoder: Decoder = DECODERS.load(_READS).fit(encoder.encode(cells), cells, seed=seed, axes=encoder.projection)
    return VirtualCell([encoder], {_READS: decoder})
