"""One unit, one name: how units of doses are spelled, and which are amounts of one quantity."""

import re
import unicodedata
from functools import lru_cache

# Of one quantity, in its first unit; every other unit is a quantity of its own.
QUANTITIES = (
    {"uM": 1.0, "M": 1e6, "mM": 1e3, "nM": 1e-3, "pM": 1e-6},
    {"ng_per_ml": 1.0, "ug_per_ml": 1e3, "mg_per_ml": 1e6, "pg_per_ml": 1e-3},
)
_MOLAR = {"um": "uM", "nm": "nM", "pm": "pM", "umol/l": "uM", "nmol/l": "nM", "pmol/l": "pM", "mmol/l": "mM"}
_WORDS = {"micromolar": "uM", "nanomolar": "nM", "picomolar": "pM", "millimolar": "mM", "molar": "M"}
_DIGITS = 12


@lru_cache(maxsize=10_000)
def spelled(unit: str) -> str:
    """Return the one spelling of a unit; a unit that is not known here stays as it is.

    Both Unicode letters for micro are ``u``, and a slash is ``_per_``, since a slash has a meaning in texts of
    perturbations. ``mM`` keeps its case: it differs from ``MM`` and ``mm``.

    >>> [spelled(text) for text in ("µM", "μM", "um", "nanomolar", "µg/mL", "ng per ml", "IU")]
    ['uM', 'uM', 'uM', 'nM', 'ug_per_ml', 'ng_per_ml', 'IU']
    """
    # The normal form makes one letter of the micro sign and the Greek mu.
    plain = unicodedata.normalize("NFKC", unit).strip().replace("μ", "u")
    low = plain.casefold()
    if low in _MOLAR or low in _WORDS:
        return _MOLAR.get(low) or _WORDS[low]
    if mass := re.fullmatch(r"([munp]?g)(?:/|\s*per\s*|_per_)(m?l)", low):
        return f"{mass[1]}_per_{mass[2]}"
    return re.sub(r"\s*/\s*", "_per_", plain)


def quantity(unit: str) -> str:
    """Return the unit in which amounts of its quantity are compared.

    >>> quantity("nM"), quantity("IU")
    ('uM', 'IU')
    """
    unit = spelled(unit)
    return next((next(iter(units)) for units in QUANTITIES if unit in units), unit)


def amount(dose: float, unit: str) -> float:
    """Return a dose in the unit of its quantity (`quantity`), to 12 digits.

    >>> amount(1000.0, "nM"), amount(3.0, "IU")
    (1.0, 3.0)
    """
    unit = spelled(unit)
    scale = next((units[unit] for units in QUANTITIES if unit in units), 1.0)
    return float(f"{dose * scale:.{_DIGITS}g}")
