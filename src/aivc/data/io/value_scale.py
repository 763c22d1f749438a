"""Holds the declared units against the values: sums of rows tell what was scaled, and to what, and what was logged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.units import COUNTS, log1p_target, log1p_units
from aivc.data.io.count_values import off_whole

# Rows and values that are looked at in more than one way, and rows without which nothing is said.
_ROWS, _VALUES, _FEWEST = 256, 20_000_000, 5
# Sums are one total where this share of rows lies this close to the median.
_SHARE, _CLOSE = 0.95, 5e-3
# A total that is meant misses the declared one by less, and no sum exceeds it by more.
_MEANT, _ABOVE = 2e-3, 0.01
# Nobody brings cells to a smaller total; this many features are most of a genome.
_LEAST_TOTAL, _FULL = 100.0, 8000
# No logarithm of what is read from a cell is larger.
_LARGEST_LOG = 40.0
_MOST_TOTALS = 50
# Of cells this deep, some feature was counted twice.
_MOST_ONES = 10
_LARGEST_INTEGERS, _SATURATED = (127, 255, 32767, 65535), 5


class Reading(NamedTuple):
    """What values are, by one way of taking them back.

    Attributes:
        way: Name of `_WAYS`.
        total: That every row sums to; None where these are counts.
    """

    way: str
    total: float | None


class _Way(NamedTuple):
    back: Callable[[np.ndarray], np.ndarray]
    largest: float
    spoken: str
    remedy: str


def _twice(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.expm1(np.expm1(x)))


def _exp2m1(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp2(x) - 1)


def _of_positive(x: np.ndarray) -> np.ndarray:
    # Where nothing was counted no log was taken.
    return np.asarray(np.where(x == 0, 0.0, np.exp(x)))


_WAYS = MappingProxyType(
    {
        "log1p": _Way(np.expm1, _LARGEST_LOG, "expm1 of the values", "X = numpy.expm1(X)"),
        "log2": _Way(_exp2m1, 60.0, "2**x - 1", "X = 2**X - 1"),
        "log10": _Way(lambda x: np.power(10.0, x) - 1, 18.0, "10**x - 1", "X = 10**X - 1"),
        "twice": _Way(_twice, 3.8, "expm1 of expm1 of the values", "X = numpy.expm1(numpy.expm1(X))"),
        "log2 of log2": _Way(lambda x: _exp2m1(_exp2m1(x)), 6.0, "2**y - 1 with y = 2**x - 1", "X = 2**(2**X - 1) - 1"),
        "log2 of log1p": _Way(lambda x: np.expm1(_exp2m1(x)), 5.5, "expm1 of 2**x - 1", "X = numpy.expm1(2**X - 1)"),
        "log1p of log2": _Way(
            lambda x: _exp2m1(np.expm1(x)), 4.2, "2**y - 1 with y = expm1(x)", "X = 2**numpy.expm1(X) - 1"
        ),
        "thrice": _Way(
            lambda x: np.expm1(_twice(x)),
            1.6,
            "expm1 taken three times",
            "X = numpy.expm1(numpy.expm1(numpy.expm1(X)))",
        ),
        "log": _Way(
            _of_positive, _LARGEST_LOG, "exp of the values above zero", "X = numpy.where(X > 0, numpy.exp(X), 0)"
        ),
        "plain": _Way(lambda x: x, np.inf, "the values", ""),
        "sqrt": _Way(np.square, 3000.0, "squares of the values", "X = X**2"),
    }
)
_TO_NATURAL = MappingProxyType({"log2": "0.693147 (ln 2)", "log10": "2.302585 (ln 10)"})
_STACKED = MappingProxyType(
    {
        "log2 of log2": "log2(1 + x) was taken twice",
        "log2 of log1p": "log1p was taken, and log2(1 + x) of it",
        "log1p of log2": "log2(1 + x) was taken, and log1p of it",
        "thrice": "log1p was taken three times",
        "log": "values are log(x), not log(1 + x)",
    }
)


@final
@dataclass(eq=False)
class SeenScale:
    """What one pass over the values finds of their scale; call `add` block by block.

    Attributes:
        units: As declared.
        log_sums: Per block, sums over features of expm1; of ``log1p_cpN`` only.
        sample: Rows kept for a closer look.
        whole: Whether no value is fractional.
        largest: Of the finite values.
        lowest: Of the finite values, zero at most.
    """

    units: str
    log_sums: list[np.ndarray] = field(default_factory=list)
    sample: list[sparse.csr_matrix] = field(default_factory=list)
    whole: bool = True
    largest: float = -np.inf
    lowest: float = 0.0
    _kept: int = 0

    def add(self, block: sparse.csr_matrix | np.ndarray) -> None:
        """Look at some rows."""
        flat = np.asarray(block if isinstance(block, np.ndarray) else block.data)
        finite = flat[np.isfinite(flat)]
        if finite.size:
            self.largest, self.lowest = max(self.largest, float(finite.max())), min(self.lowest, float(finite.min()))
        if log1p_target(self.units) is not None:
            self.whole = self.whole and bool((finite == np.rint(finite)).all())
            self.log_sums.append(_sums(block, np.expm1, _LARGEST_LOG))
        if block.shape[0] and self._kept < _VALUES and (log1p_target(self.units) is not None or self.units == COUNTS):
            rows = np.unique(np.linspace(0, block.shape[0] - 1, _ROWS).astype(int))
            self.sample.append(sparse.csr_matrix(block[rows], dtype=np.float64))
            self._kept += len(rows) * block.shape[1]

    def readings(self) -> Iterator[Reading]:
        """Ways of taking the values back that give one total in every row, or whole numbers."""
        if not self.sample or self.lowest < 0:
            return
        rows = sparse.vstack(self.sample, format="csr")
        if rows.shape[0] < _FEWEST:
            return
        found = []
        for name, way in _WAYS.items():
            if name == "sqrt":
                continue
            sums = _sums(rows, way.back, way.largest) if self.largest <= way.largest else np.zeros(0)
            if (total := _one_total(sums)) is not None:
                # Of ways that fit, the one that fits to rounding is meant: log(x) and log1p(x) lie close.
                found.append((float(f"{np.median(np.abs(sums / total - 1)):.0e}") > 1e-5, Reading(name, total)))
        yield from (reading for _, reading in sorted(found, key=lambda item: item[0]))
        for name, way in _WAYS.items():
            if name not in ("plain", "log") and self.largest <= way.largest and _are_counts(way.back(rows.data)):
                yield Reading(name, None)


def scale_problems(seen: SeenScale, names: pd.Index, *, exact: bool) -> tuple[list[str], list[str]]:
    """Say where values of ``log1p_cpN`` contradict the declared N, or are no such values.

    Args:
        seen: After all blocks.
        names: ``(n,)`` of the rows.
        exact: Whether rows are measured cells. Means of logs, as predictions and profiles are, sum to no one total.

    Returns:
        Problems, and notes.
    """
    target = log1p_target(seen.units)
    if target is None:
        return [], []
    # What is no number was found before; it belongs to no scale.
    sums = np.nan_to_num(np.concatenate(seen.log_sums)) if seen.log_sums else np.zeros(0)
    found = _contradiction(seen, sums, target) if exact else ""
    over = np.flatnonzero(sums > target * (1 + _ABOVE))
    if found:
        return [found], []
    if seen.largest > np.log1p(target) * (1 + 1e-5):
        return [
            f"The largest value is {seen.largest:g}, but {seen.units} cannot exceed {np.log1p(target):.4g}. Declare "
            "the right units: counts, another target, or log_intensity."
        ], []
    if len(over):
        first = int(over[0])
        said = (
            f"In {len(over)} of {len(sums)} entities expm1 of the values sums to more than {target:g}, which "
            f"{seen.units} cannot: {sums[first]:.6g} in {names[first]}, {sums.max():.6g} at most."
        )
        if exact or float(np.median(sums)) > 1.05 * target:
            return [f"{said} No one total fits. Start from the counts, or declare arbitrary or log_intensity."], []
        return [], [said]
    return [], _scattered(seen, sums, target) if exact else []


def _contradiction(seen: SeenScale, sums: np.ndarray, target: float) -> str:
    # Values below zero are a problem of their own.
    if len(sums) < _FEWEST or seen.lowest < 0:
        return ""
    if (total := _one_total(sums)) is not None and abs(total - target) <= _MEANT * target:
        return ""
    if seen.whole and seen.lowest >= 0 and seen.largest > 1:
        return (
            f"Values are whole numbers up to {seen.largest:g}, as counts are and logs are not, though {seen.units} is "
            'declared. Write units = "counts".'
        )
    reading = next(seen.readings(), None)
    if reading is not None and reading.way != "plain":
        return f"{reading_text(reading)}, though {seen.units} is declared. {remedy_text(reading)}"
    if some_counts := _part_unnormalized(seen, target):
        return some_counts
    if totals := _several_totals(sums):
        shown = ", ".join(f"{each:.6g}" for each in totals[:5])
        return (
            f"expm1 of every entity sums to one of {len(totals)} totals ({shown}), though {seen.units} is declared: "
            "cells were normalized in several parts, each to a total of its own. Normalize the counts of all together."
        )
    return ""


def _part_unnormalized(seen: SeenScale, target: float) -> str:
    """The rows whose expm1 are whole numbers, where those of others sum to the declared total."""
    if not seen.sample:
        return ""
    rows = sparse.vstack(seen.sample, format="csr")
    if rows.shape[0] < _FEWEST or seen.largest > _LARGEST_LOG:
        return ""
    sums = _sums(rows, np.expm1, _LARGEST_LOG)
    normalized = np.abs(sums - target) <= _MEANT * target
    whole = np.array([_are_counts(np.expm1(rows[i].data)) for i in range(rows.shape[0])]) & ~normalized
    if whole.mean() < 1 - _SHARE or normalized.mean() < 1 - _SHARE:
        return ""
    return (
        f"In {whole.sum()} of {len(whole)} entities that were looked at, expm1 of the values are whole numbers, and in "
        f"{normalized.sum()} they sum to {target:g}: some cells were normalized and some were not. Normalize the "
        "counts of all together."
    )


def reading_text(reading: Reading) -> str:
    """What a reading says, without a full stop.

    >>> reading_text(Reading("log2", 10000.0))
    'In every entity 2**x - 1 sums to 10000: values are log2(1 + x), not the natural log'
    """
    spoken = _WAYS[reading.way].spoken
    if reading.total is None:
        if reading.way == "sqrt":
            return "Squares of the values are whole numbers: values are square roots of counts"
        ways = {"log1p": "log1p", "twice": "log1p, taken twice,", "thrice": "log1p, taken three times,"}
        return f"{spoken} are whole numbers: values are {ways.get(reading.way, reading.way)} of counts never normalized"
    total = _written(reading.total)
    lead = f"In every entity {spoken} {'sum' if reading.way == 'plain' else 'sums'} to {total}"
    if reading.way == "plain":
        return f"{lead}: counts were brought to {total} per entity, and no log was taken"
    if reading.way == "twice":
        return f"{lead}: log1p was taken twice"
    if reading.way in _STACKED:
        return f"{lead}: {_STACKED[reading.way]}"
    if reading.way in _TO_NATURAL:
        return f"{lead}: values are {reading.way}(1 + x), not the natural log"
    median = "" if np.log10(float(total)) % 1 == 0 else ", perhaps the median total, as without a target"
    return f"{lead}, which is their N{median}"


def remedy_text(reading: Reading) -> str:
    """What to do, or to declare, where values are what a reading says.

    >>> remedy_text(Reading("log1p", 2963.5))
    'Write units = "log1p_cp2963.5".'
    """
    if reading.total is None:
        return f'Take it back, {_WAYS[reading.way].remedy}, round, and write units = "counts".'
    units = log1p_units(float(_written(reading.total)))
    ways = {
        "log1p": f'Write units = "{units}".',
        "twice": f'Take one back, X = numpy.expm1(X), and write units = "{units}".',
        "plain": f'Take the log, X = numpy.log1p(X), and write units = "{units}".',
    }
    if reading.way in _STACKED:
        return f'Take it back, {_WAYS[reading.way].remedy}, then X = numpy.log1p(X), and write units = "{units}".'
    return ways.get(reading.way) or (f'Multiply the values by {_TO_NATURAL[reading.way]} and write units = "{units}".')


def fraction_remedy(seen: SeenScale, *, predicted: bool) -> str:
    """What to do about declared counts that are fractional, by what the values read like."""
    reading = next(seen.readings(), None)
    if reading is not None:
        return f"{reading_text(reading)}. {remedy_text(reading)}"
    if predicted:
        return 'If a model states expectations, write units = "expected_counts".'
    if seen.lowest < 0:
        return "Correct units or layer."
    if seen.largest <= 20:
        return "Declare units such as log1p_cp10k, or point layer at the raw counts."
    return (
        "They read like corrected counts (SoupX, CellBender, decontX) or those an aligner expects (RSEM, kallisto, "
        "alevin). Corrected counts: round them, X = X.round(). Or point layer at the raw counts."
    )


def negative_remedy(units: str, *, predicted: bool) -> str:
    """What to do about values below zero in units that have none."""
    if predicted and units == COUNTS:
        return 'If a model states expectations, write units = "expected_counts". Otherwise correct units or layer.'
    return "Correct units or layer."


def rounded_note(seen: SeenScale) -> list[str]:
    """Say where counts are whole and yet sum to one total, as rounded values of another scale do."""
    if seen.units != COUNTS:
        return []
    totals = [reading.total for reading in seen.readings() if reading.way == "plain" and reading.total is not None]
    return [
        f"Counts of every entity sum to {_written(total)}: all were brought to one depth. If they were scaled and "
        "rounded, they are counts no more; give those from before."
        for total in totals
    ]


def saturated_note(seen: SeenScale) -> list[str]:
    """Say where many counts are the largest that a small type of integers holds."""
    if seen.units != COUNTS or seen.largest not in _LARGEST_INTEGERS or not seen.sample:
        return []
    at = sum(int((rows.data == seen.largest).sum()) for rows in seen.sample)
    if at < _SATURATED:
        return []
    return [
        f"{at} counts that were looked at are {seen.largest:g}, the largest that a small integer holds, and none is "
        "above: larger ones were cut off there. Give the counts from before."
    ]


def binary_note(seen: SeenScale) -> list[str]:
    """Say where what is declared counts only says whether anything was seen."""
    if seen.units != COUNTS or not seen.sample or seen.largest != 1 or seen.lowest < 0:
        return []
    rows = sparse.vstack(seen.sample, format="csr")
    if rows.shape[0] < _FEWEST or rows.sum() < _MOST_ONES * rows.shape[0]:
        return []
    return [
        f"All values are 0 or 1, about {rows.sum() / rows.shape[0]:.0f} ones in an entity: they read like whether "
        "anything was seen, and not like how much. If counts were made binary, give those from before; if this is what "
        "was measured, effects are changes of shares."
    ]


def _scattered(seen: SeenScale, sums: np.ndarray, target: float) -> list[str]:
    features = seen.sample[0].shape[1] if seen.sample else 0
    if len(sums) < _FEWEST or features < _FULL or float(np.median(sums)) >= 0.9 * target:
        return []
    low, middle, high = np.quantile(sums, [0.05, 0.5, 0.95])
    double = np.log1p(np.log1p(target))
    twice = (
        f" No value is above {double:.3g}, which is the most that log1p taken twice can give: check that."
        if seen.largest <= double
        else ""
    )
    return [
        f"expm1 of an entity sums to {middle:.5g} ({low:.5g} to {high:.5g}), not to the {target:g} of {seen.units}, "
        f"though there are {features} features: some were left out after normalization, or the values are of "
        f"another scale.{twice}"
    ]


def _sums(
    block: sparse.csr_matrix | np.ndarray, back: Callable[[np.ndarray], np.ndarray], largest: float
) -> np.ndarray:
    """``(n,)`` sums of values taken back; zero stays zero, and what no log can be counts as the largest."""
    if isinstance(block, np.ndarray):
        return np.asarray(back(np.clip(block, None, largest)).sum(axis=1, dtype=np.float64))
    data = back(np.clip(block.data, None, largest))
    rows = sparse.csr_matrix((data, block.indices, block.indptr), shape=block.shape, copy=False)
    return np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()


def _one_total(sums: np.ndarray) -> float | None:
    sums = sums[np.isfinite(sums) & (sums > 0)]
    if len(sums) < _FEWEST:
        return None
    middle = float(np.median(sums))
    close = np.abs(sums - middle) <= _CLOSE * middle
    return middle if middle >= _LEAST_TOTAL and close.mean() >= _SHARE else None


def _several_totals(sums: np.ndarray) -> list[float]:
    """The few totals that all rows have, each shared by many; none where sums scatter."""
    ordered = np.sort(sums[np.isfinite(sums) & (sums >= _LEAST_TOTAL)])
    if len(ordered) < _FEWEST:
        return []
    groups = np.split(ordered, np.flatnonzero(np.diff(ordered) > _MEANT * ordered[1:]) + 1)
    tight = all(group[-1] - group[0] <= _CLOSE * group[0] for group in groups)
    few = len(groups) <= min(_MOST_TOTALS, len(ordered) // 10)
    return [float(np.median(group)) for group in groups] if tight and few else []


def _are_counts(values: np.ndarray) -> bool:
    known = values[values > 0]
    return bool(len(known)) and float(known.max()) >= 2 and float(off_whole(known).mean()) <= 1e-3


def _written(total: float) -> str:
    """A total without what single precision adds to it.

    >>> _written(2963.50012), _written(9999.9996)
    ('2963.5', '10000')
    """
    return f"{float(f'{total:.6g}'):.10g}"
