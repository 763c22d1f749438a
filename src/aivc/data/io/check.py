"""Finds every problem of a dataset at once, before any work: names, labels, controls, numbers and genes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import (
    AIVCError,
    DataError,
    PerturbationError,
    SchemaError,
    UnavailableError,
    UnknownNameError,
)
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.units import COUNTS, EXPECTED_COUNTS, INTENSITY, log1p_target
from aivc.data.images.image_checks import ImageScan
from aivc.data.images.plate_layout import layout_notes
from aivc.data.io.copied_rows import SeenRows
from aivc.data.io.count_values import MOST_COUNTS, expectation_findings, off_whole, rounding_note
from aivc.data.io.excel_names import excel_features, excel_targets
from aivc.data.io.formats import suffix
from aivc.data.io.in_memory import anndata_raw, is_anndata, name_of
from aivc.data.io.label_checks import measured_notes, only_one
from aivc.data.io.labels import some
from aivc.data.io.matched import unmatched
from aivc.data.io.number_names import number_text
from aivc.data.io.orientation import TURN, entities_are_genes
from aivc.data.io.read import BACKED, Draft, draft, translate
from aivc.data.io.schema import Schema
from aivc.data.io.target_genes import target_problems
from aivc.data.io.time_checks import time_notes
from aivc.data.io.tissue_checks import tissue_findings
from aivc.data.io.value_scale import (
    SeenScale,
    binary_note,
    fraction_remedy,
    negative_remedy,
    rounded_note,
    saturated_note,
    scale_problems,
)
from aivc.data.names.genes import gene_table, resolve
from aivc.data.names.own_genes import ensembl_species

if TYPE_CHECKING:
    from anndata import AnnData

_BLOCK = 8192
# Numbers of images that are looked at at once.
_PIXELS = 1 << 23
# Below this share of known genes, names are of another kind or species rather than a few clones and read-throughs.
_KNOWN = 0.2


@final
@dataclass(frozen=True)
class CheckReport:
    """What is wrong with a dataset, what is worth knowing, and how much there is.

    Attributes:
        problems: What must be corrected first, each a sentence with its remedy.
        notes: What is worth knowing, but stops nothing.
        cells: Entities.
        features: Features.
        perturbations: Different perturbations, control not counted.
        contexts: Different contexts.
        controls: Control entities.
        groups: Groups of one context and perturbation.
        reading: Those notes that change how the data are read; whatever uses the data repeats them.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    cells: int = 0
    features: int = 0
    perturbations: int = 0
    contexts: int = 0
    controls: int = 0
    groups: int = 0
    reading: tuple[str, ...] = ()

    def __str__(self) -> str:
        sizes = (
            f"{self.cells} entities × {self.features} features, {self.perturbations} "
            f"perturbation{'s' * (self.perturbations != 1)} in {self.contexts} context{'s' * (self.contexts != 1)}, "
            f"{self.controls} controls."
        )
        lines = [f"  problem: {text}" for text in self.problems] + [f"  note: {text}" for text in self.notes]
        return "\n".join([sizes, *lines])

    def raise_if_any(self) -> None:
        """Refuse the data if anything is wrong with them.

        Raises:
            DataError: With every problem.
        """
        if self.problems:
            raise DataError(self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        sizes = ("cells", "features", "perturbations", "contexts", "controls", "groups")
        body = {"problems": list(self.problems), "notes": list(self.notes)}
        return {**body, **{name: getattr(self, name) for name in sizes}}


def check(
    data: "Measurement | AnnData | Path | str",
    schema: Schema | None = None,
    *,
    species: str = "human",
    controls: bool = True,
) -> CheckReport:
    """Gather every problem of a dataset; values on disk are read block by block and never whole.

    Args:
        data: A measurement; or an AnnData in memory or a file, which need a schema.
        schema: What the columns of the AnnData or the file mean.
        species: Of a measurement's genes, ``none`` where names are no genes of these; a file's schema says it itself.
        controls: Ask for controls in every context; predictions need none.

    Raises:
        SchemaError: A file or an AnnData was given without its schema.
    """
    if isinstance(data, Measurement):
        try:
            if not _shows_images(data):
                data.require_table("A check of numbers")
        except DataError as error:
            return CheckReport(error.problems, (), cells=len(data), features=len(data.features))
        known = tuple(data.provenance.get("notes", ()))
        measured = measured_notes(_column(data, "perturbation", CONTROL))
        notes = (*known, *(text for text in (*_unmatched(data), *measured) if text not in known))
        return _report(data, species, (), notes, controls=controls)
    if schema is None:
        raise SchemaError(f"A schema says what the columns of {name_of(data)} mean. Give it: check(data, schema).")
    # Only predictions are expected counts, and they need no controls.
    controls = controls and schema.units != EXPECTED_COUNTS
    try:
        if is_anndata(data):
            drafted = translate(anndata_raw(data, schema), schema, controls=controls)
        else:
            drafted = _draft(Path(data), schema, controls=controls)
    except AIVCError as error:
        return CheckReport((str(error),), ())
    return _report(drafted, drafted.species, drafted.problems, drafted.notes, controls=controls)


def _unmatched(data: Measurement) -> list[str]:
    return [] if data.is_effects else unmatched(data.entities)


def _draft(path: Path, schema: Schema, *, controls: bool) -> Draft:
    if suffix(path) in BACKED:
        try:
            return draft(path, schema, backed=True, controls=controls)
        except SchemaError:
            # A matrix stored column by column can only be read whole; other faults of the schema show there again.
            return draft(path, schema, controls=controls)
    return draft(path, schema, controls=controls)


def _report(
    data: Measurement | Draft, species: str, problems: tuple[str, ...], notes: tuple[str, ...], *, controls: bool
) -> CheckReport:
    perturbations, contexts = _column(data, "perturbation", CONTROL), _column(data, "context", "all")
    found, noted = [*problems], [*notes]
    try:
        wrong, numbered = (_of_images if _shows_images(data) else _of_numbers)(data, predicted=not controls)
        found += wrong
        noted += numbered
    except AIVCError as error:
        found.append(str(error))
    noted += excel_features(data.features) if species != "none" else []
    noted += layout_notes(data.entities)
    noted += [] if data.is_effects else time_notes(data.entities)
    reading = tuple(noted)
    wrong, groups = _groups(data, perturbations, contexts, controls=controls)
    noted += [*groups, *only_one(perturbations)]
    placed = data.placed if isinstance(data, Draft) else data.provenance.get("coordinates", {})
    misplaced, where = tissue_findings(data.coordinates, data.entities, data.links, placed)
    found += misplaced
    noted += where
    found += [text for text in wrong if text not in found]
    wrong, genes = _genes(data, perturbations, species)
    return CheckReport(
        (*found, *wrong),
        (*noted, *genes),
        cells=len(data.entities),
        features=len(data.features),
        perturbations=len(set(perturbations) - {CONTROL, ""}),
        contexts=len(set(contexts) - {""}),
        controls=int((perturbations == CONTROL).sum()),
        groups=len(set(zip(contexts, perturbations, strict=True))),
        reading=reading,
    )


def _column(data: Measurement | Draft, name: str, default: str) -> np.ndarray:
    if name not in data.entities:
        return np.full(len(data.entities), default, dtype=object)
    return data.entities[name].astype(object).fillna("").to_numpy(dtype=object)


def _shows_images(data: Measurement | Draft) -> bool:
    return data.modality == "image" and len(data.values.shape) == 4


def _of_images(data: Measurement | Draft, *, predicted: bool) -> tuple[list[str], list[str]]:
    about = (data.image if isinstance(data, Draft) else data.provenance.get("image")) or {}
    bits = None if predicted else about.get("bits")
    scan = ImageScan(data.entities.index.to_numpy(), data.features, data.units, bits)
    step = max(1, _PIXELS // max(1, int(np.prod(data.values.shape[1:]))))
    for start in range(0, len(data.entities), step):
        scan.add(np.asarray(data.block(start, min(start + step, len(data.entities)))))
    return list(scan.problems(_column(data, "perturbation", CONTROL))), list(scan.notes())


def _of_numbers(data: Measurement | Draft, *, predicted: bool) -> tuple[list[str], list[str]]:
    numbers = _scan(data)
    wrong, scaled = _of_scale(numbers, data, predicted=predicted)
    return [*_number_problems(numbers, data, predicted=predicted), *wrong], [*numbers.notes, *scaled]


@dataclass(eq=False)
class _Numbers:
    """What one pass over the values found: how many of each fault, and where the first is."""

    scale: SeenScale
    rows: SeenRows
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    below: float = 0.0
    above: float = 0.0
    notes: list[str] = field(default_factory=list)


def _scan(data: Measurement | Draft) -> _Numbers:
    numbers, names, unmeasured = (
        _Numbers(SeenScale(data.units), SeenRows(data.features)),
        data.entities.index,
        _unmeasured(data),
    )
    n = min(len(names), data.values.shape[0])
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        block = data.block(start, stop)
        flat = np.asarray(block.data if isinstance(block, sparse.csr_matrix) else block).ravel()
        for fault, where in _faults(flat, data.units):
            if len(where):
                first = int(where[0])
                numbers.counts[fault] = numbers.counts.get(fault, 0) + len(where)
                numbers.first.setdefault(
                    fault, f"{number_text(flat[first])} in {_entity(block, first, names[start:stop])}"
                )
        numbers.scale.add(block)
        if not data.is_effects and block.shape[1] == len(data.features):
            numbers.rows.add(block)
        numbers.below -= float(np.sum(flat, where=flat < 0))
        numbers.above += float(np.sum(flat, where=flat > 0))
        numbers.empty += [str(name) for name in names[start:stop][~_any(block) & ~unmeasured[start:stop]]]
    if unmeasured.any():
        numbers.notes.append(f"{unmeasured.sum()} entities were measured on no feature: {some(names[unmeasured])}.")
    if data.is_effects and numbers.empty:
        numbers.notes.append(f"{len(numbers.empty)} entities have no effect on any feature: {some(numbers.empty)}.")
    return numbers


def _unmeasured(data: Measurement | Draft) -> np.ndarray:
    if data.observed is None or data.observed.ndim == 1:
        return np.zeros(len(data.entities), dtype=bool)
    return np.asarray(~data.observed.any(axis=1))


def _faults(flat: np.ndarray, units: str) -> Iterator[tuple[str, np.ndarray]]:
    finite = np.isfinite(flat)
    yield "unfinite", np.flatnonzero(~finite)
    if units == INTENSITY or log1p_target(units) is not None:
        yield "negative", np.flatnonzero(finite & (flat < 0))
    if units == COUNTS:
        below = np.flatnonzero(finite & (flat < 0))
        # What rounding left below zero is read as zero.
        yield "negative", below[off_whole(flat[below]) | (flat[below] < -0.5)]
        yield "impossible", np.flatnonzero(finite & (flat > MOST_COUNTS))
    if units == EXPECTED_COUNTS:
        yield "expected below zero", np.flatnonzero(finite & (flat < 0))
    if units == COUNTS:
        fraction = np.flatnonzero(finite & (flat != np.floor(flat)))
        off = off_whole(flat[fraction])
        yield "fractional", fraction[off]
        yield "rounding", fraction[~off]


def _entity(block: Any, position: int, names: pd.Index) -> str:
    if sparse.issparse(block):
        return str(names[int(np.searchsorted(block.indptr, position, side="right")) - 1])
    return str(names[position // block.shape[1]])


def _any(block: Any) -> np.ndarray:
    # NaN differs from zero, so an entity of NaN is not called empty on top.
    return np.asarray((block != 0).sum(axis=1)).ravel() > 0


def _number_problems(numbers: _Numbers, data: Measurement | Draft, *, predicted: bool) -> Iterator[str]:
    remedies = {
        "unfinite": "values are NaN or infinite, first {}. Remove these entities or features, or measure them again.",
        "impossible": f"counts are above {MOST_COUNTS:g}, first {{}}, which nobody counts. Is it a mark for what is "
        "missing, or are the units others? Correct the values, or units and layer in the schema.",
        "negative": f"values are negative, first {{}}, though {data.units} never are. "
        + negative_remedy(data.units, predicted=predicted),
        "fractional": "values are fractional, first {}, though counts are whole. "
        + fraction_remedy(numbers.scale, predicted=predicted),
    }
    for fault, remedy in remedies.items():
        if fault in numbers.counts:
            yield f"{numbers.counts[fault]} {remedy.format(numbers.first[fault])}"
    if numbers.empty and not data.is_effects and len(numbers.empty) == len(data.entities):
        yield 'All values are zero. Say in the schema where the values lie, such as layer = "raw" or a layer.'
    elif numbers.empty and not data.is_effects:
        yield f"{len(numbers.empty)} entities are zero everywhere: {some(numbers.empty)}. Remove them."


def _of_scale(numbers: _Numbers, data: Measurement | Draft, *, predicted: bool) -> tuple[list[str], list[str]]:
    pooled = "cells" in data.entities and bool((pd.to_numeric(data.entities["cells"], errors="coerce") > 1).any())
    problems, notes = scale_problems(numbers.scale, data.entities.index, exact=not predicted and not pooled)
    if not predicted and data.values.shape[0] == len(data.entities):
        notes += numbers.rows.copies(data.entities.index, _column(data, "perturbation", CONTROL))
    if "fractional" not in numbers.counts:
        notes += rounding_note(numbers.counts.get("rounding", 0)) + rounded_note(numbers.scale)
        notes += [*binary_note(numbers.scale), *saturated_note(numbers.scale)]
    below = numbers.counts.get("expected below zero", 0)
    share = numbers.below / max(numbers.above, 1e-300)
    if data.units == EXPECTED_COUNTS:
        problems, notes = expectation_findings(below, numbers.scale.lowest, share)
    return problems, notes


def _groups(
    data: Measurement | Draft, perturbations: np.ndarray, contexts: np.ndarray, *, controls: bool
) -> tuple[list[str], list[str]]:
    blank = {"perturbation": perturbations, "context": contexts, "batch": _column(data, "batch", "all")}
    blank["donor"] = _column(data, "donor", "all")
    problems = [
        f"{(labels == '').sum()} of {len(labels)} entities have no {name}. Label them, or remove them."
        for name, labels in blank.items()
        if isinstance(data, Measurement) and (labels == "").any()
    ]
    if data.is_effects:
        return problems, []
    problems += _uncontrolled(data, perturbations, contexts) if controls else []
    cells = data.entities["cells"] if "cells" in data.entities else pd.Series(1.0, data.entities.index)
    sizes = pd.Series(pd.to_numeric(cells, errors="coerce").to_numpy()).groupby([contexts, perturbations]).sum()
    small = [f"{perturbation} in {context}" for (context, perturbation), size in sizes.items() if size < 2]
    return problems, [f"Groups of fewer than 2 cells ({len(small)}): {some(small)}."] if small else []


def _uncontrolled(data: Measurement | Draft, perturbations: np.ndarray, contexts: np.ndarray) -> list[str]:
    known = set(contexts) - {""}
    without = sorted(map(str, known - set(contexts[perturbations == CONTROL])))
    if without and len(without) == len(known):
        # Of a file this was reported already, with the labels that look like controls.
        return ["No entity is a control. Label the unperturbed ones control."] if isinstance(data, Measurement) else []
    if not without:
        return []
    return [f"{len(without)} of {len(known)} contexts have no control: {some(without)}. Add controls, or remove them."]


def _genes(data: Measurement | Draft, perturbations: np.ndarray, species: str) -> tuple[list[str], list[str]]:
    targets, problems = _targets(perturbations)
    wrong, own = target_problems(data.features, targets, data.symbols if isinstance(data, Draft) else {})
    problems += wrong
    if species == "none" or not len(data.features):
        return problems, own
    problems += excel_targets(targets)
    try:
        table = gene_table(species)
    except UnavailableError as error:
        return problems, [f"Gene names were not checked: {error}", *own]
    unknown = resolve(targets, species=species, table=table).coverage.unknown
    notes = [
        *own,
        *[f"{len(unknown)} of {len(targets)} targets are no known {species} genes: {some(unknown)}."] * bool(unknown),
    ]
    if data.modality != "rna":
        return problems, notes
    if lost := _positions(data.features):
        return [*problems, *lost], notes
    coverage = resolve(data.features, species=species, table=table).coverage
    # Ids, and names in another case, are no older names.
    renamed = {old: new for old, new in coverage.renamed.items() if _older(old, new)}
    if renamed:
        shown = [f"{old} is now {new}" for old, new in renamed.items()]
        notes.append(f"{len(shown)} features have newer names: {some(shown)}. harmonize renames them.")
    if coverage.counts.get("case", 0) * 2 > coverage.total:
        notes.append(f"Most features match {species} genes only when case is ignored. Is species right in the schema?")
    if coverage.known < _KNOWN and entities_are_genes(data.entities.index, species, table):
        problems.append(
            f"Names of entities are genes ({some(data.entities.index[:2])}), those of features not: {TURN}."
        )
    elif coverage.known < _KNOWN:
        problems.append(
            f"Only {100 * coverage.known:.0f} % of features are known {species} genes; one unknown is "
            f"{coverage.unknown[0]!r}. Correct features, species or modality in the schema."
        )
    return problems, [f"Features: {coverage}", *notes]


def _older(old: str, new: str) -> bool:
    return old.casefold() != new.casefold() and not old.isdigit() and not ensembl_species([old])


def _positions(features: np.ndarray) -> list[str]:
    """Features that are numbered in order have lost their names; they would pass for Entrez ids."""
    first = str(features[0])
    numbered = first in ("0", "1") and list(features) == [str(int(first) + i) for i in range(len(features))]
    if not numbered or len(features) < 2:
        return []
    return [
        f"Features are numbered {first} to {features[-1]}: these are their places, and no names of genes. Name the "
        'column that names them: features = "gene_name".'
    ]


def _targets(perturbations: np.ndarray) -> tuple[list[str], list[str]]:
    targets: set[str] = set()
    problems = []
    for text in sorted(set(perturbations) - {"", CONTROL}):
        try:
            targets |= set(Perturbation.parse(text).genes)
        except (PerturbationError, UnknownNameError) as error:
            problems.append(str(error))
    return sorted(targets), problems
