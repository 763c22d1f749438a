"""Finds labels that read like a control, or like no label at all, and would pass for perturbations undeclared."""

import json
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.data.io.schema import Constant, Schema
from aivc.data.names.label_rules import LabelPart, parsed

# A schema line that nobody can read to its end is shown in part.
_SHOWN = 20

_NOTHING = re.compile(
    r"[+-]?0+(?:\.0+)?|(?:the[ _-])?others?|remaining|(?:all[ _-](?:the[ _-])?)?(?:other|remaining)[ _-]cells"
    r"|the[ _-]rest|no|true|false|yes|perturbed"
    r"|nan|<?na>?|n[/.]a\.?|n\.?d\.?|\\+n|#[a-z/0]+[!?]?|none|null|nil|nat|missing|blank|\?+|-+|\.+|[\"']{2}|-1|inf"
    r"|tb[ad]|dropped|discarded|filtered(?:[ _-]out)?|outliers?|low[ _-]?quality|ambient|background"
    r"|(?:unknown|undetermined|undefined|ambiguous)(?:[ _-](?:guides?|sgrnas?|targets?|genes?|labels?|assignments?))?"
    r"|un(?:assigned|mapped|matched|labell?ed|classified|called|identified)|negatives?"
    r"|(?:multiplet|doublet)s?(?:[ _-].*)?"
    r"|(?:multi(?:ple)?|[2-9]\+|>[ ]?1)(?:[ _-]?(?:guides?|s?grnas?|perturbations?))?"
    r"|none[ _-](?:detected|assigned|called)"
    r"|no[nt]?[ _-](?:detected|available|applicable|assigned|called|calls?)|(?:sg|g|sgrna|guide)[ _-]?(?:nan|none|null)"
    r"|no[ _-](?:guides?|s?grnas?|labels?|features?|features?[ _-]calls?|assignments?|hash(?:tag)?s?|perturbations?)"
)
_NEUROTROPHIN = re.compile(r"(?i)(?:h|rh|rm|m)?nt[- ]?[345](?:/[45])?")
# REST is a gene.
_REST = re.compile(r"rest(?:[ _-]of[ _-].*)?")
_JOINTS = re.compile(r"[|+;&,_/]")
# Of contexts, donors and batches, what a table writes where it has nothing: "unknown" and the like may be a name there.
_BLANK = re.compile(r"nan|<na>|na|n/a|#n/a|none|null|nat|-?inf")

_CONTROL = re.compile(
    r"nt|(?:.*-)?ntcs?|nc|ctrls?|ctls?|ctrs?|cntr?ls?|controls?"
    r"|(?:neg(?:ative)?|non|vehicle|untreated|solvent|safe|scrambled?|dmso|pbs|mock|empty|nt|ntc|gfp|sham|intergenic)-?"
    r"(?:ctrls?|ctls?|controls?)|neg|.*-(?:control|ctrl)s?|(?:control|ctrl)s?-(?!positive).*"
    r"|(?:.*-)?(?:non|no|un)-?target(?:ing|ed)?(?:-.*)?|non-?targ"
    r"|(?:.*-)?safe-?(?:target(?:ing)?|cut(?:ting)?|harbou?r)(?:-.*)?|(?:chr-?|0)?safe(?:-.*)?|dummy(?:-.*)?"
    r"|aavs1(?:-.*)?|rosa26(?:-.*)?|h11(?:-.*)?|scr|scram|scrambled?(?:-.*)?|luc|fluc|rluc"
    r"|(?:firefly-?|renilla-?)?luciferase|d?cas9(?:-(?:only|krab|vpr|control))?|plko(?:-.*)?"
    r"|lac-?z|beta-?gal(?:actosidase)?|[et]?(?:gfp|rfp|bfp|yfp|cfp)|tagbfp|mcherry|td-?tomato|dsred|mneongreen"
    r"|c?dmso(?:-.*)?|dimethyl-?sulph?foxide|dimethyl-?sulfoxide|vehicles?(?:-.*)?|veh|solvent|carrier"
    r"|d?pbs|hbss|saline|nacl|d?d?h2o|water|bsa|igg|isotype|te-buffer|buffer|methyl-?cellulose|etoh"
    r"|ethanol|methanol|meoh|(?:culture-?)?(?:media|medium)(?:-only)?|mock(?:-.*)?|sham|placebo"
    r"|un(?:treated|perturbed|stim(?:ulated)?|infected|transduced|transfected|edited|exposed|modified)|unt|unstim|uninf"
    r"|(?:non|not)-?(?:treated|perturbed|stimulated|infected|transduced|edited)"
    r"|no-?(?:treatment|drug|compound|cytokine|ligand|stim(?:ulation|ulus)?|infection|virus)"
    r"|wt|wild-?type|parental|baseline|resting|naive|intergenic"
    r"|(?:one-)?(?:non-?)?(?:intergenic|cutting)(?:-site)?|no-?site|non-?cutting|empty(?:-?vector)?|ev"
)
# The number of one of several guides or wells. Of short names only behind a sign: NT5 and SCR7 are other things.
_INDEX = re.compile(
    r"(?:-(?:sg|g|guide)|(?<=[a-z]{4})(?:sg|g|guide)|-|#)-?\d+(?:-\d+)*$|(?<=[a-z]{4})\d+(?:-\d+)*$|(?<=^ntc)\d+$"
)
_PLAIN_INDEX = re.compile(r"(?<=[a-z]{4})\d+$")
_LEADING = re.compile(r"^(?:(?:sgrna|grna|sirna|shrna|sg|sh|si|guide)-?|g-)(?=[a-z])")
# An amount or a duration beside a vehicle.
_BESIDE = re.compile(r"^[\d-]+%-|-[\d-]+%$|-\d+-?(?:h|hr|hrs|hours?|d|days?|min)$")
# Short names in front of a number are other things too; so many of one name are guides.
_SHORT, _MANY = re.compile(r"(nt|nc|scr|neg|ev|ctr|ctl|safe)\d{1,4}"), 4


