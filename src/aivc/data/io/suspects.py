"""Finds labels that read like a control, or like no label at all, and would pass for perturbations undeclared."""

import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.io.schema import Constant, Schema

# A schema line that nobody can read to its end is shown in part.
_SHOWN = 20

_NOTHING = re.compile(
    r"nan|<?na>?|n[/.]a\.?|#n/a|none|null|nil|nat|missing|blank|\?+|-+|\.+|[\"']{2}|unknown|undetermined|undefined"
    r"|un(?:assigned|mapped|matched|labell?ed|classified|called|identified)|negatives?|ambiguous|multiplets?|doublets?"
    r"|multiple(?:[ _-](?:guides?|sgrnas?))?|multi|not?[ _-](?:detected|available|applicable|assigned|called|calls?)"
    r"|no[ _-](?:guides?|s?grnas?|labels?|features?|features?[ _-]calls?|assignments?|hash(?:tag)?s?|perturbations?)"
)
# Of contexts, donors and batches, what a table writes where it has nothing: "unknown" and the like may be a name there.
_BLANK = re.compile(r"nan|<na>|na|n/a|#n/a|none|null|nat")

_CONTROL = re.compile(
    r"nt|ntc|ntcs|nc|ctrls?|ctls?|cntrls?|controls?"
    r"|(?:neg(?:ative)?|non|vehicle|untreated|solvent|safe|scrambled?|dmso|pbs|mock|empty|nt|ntc|gfp|sham|intergenic)-?"
    r"(?:ctrls?|ctls?|controls?)|neg|.*-(?:control|ctrl)s?|(?:control|ctrl)s?-(?!positive).*"
    r"|(?:.*-)?(?:non|no)-?target(?:ing|ed)?(?:-.*)?|(?:.*-)?safe-?(?:target(?:ing)?|cut(?:ting)?|harbou?r)(?:-.*)?"
    r"|aavs1(?:-.*)?|rosa26|h11|scr|scram|scrambled?(?:-.*)?|luc|fluc|rluc|(?:firefly-?|renilla-?)?luciferase"
    r"|lac-?z|beta-?gal(?:actosidase)?|[et]?(?:gfp|rfp|bfp|yfp|cfp)|tagbfp|mcherry|td-?tomato|dsred|mneongreen"
    r"|dmso(?:-.*)?|dimethyl-?sulph?foxide|dimethyl-?sulfoxide|vehicles?|veh|d?pbs|saline|nacl|d?d?h2o|water|etoh"
    r"|ethanol|methanol|meoh|(?:culture-?)?(?:media|medium)(?:-only)?|mock|sham|placebo"
    r"|un(?:treated|perturbed|stim(?:ulated)?|infected|transduced|transfected|edited|exposed)|unt|unstim"
    r"|(?:non|not)-?(?:treated|perturbed|stimulated|infected|transduced|edited)|no-?(?:treatment|drug|stim(?:ulation)?)"
    r"|wt|wild-?type|parental|baseline|intergenic|(?:one-)?(?:non-?)?(?:intergenic|cutting)(?:-site)?|no-?site"
    r"|non-?cutting|empty(?:-?vector)?|ev"
)
# The number of one of several guides or wells. Of short names only behind a sign: NT5 and SCR7 are other things.
_INDEX = re.compile(r"(?:-?(?:sg|g|guide)|-|#)\d+(?:-\d+)*$|(?<=[a-z]{4})\d+(?:-\d+)*$|(?<=^ntc)\d+$")
_LEADING = re.compile(r"^(?:sgrna|grna|sg|guide)-?(?=[a-z])")


def reads_as_nothing(label: str) -> bool:
    """Whether a label is a word for having none.

    >>> [reads_as_nothing(text) for text in ("NaN", "unassigned", "NANOG")]
    [True, True, False]
    """
    return _NOTHING.fullmatch(label.strip().casefold()) is not None


