"""What labels look like: guides of a gene, doses of a compound, or several agents joined, each with its evidence."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aivc.data.io.labels import control_like
from aivc.data.names.label_rules import (
    DOSED,
    GUIDE,
    TIMED,
    TUPLE,
    WHOLE,
    balanced,
    behind_level,
    gene_behind,
    parsed,
    stated_dose,
    timed,
    tuples,
)

# These stand in names of no gene; in names of compounds they are looked at twice.
_JOINERS = ("+", "|", ";", "&", ",")
_ALSO_IN_NAMES = ("_", "-", "/", " and ", " with ", " plus ")
_LOWER = re.compile(r"(?P<target>.*[a-z])g\d{1,2}")
_SERIES = re.compile(r"(?P<target>.+?)[_@ :-](?P<dose>\d+(?:\.\d+)?)")
# In front of g and a number these are families of mouse genes: Alg1, Atg5, Plcg2.
_MOUSE_FAMILIES = re.compile(
    "Abc|Al|An|At|Ba|Cacn|Dl|Dna|Fi|Gn|In|Ir|Kcn|La|Lamtor|Li|Lri|Neuro|Nr|Pa|Pi|Plc|Prk|Ra|Re|Sa|Sc|Sm|Spa|Syn|Ta|Ube2|Z"
)
_SHARED = 2
_NUMBER = re.compile(r"\d+(?:\.\d+)?[eE]\+\d+")


class Form(NamedTuple):
    """A form that labels show.

    Attributes:
        field: Of the schema: ``labels`` or ``separator``.
        value: What the schema would say.
        what: What such a label is.
        shown: Labels that show it.
    """

    field: str
    value: str
    what: str
    shown: tuple[str, ...]


def form_of(names: Collection[str], *, genetic: bool) -> Form | None:
    """Say whether names hold more than a target: a guide's number, or a dose.

    A mark that can be nothing else is enough; a plain number must recur, as it does where a screen has several guides
    for a gene or several doses of a drug.

    >>> form_of(["STAT1_1", "STAT1_2", "JAK2_1"], genetic=True).value
    'guide'
    >>> form_of(["NKX2-1", "NKX2-5", "HLA-A"], genetic=True) is None
    True
    """
    if tupled := [name for name in names if tuples(name)]:
        return Form("labels", TUPLE, "lists of tuples of a name, a dose and a unit", tuple(tupled))
    if lasting := _lasting(names):
        return Form("labels", TIMED, "a name and a duration", tuple(lasting))
    return _guides(names) if genetic else _doses(names)


def _lasting(names: Collection[str]) -> list[str]:
    """Names with a duration: those that can have no other sense, or the same name and several durations."""
    if sure := [name for name in names if timed(name)]:
        return sure
    found = {name: parts[0] for name in names if (parts := parsed(name, TIMED))}
    stems = [part.target for part in found.values()]
    hours = [part.hours for part in found.values()]
    recurs = len(set(stems)) < len(stems) and len(set(hours)) < len(hours)
    return list(found) if recurs else []


def _guides(names: Collection[str]) -> Form | None:
    low = {name: found["target"] for name in names if (found := _LOWER.fullmatch(name))}
    low = {name: stem for name, stem in low.items() if not _MOUSE_FAMILIES.fullmatch(stem)}
    stems = list(low.values())
    # In mouse the last letters of a symbol are small, so one such name may be a gene: Alg1, Plcg1.
    if len(set(stems)) >= _SHARED and all(stems.count(stem) > 1 for stem in stems):
        return Form("labels", "(?P<target>.+)g[0-9]+", "guides of a gene", tuple(low))
    if marked := [name for name in names if gene_behind(name) != name]:
        return Form("labels", GUIDE, "guides of a gene", tuple(marked))
    # Numbered controls are no guides of a gene.
    counted = {name: _target(name) for name in names if not control_like([name])}
    shown = [name for name, target in counted.items() if target != name]
    if _recurs([counted[name] for name in shown], names):
        return Form("labels", GUIDE, "guides of a gene", tuple(shown))
    return None


def _target(name: str) -> str:
    found = parsed(name, GUIDE)
    return found[0].target if found else name


def _recurs(stems: Sequence[str], names: Collection[str]) -> bool:
    return len(set(stems)) >= _SHARED and (len(set(stems)) < len(stems) or bool(set(stems) & set(names)))


def _doses(names: Collection[str]) -> Form | None:
    what = "a name and a dose"
    if dosed := [name for name in names if stated_dose(name)]:
        return Form("labels", DOSED, what, tuple(dosed))
    series: dict[str, set[str]] = defaultdict(set)
    found = {name: match for name in names if (match := _SERIES.fullmatch(name))}
    for match in found.values():
        series[match["target"]].add(match["dose"])
    several = [doses for doses in series.values() if len(doses) >= _SHARED]
    # The same two numbers behind two names are doses; BI_2536 and BI_6727 are names.
    if any(len(one & other) >= _SHARED for i, one in enumerate(several) for other in several[:i]):
        return Form("labels", DOSED, what, tuple(found))
    return _levels(names)


def _levels(names: Collection[str]) -> Form | None:
    """Two levels of one name, or a level beside the bare name: one alone may be a name, such as ``Ki67 high``."""
    stems = {name: stem for name in names if (stem := behind_level(name)) != name}
    shown = [name for name, stem in stems.items() if stem in names or list(stems.values()).count(stem) > 1]
    return Form("labels", WHOLE, "a name and a dose in words", tuple(shown)) if shown else None


def joined(names: Collection[str], controls: Collection[str], *, genetic: bool) -> Form | None:
    """Say whether names join several agents, and by what.

    >>> joined(["JAK2+ctrl", "MYC"], ["ctrl"], genetic=True).value
    '+'
    >>> joined(["(+)-JQ1", "2i (LIF+MEKi)", "HLA-A"], ["DMSO"], genetic=False) is None
    True
    """
    known = {*names, *controls}
    for joiner in (*_JOINERS, *_ALSO_IN_NAMES):
        sure = joiner == "+" or (genetic and joiner in _JOINERS)
        both = [name for name in names if _joins(name, joiner, known, sure=sure)]
        if genetic and joiner == "_":
            both += [name for name in names if name not in both and _beside_control(name, joiner, controls)]
        if both:
            return Form("separator", joiner, "several agents joined", tuple(both))
    return None


def _beside_control(name: str, joiner: str, controls: Collection[str]) -> bool:
    """Whether a name is a gene and a control, as in JAK2_ctrl: a gene that was perturbed alone."""
    parts = name.split(joiner)
    others = [part for part in parts if part not in controls and not control_like([part])]
    return len(parts) == 2 and all(parts) and len(others) == 1


def _joins(name: str, joiner: str, known: Collection[str], *, sure: bool) -> bool:
    if joiner not in name or not balanced(name):
        return False
    # What stands in brackets belongs to one name.
    outside = name
    while (shorter := re.sub(r"[(\[{][^()\[\]{}]*[)\]}]", "", outside)) != outside:
        outside = shorter
    if joiner not in outside:
        return False
    parts = [part.strip() for part in (outside if sure else name).split(joiner)]
    if not all(parts):
        return False
    if not sure:
        return all(part in known for part in parts)
    # What joins agents stands between names: 1.2e+07 is a number, and Na+/K+ two ions.
    return _NUMBER.fullmatch(name) is None and all(part[0].isalnum() or part[0] in "([-'\"" for part in parts)
