"""When cells were read and which descend from one: lines that a file suggests, never with a unit made up."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aivc.core.units import HOURS
from aivc.data.io.conventions import CONTEXT, Line, seen
from aivc.data.io.formats import intact, keys, opened, suffix
from aivc.data.io.in_memory import is_anndata
from aivc.data.io.labels import labels
from aivc.data.io.number_names import numbers_in
from aivc.data.io.schema import OBSM
from aivc.data.io.time_texts import EMBRYONIC, STATED, rule_that_reads

if TYPE_CHECKING:
    from anndata import AnnData

_TIME = re.compile(
    r"(?i)(?:time|day|days|hour|hours|stage|age|dpi|dpc|hpf|minutes|min)(?:[_.\s-]?\w*)?|\w+[_.](?:time|day)"
)
# What the name of a column says by itself.
_NAMED = {
    "day": "d",
    "days": "d",
    "time_d": "d",
    "time_day": "d",
    "time_days": "d",
    "minutes": "min",
    "time_min": "min",
}
# Columns of cell types, and cells of a type that a time should hold before none is more than chance.
_TYPES = ("cell_type", "celltype")
_EXPECTED, _NAMED_TYPES = 5.0, 3
_CLONE = ("clone", "clone_id", "clone_ids", "clonotype", "lineage_barcode", "cell_tag")
_MATRICES = ("X_clone", "clone", "clones")
# A clock has few times; more are ages of single cells.
_MOST = 60


def time_lines(entities: pd.DataFrame, data: "AnnData | Path", taken: Mapping[str, Any]) -> list[Line]:
    """Suggest the column of times with its rule or unit, the clones, and the layers of splicing.

    Args:
        entities: ``n`` rows in the words of the file.
        data: The file, or an AnnData in memory.
        taken: Fields that have a column already; a column of durations is no column of times on top.
    """
    used = {value for value in taken.values() if isinstance(value, str)}
    found = next((lines for name in entities if name not in used and (lines := _of_column(entities, str(name)))), [])
    return [*found, *_clones(entities, data), *_splicing(data)]


def whole_in_time(entities: pd.DataFrame, found: Sequence[Line], times: Sequence[Line]) -> tuple[list[Line], list[str]]:
    """Leave out cell types as the context where they come and go: each context would be a time line of its own.

    Args:
        entities: ``n`` rows in the words of the file.
        found: Lines that are suggested so far.
        times: Those of times; without any, nothing changes.

    Returns:
        Lines, with the next column that could be the context instead; and what was left out, and why.
    """
    context = next((line for line in found if line.field == "context" and line.value in _TYPES), None)
    time = next((line.value for line in times if line.field == "time"), "")
    if context is None or not time:
        return list(found), []
    absent = _absent(labels(entities[context.value]), labels(entities[time]))
    if not absent:
        return list(found), []
    other = next((name for name in CONTEXT if name not in _TYPES and name in entities and entities[name].any()), "")
    instead = [Line("context", other, f"obs column {other!r}: {seen(entities[other])}")] if other else []
    some = "; ".join(f"{kind!r} at none of {', '.join(at)}" for kind, at in list(absent.items())[:_NAMED_TYPES])
    note = (
        f"Column {context.value!r} is not suggested as the context: types come and go with {time!r} ({some}), and each "
        "context is a time line of its own. Name it as the context only where types were cultured apart."
    )
    return [each for line in found for each in (instead if line is context else [line])], [note]


def _absent(types_n: np.ndarray, times_n: np.ndarray) -> dict[str, list[str]]:
    """Types → times at which none was read though their share of all cells would make five."""
    counts = pd.crosstab(types_n, times_n).drop(index="", columns="", errors="ignore")
    shares = counts.sum(axis=1).to_numpy() / max(int(counts.to_numpy().sum()), 1)
    expected = np.outer(shares, counts.sum(axis=0))
    gone = (counts.to_numpy() == 0) & (expected >= _EXPECTED)
    return {str(counts.index[k]): list(map(str, counts.columns[gone[k]])) for k in np.flatnonzero(gone.any(axis=1))}


def _of_column(entities: pd.DataFrame, name: str) -> list[Line]:
    if not _TIME.fullmatch(name):
        return []
    texts = sorted(set(labels(entities[name])) - {""})
    if not 2 <= len(texts) <= _MOST:
        return []
    shown = f"obs column {name!r}: {seen(entities[name])}"
    if rule := rule_that_reads(texts):
        what = {STATED: "each says its unit", EMBRYONIC: "stages before (E) and after (P) birth"}[rule]
        lines = [Line("time", name, shown), Line("times", rule, f"{shown}: {what}")]
        kinds = {text.strip().casefold()[0] for text in texts}
        asked = "E and P stages are both there: on which embryonic day is birth (19.5 in mice)?"
        return [*lines, Line("birth", 19.5, asked, sure=False)] if rule == EMBRYONIC and len(kinds) > 1 else lines
    numbers = numbers_in(pd.Series(texts, dtype=object).to_numpy())
    if pd.isna(numbers).any():
        return []
    if unit := _NAMED.get(name.casefold(), ""):
        return [Line("time", name, shown), Line("time_unit", unit, f"the name of column {name!r}")]
    counted = sorted(numbers) == list(range(int(min(numbers)), int(min(numbers)) + len(numbers)))
    doubt = f"{shown}: in which unit ({', '.join(HOURS)})?"
    lines = [Line("time", name, doubt, sure=False), Line("time_unit", "d", doubt, sure=False)]
    if counted:
        pairs = [f"{text}={text}" for text in sorted(texts, key=float)]
        asked = f"{shown}: times, or numbers of samples? Where they count samples, say what each stands for"
        lines.append(Line("time_map", pairs, asked, sure=False))
    return lines


def _clones(entities: pd.DataFrame, data: "AnnData | Path") -> list[Line]:
    if name := next((name for name in _CLONE if name in entities), ""):
        return [Line("clone", name, f"obs column {name!r}: {seen(entities[name])}")]
    key = next((key for key in _MATRICES if key in _within(data, "obsm")), "")
    return [Line("clone", f"{OBSM}{key}", f"obsm holds {key!r}, cells × clones")] if key else []


def _splicing(data: "AnnData | Path") -> list[Line]:
    layers = _within(data, "layers")
    there = [name for name in ("spliced", "unspliced") if name in layers]
    return [Line(name, name, f"there is a layer {name!r}") for name in there] if "unspliced" in there else []


def _within(data: "AnnData | Path", group: str) -> list[str]:
    if is_anndata(data):
        return list(getattr(data, group))
    if suffix(data) not in (".h5ad", ".zarr") or not data.exists():
        return []
    with intact(data), opened(data) as store:
        return keys(store[group]) if group in store else []
