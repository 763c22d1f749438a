"""A dose of 0 is as a rule the vehicle: the schema says whether it is a control or a perturbation."""

import dataclasses
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.io.labels import labels, some
from aivc.data.io.schema import Schema

# A label that ends in an amount of 0 with its unit, such as "Trametinib_0 nM".
_AMOUNT = re.compile(r"(?:^|.*[\s_@|,;(:-])0+(?:\.0+)?\s*(?:[pnuµμm]?M|[pnuµμm]?g/m?[lL]|%)\)?", re.IGNORECASE)


def zero_doses(said: np.ndarray, translated: np.ndarray, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """Translate doses of 0 as the schema says; where it does not, leave them and say so.

    Args:
        said: ``(n,)`` labels in the words of the file.
        translated: ``(n,)`` texts of `Perturbation`.
        schema: Its ``zero_dose`` is ``control``, ``perturbation`` or None.

    Returns:
        ``(n,)`` texts, in which a combination has lost its agents of dose 0 and what has no agent left is a control if
        the schema says so; and notes.
    """
    pairs = pd.MultiIndex.from_arrays([said, translated])
    codes, unique = pd.factorize(pairs)
    given = [_given(str(label), str(text)) for label, text in unique]
    at_zero = np.array([text is not None for text in given], dtype=bool)[codes]
    if not at_zero.any() or schema.zero_dose == "perturbation":
        return translated, []
    count, shown = int(at_zero.sum()), some(sorted(set(translated[at_zero]) - {""}) or sorted(set(said[at_zero])))
    if schema.zero_dose == "control":
        texts = [before if text is None else text for (_, before), text in zip(unique, given, strict=True)]
        return np.array(texts, dtype=object)[codes], [
            f"{count} of {len(said)} entities have a dose of 0, which zero_dose makes controls: {shown}."
        ]
    return translated, [
        f"{count} of {len(said)} entities have a dose of 0 and count as perturbations: {shown}. If that is the "
        'vehicle, add zero_dose = "control" to the schema, and these are controls; if not, '
        'zero_dose = "perturbation".'
    ]


def doseless(raw: pd.DataFrame, columns: Mapping[str, np.ndarray], schema: Schema) -> list[str]:
    """Note the entities of a dosed screen that were given something of which no dose is stated.

    Args:
        raw: ``n`` rows in the words of the file.
        columns: Translated (`aivc.data.io.labels.translated`).
        schema: Whether a column says doses.
    """
    if not isinstance(schema.dose, str) or schema.dose not in raw:
        return []
    said, texts = labels(raw[schema.dose]), columns["perturbation"]
    lost = (said == "") & (texts != CONTROL) & (texts != "")
    if not lost.any():
        return []
    return [
        f"{lost.sum()} of {len(raw)} entities have no dose and count as conditions of their own: "
        f"{some(sorted(set(texts[lost])))}. Fill the column in, or leave them out."
    ]


def _given(label: str, text: str) -> str | None:
    """What was given, without agents of dose 0; None where there are no such agents."""
    if not text or text == CONTROL:
        return None
    try:
        asked = Perturbation.parse(text)
    except (PerturbationError, UnknownNameError):
        return None
    kept = tuple(agent for agent in asked.agents if agent.dose != 0)
    if any(agent.dose is None and agent.kind == "drug" for agent in asked.agents) and _AMOUNT.fullmatch(label):
        kept = ()
    if len(kept) == len(asked.agents):
        return None
    return str(dataclasses.replace(asked, agents=kept)) if kept else CONTROL
