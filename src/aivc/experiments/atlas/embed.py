"""Where do these cells lie, how surely, and how far from what the encoder learned from? Answers for AnnData."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, IntegrityError, SchemaError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.added_columns import add_columns, kept_whole, require_no_matrices
from aivc.data.io.as_measurement import Cells, as_measurement, schema_from
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.names.orthologs import to_species
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.streaming.stream import CHUNK, Progress, chunks
from aivc.experiments.atlas.neighbors import Neighbors

AXES = "X_aivc"
UNCERTAINTY, COVERAGE, NOVELTY = "aivc_uncertainty", "aivc_coverage", "aivc_novelty"
ABOUT = "aivc"
# What an encoder is fitted on where none is given: more would take minutes and change little.
_CELLS, _FEATURES, _NEAREST = 10_000, 2000, 15
_USUAL = "factor-analysis"


class CellEmbedding(NamedTuple):
    """States of entities, and how far each can be trusted.

    Attributes:
        values: ``(n, d)`` states.
        uncertainty: ``(n,)`` mean posterior standard deviation over the axes; NaN where the encoder states none.
        coverage: ``(n,)`` share of the encoder's features that were measured; NaN where it names none.
        novelty: ``(n,)`` mean distance to the nearest training states, where 1 is the median of training states among
            themselves; NaN where no training states are known.
        about: JSON-ready: encoder, space, units and what it was fitted on.
    """

    values: np.ndarray
    uncertainty: np.ndarray
    coverage: np.ndarray
    novelty: np.ndarray
    about: Mapping[str, Any]


def embed(  # noqa: PLR0913 - each one is a question a user may ask
    cells: Cells,
    encoder: str | Path | Encoder | VirtualCell = _USUAL,
    *,
    schema: Schema | None = None,
    parts: UR | None = None,
    scale: Scale | str = Scale.CELLULAR,
    graph: str | None = None,
    reach: int | None = None,
    dim: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
    **columns: Any,
) -> anndata.AnnData:
    """Represent cells and write the result where scanpy looks for it.

    At the multicellular scale each cell is represented with its neighbors: positions are declared with their unit, such
    as ``coordinates="obsm:spatial", coordinate_unit="um", section="sample"``, and sections are kept apart.

    Args:
        cells: An AnnData in memory, which is written into; a Measurement; or the path of a file, which is left as it is
            (`embed_file` writes into a copy).
        encoder: Registered name, to fit one on these cells; the folder of a virtual cell; or a fitted one.
        schema: Says what the values of an AnnData are: its ``units``, ``layer``, ``features`` and ``modality`` are
            used. Needed for an AnnData or a file, refused for a Measurement, which knows.
        parts: UR of the scale below, for an encoder that uses it; not at the multicellular scale, which makes them.
        scale: ``cellular``, or ``multicellular`` for cells with their neighbors (`tissue_embedding`).
        graph: At the multicellular scale, who is a neighbor: ``nearest:8``, ``radius:50`` or ``delaunay:3``; by default
            the neighbors that the data hold in squidpy's keys, or else ``nearest:8``.
        reach: At the multicellular scale, how many steps away neighbors count; 3 by default.
        dim: Axes, where an encoder is fitted.
        seed: Likewise; draws the cells that it learns from where there are more than 10,000.
        progress: Called with what is being done, how many entities are done, of how many.
        **columns: Instead of a schema, its fields, such as ``units="counts"``; where they name no perturbation, all
            cells count as unperturbed.

    Returns:
        An AnnData with ``obsm["X_aivc"]``, the columns ``aivc_uncertainty``, ``aivc_coverage`` and ``aivc_novelty`` of
        ``obs`` (see `CellEmbedding`), and ``uns["aivc"]``. At the multicellular scale with ``obsm["X_aivc_tissue"]``,
        ``obs["aivc_tissue_known"]`` (share of the axes on which something was measured), ``uns["aivc_tissue"]`` and,
        unless it held neighbors, squidpy's ``obsp`` and ``uns["spatial_neighbors"]``.

    Raises:
        DataError: Values of more than two axes; images and ``factor-analysis``, before any is read.
        IntegrityError: The AnnData was embedded already.
        SchemaError: An AnnData or a file without a schema, a Measurement with one, or both a schema and columns.
        UnitsError: The values cannot be brought to the units of the encoder.
        UnknownNameError: No such encoder, or none of its features were measured.

    >>> from aivc.testing import sample_measurement
    >>> embed(sample_measurement(), dim=4).obsm["X_aivc"].shape
    (184, 4)
    """
    schema = schema_from(schema, {"perturbation": Constant("control"), **columns} if columns else {})
    if isinstance(cells, Measurement) == (schema is not None):
        raise SchemaError(
            "An AnnData or a file needs a schema that says what its values are; a Measurement knows that itself. Give "
            'units="counts", or schema=Schema(...), with an AnnData or a file, and none otherwise.'
        )
    _require_numbers(encoder, cells if isinstance(cells, Measurement) else schema)
    if _asked(scale, graph, reach, parts) is Scale.MULTICELLULAR:
        # What represents tissue stands on what represents cells.
        from aivc.experiments.atlas.embed_tissue import embed_tissue

        settings: dict[str, Any] = {"graph": graph, "reach": reach, "dim": dim, "seed": seed, "progress": progress}
        return embed_tissue(cells, encoder, schema=schema, **settings)
    if isinstance(cells, anndata.AnnData):
        assert schema is not None
        _require_fresh(AXES in cells.obsm or NOVELTY in cells.obs, "The AnnData")
        measurement, made = _measured(cells, schema), cells
    else:
        measurement = as_measurement(cells, schema, controls=False)
        made = to_anndata(measurement)
    answer = embedding(measurement, encoder, parts=parts, dim=dim, seed=seed, progress=progress)
    made.obsm[AXES] = answer.values
    for name, column in _columns(answer).items():
        made.obs[name] = column
    made.uns[ABOUT] = dict(answer.about)
    return made


def _asked(scale: Scale | str, graph: str | None, reach: int | None, parts: UR | None) -> Scale:
    if str(scale) not in (Scale.CELLULAR, Scale.MULTICELLULAR):
        raise UnknownNameError("scale to embed at", str(scale), (Scale.CELLULAR, Scale.MULTICELLULAR))
    if Scale(scale) is Scale.CELLULAR and (graph is not None or reach is not None):
        raise SchemaError('Graph and reach are of neighbors: add scale="multicellular", or leave them out.')
    if Scale(scale) is Scale.MULTICELLULAR and parts is not None:
        raise SchemaError("At the multicellular scale the states of the cells are made. Leave parts out.")
    return Scale(scale)


def embed_file(  # noqa: PLR0913 - each one is a question a user may ask
    path: Path,
    out: Path,
    encoder: str | Path | Encoder | VirtualCell = _USUAL,
    *,
    schema: Schema,
    on_disk: bool = False,
    dim: int = 32,
    seed: int = 0,
    species: str | None = None,
    progress: Progress | None = None,
) -> CellEmbedding:
    """Represent the cells of a file; what an h5ad holds besides is copied as it is, and never loaded.

    Args:
        path: File or folder.
        out: The h5ad to write.
        encoder: As for `embed`.
        schema: What the columns mean; controls are not needed.
        on_disk: Leave the values on disk and read them block by block.
        dim: As for `embed`.
        seed: As for `embed`.
        species: Name the genes as this species does first, by their orthologs; see
        `aivc.data.names.orthologs.to_species`.
        progress: As for `embed`.

    Raises:
        DataError: No gene has an ortholog, or values of genes that share one cannot be summed; images and
            ``factor-analysis``, before any is read.
        IntegrityError: ``out`` exists, or ``path`` was embedded already.
        UnknownNameError: No such pair of species.
    """
    require_free(out)
    _require_numbers(encoder, schema)
    if kept_whole(path, schema):
        require_no_matrices(path, [AXES])
    cells = read(path, schema, backed=on_disk, controls=False)
    about: dict[str, str] = {}
    if species is not None:
        cells, transferred = to_species(cells, schema.species, species)
        about = {"species": f"{schema.species} to {species}", "orthologs": str(transferred)}
    answer = embedding(cells, encoder, dim=dim, seed=seed, progress=progress)
    answer = answer._replace(about={**answer.about, **about})
    columns = pd.DataFrame(_columns(answer), index=cells.entities.index)
    add_columns(path, cells, out, columns, {ABOUT: answer.about}, obsm={AXES: answer.values}, schema=schema)
    return answer


def _require_numbers(encoder: object, cells: Measurement | Schema | None) -> None:
    """Refuse images, which the default encoder cannot read, before a plate of them is read."""
    if encoder != _USUAL or cells is None:
        return
    if isinstance(cells, Measurement):
        cells.require_table(_USUAL)
    elif cells.image is not None:
        raise DataError(
            [
                f"{_USUAL} needs one number per entity and feature, but the schema says that these are images. Name an "
                'encoder of images, such as "morphology".'
            ]
        )


def require_free(out: Path) -> None:
    """Refuse to write over a file, or an h5ad under another ending.

    Raises:
        DataError: The path does not end in ``.h5ad``.
        IntegrityError: It exists.
    """
    if out.suffix != ".h5ad":
        raise DataError([f"Cells and what is said of them are written as .h5ad, got {out.name}. Choose this ending."])
    if out.exists() or out.is_symlink():
        raise IntegrityError(f"{out} exists. Choose another name, or move it away.")


def embedding(
    cells: Measurement,
    encoder: str | Path | Encoder | VirtualCell = _USUAL,
    *,
    parts: UR | None = None,
    dim: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> CellEmbedding:
    """Represent entities block by block; see `embed`."""
    made, reference, known = _encoder(cells, encoder, dim, seed, parts)
    n, tell = len(cells), progress or _silent
    z_nd, spread_n, novelty_n = np.empty((n, made.dim), np.float32), np.full(n, np.nan), np.full(n, np.nan)
    near = _Near(reference) if reference is not None and len(reference) > 1 else None
    for start in range(0, n, CHUNK):
        tell("encoding", start, n)
        rows = np.arange(start, min(start + CHUNK, n))
        ur = made.encode(cells.take(rows), **made.given(parts))
        z_nd[rows] = ur.values
        if ur.variance is not None:
            spread_n[rows] = np.sqrt(ur.variance).mean(axis=1)
        if near is not None:
            novelty_n[rows] = near.novelty(ur.values, known[rows] if known is not None else None)
    about = {
        "encoder": made.name,
        "space": json.dumps(made.writes.to_json()),
        "units": cells.units,
        "fitted_on": "a sample of these cells" if known is not None else "other cells",
        "training_states": 0 if reference is None else len(reference),
        **({"notes": "\n".join(made.notes)} if made.notes else {}),
    }
    return CellEmbedding(z_nd, spread_n, coverage(made, cells), novelty_n, about)


def coverage(encoder: Encoder, cells: Measurement) -> np.ndarray:
    """``(n,)`` share of the features an encoder was fitted on that were measured; NaN where it names none."""
    packed = encoder.state().settings.get("features", {})
    if packed.get("is") != "strings":
        return np.full(len(cells), np.nan)
    own = pd.Index(packed["value"])
    where = pd.Index(cells.features.astype(str)).get_indexer(own)
    here = where[where >= 0]
    if cells.observed is None:
        return np.full(len(cells), len(here) / len(own))
    share = cells.observed[..., here].sum(axis=-1) / len(own)
    return np.asarray(np.broadcast_to(share, len(cells)), dtype=np.float64).copy()


class _Near:
    """Distances to training states, in units of their own."""

    def __init__(self, reference: UR) -> None:
        self._found = Neighbors.of(reference.values)
        self._k = min(_NEAREST, len(reference) - 1)
        everyone = np.arange(len(reference))
        self._typical = max(float(np.median(self._distance(reference.values, everyone))), 1e-12)

    def novelty(self, values: np.ndarray, own: np.ndarray | None) -> np.ndarray:
        """``(n,)``; ``own`` says which training state an entity is itself, -1 for none."""
        return self._distance(values, np.full(len(values), -1) if own is None else own) / self._typical

    def _distance(self, values: np.ndarray, own: np.ndarray) -> np.ndarray:
        rows, far = self._found.find(values, self._k + 1)
        self_nk = rows == own[:, None]
        # An entity is no neighbour of itself; for a new entity the last one is one too many.
        self_nk[~self_nk.any(axis=1), -1] = True
        return np.asarray(np.where(self_nk, 0.0, far).sum(axis=1) / self._k)


def _encoder(
    cells: Measurement, asked: str | Path | Encoder | VirtualCell, dim: int, seed: int, parts: UR | None
) -> tuple[Encoder, UR | None, np.ndarray | None]:
    """A fitted encoder, training states, and which of them each entity is: None where it was fitted on other cells."""
    if isinstance(asked, Encoder):
        return asked, None, None
    if isinstance(asked, str) and (asked in ENCODERS.names() or not Path(asked).is_dir()):
        return fit_on_sample(cells, asked, dim, seed, parts)
    cell = asked if isinstance(asked, VirtualCell) else VirtualCell.load(asked)
    made = cell.encoder_for(cells)
    starts = [start for start in cell.starts.values() if start.space == made.writes]
    if not starts:
        return made, None, None
    values = np.concatenate([start.values for start in starts])
    return made, UR(values, made.writes, pd.DataFrame(index=np.arange(len(values)))), None


def fit_on_sample(
    cells: Measurement, name: str, dim: int, seed: int, parts: UR | None = None
) -> tuple[Encoder, UR, np.ndarray]:
    """Fit an encoder on 10,000 of the cells and their 2,000 most variable features, or on all where there are fewer.

    Args:
        cells: To learn from.
        name: Registered name.
        dim: Axes wanted.
        seed: Draws the cells.
        parts: UR of the scale below, for an encoder that uses it.

    Returns:
        The encoder, the states it was fitted on, and ``(n,)`` which of these each cell is, -1 for none.
    """
    part = ENCODERS.load(name)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(cells))[:_CELLS])
    sample = cells.take(drawn)
    if len(sample.features) > _FEATURES:
        sample = sample.select(sample.features[_varying(sample)])
    made = part.fit(sample, dim=dim, seed=seed, **part.given(parts))
    known = np.full(len(cells), -1)
    known[drawn] = np.arange(len(drawn))
    return made, made.encode(sample, **part.given(parts)), known


def _varying(sample: Measurement) -> np.ndarray:
    """The features that vary most, in the order of the file."""
    total, square = np.zeros(len(sample.features)), np.zeros(len(sample.features))
    for _, block in chunks(normalize(sample, profile_units(sample)), 2048):
        x_nf = block if isinstance(block, np.ndarray) else block.toarray()
        total, square = total + x_nf.sum(axis=0), square + (x_nf**2).sum(axis=0)
    variance = square / len(sample) - (total / len(sample)) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:_FEATURES])


def _measured(cells: anndata.AnnData, schema: Schema) -> Measurement:
    if cells.isbacked:
        raise SchemaError("An AnnData that lies on disk is embedded from its file: embed_file(path, out, schema=...).")
    places = {"X": cells.X, **dict(cells.layers), **({} if cells.raw is None else {"raw": cells.raw.X})}
    if schema.layer not in places:
        raise SchemaError(f"There is no layer {schema.layer!r}; there are {', '.join(places)}. Name one of them.")
    table = cells.raw.var if schema.layer == "raw" else cells.var
    if schema.features is not None and schema.features not in table:
        raise UnknownNameError("column of features", schema.features, map(str, table))
    names = table.index if schema.features is None else table[schema.features]
    values, observed = places[schema.layer], None
    if isinstance(values, np.ndarray) and not np.isfinite(values).all():
        observed = np.isfinite(values)
        values = np.where(observed, values, 0)
    if not isinstance(values, np.ndarray):
        values = values.tocsr()
    features = names.astype(str).to_numpy(dtype=object)
    # A time whose unit nobody declared is left where it is.
    entities = cells.obs.drop(columns="time", errors="ignore")
    return Measurement(values, features, entities, schema.units, modality=schema.modality, observed=observed)


def _columns(answer: CellEmbedding) -> dict[str, np.ndarray]:
    return {UNCERTAINTY: answer.uncertainty, COVERAGE: answer.coverage, NOVELTY: answer.novelty}


def _require_fresh(embedded: object, what: str) -> None:
    if embedded:
        raise IntegrityError(f"{what} holds an embedding already. Remove obsm['{AXES}'] and the columns aivc_* first.")


def _silent(what: str, done: int, total: int) -> None:
    pass
