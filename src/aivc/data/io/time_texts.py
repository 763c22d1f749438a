"""Times that a file writes as text, such as ``d2``, ``24h`` or ``E15.5``: read by a declared rule, in hours."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.units import HOURS

STATED, EMBRYONIC = "stated", "embryonic"
TIMES = (STATED, EMBRYONIC)

_UNITS = {
    "s": 1 / 3600, "sec": 1 / 3600, "secs": 1 / 3600, "second": 1 / 3600, "seconds": 1 / 3600,
    "m": 1 / 60, "min": 1 / 60, "mins": 1 / 60, "minute": 1 / 60, "minutes": 1 / 60,
    "h": 1.0, "hr": 1.0, "hrs": 1.0, "hour": 1.0, "hours": 1.0,
    "d": 24.0, "day": 24.0, "days": 24.0,
    "w": 168.0, "wk": 168.0, "wks": 168.0, "week": 168.0, "weeks": 168.0,
}  # fmt: skip
_NUMBER = r"\d+(?:\.\d+)?"
_BEHIND = re.compile(rf"({_NUMBER})[\s_-]*([a-z]+)")
_BEFORE = re.compile(rf"([a-z]+)[\s_-]*({_NUMBER})")
_STAGE = re.compile(rf"([ep])[\s_-]*({_NUMBER})")
_SHOWN = 5


@final
@dataclass(frozen=True)
class TimeRule:
    """How a column of times is to be read.

    Attributes:
        unit: Of bare numbers, ``s``, ``min``, ``h`` or ``d``; None where the texts state it.
        texts: ``stated`` (``d2``, ``day 4``, ``24h``) or ``embryonic`` (``E15.5``, ``P0``); None for numbers.
        birth: Embryonic days at birth, so that days after birth are on one clock with those before; None where only
            one of the two kinds is there.
        real: What a label stands for, in ``unit``, such as ``{"0": 2.0, "1": 4.0}``; empty where none is declared.
    """

    unit: str | None = None
    texts: str | None = None
    birth: float | None = None
    real: tuple[tuple[str, float], ...] = ()

    def hours(self, texts: Sequence[str] | np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Hours that each text means, NaN where it means none, and what is wrong.

        >>> TimeRule(texts="stated").hours(["d2", "day 4", "36h"])[0].tolist()
        [48.0, 96.0, 36.0]
        >>> TimeRule(texts="embryonic", birth=19.5).hours(["E15.5", "P0"])[0].tolist()
        [372.0, 468.0]
        >>> TimeRule(unit="d", real=(("0", 2.0), ("1", 4.0))).hours(["0", "1"])[0].tolist()
        [48.0, 96.0]
        """
        codes, unique = pd.factorize(pd.Series(texts, dtype=object))
        said = [self._one(str(text)) for text in unique]
        wrong = [str(text) for text, hours in zip(unique, said, strict=True) if np.isnan(hours) and text]
        hours_n = np.array([*said, np.nan])[codes]
        problems = [] if not wrong else [self._unread(wrong)]
        if self.texts == EMBRYONIC and not wrong:
            kinds = {str(text).strip().casefold()[:1] for text in unique if text}
            if kinds == {"e", "p"} and self.birth is None:
                problems = [
                    "Times are days before birth (E) and after it (P): they share no clock until the schema says when "
                    "birth is, in embryonic days, such as birth = 19.5 for mice."
                ]
        unused = [name for name, _ in self.real if name not in set(map(str, unique))]
        if unused:
            problems.append(f"time_map names {', '.join(unused)}, which no entity has. Correct it.")
        return hours_n, problems

    def _one(self, text: str) -> float:
        text = text.strip().casefold()
        if not text:
            return np.nan
        if self.real:
            known = {name.casefold(): value for name, value in self.real}
            return known[text] * HOURS[self.unit or "h"] if text in known else np.nan
        if self.texts == STATED:
            return _stated(text)
        if self.texts == EMBRYONIC:
            stage = _STAGE.fullmatch(text)
            if stage is None:
                return np.nan
            return 24.0 * (float(stage[2]) + (self.birth or 0.0) * (stage[1] == "p"))
        return np.nan

    def _unread(self, wrong: Sequence[str]) -> str:
        shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        if self.real:
            return f"time_map says nothing of {shown}. Add what they stand for, such as time_map = ['{wrong[0]}=2']."
        meant = {STATED: "a number and its unit, such as d2, day 4 or 24h", EMBRYONIC: "a stage, such as E15.5 or P0"}
        return f"time is {meant[str(self.texts)]} by the rule times = {self.texts!r}, got {shown}. Correct the column."


def _stated(text: str) -> float:
    if (found := _BEHIND.fullmatch(text)) and found[2] in _UNITS:
        return float(found[1]) * _UNITS[found[2]]
    if (found := _BEFORE.fullmatch(text)) and found[1] in _UNITS:
        return float(found[2]) * _UNITS[found[1]]
    return float("nan")


def pairs_of(texts: Iterable[str]) -> tuple[tuple[tuple[str, float], ...], list[str]]:
    """Labels and what they stand for, of texts such as ``0=2``; and those that are no such text.

    >>> pairs_of(["0=2", "1=4"])
    ((('0', 2.0), ('1', 4.0)), [])
    """
    found, wrong = [], []
    for text in texts:
        label, _, number = text.rpartition("=")
        try:
            found.append((label.strip(), float(number)))
        except ValueError:
            wrong.append(text)
        else:
            if not label or not np.isfinite(found[-1][1]):
                wrong.append(text)
    return tuple(found), wrong


def rule_that_reads(texts: Iterable[str]) -> str:
    """The rule by which all texts are times; empty where there is none.

    >>> rule_that_reads(["d2", "d4"]), rule_that_reads(["E15.5", "P0"]), rule_that_reads(["0", "1"])
    ('stated', 'embryonic', '')
    """
    said = [str(text) for text in texts]
    for rule in TIMES if said else ():
        read = TimeRule(texts=rule, birth=0.0)
        if not np.isnan([read._one(text) for text in said]).any():
            return rule
    return ""
