"""What a number means. Units are declared, never guessed from the values."""

import re
from decimal import Decimal

from aivc.core.errors import UnitsError

COUNTS = "counts"
# Of predictions: means of counts that a model states, so fractions, and below zero by a little.
EXPECTED_COUNTS = "expected_counts"
INTENSITY = "intensity"
LOG_INTENSITY = "log_intensity"
ARBITRARY = "arbitrary"

# Effect-level units: the control is zero by definition, so such tables carry no control rows.
EFFECTS = ("log2fc", "normal_score", "zscore", "score", "rank")
# Hours in a unit of time.
HOURS = {"h": 1.0, "s": 1 / 3600, "min": 1 / 60, "d": 24.0}
_SPOKEN = {
    "log2fc": "log₂ fold change",
    "zscore": "z score",
    "normal_score": "normal score",
    "counts": "counts per cell",
}
_LOG1P = re.compile(r"log1p_cp(\d+(?:\.\d+)?)(k?)")


def parse_units(text: str) -> str:
    """Return the canonical spelling of declared units.

    Args:
        text: ``counts``, ``log1p_cpN`` (natural log of one plus counts scaled to N per cell; ``k`` means thousand),
            ``intensity``, ``log_intensity``, ``arbitrary``, one of the effect-level units in `EFFECTS`, or, of
            predictions only, ``expected_counts`` (means of counts, not whole; those below zero are read as zero).

    Raises:
        UnitsError: The text names no units we know.

    >>> parse_units("log1p_cp10000")
    'log1p_cp10k'
    """
    if text in (COUNTS, EXPECTED_COUNTS, INTENSITY, LOG_INTENSITY, ARBITRARY, *EFFECTS):
        return text
    match = _LOG1P.fullmatch(text)
    if not match or float(match[1]) <= 0:
        raise UnitsError(
            "Units must be one of counts, log1p_cp10k (or any log1p_cpN), intensity, log_intensity, arbitrary, "
            f"{', '.join(EFFECTS)}, or expected_counts in predictions; got {text!r}. Declare what the values are in "
            'the schema: units = "counts".'
        )
    return log1p_units(float(match[1]) * (1000 if match[2] else 1))


def log1p_units(target: float) -> str:
    """Name the units of ``log1p(count * target / total)``.

    >>> log1p_units(193.0)
    'log1p_cp193'
    """
    number, suffix = (target / 1000, "k") if target % 1000 == 0 else (target, "")
    # Every digit, and never an exponent: units that read alike are alike.
    return f"log1p_cp{Decimal(repr(float(number))):f}".removesuffix(".0") + suffix


def log1p_target(units: str) -> float | None:
    """Return N of ``log1p_cpN``, or None for other units."""
    match = _LOG1P.fullmatch(units)
    return float(match[1]) * (1000 if match[2] else 1) if match else None


def is_effect(units: str) -> bool:
    """Whether values are effects (differences from control) rather than states."""
    return units in EFFECTS


def require_units(asker: str, wanted: str, got: str, remedy: str) -> None:
    """Refuse other units than the wanted ones.

    Raises:
        UnitsError: ``got`` differs from ``wanted``.
    """
    if wanted != got:
        raise UnitsError(f"{asker} needs values in {wanted}, but was given {got}. {remedy}")


def spoken_units(units: str) -> str:
    """Say units as a biologist would.

    >>> spoken_units("log1p_cp10k")
    'ln(1 + counts per 10,000)'
    """
    target = log1p_target(units)
    return f"ln(1 + counts per {target:,.10g})" if target else _SPOKEN.get(units, units.replace("_", " "))