def reads_as_control(label: str) -> bool:
    """Whether a label is a usual name of what is not perturbed, with the number of a guide or a well or without.

    >>> [reads_as_control(text) for text in ("Non-Targeting_0042", "sgAAVS1", "DMSO", "WT1", "positive control")]
    [True, True, True, False, False]
    """
    text = re.sub(r"[\s_.:-]+", "-", label.strip().casefold()).strip("-()")
    if text.startswith("pos"):
        return False
    bare = _LEADING.sub("", text)
    return any(_CONTROL.fullmatch(each) for one in (text, bare) for each in (one, _INDEX.sub("", one)))


def suspects(labels: np.ndarray, translated: np.ndarray, schema: Schema, listed: Sequence[str] = ()) -> list[str]:
    """List labels that read like controls or like no label, unless the schema says what they are.

    Args:
        labels: ``(n,)`` in the words of the file.
        translated: ``(n,)`` texts of `Perturbation`; empty where a label could not be understood.
        schema: Its ``control`` and ``keep`` say what labels are.
        listed: Problems that are known already; what they name is not listed again.

    Returns:
        Problems, each with the line to add.
    """
    if isinstance(schema.perturbation, Constant):
        return []
    pairs = pd.DataFrame({"label": labels, "text": translated}).value_counts(sort=False)
    nothing: dict[str, int] = {}
    controls: dict[str, int] = {}
    for (label, text), count in pairs.items():
        if not label or text == CONTROL or label in schema.controls or label in schema.keep:
            continue
        if any(repr(label) in problem for problem in listed):
            continue
        names = [name for name in _names(label, text, schema) if name not in (*schema.controls, *schema.keep)]
        kind = nothing if any(map(reads_as_nothing, names)) else controls if any(map(reads_as_control, names)) else None
        if kind is not None:
            kind[label] = kind.get(label, 0) + int(count)
    said = (
        "have labels that read like no label",
        "have labels that read like controls but are not declared as such, and would count as perturbations",
    )
    both = zip(said, (nothing, controls), strict=True)
    return [_problem(text, found, len(labels), schema) for text, found in both if found]


def blanks_as_text(columns: dict[str, np.ndarray], schema: Schema) -> list[str]:
    """List contexts, donors and batches that are words for nothing, such as the text ``nan``."""
    problems = []
    for field in ("context", "donor", "batch"):
        if field not in columns or not isinstance(getattr(schema, field), str):
            continue
        texts = columns[field][columns[field] != ""].astype(str)
        counts = pd.Series(texts, dtype=object).value_counts().sort_index()
        named = [str(text) for text in counts.index if _BLANK.fullmatch(str(text).casefold())]
        if named := [text for text in named if text not in (schema.blank, *schema.keep)]:
            shown = ", ".join(f"{text!r} ({counts[text]})" for text in named)
            problems.append(
                f"{counts[named].sum()} of {len(columns[field])} entities have a {field} that reads like none: "
                f"{shown}. To leave them out, add {_line('exclude', (*schema.exclude, *named))}; if it is a name, add "
                f"{_line('keep', (*schema.keep, *named))}."
            )
    return problems


def _names(label: str, text: str, schema: Schema) -> list[str]:
    """A label and what it is made of."""
    parts = label.split(schema.separator) if schema.separator else []
    try:
        targets = Perturbation.parse(text).targets if text else ()
    except (PerturbationError, UnknownNameError):
        targets = ()
    return [label, *(part.strip() for part in parts), *targets]


def _problem(said: str, found: dict[str, int], count: int, schema: Schema) -> str:
    names = sorted(found)
    shown = ", ".join(f"{name!r} ({found[name]})" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"{sum(found.values())} of {count} entities {said}: {shown}{more}. Say in the schema what they are. To leave "
        f"them out: {_line('exclude', (*schema.exclude, *names))}. If they are unperturbed: "
        f"{_line('control', (*schema.controls, *names))}. If they are perturbations: "
        f"{_line('keep', (*schema.keep, *names))}."
    )


def _line(field: str, names: Sequence[str]) -> str:
    """The schema line that lists some labels."""
    listed = ", ".join(json.dumps(name, ensure_ascii=False) for name in names[:_SHOWN])
    return f"{field} = [{listed}{', ...' if len(names) > _SHOWN else ''}]"
