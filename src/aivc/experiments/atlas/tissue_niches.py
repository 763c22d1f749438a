"""Niches of a tissue from its cells to a file: found, named, counted in sections and patients, and looked for again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.units import COUNTS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.to_anndata import to_anndata
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.streaming.stream import Progress
from aivc.data.tissue.graph import sections
from aivc.data.tissue.spacing import SECTION
from aivc.experiments.atlas.embed_tissue import TISSUE_AXES, TissueEmbedding, tissue_embedding, tissue_encoder
from aivc.experiments.atlas.reference import Atlas
from aivc.experiments.niche_markers import named_niches, niche_markers
from aivc.experiments.niches import Niches, enrichment, find_niches

NICHE, NUMBER, NICHES_ABOUT = "aivc_niche", "aivc_niche_number", "aivc_niches"
_NUMBERS, _ROUNDS = tuple(range(3, 11)), (1, 2, 3, 4)
_SHOWN_MARKERS = 5


class TissueNiches(NamedTuple):
    """Niches of a tissue and what is known of each.

    Attributes:
        embedding: States of the cells, and the virtual cell that made them.
        niches: Their centers, which assign cells of other sections too.
        labels: ``(n,)`` number of the niche of each cell.
        names: Number → name, by enriched types and marker genes.
        types: As `enrichment` gives it; None where there is no column of types.
        markers: As `niche_markers` gives it.
        shares: For each column that is there of ``section`` and ``donor``, the share of cells in each niche.
    """

    embedding: TissueEmbedding
    niches: Niches
    labels: np.ndarray
    names: Mapping[int, str]
    types: pd.DataFrame | None
    markers: pd.DataFrame
    shares: Mapping[str, pd.DataFrame]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each niche: ``niche``, ``name``, ``cells``, ``sections`` and ``donors`` that hold it, ``genes``."""
        rows = []
        for number, name in self.names.items():
            inside = self.labels == number
            held = [self.embedding.states.entities[inside][column].nunique() for column in self.shares]
            genes = self.markers["feature"][self.markers["niche"] == number].head(_SHOWN_MARKERS)
            counted = dict(zip((f"{column}s" for column in self.shares), held, strict=True))
            rows.append(
                {"niche": number, "name": name, "cells": int(inside.sum()), **counted, "genes": ", ".join(genes)}
            )
        return pd.DataFrame(rows)

    def atlas(self) -> Atlas:
        """An atlas of the surroundings, which says where else a niche occurs."""
        made = self.embedding
        above = tissue_encoder(made.cell)
        assert above is not None
        entities = made.states.entities.assign(**{NICHE: [self.names[number] for number in self.labels]})
        return Atlas.of(above, _with(made.states, entities), below=_below(made.cell, above))

    def to_anndata(self) -> anndata.AnnData:
        """The tissue with its niches: ``obs`` ``aivc_niche`` and its number, and the keys of squidpy."""
        made = to_anndata(self.embedding.tissue)
        made.obsm[TISSUE_AXES] = self.embedding.states.values
        kinds = [self.names[number] for number in sorted(self.names)]
        made.obs[NICHE] = pd.Categorical([self.names[number] for number in self.labels], categories=kinds)
        made.obs[NUMBER] = self.labels.astype(np.int64)
        made.uns[NICHES_ABOUT] = {
            "names": {str(number): name for number, name in self.names.items()},
            "stability": self.niches.stability,
            "rounds": self.niches.rounds,
            "markers": self.markers.groupby("niche").head(20).reset_index(drop=True),
            "encoder": self.embedding.about["encoder"],
            **({} if self.types is None else {"types": self.types}),
        }
        return made


def tissue_niches(  # noqa: PLR0913 - each one is a question a user may ask
    tissue: Measurement,
    encoder: str | Path | Encoder | VirtualCell = "factor-analysis",
    *,
    graph: str | None = None,
    reach: int | None = None,
    dim: int = 32,
    numbers: Sequence[int] = (),
    column: str = "cell_type",
    seed: int = 0,
    progress: Progress | None = None,
) -> TissueNiches:
    """Find niches in sections of one patient or of many, as many as are stable, and name them.

    Where an encoder of tissue is fitted on several sections, each is centered and scaled on its own, so that niches
    are of tissue and not of patients.

    Args:
        tissue: Cells with positions, or with links.
        encoder: As for `aivc.experiments.atlas.embed_tissue.tissue_embedding`, as the three that follow.
        graph: Likewise.
        reach: Likewise.
        dim: Likewise.
        numbers: Numbers of niches to try; by default 3 to 10, of which the most stable is taken.
        column: Holds the types, where it is there.
        seed: Of all that draws.
        progress: Called with what is being done.

    Raises:
        DataError: Positions are missing, or there are too few cells.

    >>> from aivc.data.synthetic_tissue import synthetic_tissue
    >>> found = tissue_niches(synthetic_tissue(cells=60)[0], dim=9, reach=2, numbers=[3])
    >>> len(found.table), list(found.shares)
    (3, ['section', 'donor'])
    """
    several = len(sections(tissue)) > 1
    # By totals over all genes: a cell may have no counts of those that vary most.
    fresh = isinstance(encoder, str) and encoder in ENCODERS.names() and tissue.units == COUNTS
    given = normalize(tissue, profile_units(tissue)) if fresh else tissue
    made = tissue_embedding(
        given, encoder, graph=graph, reach=reach, dim=dim, seed=seed, by_section=several, progress=progress
    )
    made = made._replace(tissue=tissue.replace(links=made.tissue.links))
    wanted = [number for number in numbers or _NUMBERS if numbers or number < len(tissue) // 10]
    if not wanted:
        raise DataError(
            [f"{len(tissue)} cells are too few to tell niches apart. Give 40 or more, or ask for a number."]
        )
    if progress is not None:
        progress("finding niches", 0, 0)
    # States of an encoder without shells are taken as they are.
    steps = int(made.about.get("reach", 0)) if made.about["encoder"] == "shells" else 0
    niches = find_niches(made.states, reach=steps, numbers=wanted, rounds=_ROUNDS, seed=seed)
    label_n = niches.assign(made.states)
    entities = made.states.entities
    types = enrichment(label_n, entities, column) if column in entities else None
    markers = niche_markers(label_n, tissue)
    names = named_niches(types, markers)
    shares = {name: niches.frequencies(made.states, name) for name in (SECTION, "donor") if name in entities}
    named = {name: share.rename(columns=dict(names)) for name, share in shares.items()}
    return TissueNiches(made, niches, label_n, names, types, markers, named)


def _with(states: Any, entities: pd.DataFrame) -> Any:
    return type(states)(states.values, states.space, entities, states.variance, states.mass, states.links)


def _below(cell: VirtualCell, above: Encoder) -> Encoder | None:
    return next((each for each in cell.encoders.values() if each is not above), None)
