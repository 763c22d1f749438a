"""Columns of doses and durations: logs that would pass for amounts, and amounts that no line of the schema names."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.units import is_effect
from aivc.data.io.labels import labels, some
from aivc.data.io.number_names import numbers_in
from aivc.data.io.schema import Schema, toml_value
from aivc.data.names.label_rules import holds_dose, holds_hours

_LOG = re.compile(r"(?i)(?:.*[^a-z])?p?(?P<base>log(?:10|2|e|1p)?|ln)(?:[^a-z].*)?|log(?:dose|conc).*")
_MINUS = re.compile(r"(?i)^\s*-|(?:^|[^a-z])(?:p|neg(?:ative)?[_. -]?)l(?:og|n)")
_DOSE = re.compile(
    r"(?i)(?:.*[_. -])?(?:doses?|dosage|conc|concentration|amount)"
    r"(?:[_. -]*[(\[]?(?:val|value|[pnumµμ]m|[numµμ]g.*|num|level)[)\]]?)?"
)
_HOURS = re.compile(
    r"(?i)(?:.*[_. -])?(?:time|timepoint|time[_. -]point|hours?|hrs?|duration|days?)"
    r"(?:[_. -]?(?:h|hr|hrs|hours?|d|days?))?"
)
_NUMBER = re.compile(r"(?i)\s*(?:d|day|h|hr|t)?[ _]?(?P<number>\d+(?:\.\d+)?)\s*[^\d\s]{0,8}\s*")
# Of the perturbations with several cells, so many show several amounts before a column is spoken of.
_SHARE, _MOST = 0.2, 40


def log_doses(raw: pd.DataFrame, schema: Schema) -> list[str]:
    """Refuse a column of doses that holds logs: by its name, or by amounts below zero.

    Args:
        raw: ``n`` rows in the words of the file.
        schema: Names the column.
    """
    column = schema.dose
    if not isinstance(column, str) or column not in raw:
        return []
    numbers = numbers_in(labels(raw[column]))
    finite = numbers[np.isfinite(numbers)]
    named = _LOG.fullmatch(column)
    below = set(finite[finite < 0])
    # One whole number below zero, such as -666, marks what is missing, and is refused where it stands.
    marked = len(below) == 1 and min(below).is_integer()
    if not len(finite) or not (named or (below and not marked)):
        return []
    lowest, largest = finite.min(), finite.max()
    why = f"its name says so, and values lie from {lowest:g} to {largest:g}" if named else f"{lowest:g} is below zero"
    base = (named["base"] or "log10").casefold() if named else "log10"
    sign = "-" if named and _MINUS.search(column) else ""
    back = {"log2": "2.0 **", "ln": "numpy.exp", "loge": "numpy.exp", "log1p": "numpy.expm1"}.get(base, "10.0 **")
    power = f"{back} {sign}obs[{column!r}]" if back.endswith("**") else f"{back}({sign}obs[{column!r}])"
    return [
        f"The doses in {column!r} read like logs of amounts: {why}. Take them back, such as obs['dose_amount'] = "
        f'{power}, find out the unit of that (a log10 of mol/l gives M), and write dose = "dose_amount". Where they '
        "are amounts, rename the column and correct what is below zero."
    ]


def unnamed_amounts(raw: pd.DataFrame, columns: Mapping[str, np.ndarray], schema: Schema) -> list[str]:
    """Note columns that read like doses or durations, vary within perturbations, and are not in the schema.

    Args:
        raw: ``n`` rows in the words of the file.
        columns: Translated (`aivc.data.io.labels.translated`).
        schema: What the columns mean.
    """
    if "perturbation" not in columns or is_effect(schema.units):
        return []
    texts = columns["perturbation"]
    given = (texts != CONTROL) & (texts != "")
    taken = {*schema.columns.values(), *schema.describe}
    found = []
    for field, pattern, declared in _asked(schema):
        # Where one column is named, others of its kind are its unit, its rank or its text.
        if declared:
            continue
        for name in raw:
            if str(name) in taken or not pattern.fullmatch(str(name)):
                continue
            said = labels(raw[name])
            numbers = [text for text in set(said) - {""} if _NUMBER.fullmatch(text)]
            varying = _varying(said[given], texts[given])
            if len(numbers) > 1 and varying and len(numbers) <= _MOST:
                found.append(_note(field, str(name), numbers, varying))
    return found


def _asked(schema: Schema) -> Iterator[tuple[str, re.Pattern[str], bool]]:
    yield "dose", _DOSE, schema.dose is not None or holds_dose(schema.labels)
    yield "hours", _HOURS, schema.hours is not None or schema.time is not None or holds_hours(schema.labels)


def _varying(said: np.ndarray, texts: np.ndarray) -> list[str]:
    """Perturbations whose rows show several amounts, where they are more than a few."""
    pairs = pd.DataFrame({"said": said, "text": texts})
    pairs = pairs[pairs["said"] != ""]
    grouped = pairs.groupby("text")["said"]
    several = grouped.nunique()[grouped.size() > 1]
    found = [str(text) for text, count in several.items() if count > 1]
    return found if len(found) > _SHARE * max(len(several), 1) else []


def _note(field: str, name: str, numbers: list[str], varying: list[str]) -> str:
    shown = some(sorted(numbers, key=lambda text: float(_NUMBER.fullmatch(text)["number"])))  # type: ignore[index]
    lines = {
        "dose": f'dose = {toml_value(name)} and dose_unit = {{ value = "uM" }}, or what the unit is',
        "hours": f"hours = {toml_value(name)}, if these are hours",
    }
    return (
        f"Column {name!r} reads like {'doses' if field == 'dose' else 'durations'} ({shown}) and varies within "
        f"{len(varying)} perturbations, such as {varying[0]}; the schema does not name it, so they are pooled. To keep "
        f"them apart, add {lines[field]}."
    )
