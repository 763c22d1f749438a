"""Doses and durations that came as text: which line of the schema says what stands in them."""

import re
from collections.abc import Sequence

_NUMBER = r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_WITH_UNIT = re.compile(rf"{_NUMBER}\s*(?P<unit>[^\s\d.,+/-][^\s]*)")
_COMMA = re.compile(r"[+-]?\d+,\d+(?P<unit>\s*[^\s\d.,+-][^\s]*)?")
# A comma in front of three digits may stand for a thousand.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_NOTHING = re.compile(r"(?i)nan|<?na>?|n/a|none|null|nat|-+|\?+|\.+|unknown")
# Hours in what people write for a unit of time.
_HOURS = {
    "h": 1.0, "hr": 1.0, "hrs": 1.0, "hour": 1.0, "hours": 1.0, "d": 24.0, "day": 24.0, "days": 24.0, "min": 1 / 60,
    "mins": 1 / 60, "minutes": 1 / 60,
}  # fmt: skip
_SHOWN = 5


def no_numbers(field: str, column: object, texts: Sequence[str], *, all_texts: Sequence[str] = ()) -> list[str]:
    """Say what stands in a column of numbers instead, and the line of the schema that says so.

    Args:
        field: Of the schema, such as ``dose``.
        column: Name of the column, or the constant, that the schema names for it.
        texts: Those that are no numbers, each once.
        all_texts: All that stand there, each once.

    >>> no_numbers("hours", "t", ["24hr"], all_texts=["24hr"])[0].split(". ")[1]
    'Every entity has the same: hours = { value = 24 }.'
    """
    if not texts:
        return []
    shown = ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")
    lead = f"{field} is a number for every entity, got {shown}."
    remedies = [*_of_units(field, column, texts, all_texts or texts), *_of_commas(texts)]
    remedies += _of_nothing(column, texts)
    forms = (_WITH_UNIT, _COMMA, _THOUSANDS, _NOTHING)
    others = [text for text in texts if not any(form.fullmatch(text) for form in forms)]
    if others and remedies:
        remedies.append(f"Correct {others[0]!r}, which is no number.")
    elif others:
        remedies.append(
            f"Correct the column; if these are levels and no amounts, leave {field} out and make them part of the "
            "labels."
        )
    return [" ".join([lead, *remedies])]


def _of_units(field: str, column: object, texts: Sequence[str], all_texts: Sequence[str]) -> list[str]:
    found = [match for text in texts if (match := _WITH_UNIT.fullmatch(text))]
    found += [match for text in texts if (match := _COMMA.fullmatch(text)) and match["unit"]]
    if not found:
        return []
    units = sorted({match["unit"].strip() for match in found})
    if field == "hours":
        return [_duration(all_texts, units)]
    if field == "time":
        return [
            f'Keep the numbers, and say their unit in the schema, such as time_unit = "h" (got {", ".join(units)}); or '
            'leave the texts as they are, and declare times = "stated".'
        ]
    if field != "dose":
        return [f"Keep the numbers, and drop {', '.join(map(repr, units))}."]
    # Nothing of something is nothing in any unit.
    bare = any(text not in texts and text.strip("+-0.") for text in all_texts)
    unsaid = " Some doses say no unit: find out theirs first." if bare else ""
    if len(units) == 1:
        line = f'dose_unit = {{ value = "{units[0]}" }}'
        return [f"Keep the numbers in {column!r} and say their unit in the schema: {line}.{unsaid}"]
    return [
        f"Keep the numbers in {column!r} and put the units ({', '.join(units)}) into a column of their own: "
        f'dose_unit = "dose_unit".{unsaid}'
    ]


def _duration(all_texts: Sequence[str], units: Sequence[str]) -> str:
    match = _WITH_UNIT.fullmatch(all_texts[0])
    scale = _HOURS.get(match["unit"].casefold()) if match else None
    if len(all_texts) == 1 and match and scale:
        return f"Every entity has the same: hours = {{ value = {float(match['number']) * scale:.10g} }}."
    ways = ", ".join(f"{unit!r} times {_HOURS[unit.casefold()]:.4g}" for unit in units if unit.casefold() in _HOURS)
    return f"Write numbers of hours without their unit{f' ({ways})' if ways else ''}."


def _of_commas(texts: Sequence[str]) -> list[str]:
    commas = [text for text in texts if _COMMA.fullmatch(text) or _THOUSANDS.fullmatch(text)]
    thousands = [text for text in commas if _THOUSANDS.fullmatch(text)]
    if commas and len(thousands) == len(commas):
        bare, point = commas[0].replace(",", ""), commas[0].replace(",", ".", 1)
        return [f"The comma of {commas[0]!r} may stand for thousands or decimals: write {bare} or {point}."]
    decimal = next((text for text in commas if text not in thousands), "")
    return [f"Write the decimal comma of {decimal!r} as a point: {decimal.replace(',', '.')}."] if decimal else []


def _of_nothing(column: object, texts: Sequence[str]) -> list[str]:
    if not any(map(_NOTHING.fullmatch, texts)):
        return []
    return [f"Leave blank what has no number: obs[{column!r}] = pandas.to_numeric(obs[{column!r}], errors='coerce')."]