def reads_as_nothing(label: str) -> bool:
    """Whether a label is a word for having none.

    >>> [reads_as_nothing(text) for text in ("NaN", "unassigned", "NANOG")]
    [True, True, False]
    """
    if _REST.fullmatch(label.strip()):
        return True
    text = label.strip().casefold()
    parts = [part.strip() for part in _JOINTS.split(text)]
    return any(all(map(_NOTHING.fullmatch, each)) for each in ([text], parts if all(parts) else [text]))


def _neurotrophin(name: str, text: str) -> bool:
    """Whether NT-3 or NT-4 was given as a ligand, and is no numbered non-targeting guide."""
    return text.startswith("ligand:") and _NEUROTROPHIN.fullmatch(name) is not None


def reads_as_control(label: str) -> bool:
    """Whether a label is a usual name of what is not perturbed, with the number of a guide or a well or without.

    >>> [reads_as_control(text) for text in ("Non-Targeting_0042", "sgAAVS1", "DMSO", "WT1", "positive control")]
    [True, True, True, False, False]
    """
    parts = [part for part in re.split(r"\s*[|+;&]\s*", label.strip()) if part]
    if len(parts) > 1:
        return all(map(reads_as_control, parts))
    text = re.sub(r"[\s_.:()-]+", "-", label.strip().casefold()).strip("-")
    if text.startswith("pos"):
        return False
    bare = _LEADING.sub("", text)
    forms = {text, bare, _BESIDE.sub("", text)}
    return any(
        _CONTROL.fullmatch(each) for one in forms for each in (one, _INDEX.sub("", one), _PLAIN_INDEX.sub("", one))
    )


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
    numbered = _numbered([str(label) for label, _ in pairs.index])
    nothing: dict[str, int] = {}
    controls: dict[str, int] = {}
    guilty: tuple[set[str], set[str]] = (set(), set())
    for (label, text), count in pairs.items():
        if not label or text == CONTROL or label in schema.controls or label in schema.keep:
            continue
        if any(repr(label) in problem for problem in listed):
            continue
        names = [name for name in _names(label, text, schema) if name not in (*schema.controls, *schema.keep)]
        none = [name for name in names if reads_as_nothing(name)]
        unperturbed = [
            name
            for name in names
            if (reads_as_control(name) or name in numbered) and not _neurotrophin(name, str(text))
        ]
        if none or unperturbed:
            kind = nothing if none else controls
            kind[label] = kind.get(label, 0) + int(count)
            # Of a combination the part is the control, unless the whole reads so.
            found = none or unperturbed
            guilty[not none].update({label} if label in found else found)
    said = (
        "have labels that read like no label",
        "have labels that read like controls but are not declared as such, and would count as perturbations",
    )
    both = zip(said, (nothing, controls), guilty, strict=True)
    return [_problem(text, found, sorted(parts), len(labels), schema) for text, found, parts in both if found]


def _numbered(labels: Sequence[str]) -> set[str]:
    """Labels such as NT1 to NT9: one would be a name, and many of one stem are guides."""
    stems = {label: found[1] for label in labels if (found := _SHORT.fullmatch(label.casefold()))}
    counts = Counter(stems.values())
    return {label for label, stem in stems.items() if counts[stem] >= _MANY}


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
    """A label and what it is made of; of a part that follows the declared rule, the target."""
    parts = [part.strip() for part in label.split(schema.separator)] if schema.separator else []
    parts = [each.target for part in parts for each in parsed(part, schema.labels) or (LabelPart(part),)]
    try:
        targets = Perturbation.parse(text).targets if text else ()
    except (PerturbationError, UnknownNameError):
        targets = ()
    whole = [] if len(parts) > 1 and not reads_as_nothing(label) else [label]
    return [*whole, *parts, *targets]


def _problem(said: str, found: dict[str, int], parts: Sequence[str], count: int, schema: Schema) -> str:
    names = sorted(found)
    shown = ", ".join(f"{name!r} ({found[name]})" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"{sum(found.values())} of {count} entities {said}: {shown}{more}. Say in the schema what they are. To leave "
        f"them out: {_line('exclude', (*schema.exclude, *names))}. If they are unperturbed: "
        f"{_line('control', (*schema.controls, *parts))}. If they are perturbations: "
        f"{_line('keep', (*schema.keep, *parts))}."
    )


def _line(field: str, names: Sequence[str]) -> str:
    """The schema line that lists some labels."""
    listed = ", ".join(json.dumps(name, ensure_ascii=False) for name in names[:_SHOWN])
    return f"{field} = [{listed}{', ...' if len(names) > _SHOWN else ''}]"
