"""What the columns of an imaging screen seem to mean: plate, compound, controls, dose with its unit, context."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.data.images.plate_layout import plain, well_column
from aivc.data.io.conventions import Line, seen
from aivc.data.io.labels import control_like, labels
from aivc.data.io.number_names import numbers_in

# Without what CellProfiler and pycytominer put in front, in small letters, the likeliest first.
_COMPOUND = (
    "compound", "compound_name", "pert_iname", "pert_name", "drug", "treatment", "perturbation", "molecule", "chemical",
    "broad_sample", "pert_id", "jcp2022", "jump_identifier", "pert", "gene", "gene_symbol", "target", "condition",
)  # fmt: skip
_PLATE = ("plate", "plate_id", "plateid", "assay_plate_barcode", "plate_barcode", "barcode", "plate_name", "batch")
_CONTEXT = ("cell_line", "cell_type", "cell_id", "cellline", "cell")
_ROLE = ("pert_type", "control_type", "role", "sample_type", "well_role", "type")
_NEGATIVE = re.compile(r"(?i)neg(?:ative)?[_ -]?(?:con|control|ctrl)?|control|ctrl|dmso|vehicle|mock|untreated|solvent")
_POSITIVE = re.compile(r"(?i)pos(?:ative|itive)?[_ -]?(?:con|control|ctrl)\w*|poscon\w*")
_GENETIC = ("gene", "gene_symbol", "target")
_DOSE = re.compile(
    r"(?:\w+_)?(?:conc|concentration|dose|dosage|mmoles_per_liter)(?:_?(?:val|value))?"
    r"(?:_?[(\[]?(?:[pnuµμm]m|[mnuµμ]g.*|%)[)\]]?)?"
)
_UNIT = re.compile(r"(?i)(?:^|[^a-zµμ])(?P<unit>[pnuµμm]M|mol/l|mg/ml|[uµμn]g/ml|%)(?:[^a-z]|$)")
_WRITTEN = re.compile(r"(?i)^\s*[\d.,eE+-]+\s*(?P<unit>[pnuµμm]?M|[mnuµμ]g/ml|%)\s*$")
_UNITS = {"pm": "pM", "nm": "nM", "um": "uM", "µm": "uM", "μm": "uM", "mm": "mM"}


class ImageGuess(NamedTuple):
    """What images seem to be.

    Attributes:
        convention: Whose they are, such as ``OME-Zarr``.
        lines: Of a schema.
        notes: What no schema can say.
    """

    convention: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def plate_lines(entities: pd.DataFrame) -> tuple[list[Line], list[str]]:
    """Suggest the lines of a schema for wells, and say what is missing.

    Args:
        entities: ``n`` rows in the words of the file.

    Returns:
        The lines, and what no schema can say.
    """
    names = {plain(name): str(name) for name in reversed(list(entities)) if entities[name].notna().any()}
    found, notes = _treatment(entities, names)
    found += _amount(entities, names)
    if plate := _first(names, _PLATE):
        found.append(Line("batch", plate, f"column {plate!r}: {seen(entities[plate])}"))
        notes += _uncontrolled(entities, plate, found)
    else:
        notes.append("No column reads like plates: states are differences from the controls of the same plate.")
    if well_column(entities) is None:
        notes.append("No column reads like wells (well, Metadata_Well): places on the plate are not looked at.")
    if context := _first(names, _CONTEXT):
        found.append(Line("context", context, f"column {context!r}: {seen(entities[context])}"))
    return found, notes


def _first(names: dict[str, str], wanted: Iterable[str]) -> str:
    return next((names[name] for name in wanted if name in names), "")


def _treatment(entities: pd.DataFrame, names: dict[str, str]) -> tuple[list[Line], list[str]]:
    there = [name for name in _COMPOUND if name in names]
    if not there:
        shown = "; ".join(f"{name!r}: {seen(entities[name])}" for name in list(entities)[:12])
        asked = f"which column holds compounds? {shown}" if shown else "there is no column: where are the treatments?"
        return [Line("perturbation", "...", asked, sure=False), Line("kind", "drug", "drugs?", sure=False)], []
    role = _first(names, _ROLE)
    controls = {name: _controls(entities, names[name], role) for name in there}
    chosen = next((name for name in there if controls[name][0]), there[0])
    column, (texts, why) = names[chosen], controls[chosen]
    found = [Line("perturbation", column, f"column {column!r}: {seen(entities[column])}")]
    if texts:
        found.append(Line("control", texts[0] if len(texts) == 1 else texts, why))
    else:
        asked = f"no label of {column!r} reads like a control, and no column says which wells are: which?"
        found.append(Line("control", "DMSO", asked, sure=False))
    if chosen in _GENETIC:
        found.append(Line("kind", "ko", "genes: ko, crispri, crispra or oe?", sure=False))
    else:
        named = chosen not in ("treatment", "perturbation", "condition", "pert")
        said = f"column {column!r} names compounds" if named else f"are those of {column!r} drugs?"
        found.append(Line("kind", "drug", said, sure=named))
    return found, _blank(entities, column, texts)


def _controls(entities: pd.DataFrame, column: str, role: str) -> tuple[list[str], str]:
    """Labels of wells that are negative controls, and how that is known."""
    said = labels(entities[column])
    if role:
        roles = labels(entities[role])
        negative = [text for text in set(roles) if _NEGATIVE.fullmatch(text) and not _POSITIVE.fullmatch(text)]
        texts = sorted(set(said[np.isin(roles, negative)]))
        if negative and 0 < len(texts) <= 3 and not set(texts) & set(said[~np.isin(roles, negative)]):
            return texts, f"labels of {column!r} where {role!r} is {', '.join(map(repr, sorted(negative)))}"
    likely = [text for text in control_like(set(said) - {""}) if not _POSITIVE.fullmatch(text)]
    counts = ", ".join(f"{text!r} ({(said == text).sum()} rows)" for text in likely)
    return likely, f"labels of {column!r} that read like controls: {counts}"


def _blank(entities: pd.DataFrame, column: str, controls: Sequence[str]) -> list[str]:
    count = int((labels(entities[column]) == "").sum())
    if not count or "" in controls:
        return []
    return [
        f'{count} rows have no label in {column!r}. Where these wells are empty, add exclude = [""]; where they are '
        'controls, add "" to control.'
    ]


def _amount(entities: pd.DataFrame, names: dict[str, str]) -> list[Line]:
    columns = [names[name] for name in names if _DOSE.fullmatch(name)]
    texts = {name: labels(entities[name]) for name in reversed(columns)}
    numeric = [name for name, said in texts.items() if np.isfinite(numbers_in(said[said != ""])).all()]
    if not columns:
        return []
    if not numeric:
        return [_written(columns[0], texts[columns[0]])]
    column = numeric[0]
    asked = f"column {column!r}: {seen(entities[column])}"
    unit = next((names[name] for name in names if re.fullmatch(r".*(?:conc|dose|concentration)\w*_units?", name)), "")
    if unit:
        return [Line("dose", column, asked), Line("dose_unit", unit, f"column {unit!r}: {seen(entities[unit])}")]
    named = _UNIT.search(re.sub(r"[\[\]()_ ]", " ", column))
    known = _UNITS.get(named["unit"].casefold(), "") if named else ""
    if known:
        return [Line("dose", column, asked), Line("dose_unit", {"value": known}, f"the name of column {column!r}")]
    doubt = "the file does not say the unit of the dose"
    if "mmoles" in column:
        doubt = f"{column!r} names millimoles, but published tables of this name hold µM"
    return [Line("dose", column, asked, sure=False), Line("dose_unit", {"value": "uM"}, doubt, sure=False)]


def _written(column: str, said: np.ndarray) -> Line:
    """A dose that stands as text: which unit, and what to make of it."""
    found = {match["unit"] for text in said if (match := _WRITTEN.match(text))}
    shown = ", ".join(map(repr, sorted(set(said) - {""})[:3]))
    if not found:
        return Line("dose", column, f"column {column!r} holds no numbers ({shown}): which are the doses?", sure=False)
    units = ", ".join(sorted(found))
    asked = f"column {column!r} holds texts such as {shown}: write their numbers, in one unit of {units}, in a column"
    return Line("dose", column, asked, sure=False)


def _uncontrolled(entities: pd.DataFrame, plate: str, found: Sequence[Line]) -> list[str]:
    fields = {line.field: line.value for line in found if line.sure}
    if "control" not in fields:
        return []
    controls = fields["control"] if isinstance(fields["control"], list) else [fields["control"]]
    plates, is_control = labels(entities[plate]), np.isin(labels(entities[fields["perturbation"]]), controls)
    without = sorted(set(plates) - set(plates[is_control]))
    if not without:
        return []
    shown = ", ".join(without[:3])
    return [
        f"Without any control: {len(without)} of {len(set(plates))} plates ({shown}); nothing brings them to others."
    ]
