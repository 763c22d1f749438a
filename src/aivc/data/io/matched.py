"""Says by which columns controls are matched, and which perturbations lie only where there is no control."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.matching import MATCHED, hours_text, matched_columns
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.units import is_effect
from aivc.data.io.labels import labels, some
from aivc.data.io.schema import Schema

_PLURAL = {"batch": "batches", "hours": "hours"}


def matched(raw: pd.DataFrame, columns: Mapping[str, np.ndarray], schema: Schema) -> dict[str, np.ndarray]:
    """Columns that controls are matched by, beside context and batch: hours, time, those of ``match``, and donor.

    A column in which all controls agree, or of which they say nothing, tells no control from another and is left out.

    Args:
        raw: ``n`` rows in the words of the file.
        columns: Translated (`aivc.data.io.labels.translated`).
        schema: What the columns mean.

    Returns:
        ``(n,)`` texts, by name; the most important column first.
    """
    if is_effect(schema.units) or "perturbation" not in columns:
        return {}
    control = columns["perturbation"] == CONTROL
    found = {f"{MATCHED}{name}": texts for name, texts in _covariates(raw, columns, schema).items()}
    return {name: texts for name, texts in found.items() if len(set(texts[control]) - {""}) > 1}


def _covariates(raw: pd.DataFrame, columns: Mapping[str, np.ndarray], schema: Schema) -> dict[str, np.ndarray]:
    found = {}
    hours = _hours(columns)
    if (hours != "").any():
        found["hours"] = hours
    if "time" in columns:
        found["time"] = np.array([hours_text(time) for time in columns["time"]], dtype=object)
    found |= {name: labels(raw[name]) for name in schema.match if name in raw}
    return found | ({"donor": columns["donor"]} if "donor" in columns else {})


def _hours(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """``(n,)`` hours of each perturbation, in its label or its column; of a control those of the column."""
    texts = columns["perturbation"]
    column = columns.get("hours", np.full(len(texts), np.nan))
    said = {text: _said(text) for text in set(texts)}
    return np.array([said[t] or hours_text(h) for t, h in zip(texts, column, strict=True)], dtype=object)


def _said(text: str) -> str:
    try:
        return hours_text(Perturbation.parse(text).hours) if text else ""
    except (PerturbationError, UnknownNameError):
        return ""


def unmatched(
    entities: pd.DataFrame,
    columns: Mapping[str, np.ndarray] | None = None,
    schema: Schema | None = None,
    stated: Mapping[str, np.ndarray] | None = None,
) -> list[str]:
    """Count perturbations whose covariates no control of their context shares, and say what that does to effects.

    Args:
        entities: ``n`` rows with our columns.
        columns: Translated columns of a file, which may say hours of controls that tell them not apart.
        schema: Of the file; effects have no controls and no notes.
        stated: ``(n,)`` texts of the columns of ``match``, in which all controls may agree.
    """
    if "perturbation" not in entities or (schema is not None and is_effect(schema.units)):
        return []
    texts = entities["perturbation"].astype(str).to_numpy(dtype=object)
    contexts = (
        entities["context"].astype(str).to_numpy(dtype=object) if "context" in entities else np.full(len(texts), "")
    )
    if not (texts == CONTROL).any():
        return []
    covariates = {name.removeprefix(MATCHED): _texts(entities, name) for name in matched_columns(entities)}
    covariates |= {name: texts for name, texts in (stated or {}).items() if name not in covariates}
    covariates |= {name: _texts(entities, name) for name in ("donor", "batch") if name in entities}
    if columns is not None:
        hours, control = _hours(columns), texts == CONTROL
        # Where controls state no hours, and all else states the same, no one else was measured at another time.
        if len(set(hours[control]) - {""}) or len(set(hours[~control]) - {""}) > 1:
            covariates = {"hours": hours, **covariates}
    notes = [_note(name, values, texts, contexts) for name, values in covariates.items()]
    return [note for note in [_contexts(texts, contexts), *notes] if note]


def _texts(entities: pd.DataFrame, name: str) -> np.ndarray:
    return entities[name].astype(object).where(entities[name].notna(), "").astype(str).to_numpy(dtype=object)


def _contexts(texts: np.ndarray, contexts: np.ndarray) -> str:
    control = texts == CONTROL
    lone = ~control & ~np.isin(contexts.astype(str), contexts[control].astype(str))
    return _counted(texts, contexts, lone, "contexts", "there is nothing to measure them against") if lone.any() else ""


def _note(name: str, values: np.ndarray, texts: np.ndarray, contexts: np.ndarray) -> str:
    control = texts == CONTROL
    known = control & np.isin(contexts.astype(str), contexts[control].astype(str))
    keys = pd.MultiIndex.from_arrays([contexts, values])
    lone = ~control & (values != "") & ~keys.isin(keys[known])
    lone &= np.isin(contexts.astype(str), contexts[control].astype(str))
    if not lone.any():
        return ""
    what = _PLURAL.get(name, f"{name}s")
    others = sorted(set(values[control]) - {""})
    against = f"controls of other {what} ({some(others)})" if others else f"controls of which no {what} are stated"
    if name == "hours":
        against = f"controls at {some(others)} h" if others else "controls whose hours are not stated"
    return _counted(
        texts, values, lone, what, f"they are measured against {against}, so that what {what} alone do counts as effect"
    )


def _counted(texts: np.ndarray, values: np.ndarray, lone: np.ndarray, what: str, so: str) -> str:
    everywhere = set(texts[lone])
    only = everywhere - set(texts[~lone])
    cells = "1 cell lies" if lone.sum() == 1 else f"{lone.sum()} cells lie"
    return (
        f"{cells} in {what} without any control ({some(sorted(set(values[lone])))}): {so}. {len(only)} of "
        f"{len(set(texts) - {CONTROL})} perturbations lie only there{_named(sorted(only))}. Add controls of these "
        f"{what}, or leave these cells out."
    )


def _named(texts: Sequence[str] | Iterable[str]) -> str:
    return f": {some(texts)}" if texts else ""
