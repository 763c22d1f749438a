"""Turns the labels of a file into perturbations, contexts, donors and batches, and says which it cannot."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.units import HOURS, is_effect
from aivc.data.io.amount_texts import no_numbers
from aivc.data.io.label_agents import agents_of, plain_agents
from aivc.data.io.number_names import name_text, numbers_in
from aivc.data.io.schema import Constant, Schema, Source
from aivc.data.names.label_rules import holds_hours, parsed, split

_SHOWN = 5
_CONTROL_LIKE = re.compile(
    r"(?i)nt|ntc|neg\w*|.*(?:non|safe)[-_ ]?target.*|ctrl.*|.*control.*|dmso.*|vehicle|mock|untreated|unstim.*|scr\w*"
    r"|wt|none|pbs"
)
_CONTROL = re.compile(
    r"(?i)nt|ntc|non[-_ ]?targeting|ctrl|control|unperturbed|dmso(?:_tf)?|dimethyl sulfoxide|vehicle|mock|untreated"
    r"|unstimulated|pbs"
)


def some(items: Iterable[Any]) -> str:
    """Name the first few, and count the rest.

    >>> some(range(7))
    '0, 1, 2, 3, 4 and 2 more'
    """
    texts = list(map(str, items))
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")


def control_like(texts: Iterable[str]) -> list[str]:
    """Labels that read like controls: those that can mean nothing else, or, where there are none, those that might.

    >>> control_like(["NEGR1", "non-targeting", "TP53"]), control_like(["NEG_CTRL_3", "TP53"])
    (['non-targeting'], ['NEG_CTRL_3'])
    """
    known = sorted(set(texts))
    return [text for text in known if _CONTROL.fullmatch(text)] or [t for t in known if _CONTROL_LIKE.fullmatch(t)]


def labels(column: pd.Series) -> np.ndarray:
    """Return ``(n,)`` texts of a column, stripped (`name_text`); an empty text where it is blank.

    >>> labels(pd.Series([" a", None, 11707110.0])).tolist()
    ['a', '', '11707110']
    """
    codes, unique = pd.factorize(column, use_na_sentinel=True)
    return np.array([*map(name_text, unique), ""], dtype=object)[codes]


def _column(raw: pd.DataFrame, source: Source) -> np.ndarray | None:
    if isinstance(source, Constant):
        return labels(pd.Series([source.value], dtype=object)).repeat(len(raw))
    return labels(raw[source]) if source is not None and source in raw else None


def _numbers(raw: pd.DataFrame, source: Source, field: str) -> tuple[np.ndarray | None, list[str]]:
    texts = _column(raw, source)
    if texts is None:
        return None, []
    numbers = numbers_in(texts)
    wrong = sorted(set(texts[np.isnan(numbers) & (texts != "")]))
    return numbers, no_numbers(field, source, wrong, all_texts=sorted(set(texts) - {""}))


def _times(raw: pd.DataFrame, schema: Schema) -> tuple[np.ndarray | None, list[str]]:
    """``(n,)`` hours at which each entity was read; None where the schema or the file has none."""
    if schema.times is None and not schema.time_map:
        numbers, wrong = _numbers(raw, schema.time, "time")
        hours = None if numbers is None or schema.time_unit is None else numbers * HOURS[schema.time_unit]
    else:
        texts = _column(raw, schema.time)
        hours, wrong = (None, []) if texts is None else schema.time_rule.hours(texts)
    if hours is None:
        return None, wrong
    if not wrong and (lost := int((~np.isfinite(hours)).sum())):
        wrong = [f"{lost} of {len(hours)} entities have no finite time. Fill the column in, or leave time out."]
    return hours, wrong


def translated(
    raw: pd.DataFrame, names: np.ndarray, schema: Schema, *, controls: bool = True
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Translate the columns that the schema names into ours.

    Args:
        raw: ``n`` rows in the words of the file.
        names: ``(n,)`` names of entities, which are the labels where the schema names no other.
        schema: What the columns mean.
        controls: Ask for control entities.

    Returns:
        Our columns, each ``(n,)``, and what keeps them from being used.
    """
    columns: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for field in ("dose", "hours", "cells"):
        numbers, wrong = _numbers(raw, getattr(schema, field), field)
        columns |= {} if numbers is None else {field: numbers}
        problems += wrong
    times, wrong = _times(raw, schema)
    columns |= {} if times is None else {"time": times}
    problems += wrong
    answer = names if schema.perturbation is None else _column(raw, schema.perturbation)
    if answer is not None and holds_hours(schema.labels):
        columns["hours"], wrong = _hours_in(answer, schema)
        problems += wrong
    if answer is not None:
        columns["perturbation"], wrong = _perturbations(raw, answer, columns, schema)
        problems += [
            *wrong,
            *(
                _no_control(answer, columns["perturbation"], schema)
                if controls and schema.zero_dose != "control"
                else []
            ),
        ]
    if (clones := _column(raw, schema.clone)) is not None:
        # A cell without a mark is of no known clone.
        columns["clone"] = clones
    for field in ("context", "donor", "batch", "section", "cell_type"):
        if (texts := _column(raw, getattr(schema, field))) is not None:
            columns[field] = np.where(texts == "", schema.blank or "", texts)
            # A cell whose type is not known is a cell none the less.
            problems += _blank(field, columns[field]) if field != "cell_type" else []
    return columns, problems


