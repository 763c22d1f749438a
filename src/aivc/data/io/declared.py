"""What a schema declares of controls, held against the labels of a file: which they are, and what they are for."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL
from aivc.core.units import is_effect
from aivc.data.io.amount_columns import log_doses, unnamed_amounts
from aivc.data.io.labels import labels
from aivc.data.io.matched import matched, unmatched
from aivc.data.io.schema import Schema
from aivc.data.io.suspects import blanks_as_text, suspects
from aivc.data.io.zero_dose import doseless, zero_doses


def declared_controls(
    raw: pd.DataFrame,
    names: np.ndarray,
    translated: tuple[dict[str, np.ndarray], list[str]],
    schema: Schema,
    *,
    controls: bool = True,
) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
    """Complete translated columns by what the schema says of controls.

    Args:
        raw: ``n`` rows in the words of the file.
        names: ``(n,)`` names of entities, which are the labels where the schema names no other.
        translated: Columns and problems that are known already (`aivc.data.io.labels.translated`).
        schema: What the columns mean.
        controls: Ask for control entities.

    Returns:
        Our columns, with doses of 0 as the schema has them, and the columns that controls are matched by; all problems;
        and notes.
    """
    columns, known = translated
    problems = [*log_doses(raw, schema), *known, *blanks_as_text(columns, schema)]
    source = schema.perturbation
    if "perturbation" not in columns or not (source is None or (isinstance(source, str) and source in raw)):
        return columns, problems, []
    said = names if source is None else labels(raw[source])
    texts, notes = zero_doses(said, columns["perturbation"], schema)
    columns = {**columns, "perturbation": texts}
    # Without any control, labels that may be meant are named by that problem, and are not listed twice.
    listed = [text for text in known if not (texts == CONTROL).any()]
    problems += suspects(said, texts, schema, listed)
    if controls and schema.zero_dose == "control" and not is_effect(schema.units) and not (texts == CONTROL).any():
        problems.append(
            "No entity is a control: none has a dose of 0. Correct dose in the schema, or name the label of controls: "
            'control = "DMSO".'
        )
    columns |= matched(raw, columns, schema)
    stated = {name: labels(raw[name]) for name in schema.match if name in raw}
    notes += [*doseless(raw, columns, schema), *unnamed_amounts(raw, columns, schema)]
    return columns, problems, [*notes, *unmatched(pd.DataFrame(columns), columns, schema, stated)]
