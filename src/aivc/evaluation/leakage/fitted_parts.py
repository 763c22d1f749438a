"""What fitted parts carry of their training, held against what a fold tests."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import UInt64

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.provenance import Provenance
from aivc.core.virtual_cell import VirtualCell
from aivc.data import catalog
from aivc.data.names.compound_names import target_keys
from aivc.data.splits.fingerprints import Fingerprints, feature_hashes, source_of
from aivc.data.splits.split import CONTROL_SCORE, data_digest
from aivc.evaluation.leakage.findings import LEAK, NOTE, TESTED, CheckedFold, Finding, are, shown

_ANY = "all"
_GROUPS = ("context", "donor", "batch")


@final
@dataclass(frozen=True, eq=False)
class FittedPart:
    """What parts say they were made from, and whether these data can be compared with it.

    Attributes:
        who: Names the parts, and the cell they are of.
        saw: Their provenance.
        marks: ``(n,)`` marks of the tested data, over the same features; None where they cannot be compared.
        whole: Whether they saw all of the tested data.
        split: Digest of the split that is checked.
        other_dataset: Whether they were made from another dataset of the catalog, whose donors only share their names.
    """

    who: str
    saw: Provenance
    marks: UInt64[np.ndarray, " n"] | None
    whole: bool
    split: str
    other_dataset: bool

    def about(self, fold: int) -> bool:
        """Whether they are used in a fold: what was fitted for another fold of this split is not."""
        return self.saw.split != self.split or self.saw.fold in (None, fold)


def records_of(
    cells: Mapping[str, VirtualCell | Provenance], measurement: Measurement, own: Fingerprints, split: str
) -> list[FittedPart]:
    """Gather the provenance of fitted parts; parts of a cell that say the same speak together.

    Args:
        cells: By name.
        measurement: The tested data.
        own: Fingerprints of it.
        split: Digest of the split that is checked.
    """
    digest, hashes = data_digest(measurement), np.unique(feature_hashes(measurement.features))
    source, known = source_of(measurement), set(catalog.names())
    taken: dict[bytes, np.ndarray] = {hashes.tobytes(): own.named(measurement)}
    found = []
    for who, saw in _speakers(cells):
        marks = None
        if saw.units == measurement.units and len(saw.features) and np.isin(saw.features, hashes).all():
            key = saw.features.tobytes()
            if key not in taken:
                taken[key] = Fingerprints.of(measurement, saw.features).named(measurement)
            marks = taken[key]
        other_dataset = saw.source != source and {saw.source, source} <= known
        found.append(FittedPart(who, saw, marks, saw.data_digest == digest, split, other_dataset))
    return found


def _speakers(cells: Mapping[str, VirtualCell | Provenance]) -> Iterator[tuple[str, Provenance]]:
    for name, cell in cells.items():
        if isinstance(cell, Provenance):
            yield name, cell
            continue
        together: dict[str, list[str]] = {}
        for part, saw in cell.provenance.items():
            together.setdefault(saw.digest, []).append(part)
        for parts in together.values():
            yield f"{name} ({', '.join(parts)})", cell.provenance[parts[0]]
        if not cell.provenance and (texts := cell.card.get("perturbations")):
            # Cells of earlier versions name the perturbations they saw, but not where.
            yield name, Provenance(pairs=tuple((_ANY, str(text)) for text in texts))


def unknown(cells: Mapping[str, VirtualCell | Provenance], records: list[FittedPart]) -> Iterator[Finding]:
    """Say which provenance is missing, or cannot be compared."""
    for name, cell in cells.items():
        silent = [] if isinstance(cell, Provenance) else sorted(set(cell.parts) - set(cell.provenance))
        if silent:
            sentence = (
                f"Unknown provenance: {shown(silent)} of {name} {'do' if len(silent) > 1 else 'does'} not carry what "
                f"{'they were' if len(silent) > 1 else 'it was'} fitted on. Fit the cell again with this version, or "
                "give the data it was fitted on as others (--others)."
            )
            yield Finding("part", NOTE, name, sentence)
    for each in records:
        if not each.saw.known:
            sentence = (
                f"Unknown provenance: {each.who} {'stands' if each.saw.tables else 'is'} without a word on whether it "
                "was made from measured cells. Save its Provenance beside it, in a folder named provenance."
            )
            yield Finding("part", NOTE, each.who, sentence)
        elif each.marks is None and len(each.saw.marks):
            sentence = (
                f"{each.who} was made from other features or units ({each.saw.units}) than these data hold, so only "
                "labels were compared, not cells. Give the data in the units and with the features it was made from."
            )
            yield Finding("part", NOTE, each.who, sentence)
        if each.saw.fold is not None and each.saw.split == each.split:
            sentence = f"{each.who} was fitted for fold {each.saw.fold} of this split and is checked there only."
            yield Finding("part", NOTE, each.who, f"{sentence} Use it in no other fold.")


def leaks_of(fold: CheckedFold, record: FittedPart) -> Iterator[Finding]:
    """Find what parts saw of what a fold scores."""
    if not record.about(fold.number):
        return
    if record.whole:
        sentence = f"{record.who} was made from all of these data, the tested included. {_remedy(fold)}"
        yield fold.found("part", LEAK, sentence)
        return
    yield from _entities(fold, record)
    if {"perturbation", "pair"} & fold.promised:
        yield from _perturbations(fold, record)
    for group in _GROUPS:
        if group in fold.promised:
            yield from _group(fold, record, group)


def _entities(fold: CheckedFold, record: FittedPart) -> Iterator[Finding]:
    if record.marks is None:
        return
    seen = np.isin(record.marks, record.saw.marks)
    for what, rows in (("tested entities", TESTED), ("controls that are kept for scoring", (CONTROL_SCORE,))):
        hit = np.flatnonzero(seen & fold.rows(*rows))
        if len(hit):
            names = fold.measurement.entities.index[hit]
            sentence = f"{record.who} was made from {len(hit)} {what}: {shown(names)}. {_remedy(fold)}"
            yield fold.found("part", LEAK, sentence)


def _perturbations(fold: CheckedFold, record: FittedPart) -> Iterator[Finding]:
    exact = fold.split.kind.startswith("extrapolate-")
    anywhere = "perturbation" in fold.promised
    seen: dict[frozenset[str], set[str]] = {}
    for context, text in record.saw.pairs:
        if text != CONTROL:
            seen.setdefault(_key(text, exact=exact), set()).add(_plain(context))
    here = {_plain(str(context)) for context in fold.measurement.contexts} if anywhere else set()
    tested = sorted(fold.groups(*TESTED))
    same, other = set(), set()
    for context, text in tested:
        contexts = seen.get(_key(text, exact=exact), set())
        if contexts & {_plain(context), _ANY, *here} or (contexts and context == _ANY):
            same.add(text)
        elif contexts:
            other.add(text)
    if same:
        sentence = (
            f"{shown(same)} {are(same)} tested, and {record.who} was made from cells perturbed so. {_remedy(fold)}"
        )
        yield fold.found("part", LEAK, sentence)
    if other and anywhere:
        sentence = (
            f"{shown(other)} {are(other)} tested, and {record.who} was made from cells perturbed so in other contexts "
            "of other data. Say so beside the scores."
        )
        yield fold.found("part", NOTE, sentence)
    if fold.split.kind in ("unseen-perturbation", "unseen-both", "unseen-combination-seen0"):
        asked = {name for _, text in tested for name in _key(text, exact=False)}
        near = {name for key in seen if len(key) > 1 for name in key} & asked
        near -= {name for text in same for name in _key(text, exact=False)}
        if near:
            sentence = f"{shown(near)} {are(near)} tested, and {record.who} was made from combinations with it."
            yield fold.found("part", LEAK, f"{sentence} {_remedy(fold)}")


def _group(fold: CheckedFold, record: FittedPart, group: str) -> Iterator[Finding]:
    if group == "context":
        saw = {_plain(context) for context, text in record.saw.pairs if text != CONTROL}
        both = {value for value in fold.values(group, *TESTED) if _plain(value) in saw}
    else:
        both = fold.values(group, *TESTED) & set(getattr(record.saw, {"donor": "donors", "batch": "batches"}[group]))
    if both and record.other_dataset and group != "context":
        sentence = (
            f"{record.who} was made from {group} {shown(both)} of {record.saw.source}: the same name, other cells."
        )
        yield fold.found("part", NOTE, f"{sentence} Nothing need be done if they are not the same.")
    elif both:
        sentence = f"{record.who} was made from perturbed entities of tested {group} {shown(both)}. {_remedy(fold)}"
        yield fold.found("part", LEAK, sentence)


def starts_of(fold: CheckedFold, name: str, cell: VirtualCell, records: list[FittedPart]) -> Iterator[Finding]:
    """Find predictions that start from what they are to predict, or from what they are scored with."""
    own = [each for each in records if each.who == name or each.who.startswith(f"{name} (")]
    if own and all(each.other_dataset or not each.about(fold.number) for each in own):
        return
    index = fold.measurement.entities.index.astype(str)
    for context, start in cell.starts.items():
        # Drawn states are named after the entity they are drawn from, with a number behind.
        names = {re.sub(r"-\d+$", "", str(each)) for each in start.entities.index} | set(map(str, start.entities.index))
        drawn = np.isin(index, sorted(names)) & _in_context(fold, context)
        asked = set(start.perturbations.astype(str)) & fold.values("perturbation", *TESTED)
        if asked or (drawn & fold.rows(*TESTED)).any():
            few = shown(asked or index[drawn & fold.rows(*TESTED)])
            sentence = (
                f"The states of {context!r} that {name} starts from are those of tested entities: {few}. What it says "
                f"of them is their reconstruction, not a prediction. {_remedy(fold)}"
            )
            yield fold.found("reconstruction", LEAK, sentence)
        if (kept := drawn & fold.rows(CONTROL_SCORE)).any():
            sentence = (
                f"{kept.sum()} states of {context!r} that {name} starts from are those of controls kept for scoring: "
                f"{shown(index[kept])}. {_remedy(fold)}"
            )
            yield fold.found("shared-controls", LEAK, sentence)


def _in_context(fold: CheckedFold, context: str) -> np.ndarray:
    return np.asarray(fold.measurement.contexts.astype(str) == context, dtype=bool)


def _remedy(fold: CheckedFold) -> str:
    # One command for a person, one call for a script.
    k = fold.number
    return f"Make it again without them: fit(..., split=split, fold={k}), or aivc fit --split SPLIT --fold {k}."


def _plain(context: str) -> str:
    return re.sub(r"[^a-z0-9]", "", context.casefold()) or context


def _key(text: str, *, exact: bool) -> frozenset[str]:
    """What counts as the same perturbation: the same targets, whatever dose, kind, salt or duration."""
    if exact:
        return frozenset((text,))
    return target_keys(Perturbation.parse(text)) or frozenset((text,))
