"""What labels of a file show and its schema does not say: guides, doses and joined agents, and names that are cut."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation, kind_of
from aivc.data.io.label_agents import parts_of
from aivc.data.io.label_forms import Form, form_of, joined
from aivc.data.io.labels import labels, some
from aivc.data.io.schema import Constant, Schema, toml_value
from aivc.data.names.label_rules import WHOLE, gene_behind, parsed, split

_SHOWN = 3
_WELL = re.compile(r"[A-P](?:0[1-9]|1\d|2[0-4])")
# Signs that stand in hardly any name of an agent.
_SURE = ("+", "|", ";", "&")
# Symbols that hold a hyphen of their own.
_HYPHENATED = re.compile(
    r"(?i)(?:HLA|MT|H2|H[1-4]|NKX\d|KRTAP\d+|ERV\w*|TR[ABGD][VDJC]\w*|IG[HKL][VDJC]\w*|RNU\d+|SNOR[AD]\d+|RP\d+)-\w+"
)

_NO_SCHEMA = Schema(units="arbitrary", perturbation=Constant("control"))


class Named(NamedTuple):
    """A label, the kind of its agents, and the names that stand in it, before any rule is applied."""

    label: str
    kind: str
    names: tuple[str, ...]


def named(raw: pd.DataFrame, entities: np.ndarray, schema: Schema) -> list[Named]:
    """Different labels of a file, without controls and without those that cannot be understood.

    Args:
        raw: ``n`` rows in the words of the file.
        entities: ``(n,)`` their names, which are the labels where the schema names no other.
        schema: What the columns mean.
    """
    source = schema.perturbation
    if isinstance(source, Constant) or (source is not None and source not in raw):
        return []
    texts = entities if source is None else labels(raw[source])
    kinds = (
        labels(raw[schema.kind_column]) if schema.kind_column in raw.columns else np.full(len(raw), "", dtype=object)
    )
    pairs = pd.DataFrame({"label": texts, "kind": kinds}).drop_duplicates()
    found: list[Named] = []
    for label, kind in pairs.itertuples(index=False):
        if label and label not in schema.controls:
            found += _named(label, kind or schema.kind, schema)
    return found


def _named(label: str, kind: str | None, schema: Schema) -> Iterator[Named]:
    # What cannot be understood is reported where labels are translated.
    try:
        if kind is not None:
            kind_of(kind)
            names = [name for name in split(label, schema.separator) if name not in schema.controls]
            yield Named(label, kind, tuple(names))
            return
        for agent in Perturbation.parse(label).agents:
            yield Named(label, agent.kind, (agent.target,))
    except (PerturbationError, UnknownNameError):
        return


def label_problems(found: Iterable[Named], schema: Schema) -> list[str]:
    """What a schema has to say about its labels, and does not; and names that its separator cuts."""
    found = list(found)
    problems = _cut(found, schema)
    if schema.labels == WHOLE:
        return problems
    for genetic in (True, False):
        mine = [each for each in found if kind_of(each.kind).genetic == genetic]
        names = sorted({name for each in mine for name in each.names})
        plain = schema.kind is not None or schema.kind_column is not None
        form = form_of(names, genetic=genetic) if schema.labels is None else None
        problems += [_undeclared(form)] if form else []
        # A tuple and a name with a dose hold commas and signs of their own.
        if plain and (form is None or form.value in ("guide", WHOLE)) and schema.labels in (None, "guide"):
            # The strand in the name of a guide, STAT1_+_1234.23-P1P2, joins nothing.
            whole = [
                name for name in names if not genetic or set(_SURE) & set(gene_behind(name)) == set(_SURE) & set(name)
            ]
            both = joined(whole, schema.controls, genetic=genetic)
            if both and schema.separator is None:
                problems.append(_undeclared(both))
            elif both and both.value in _SURE:
                problems.append(_joined_otherwise(both, schema))
    return problems


def _undeclared(form: Form) -> str:
    line = f"{form.field} = {toml_value(form.value)}"
    parts = [
        part for text in form.shown for part in (parsed(text, form.value) if form.field == "labels" else None) or ()
    ]
    unit = (
        ' Some hold no unit: add also dose_unit = { value = "uM" }, or what it is.'
        if any(part.dose is not None and not part.unit for part in parts)
        else ""
    )
    many = f"{len(form.shown)} label{'s' if len(form.shown) > 1 else ''}"
    if form.field == "labels" and form.value == WHOLE:
        return (
            f"{many} read like {form.what}: {some(map(repr, form.shown))}. What the words are worth nobody says here. "
            "Where you know the amounts, write them into a column, and name the compound alone: dose, dose_unit. Where "
            'you do not, add labels = "whole" to the schema: each stays a condition of its own, and splits '
            "keep those of one name together."
        )
    return (
        f"{many} read like {form.what}, and the schema does not say so: {some(map(repr, form.shown))}. Add the line "
        f'{line} to the schema.{unit} Where they are names as they stand, add labels = "whole".'
    )


def _joined_otherwise(both: Form, schema: Schema) -> str:
    return (
        f"Labels are also joined by {both.value!r}, and the separator is {schema.separator!r}: "
        f"{some(map(repr, both.shown))}. Join all labels by one sign. Where these are names as they stand, add "
        'labels = "whole".'
    )


def _cut(found: Iterable[Named], schema: Schema) -> list[str]:
    separator = schema.separator
    if separator != "-":
        return []
    cut = [
        each.label
        for each in found
        if kind_of(each.kind).genetic
        and any(_HYPHENATED.fullmatch(f"{one}-{two}") for one, two in zip(each.names, each.names[1:], strict=False))
    ]
    if not cut:
        return []
    return [
        f"The separator '-' cuts {len(cut)} label{'s' if len(cut) > 1 else ''} inside the name of a gene: "
        f"{some(map(repr, cut))}. Put the gene in double quotes in the column, or choose another separator."
    ]


def measured_notes(perturbations: Iterable[str]) -> list[str]:
    """What targets of a measurement look like, which no schema was there to say."""
    found = [each for text in sorted(set(perturbations)) if text for each in _named(text, None, _NO_SCHEMA)]
    forms = (
        form_of(
            sorted({name for each in found if kind_of(each.kind).genetic == genetic for name in each.names}),
            genetic=genetic,
        )
        for genetic in (True, False)
    )
    return [
        f"{len(form.shown)} targets read like {form.what}: {some(map(repr, form.shown))}. Name the target alone, so "
        "that no split puts one of them into training and another into the test."
        for form in forms
        # Splits see through levels, and nothing else names these.
        if form and form.value != WHOLE
    ]


def only_one(perturbations: Iterable[str]) -> list[str]:
    """What can be learned from a screen of one perturbation, and what cannot; nothing to say of others.

    >>> only_one(["control", "ko:JAK2"])[0].split(":")[0]
    'ko'
    """
    names = sorted(set(perturbations) - {"", CONTROL})
    if len(names) != 1:
        return []
    return [
        f"{names[0]} is the only perturbation: what it does can be learned, and whether it does the same in another "
        "context or batch, if there are several. What any other perturbation does cannot be learned from it, none can "
        "be left out to test a method on, and intervals cannot be calibrated."
    ]


def label_notes(found: Iterable[Named], schema: Schema) -> list[str]:
    """What became of labels: the first splits, targets named twice, and what does not follow the declared rule."""
    found = list(found)
    plain = [each for each in found if schema.kind is not None or schema.kind_column is not None]
    return [*_splits(plain, schema), *_twice(plain, schema), *_rule(found, schema), *_wells(found)]


def _wells(found: list[Named]) -> list[str]:
    """Labels that are all names of wells say where, and not what."""
    names = sorted({name for each in found for name in each.names})
    if len(names) < _SHOWN or not all(map(_WELL.fullmatch, names)):
        return []
    return [
        f"All {len(names)} labels read like wells of a plate: {some(map(repr, names))}. If they are, name the column "
        "that says what was in them, or join the layout of the plate: metadata."
    ]


def _splits(found: list[Named], schema: Schema) -> list[str]:
    if schema.separator is None or not found:
        return []
    several = [each for each in found if len(split(each.label, schema.separator)) > 1]
    if not several:
        return [f"The separator {schema.separator!r} stands in no label. Leave it out of the schema."]
    shown = [f"{each.label!r} into {' and '.join(map(repr, each.names)) or 'controls'}" for each in several[:_SHOWN]]
    more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
    return [
        f"The separator {schema.separator!r} splits {len(several)} of {len(found)} labels: {', '.join(shown)}{more}."
    ]


def _twice(found: list[Named], schema: Schema) -> list[str]:
    twice = []
    for each in found:
        try:
            parts = parts_of(each.label, schema)
        except PerturbationError:
            continue
        if len(set(parts)) < len(parts):
            twice.append(each.label)
    if not twice:
        return []
    return [
        f"{len(twice)} labels name one target more than once, and it counts as one agent: {some(map(repr, twice))}."
    ]


def _rule(found: list[Named], schema: Schema) -> list[str]:
    if schema.labels in (None, WHOLE):
        return []
    names = sorted({name for each in found for name in each.names})
    others = [name for name in names if parsed(name, schema.labels) is None]
    taken = [name for name in names if (parts := parsed(name, schema.labels)) and parts[0].target != name]
    notes = []
    if taken:
        shown = [f"{name!r} is {_text(name, schema)}" for name in taken[:_SHOWN]]
        more = f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        notes.append(f"labels = {toml_value(schema.labels)}: {', '.join(shown)}{more}.")
    if others and schema.labels != "drug-tuple":
        notes.append(
            f"{len(others)} of {len(names)} labels do not follow labels = {toml_value(schema.labels)}, and are taken "
            f"for names as they stand: {some(map(repr, others))}."
        )
    return notes


def _text(name: str, schema: Schema) -> str:
    parts = parsed(name, schema.labels) or ()
    return " and ".join(
        part.target
        + ("" if part.dose is None else f" at {part.dose:g} {part.unit}".rstrip())
        + ("" if part.hours is None else f" for {part.hours:g} h")
        for part in parts
    )
