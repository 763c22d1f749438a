"""One thing under several names: a cell line in two spellings, a compound and its salt, a unit in two letters."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable

import pandas as pd

from aivc.core.dose_units import amount, quantity, spelled
from aivc.core.perturbation import kind_of
from aivc.data.io.label_checks import Named
from aivc.data.io.labels import labels, some
from aivc.data.io.schema import Constant, Schema
from aivc.data.names.compound_names import compound
from aivc.data.names.label_rules import parsed


def spelling_key(name: str) -> str:
    """Equal for spellings of one name: case, and single signs between letters, do not count.

    Signs between two digits do, and so do signs at the end of a word: CD4+ and CD4- are two things.

    >>> spelling_key("MCF-7") == spelling_key("mcf7") == spelling_key("MCF 7")
    True
    >>> spelling_key("1-0") == spelling_key("10"), spelling_key("CD4+ T") == spelling_key("CD4- T")
    (False, False)
    """
    return re.sub(r"(?<=[^\W_])[-_. /](?=[^\W_])(?:(?<!\d.)|(?!\d))", "", _visible(name)).casefold()


def _gene_key(name: str) -> str:
    return _visible(name).casefold()


def _visible(name: str) -> str:
    """A name without letters that nobody sees, such as a space of no width, and with one form of each other."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf").strip()


def spelling_problems(raw: pd.DataFrame, found: Iterable[Named], schema: Schema) -> list[str]:
    """Contexts and targets that stand under two spellings, each with the remedy."""
    problems = []
    if isinstance(schema.context, str) and schema.context in raw:
        groups = _groups(set(labels(raw[schema.context])) - {""}, spelling_key)
        problems += [_problem("contexts", names, f"obs[{schema.context!r}]") for names in groups]
    column = f"obs[{schema.perturbation!r}]" if isinstance(schema.perturbation, str) else "the labels"
    for genetic in (True, False):
        groups = _groups(_targets(found, schema, genetic=genetic), _gene_key if genetic else spelling_key)
        problems += [_problem("targets", names, column) for names in groups]
    return problems


def _problem(what: str, names: list[str], column: str) -> str:
    first, *others = names
    renamed = "{" + ", ".join(f"{name!r}: {first!r}" for name in others) + "}"
    remedy = (
        f"{column} = {column}.astype(str).replace({renamed})" if column.startswith("obs") else f"write all as {first!r}"
    )
    return f"The {what} hold one name in {len(names)} spellings: {', '.join(map(repr, names))}. Use one: {remedy}."


def spelling_notes(raw: pd.DataFrame, found: Iterable[Named], schema: Schema) -> list[str]:
    """Compounds that stand beside their salts or other names, and units that were brought to one."""
    found = list(found)
    targets = _targets(found, schema, genetic=False)
    same = [names for names in _groups(targets, compound) if len({spelling_key(name) for name in names}) > 1]
    notes = [
        f"{', '.join(map(repr, names))} are one compound under {len(names)} names, so splits keep them together; as "
        "perturbations they stay apart. Write one name for all if they are one condition."
        for names in same
    ]
    return [*notes[:5], *_units(raw, found, schema)]


def _targets(found: Iterable[Named], schema: Schema, *, genetic: bool) -> set[str]:
    mine = (each for each in found if kind_of(each.kind).genetic == genetic)
    names = {name for each in mine for name in each.names}
    return {part.target for name in names for part in parsed(name, schema.labels) or ()} | {
        name for name in names if parsed(name, schema.labels) is None
    }


def _units(raw: pd.DataFrame, found: Iterable[Named], schema: Schema) -> list[str]:
    source = schema.dose_unit
    units = {str(source.value)} if isinstance(source, Constant) else set()
    if isinstance(source, str) and source in raw:
        units = set(labels(raw[source]))
    units |= {part.unit for each in found for name in each.names for part in parsed(name, schema.labels) or ()}
    changed = sorted(unit for unit in units - {""} if quantity(unit) != unit)
    if not changed:
        return []
    others = [unit for unit in changed if spelled(unit) != quantity(unit)]
    scaled = (
        f" Amounts were converted: 1 {others[0]} is {amount(1.0, others[0]):g} {quantity(others[0])}." if others else ""
    )
    wanted = sorted({quantity(unit) for unit in changed})
    return [f"Doses in {some(changed)} are named in {some(wanted)}, so that one dose has one name.{scaled}"]


def _groups(names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        found[key(name)].append(name)
    return [group for group in found.values() if len(group) > 1]
