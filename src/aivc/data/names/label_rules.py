"""One target behind many labels: rules that take a gene out of a guide, and a compound and its dose out of a label."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from aivc.core.errors import PerturbationError, SchemaError

NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
# Symbols and ids that end in a number of their own, which is no number of a guide.
_NUMBERED = (
    r"(?i:nkx\d|krtap\d+|h[1-4]|ig[hkl][vdjc]\w*|tr[abgd][vdjc]\w*|rnu\d+|snor[ad]\d+|erv\w*|mir\w*|let|il|cd|bcl|pd|tp)-\d+"
    r"|ENS[A-Z]*\d{6,}\.\d+|[A-Z]{1,2}\d{5,6}\.\d+|(?:RP|CT|KB|XX)[A-Z]*\d*-\w+\.\d+"
)
_PREFIX = (
    r"(?:(?:sgRNA|sgrna|sg|gRNA|grna|guide|crRNA|shRNA|siRNA|sh|si)\d{0,3}[-_ ]|(?:sg|sh)(?=[A-Z])|g(?!RNA)(?=[A-Z]{2})"
    r"|si(?=[A-Z]{2})|\d+_(?=\w[-\w.]*_P\dP?\d?(?:_|$)))"
)
# What nobody takes for a part of a gene symbol: words for guides, a protospacer, a promoter.
_WORD = r"(?i:sgrna|grna|guide|sg|g)"
_MARK = (
    rf"[-_. ]{_WORD}[-_. #]?(?:\d{{1,3}}|[A-D])|(?<=[A-Z0-9])(?:sgRNA|gRNA|sg|g)[-_]?\d{{1,2}}"
    r"|[-_. ](?i:pos|positive)[-_. ]?(?i:ctrl|control)(?:[-_. ]?\d+)?|[-_][ACGTacgt]{17,23}"
    r"|_[+-]_\d+(?:\.\d+)?(?:-P1P2|-P\d)?|[-_]P\d(?:P\d)?(?:[-_]\d+|_ENS[A-Z]*\d+)?"
    r"|[-_. ](?i:tss|exon|ex|crrna|shrna|sirna|sh|si|ko|clone)[-_. #]?\d{1,3}"
    r"|[-_ ](?:KO|KD|OE|ko|kd|oe|(?i:knock-?out|knock-?down|crispr[ai]?))"
)
# A number behind a line or a point may be a guide's, or a part of the name.
_COUNT = r"_\d{1,3}|[-.#:]\d{1,2}|_[A-Da-d]| ?\(\d{1,2}\)"
_AHEAD_COUNT = r"\d{1,2}_"
_UNIT = (
    r"(?:[pnum\u00b5\u03bc]M|[pnu\u00b5\u03bc]m|UM|NM|(?i:(?:micro|nano|pico|milli)molar)|M"
    r"|(?:[pnum\u00b5\u03bc]g|I?U)(?:/|_per_)m?[lL])(?![A-Za-z0-9])"
)
_DOSE = rf"(?P<dose>{NUMBER})"
_BEHIND = rf"(?P<target>.+?)\s*[-_@:;, (\[]+\s*{_DOSE}"
_AHEAD = rf"{_DOSE}[ _]?(?P<unit>{_UNIT})[-_ ]+(?:of )?(?P<target>.+)"
_STRING = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_WRAPPED = rf"(?:(?:np\.|numpy\.)?float(?:16|32|64)\()?({NUMBER})\)?"
_TUPLE = rf"[(\[]\s*({_STRING})\s*,\s*{_WRAPPED}\s*(?:,\s*({_STRING})\s*)?,?\s*[)\]]"
_TUPLES = rf"[(\[]?\s*(?:{_TUPLE}\s*,?\s*)+[)\]]?"

# A duration behind a name: JQ1_24h, JQ1 24 hours, JQ1_1uM_3d.
_TIMED = (
    rf"(?P<target>.+?)\s*[-_@:;, (\[]+\s*(?P<hours>{NUMBER})[ _]?"
    r"(?P<time_unit>(?i:h|hrs?|hours?|d|days?|min|mins|minutes))\s*[)\]]?"
)
_STRICT_TIME = r".+(?:[-_@:;, (\[]\d{2,3}[ _]?(?i:h|d)|(?i:hrs?|hours?|days?|min|mins|minutes))\s*[)\]]?"
_IN_HOURS = {"h": 1.0, "d": 24.0, "m": 1 / 60}
# A dose in words: JQ1 low, JQ1_high_dose. What it is worth nobody says.
_LEVEL = (
    r"(?P<target>.+?)[-_ (]+(?i:(?:very[-_ ])?(?:low(?:est)?|lo|mid(?:dle)?|med(?:ium)?|high(?:est)?|hi)"
    r"(?:[-_ ]?(?:dose|conc(?:entration)?))?)\)?"
)

WHOLE, GUIDE, TUPLE, DOSED, TIMED = "whole", "guide", "drug-tuple", "dose-in-label", "hours-in-label"
RULES: dict[str, tuple[str, ...]] = {
    WHOLE: (),
    GUIDE: (rf"(?:{_PREFIX}|{_AHEAD_COUNT}(?=[A-Za-z]))?(?P<target>{_NUMBERED}|.+?)(?:{_MARK}|{_COUNT})?",),
    TUPLE: (),
    DOSED: (
        _AHEAD,
        rf"{_BEHIND}[ _]?(?P<unit>{_UNIT})\s*[)\]]?",
        _BEHIND + r"\s*[)\]]?",
    ),
    TIMED: (_TIMED,),
}
_STRICT_GUIDE = (
    rf"{_PREFIX}(?P<target>{_NUMBERED}|.+?)(?:{_MARK}|{_COUNT})?",
    rf"(?P<target>{_NUMBERED}|.+?)(?:{_MARK})",
)
_STRICT_DOSE = (*RULES[DOSED][:2], r"(?P<target>.+?)_(?P<dose>\d+\.\d+)")
_FIELDS = {"target", "dose", "unit", "hours"}


class LabelPart(NamedTuple):
    """One agent of a label.

    Attributes:
        target: Gene, compound or ligand.
        dose: Amount; None where the label says none.
        unit: Of the dose; empty where the label says none.
        hours: Duration; None where the label says none.
    """

    target: str
    dose: float | None = None
    unit: str = ""
    hours: float | None = None


def require_rule(labels: str) -> None:
    """Refuse what is no rule: neither a name in `RULES` nor a regular expression with the group ``target``.

    Raises:
        SchemaError: It is none.
    """
    if labels in RULES:
        return
    wanted = (
        f"labels is one of {', '.join(RULES)}, or a regular expression of the whole label with the group target, and "
        f"perhaps dose, unit and hours, such as (?P<target>.+)_[0-9]+; got {labels!r}."
    )
    try:
        groups = set(re.compile(labels).groupindex)
    except re.error as error:
        raise SchemaError(f"{wanted} It does not read as one: {error}.") from error
    if "target" not in groups or groups - _FIELDS:
        raise SchemaError(f"{wanted} Its groups are {', '.join(sorted(groups)) or 'none'}.")


def holds_dose(labels: str | None) -> bool:
    """Whether a rule takes doses out of labels."""
    return labels in (TUPLE, DOSED) or (labels is not None and labels not in RULES and "(?P<dose>" in labels)


def holds_hours(labels: str | None) -> bool:
    """Whether a rule takes durations out of labels."""
    return labels == TIMED or (labels is not None and labels not in RULES and "(?P<hours>" in labels)


@lru_cache(maxsize=200_000)
def parsed(label: str, labels: str | None) -> tuple[LabelPart, ...] | None:
    r"""Take a label apart by a rule; None where it does not follow the rule.

    >>> parsed("sgSTAT1_2", "guide")
    (LabelPart(target='STAT1', dose=None, unit='', hours=None),)
    >>> parsed("[('Alvespimycin', 5.0, 'uM')]", "drug-tuple")
    (LabelPart(target='Alvespimycin', dose=5.0, unit='uM', hours=None),)
    >>> [parsed(text, "dose-in-label")[0][:3] for text in ("0.2 uM drug", "drug_0.2")]
    [('drug', 0.2, 'uM'), ('drug', 0.2, '')]
    >>> parsed("JQ1_1uM_3d", "hours-in-label")
    (LabelPart(target='JQ1', dose=1.0, unit='uM', hours=72.0),)
    >>> parsed("JAK2 (clone 7)", r"(?P<target>\w+) \(clone \d+\)")
    (LabelPart(target='JAK2', dose=None, unit='', hours=None),)
    """
    if labels is None or labels == WHOLE:
        return (LabelPart(label),)
    if labels == TUPLE:
        return tuples(label)
    if labels == TIMED:
        return _timed(label)
    return _matched(label, RULES.get(labels, (labels,)))


def tuples(label: str) -> tuple[LabelPart, ...] | None:
    """Take apart a label that is written as a list of tuples of a name, a dose and a unit; None for others.

    >>> [part[:3] for part in tuples("[('A', 5.0, 'uM'), ('B', 1.0, 'uM')]")]
    [('A', 5.0, 'uM'), ('B', 1.0, 'uM')]
    """
    if label[:1] not in ("[", "(") or not _compiled(_TUPLES).fullmatch(label):
        return None
    found = _compiled(_TUPLE).findall(label)
    return tuple(LabelPart(_plain(target[1:-1]), float(dose), _plain(unit[1:-1])) for target, dose, unit in found)


def _timed(label: str) -> tuple[LabelPart, ...] | None:
    """A name and a duration, with a dose between them where its unit is stated."""
    found = _matched(label, (_TIMED,))
    if found is None:
        return None
    dosed = _matched(found[0].target, _STRICT_DOSE[:2])
    return tuple(part._replace(hours=found[0].hours) for part in dosed or found)


def timed(label: str) -> bool:
    """Whether a label ends in what can only be a duration: 24h or 3 days, while a compound may be called 3h.

    >>> timed("JQ1_24h"), timed("JQ1 (3 days)"), timed("Compound 3h"), timed("H3-3A")
    (True, True, False, False)
    """
    return _timed(label) is not None and _compiled(_STRICT_TIME).fullmatch(label) is not None


def behind_level(label: str) -> str:
    """The name in front of a dose in words; every other name as it is.

    >>> behind_level("JQ1 low"), behind_level("JQ1_high_dose"), behind_level("Allow"), behind_level("BI_2536")
    ('JQ1', 'JQ1', 'Allow', 'BI_2536')
    """
    found = _compiled(_LEVEL).fullmatch(label)
    return found["target"].strip() if found else label


@lru_cache(maxsize=100_000)
def gene_behind(target: str) -> str:
    """The gene of a name that can only be a guide's; every other name as it is.

    It needs no rule, so families of genes see through guides even where nobody declared them.

    >>> [gene_behind(name) for name in ("STAT1_g1", "CEBPAg1", "sgJAK2-2", "NKX2-1", "HLA-A", "SMG1")]
    ['STAT1', 'CEBPA', 'JAK2', 'NKX2-1', 'HLA-A', 'SMG1']
    """
    over = _timed(target) if timed(target) else None
    target = over[0].target if over else target
    found = _matched(target, _STRICT_GUIDE)
    return found[0].target if found else target


@lru_cache(maxsize=100_000)
def compounds_behind(target: str) -> tuple[str, ...]:
    """The compounds of a name that holds doses with their units, levels or durations; every other name as it is.

    >>> compounds_behind("0.2 uM Trametinib"), compounds_behind("Trametinib_0.2"), compounds_behind("BI_2536")
    (('Trametinib',), ('Trametinib',), ('BI_2536',))
    >>> compounds_behind("JQ1_24h"), compounds_behind("JQ1 low")
    (('JQ1',), ('JQ1',))
    """
    found = tuples(target) or (_timed(target) if timed(target) else None)
    if found is None:
        found = _matched(target, _STRICT_DOSE)
    return tuple(part.target for part in found) if found else (behind_level(target),)


def stated_dose(target: str) -> bool:
    """Whether a name holds doses that can be nothing else.

    >>> stated_dose("0.2 uM A"), stated_dose("A_0.2"), stated_dose("A_24h"), stated_dose("A low")
    (True, True, False, False)
    """
    return tuples(target) is not None or _matched(target, _STRICT_DOSE) is not None


def split(label: str, separator: str | None) -> list[str]:
    """Split a label where it joins agents; what stands in double quotes is one name, and loses its quotes.

    >>> split('"(+)-JQ1"+Trametinib', "+"), split("A+B", None)
    (['(+)-JQ1', 'Trametinib'], ['A+B'])

    Raises:
        PerturbationError: A part is empty, half a bracket, or a number beside names: the split goes through a name.
    """
    if separator is None:
        return [label]
    parts = [part.strip() for part in _pieces(label, separator)]
    if len(parts) > 1 and (why := _broken(parts)):
        raise PerturbationError(
            f"The separator {separator!r} cuts it into {' and '.join(map(repr, parts))}, {why}. Where it stands inside "
            f"a name, put the name in double quotes in the column, or choose a separator that stands in no name."
        )
    return [part[1:-1].strip() if len(part) > 2 and part[0] == part[-1] == '"' else part for part in parts]


def _pieces(label: str, separator: str) -> list[str]:
    if '"' not in label:
        return label.split(separator)
    # Quotes that open at the start of a part and close at its end keep what is between them together.
    each = rf'\s*"[^"]+"\s*(?={re.escape(separator)}|$)|(?:(?!{re.escape(separator)}).)*'
    parts, at = [], 0
    while at <= len(label):
        found = re.compile(each, re.DOTALL).match(label, at)
        assert found is not None, "the second branch matches the empty text"
        parts.append(found[0])
        at = found.end() + len(separator)
    return parts


def _broken(parts: Sequence[str]) -> str:
    if not all(parts):
        return "and a part is empty"
    if any(not balanced(part) for part in parts):
        return "and a bracket lies in two parts"
    numbers = [part for part in parts if re.fullmatch(r"[\d.]+", part)]
    return "and a part is only a number" if numbers and len(numbers) < len(parts) else ""


def balanced(text: str) -> bool:
    """Whether every bracket that opens is closed, and none closes that was not opened.

    >>> balanced("2i (LIF+MEKi)"), balanced(")-JQ1")
    (True, False)
    """
    expected: list[str] = []
    for letter in text:
        if letter in "([{":
            expected.append({"(": ")", "[": "]", "{": "}"}[letter])
        elif letter in ")]}" and (not expected or expected.pop() != letter):
            return False
    return not expected


def _matched(label: str, patterns: Sequence[str]) -> tuple[LabelPart, ...] | None:
    for pattern in patterns:
        if found := _compiled(pattern).fullmatch(label):
            said = found.groupdict()
            dose, hours = (_amount(said.get(name), name) for name in ("dose", "hours"))
            if hours is not None:
                hours *= _IN_HOURS[(said.get("time_unit") or "h")[0].lower()]
            return (LabelPart((said["target"] or "").strip(), dose, said.get("unit") or "", hours),)
    return None


def _amount(text: str | None, what: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise PerturbationError(f"The rule takes {text!r} for {what}. Correct labels in the schema.") from error


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).strip()