def _hours_in(texts: np.ndarray, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """``(n,)`` durations that labels say, of controls too; NaN where they say none."""
    codes, unique = pd.factorize(texts)
    found, problems = [], []
    for label in unique:
        try:
            parts = [part for piece in split(label, schema.separator) for part in parsed(piece, schema.labels) or ()]
        except PerturbationError:
            # Reported where the label is translated.
            parts = []
        hours = sorted({part.hours for part in parts if part.hours is not None})
        if len(hours) > 1:
            problems.append(
                f"Label {label!r} says {len(hours)} durations ({some(f'{h:g} h' for h in hours)}), and a perturbation "
                "has one. Put the duration of the whole into a column, hours."
            )
        found.append(hours[0] if len(hours) == 1 else np.nan)
    return np.array(found, dtype=np.float64)[codes], problems


def _blank(field: str, texts: np.ndarray) -> list[str]:
    count = int((texts == "").sum())
    remedy = "Label them, or drop them." if field == "perturbation" else 'Label them, or name them: blank = "unknown".'
    if field == "perturbation":
        remedy = 'Label them; or leave them out, exclude = [""]; or, if they are unperturbed, add "" to control.'
    return [f"{count} of {len(texts)} entities have no {field}. {remedy}"] if count else []


def _perturbations(
    raw: pd.DataFrame, labels: np.ndarray, columns: dict[str, np.ndarray], schema: Schema
) -> tuple[np.ndarray, list[str]]:
    n = len(labels)
    nothing = np.full(n, "", dtype=object)
    kinds, units = (_column(raw, source) for source in (schema.kind_column, schema.dose_unit))
    keys = pd.DataFrame(
        {"label": labels, "kind": nothing if kinds is None else kinds, "unit": nothing if units is None else units}
    )
    keys["dose"], keys["hours"] = columns.get("dose", np.full(n, np.nan)), columns.get("hours", np.full(n, np.nan))
    codes = keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()
    unique = keys[~pd.Series(codes).duplicated()]
    texts: list[str] = []
    problems: dict[str, list[str]] = {}
    plain: list[str] = []
    for label, kind, unit, dose, hours in unique.itertuples(index=False):
        texts.append("")
        try:
            texts[-1] = _text(label, kind or schema.kind, unit, dose, hours, schema)
        except (PerturbationError, UnknownNameError) as error:
            if not (kind or schema.kind or ":" in label):
                plain.append(label)
                continue
            problems.setdefault(str(error), []).append(label)
    translated = np.array(texts, dtype=object)[codes]
    unsaid = (
        f"Labels name a target, but not what was done to it: {some(dict.fromkeys(plain))}. Say it in the schema, "
        'such as kind = "ko" (or crispri, crispra, oe, drug, ligand), or write labels as ko:TP53.'
    )
    found = [f"Label {name[0]!r}: {text}" for text, name in list(problems.items())[:_SHOWN]]
    if len(problems) > _SHOWN:
        found.append(
            f"{len(problems) - _SHOWN} more labels could not be understood. Check kind and separator in the schema."
        )
    return translated, [
        *([unsaid] if plain else []),
        *found,
        # What has a label, but one that could not be translated, is reported by that.
        *([] if problems or plain else _blank("perturbation", np.where(translated == "", labels, translated))),
    ]


def _text(label: str, kind: str | None, unit: str, dose: float, hours: float, schema: Schema) -> str:
    if label in schema.controls:
        return CONTROL
    if not label:
        return ""
    duration = None if np.isnan(hours) else float(hours)
    if kind is None:
        said = Perturbation.parse(label)
        if said.is_control and schema.controls:
            # Another label was declared: only that is believed.
            return ""
        # A duration in the label says more than a column does.
        hours_said = duration if said.hours is None and not said.is_control else said.hours
        return str(Perturbation(tuple(plain_agents(said.agents, schema)), hours_said))
    agents = agents_of(label, kind, (None if np.isnan(dose) else float(dose), unit), schema)
    return str(Perturbation(agents, duration)) if agents else CONTROL


def _no_control(labels: np.ndarray, translated: np.ndarray, schema: Schema) -> list[str]:
    # A column may lack a control by mistake; a file said to be all of one perturbation lacks it by declaration.
    declared = isinstance(schema.perturbation, Constant)
    if declared or is_effect(schema.units) or (translated == CONTROL).any():
        return []
    known = sorted(set(labels) - {""})
    likely = [label for label in known if _CONTROL_LIKE.fullmatch(label)]
    near = [m for label in schema.controls for m in difflib.get_close_matches(label, known, n=2, cutoff=0.6)]
    guesses = list(dict.fromkeys([*near, *likely]))[:_SHOWN]
    hint = f"Did you mean {' or '.join(map(repr, guesses))}?" if guesses else f"Labels are: {some(known)}."
    wanted = " or ".join(map(repr, schema.controls)) or "'control'"
    return [f"No entity is a control: none is labeled {wanted}. {hint} Correct control in the schema."]
