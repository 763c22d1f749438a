"""Where does each cell lie among its neighbors? States of a tissue, for AnnData and for squidpy."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import h5py
import numpy as np

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, IntegrityError, SchemaError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import whole_file
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.formats import intact, suffix
from aivc.data.io.own_file import refuse_links
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.io.squidpy_keys import CONNECTIVITIES, spatial_keys
from aivc.data.io.stored_frames import stored_frame
from aivc.data.io.to_anndata import to_anndata
from aivc.data.io.written import write_h5ad
from aivc.data.streaming.stream import CHUNK, Progress
from aivc.data.tissue.graph import GraphRule, link, sections
from aivc.experiments.atlas.embed import fit_on_sample, require_free

TISSUE_AXES, KNOWN, TISSUE_ABOUT = "X_aivc_tissue", "aivc_tissue_known", "aivc_tissue"
_GRAPH, _REACH = "nearest:8", 3


class TissueEmbedding(NamedTuple):
    """States of cells with their surroundings, and the virtual cell that made them.

    Attributes:
        states: Of the tissue, with the links that were used.
        cells: States of the same cells by themselves.
        tissue: The measurement, with its links.
        cell: Encoders of cells and of tissue; what was fitted here can be saved and asked about other sections.
        known: ``(n,)`` share of the axes on which something was measured: less than 1 where a shell is empty.
        about: JSON-ready: encoders, space, graph, sections and how many neighbors.
    """

    states: UR
    cells: UR
    tissue: Measurement
    cell: VirtualCell
    known: np.ndarray
    about: Mapping[str, Any]


def tissue_embedding(
    tissue: Measurement,
    encoder: str | Path | Encoder | VirtualCell = "factor-analysis",
    *,
    graph: str | None = None,
    reach: int | None = None,
    dim: int = 32,
    seed: int = 0,
    by_section: bool = False,
    progress: Progress | None = None,
) -> TissueEmbedding:
    """Represent cells by themselves, and then with their surroundings.

    Args:
        tissue: Cells with positions, or with links, which are used as they are where no graph is asked for.
        encoder: Of the cells: a registered name, to fit one on these; a fitted one; or a virtual cell or its folder. A
            virtual cell that has an encoder of tissue is used as it is; otherwise ``shells`` is fitted on these cells.
        graph: Text of a `GraphRule`, such as ``radius:50``; by default that of the encoder of tissue, ``nearest:8``
            where one is fitted.
        reach: How many steps away neighbors count, where an encoder of tissue is fitted; 3 by default.
        dim: Axes of each encoder that is fitted.
        seed: Draws the cells that the encoder of cells learns from, where there are more than 10,000.
        by_section: Whether an encoder of tissue that is fitted here takes out what differs between sections.
        progress: Called with what is being done, how far, of how much.

    Raises:
        DataError: Positions are missing, not finite, or twice the same; or ``graph`` is none.
        SchemaError: ``reach`` is asked for of an encoder of tissue that has its own.
        SpaceError: The encoder named is not one of cells.
        UnknownNameError: There is no such encoder.

    >>> from aivc.data.synthetic_tissue import synthetic_tissue
    >>> made = tissue_embedding(synthetic_tissue(cells=30)[0], reach=2, dim=6)
    >>> made.states  # doctest: +ELLIPSIS
    UR(60 entities in shells[multicellular, 6 axes, ...])
    """
    rule = None if graph is None else GraphRule.parse(graph)
    if rule is not None:
        tissue = link(tissue, rule)
    below, cell = _below(tissue, encoder, dim, seed)
    above = None if cell is None else tissue_encoder(cell)
    if above is not None and reach is not None:
        raise SchemaError(
            f"This virtual cell has an encoder of tissue, {above.name}, with a reach of its own. Leave the reach out, "
            "or give a virtual cell without one, so that it is fitted."
        )
    parts = _parts(tissue, below, progress)
    if above is None:
        part: Any = ENCODERS.load("shells")
        settings = {"reach": reach or _REACH, "rule": str(rule or _GRAPH), "by_section": by_section}
        above = part.fit(tissue, dim=dim, seed=seed, parts=parts, **settings)
        assert isinstance(above, Encoder)
    states = above.encode(tissue, **above.given(parts))
    tissue = tissue.replace(links=states.links)
    known = np.ones(len(tissue)) if states.variance is None else np.isfinite(states.variance).mean(axis=1)
    cell = _joined(cell, below, above, tissue)
    return TissueEmbedding(states, parts, tissue, cell, known, _about(tissue, below, above))


def tissue_states(cell: VirtualCell, tissue: Measurement) -> TissueEmbedding:
    """Represent a tissue with both encoders of a virtual cell.

    Args:
        cell: With encoders of cells and of tissue.
        tissue: Cells with positions, or with links.

    Raises:
        DataError: Positions are missing, not finite, or twice the same.
        UnknownNameError: The virtual cell lacks one of the encoders.
    """
    if tissue_encoder(cell) is None:
        raise UnknownNameError("encoder for the scale", str(Scale.MULTICELLULAR), {str(s) for s in cell.encoders})
    return tissue_embedding(tissue, cell)


def tissue_encoder(cell: VirtualCell) -> Encoder | None:
    """The encoder of tissue of a virtual cell; None where it has none.

    Raises:
        UnknownNameError: It has several.
    """
    found = {name: each for name, each in cell.encoders.items() if each.scale is Scale.MULTICELLULAR}
    if len(found) > 1:
        raise UnknownNameError("encoder", str(Scale.MULTICELLULAR), found, "Make a virtual cell with one of them.")
    return next(iter(found.values()), None)


def embed_tissue(
    cells: Cells,
    encoder: str | Path | Encoder | VirtualCell = "factor-analysis",
    *,
    schema: Schema | None = None,
    graph: str | None = None,
    reach: int | None = None,
    dim: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> anndata.AnnData:
    """Represent a tissue and write the result where scanpy and squidpy look for it; see `aivc.embed`.

    Args:
        cells: An AnnData in memory, which is written into; a Measurement; or the path of a file.
        encoder: As for `tissue_embedding`.
        schema: What the columns of an AnnData or a file mean, coordinates and section among them.
        graph: As for `tissue_embedding`.
        reach: Likewise.
        dim: Likewise.
        seed: Likewise.
        progress: Likewise.

    Raises:
        DataError: As `tissue_embedding` does; or cells of an AnnData would be left out.
        IntegrityError: The AnnData was embedded already, or holds neighbors and other ones are asked for.
    """
    made = cells if isinstance(cells, anndata.AnnData) else None
    if made is not None:
        _require_room(TISSUE_AXES in made.obsm or KNOWN in made.obs, CONNECTIVITIES in made.obsp, graph, "The AnnData")
    tissue = as_measurement(cells, schema, controls=False)
    if made is not None and len(tissue) != len(made):
        raise DataError([f"{len(made) - len(tissue)} cells would be left out. Take them out of the AnnData first."])
    answer = tissue_embedding(tissue, encoder, graph=graph, reach=reach, dim=dim, seed=seed, progress=progress)
    if made is None:
        made = to_anndata(answer.tissue)
    made.obsm[TISSUE_AXES] = answer.states.values
    made.obs[KNOWN] = answer.known
    made.uns[TISSUE_ABOUT] = dict(answer.about)
    for place, name, value in _new_keys(answer, made.obsp):
        getattr(made, place)[name] = value
    return made


def embed_tissue_file(  # noqa: PLR0913 - each one is a question a user may ask
    path: Path,
    out: Path,
    encoder: str | Path | Encoder | VirtualCell = "factor-analysis",
    *,
    schema: Schema,
    on_disk: bool = False,
    graph: str | None = None,
    reach: int | None = None,
    dim: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> TissueEmbedding:
    """Represent the tissue of a file, and write a copy of it with the states, as `embed_tissue` does.

    Args:
        path: Cells in any format that `aivc.data.io.read.read` takes.
        out: A new h5ad. Of an h5ad all that it holds is kept.
        encoder: As for `tissue_embedding`.
        schema: What the columns mean, coordinates and section among them.
        on_disk: Leave the values on disk and read them block by block.
        graph: As for `tissue_embedding`.
        reach: Likewise.
        dim: Likewise.
        seed: Likewise.
        progress: Likewise.

    Raises:
        DataError: As `tissue_embedding` does.
        IntegrityError: ``out`` exists, ``path`` was embedded already, or holds neighbors and others are asked for.
    """
    require_free(out)
    tissue = read(path, schema, backed=on_disk, controls=False)
    answer = tissue_embedding(tissue, encoder, graph=graph, reach=reach, dim=dim, seed=seed, progress=progress)
    # What was left out or turned while it was read cannot be written beside all the rest.
    if suffix(path) != ".h5ad" or schema.exclude or schema.format == "transposed":
        made = to_anndata(answer.tissue)
        made.obsm[TISSUE_AXES], made.uns[TISSUE_ABOUT] = answer.states.values, dict(answer.about)
        made.obs[KNOWN] = answer.known
        write_h5ad(made, out, overwrite=False)
        return answer
    with whole_file(out, overwrite=False) as partial:
        shutil.copyfile(path, partial)
        _write_into(partial, answer, graph, str(path))
    return answer


def _below(
    tissue: Measurement, asked: str | Path | Encoder | VirtualCell, dim: int, seed: int
) -> tuple[Encoder, VirtualCell | None]:
    """The encoder of cells, and the virtual cell that it comes from, where it comes from one."""
    if isinstance(asked, str | Path) and str(asked) not in ENCODERS.names():
        if not Path(asked).is_dir():
            raise UnknownNameError("encoder", str(asked), ENCODERS.names(), "Or give the folder of a virtual cell.")
        asked = VirtualCell.load(asked)
    if isinstance(asked, VirtualCell):
        return asked.encoder_for(tissue), asked
    if isinstance(asked, Encoder):
        return asked, None
    _require_cells(ENCODERS.load(str(asked)))
    return fit_on_sample(tissue, str(asked), dim, seed)[0], None


def _joined(cell: VirtualCell | None, below: Encoder, above: Encoder, tissue: Measurement) -> VirtualCell:
    """The virtual cell with both encoders: the one given, where it has both."""
    if cell is None:
        return VirtualCell([below, above], {}, _card(tissue))
    if tissue_encoder(cell) is not None:
        return cell
    encoders = {**cell.encoders, str(Scale.MULTICELLULAR): above}
    return VirtualCell(encoders, cell.instruments, cell.card, cell.starts, cell.provenance)


def _parts(tissue: Measurement, encoder: Encoder, progress: Progress | None) -> UR:
    _require_cells(encoder)
    n, blocks = len(tissue), []
    # Who is whose neighbor matters above, not to the cells by themselves.
    alone = dataclasses.replace(tissue, links=None)
    for start in range(0, n, CHUNK):
        if progress is not None:
            progress("encoding cells", start, n)
        blocks.append(encoder.encode(alone.take(np.arange(start, min(start + CHUNK, n)))).values)
    return UR(np.concatenate(blocks), encoder.writes, tissue.entities, None, tissue.mass)


def _require_cells(encoder: Encoder | type[Encoder]) -> None:
    if encoder.scale is not Scale.CELLULAR:
        raise SpaceError(
            f"{encoder.name} encodes {encoder.scale} entities, and cells by themselves come first. Name an encoder of "
            "cells, such as factor-analysis; that of tissue stands on it."
        )


def _card(tissue: Measurement) -> dict[str, Any]:
    notes = {key: tissue.provenance[key] for key in ("dataset", "licence") if key in tissue.provenance}
    return {"cells": len(tissue), "units": tissue.units, "sections": len(sections(tissue)), "data": notes}


def _about(tissue: Measurement, below: Encoder, above: Encoder) -> dict[str, Any]:
    settings = above.state().settings
    degree = np.diff(tissue.links.indptr) if tissue.links is not None else np.zeros(len(tissue))
    said = {name: settings[name]["value"] for name in ("rule", "reach") if "value" in settings.get(name, {})}
    return {
        "encoder": above.name,
        "cell_encoder": below.name,
        "space": json.dumps(above.writes.to_json()),
        "units": tissue.units,
        **said,
        "sections": len(sections(tissue)),
        "neighbors": float(degree.mean()),
        "without_neighbors": int((degree == 0).sum()),
    }


def _require_room(embedded: object, linked: object, graph: str | None, what: str) -> None:
    if embedded:
        raise IntegrityError(f"{what} holds states of tissue already. Remove obsm['{TISSUE_AXES}'] and obs['{KNOWN}'].")
    if linked and graph is not None:
        raise IntegrityError(
            f"{what} holds neighbors in obsp['{CONNECTIVITIES}'], and a graph is asked for. Leave the graph out to use "
            "them, or remove them first."
        )


def _new_keys(answer: TissueEmbedding, there: Any) -> list[tuple[str, str, Any]]:
    """What squidpy looks for, where the data did not bring neighbors of their own."""
    if CONNECTIVITIES in there:
        return []
    keys = spatial_keys(answer.tissue)
    return [(place, name, value) for place in ("obsp", "uns") for name, value in keys[place].items()]


def _write_into(path: Path, answer: TissueEmbedding, graph: str | None, name: str) -> None:
    from anndata.io import write_elem

    # What cannot be read came so: the file of the user is named, not our copy of it.
    with intact(Path(name)), h5py.File(path, "r+") as file:
        refuse_links(file)
        obs = stored_frame(file["obs"], file.get("uns"))
        obsp = file.get("obsp", {})
        _require_room(KNOWN in obs or TISSUE_AXES in file.get("obsm", {}), CONNECTIVITIES in obsp, graph, name)
        if len(obs) != len(answer.known):
            raise DataError([f"{name} has {len(obs)} rows, but {len(answer.known)} were read. Export it again."])
        write_elem(file, "obs", obs.assign(**{KNOWN: answer.known}))
        for group in ("obsm", "obsp", "uns"):
            if group not in file:
                write_elem(file, group, {})
        write_elem(file["obsm"], TISSUE_AXES, answer.states.values)
        write_elem(file["uns"], TISSUE_ABOUT, dict(answer.about))
        for place, key, value in _new_keys(answer, obsp):
            write_elem(file[place], key, value)
