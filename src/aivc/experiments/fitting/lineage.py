"""What each part of a virtual cell was made from, written down as it is fitted."""

from collections.abc import Mapping, Sequence

from aivc.core.contracts import Decoder
from aivc.core.measurement import Measurement
from aivc.core.provenance import Provenance
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data import catalog
from aivc.data.priors.for_screen import DRUG_SOURCES, DRUGS
from aivc.data.priors.gene_priors import SOURCES
from aivc.data.splits.fingerprints import CHOSEN, Fingerprints, provenance_of
from aivc.data.streaming.stream import Progress
from aivc.experiments.fitting.shared_fit import SharedFit

PRIORS, FEATURES = "priors", "features"
# Priors that we make ourselves, of interactions, annotations and signalling known from other sources.
_KNOWLEDGE, _NETWORK = "gene-knowledge", "signalling-network"


def provenance_by_part(
    cell: VirtualCell,
    ground: SharedFit,
    measurement: Measurement,
    *,
    parts: UR | None = None,
    made_from: Provenance | None = None,
    split: str = "",
    fold: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Provenance]:
    """Say of each part which entities it saw, and what its priors and its features come from.

    Args:
        cell: As `aivc.experiments.fitting.fit.assemble` made it.
        ground: What it was made on.
        measurement: What that was made from.
        parts: The priors it was given.
        made_from: What these were made from, where they are not the catalog's.
        split: Digest of the split it was fitted for.
        fold: Which fold of it.
        progress: Called with how far it is.
    """
    marks = Fingerprints.of(measurement, progress=progress).named(measurement)
    sampled = measurement.entities.index.isin(ground.cells)
    whole = provenance_of(measurement, marks=marks, split=split, fold=fold)
    sample = whole if sampled.all() else provenance_of(measurement, sampled, marks=marks, split=split, fold=fold)
    # Calibration has the decoder see every profile; without it, it saw what the encoder saw. An encoder that takes mean
    # profiles saw all entities, and hands them on to a decoder that takes its axes.
    alone = {name for name, part in cell.parts.items() if isinstance(part, Decoder) and part is ground.decoder}
    few = set() if ground.encoder.uses_profiles else {f"encoder-{scale}" for scale in cell.encoders} | alone
    found = {name: sample if name in few else whole for name in cell.parts}
    if parts is not None:
        found[PRIORS] = made_from or of_priors(parts)
    if CHOSEN in measurement.provenance:
        found[FEATURES] = Provenance.from_json(measurement.provenance[CHOSEN])
    return found


def of_priors(parts: UR) -> Provenance:
    """Say what priors were made from, as far as they carry it.

    Those of the catalog name their tables. States of cells carry what was done to these: they hold measured values,
    whatever they are used for. Of others nothing is known but their digest.
    """
    name = parts.space.name
    tables = {name: State({"names": list(map(str, parts.entities.index))}, {"values": parts.values}).digest()}
    blocks = [str(column).removeprefix("covered_") for column in parts.entities if "covered_" in str(column)]
    if name == _KNOWLEDGE:
        return Provenance(name, tables=tables | _tables(blocks, SOURCES), expression=False)
    if name == DRUGS:
        tables |= {block: f"{parts.entities[f'axes_{block}'].iloc[0]} axes" for block in blocks}
        return Provenance(name, tables=tables | _tables(blocks, DRUG_SOURCES), expression=False)
    if name == _NETWORK:
        return Provenance(name, tables=tables, expression=False)
    if "perturbation" in parts.entities:
        pairs = zip(parts.contexts.astype(str), parts.perturbations.astype(str), strict=True)
        return Provenance(name, len(parts), pairs=tuple(set(pairs)), tables=tables, expression=True)
    return Provenance(name, tables=tables)


def _tables(blocks: Sequence[str], sources_of: Mapping[str, Sequence[str]]) -> dict[str, str]:
    sources = sorted({source for block in blocks for source in sources_of.get(block, ())})
    return {source: " ".join(file.sha256 for file in catalog.entry(source).files) for source in sources}


def notes_of(measurement: Measurement) -> Mapping[str, object]:
    """What a card says of the data; what their features were chosen on is part of the provenance."""
    return {name: value for name, value in measurement.provenance.items() if name != CHOSEN}
