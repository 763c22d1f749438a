"""How others name things: the columns and labels of common screens, as evidence for a schema."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from aivc.core.errors import PerturbationError, UnavailableError, UnknownNameError
from aivc.core.perturbation import Perturbation, kind_of
from aivc.data.io.genome_prefix import genomes
from aivc.data.io.guess_places import Guides, control_guides
from aivc.data.io.label_forms import Form, form_of, joined
from aivc.data.io.labels import control_like, labels
from aivc.data.io.suspects import reads_as_nothing
from aivc.data.io.target_genes import SYMBOLS
from aivc.data.names.genes import gene_table, resolve
from aivc.data.names.label_rules import DOSED, GUIDE, TIMED, TUPLE, WHOLE, parsed, tuples

_PERTURBATION = (
    "perturbation", "condition", "target_gene", "gene_target", "perturbation_name", "gene", "target", "product_name",
    "sm_name", "drug", "compound", "pert_iname", "cmap_name", "treatment", "cytokine", "drugname_drugconc",
    "guide_target", "guide_identity", "feature_call",
)  # fmt: skip
_CHEMICAL = ("product_name", "sm_name", "drug", "compound")
CONTEXT = (
    "cell_line", "cell_name", "cell_line_id", "cell_type", "celltype", "cell_context", "cell_id", "cell_iname",
    "context", "line",
)  # fmt: skip
DONORS = ("donor", "donor_id", "donor_name", "patient", "patient_id", "individual", "subject", "case")
_BATCH = (
    "batch",
    "batch_var",
    "gem_group",
    "gemgroup",
    "gem_batch",
    "plate",
    "plate_name",
    "det_plate",
    "library",
    "lane",
)
_DOSE = ("dose_value", "dose_val", "dose", "dose_uM", "dose_nM", "concentration", "dose_um", "pert_dose")
_DOSE_UNIT = ("dose_unit", "concentration_unit", "conc_unit", "pert_dose_unit")
_HOURS = ("hours", "time_h", "timepoint_hr", "pert_time", "time", "timepoint")
_NAMED_HOURS = ("hours", "time_h", "timepoint_hr")
GUIDE_FIELDS = ("perturbation", "control", "kind", "separator", "guide_threshold", "exclude")
_KINDS = {
    "crispr": "ko", "crispr-cas9": "ko", "crispr-ko": "ko", "crispr knockout": "ko", "knockout": "ko", "ko": "ko",
    "crispri": "crispri", "crispr-interference": "crispri", "crispra": "crispra", "crispr-activation": "crispra",
    "drug": "drug", "drugs": "drug", "small molecule": "drug", "compound": "drug", "cytokine": "ligand",
    "cytokines": "ligand", "overexpression": "oe", "orf": "oe", "trt_cp": "drug", "trt_lig": "ligand", "trt_xpr": "ko",
    "trt_oe": "oe",
}  # fmt: skip
_SHOWN = 4
_STATED_DOSE = re.compile(r"(?i)\d ?[numµμ]M\b|[_@ ]\d+\.\d+$")
# Columns that are shown where no one of them can be named.
_COLUMNS = 12


class Line(NamedTuple):
    """One line of a suggested schema.

    Attributes:
        field: Of `aivc.data.io.schema.Schema`.
        value: JSON-ready, as the schema writes it.
        evidence: The column and the values that were seen.
        sure: Whether the file says it; otherwise the line is for a person to complete.
    """

    field: str
    value: Any
    evidence: str
    sure: bool = True


def seen(column: pd.Series) -> str:
    """Name the most frequent labels of a column, and count the rest.

    >>> seen(pd.Series(["ctrl", "ctrl", "A"]))
    "2 values, such as 'ctrl', 'A'"
    """
    counts = pd.Series(labels(column)).value_counts()
    texts = ", ".join(map(repr, counts.index[:_SHOWN]))
    return f"{len(counts)} value{'s' * (len(counts) > 1)}, such as {texts}"


def convention(entities: pd.DataFrame) -> str:
    """Name the convention that the columns follow; empty where none is known.

    >>> convention(pd.DataFrame({"condition": ["ctrl", "TP53+ctrl"]}))
    'GEARS'
    """
    columns = set(map(str, entities))
    rules = {
        "GEARS": "condition" in columns
        and any(re.search(r"\+ctrl$|^ctrl\+", x) for x in _values(entities, "condition")),
        "State, drugs in tuples": "drugname_drugconc" in columns,
        "scPerturb": "perturbation" in columns and bool(columns & {"nperts", "perturbation_type"}),
        "cell-eval and Virtual Cell Challenge": "target_gene" in columns,
        "OP3": "sm_name" in columns,
        "LINCS": "pert_type" in columns and bool(columns & {"pert_iname", "cmap_name"}),
        "sci-Plex": "product_name" in columns,
        "Tahoe-100M": "drug" in columns and bool(columns & {"cell_line", "cell_name", "cell_line_id"}),
        "pertpy": bool(columns & {"gene_target", "perturbation_name"}),
        "State": "gene" in columns and bool(columns & {"gem_group", "gemgroup", "cell_type", "cell_line"}),
    }
    return next((name for name, fits in rules.items() if fits), "")


def lines_of(entities: pd.DataFrame) -> tuple[list[Line], list[str]]:
    """Suggest what the columns of entities mean.

    Args:
        entities: ``n`` rows in the words of the file.

    Returns:
        Lines of a schema, and what no schema can say.
    """
    found, notes = _labelled(entities)
    plain = not any(line.field == "perturbation" for line in found) or any(line.field == "kind" for line in found)
    for field, names in (("context", CONTEXT), ("donor", DONORS), ("batch", _BATCH)):
        if name := _first(entities, names):
            found.append(Line(field, name, f"obs column {name!r}: {seen(entities[name])}"))
    return [*found, *(_amounts(entities) if plain else [])], notes


def features_lines(names: Sequence[str], var: pd.DataFrame) -> list[Line]:
    """Suggest species and which column names the features."""
    some, shown = list(map(str, names))[:2000], ", ".join(map(repr, list(names)[:3]))
    found, called = [], some
    if prefixes := genomes(map(str, names)):
        prefix, held = next(iter(prefixes)), ", ".join(f"{each} ({count})" for each, count in prefixes.items())
        doubt = "" if len(prefixes) == 1 else ": of several species? Keep the cells of one"
        evidence = f"features begin with a genome, {held}{doubt}"
        found.append(Line("feature_prefix", prefix, evidence, sure=len(prefixes) == 1))
        some = called = [name.removeprefix(prefix) for name in map(str, names) if name.startswith(prefix)][:2000]
    ensembl = sum(text.startswith("ENS") for text in some) * 2 > len(some)
    if ensembl and (name := _first(var, SYMBOLS)):
        found.append(Line("features", name, f"features are named by Ensembl ids ({shown}); var has column {name!r}"))
        called = list(map(str, var[name]))[:2000]
    mouse = sum(bool(re.match(r"ENSMUSG|[A-Z][a-z0-9]+[a-z]", text)) for text in some)
    human = sum(bool(re.match(r"ENSG\d|[A-Z][A-Z0-9-]+$", text)) for text in some)
    species = "mouse" if mouse > human else "human"
    if max(mouse, human) * 2 > len(some) and _are_genes(called, species):
        found.append(Line("species", species, f"features such as {shown}"))
    else:
        found.append(Line("species", "none", f"features such as {shown}: no gene names known here?", sure=False))
    return found


def _are_genes(names: Sequence[str], species: str) -> bool:
    """Whether most names are genes of a species; their look is believed where its table of genes is not here."""
    try:
        return resolve(names, species=species, table=gene_table(species)).coverage.known > 0.5
    except UnavailableError:
        return True


def _values(entities: pd.DataFrame, name: str) -> list[str]:
    return [str(text) for text in pd.unique(labels(entities[name])) if text]


def _first(frame: pd.DataFrame, names: Iterable[str]) -> str:
    return next((name for name in names if name in frame and frame[name].notna().any()), "")


def _labelled(entities: pd.DataFrame) -> tuple[list[Line], list[str]]:
    """The column of perturbations, its controls, kind and separator."""
    candidates = {name: _values(entities, name) for name in _PERTURBATION if name in entities}
    candidates = candidates or _with_controls(entities)
    # Two labels, one of which says only that something was done, name no perturbation.
    naming = {name: texts for name, texts in candidates.items() if not _says_only_whether(texts)}
    controls = {name: _likely(texts) or control_guides(_parts(name, texts)) for name, texts in naming.items()}
    if not naming:
        return [_unknown(entities)], []
    name = next((name for name in naming if controls[name]), next(iter(naming)))
    texts, column = naming[name], entities[name]
    found = [Line("perturbation", name, f"obs column {name!r}: {seen(column)}")]
    likely = controls[name]
    found.append(_control(name, column, likely))
    found += _exclude(name, column, texts)
    if all(map(_is_text, set(texts) - set(likely))) and len(texts) > len(likely):
        return found, []
    kind = _kind(entities, name)
    forms = _forms(entities, name, texts, likely, kind)
    return [*found, *(line if line.sure else _kind_of_forms(line, forms) for line in kind), *forms], []


def _with_controls(entities: pd.DataFrame) -> dict[str, list[str]]:
    """The one column with three labels or more, some of which read like controls; none where there are several."""
    texts = {str(name): _values(entities, name) for name in entities}
    texts = {name: each for name, each in texts.items() if 2 < len(each) * 2 <= len(entities) + 2}
    found = {name: each for name, each in texts.items() if len(each) > 2 and (_likely(each) or control_guides(each))}
    return found if len(found) == 1 else {}


def _unknown(entities: pd.DataFrame) -> Line:
    """Ask which column holds perturbations, and show what there is to choose from."""
    columns = "; ".join(f"{name!r}: {seen(entities[name])}" for name in list(entities)[:_COLUMNS])
    asked = f"which column holds perturbations? {columns}" if columns else "there are no columns that could hold labels"
    return Line("perturbation", "...", asked, sure=False)


def _kind_of_forms(unsaid: Line, forms: Sequence[Line]) -> Line:
    """What labels with doses, or of guides, leave open about what was done."""
    values = {line.value for line in forms if line.field == "labels"}
    if values & {DOSED, TUPLE, TIMED}:
        return unsaid._replace(value="drug", evidence="labels hold doses, so were these drugs, or ligands?")
    if GUIDE in values:
        return unsaid._replace(value="ko", evidence="labels are guides, but did they cut? ko, crispri or crispra")
    return unsaid


def _forms(
    entities: pd.DataFrame, name: str, texts: Sequence[str], controls: Sequence[str], kind: Sequence[Line]
) -> list[Line]:
    """What labels hold beside a target, and what joins them."""
    names = sorted(set(texts) - set(controls))
    sure = bool(kind) and kind[0].sure
    # Guides are numbered, and never by fractions or in units.
    dosed = any(map(_STATED_DOSE.search, names))
    kinds = [kind_of(kind[0].value).genetic] if sure else [not dosed, dosed]
    form = next(filter(None, (form_of(names, genetic=genetic) for genetic in kinds)), None)
    if form is not None and form.value not in (GUIDE, WHOLE):
        return [_form_line(name, form), *_unit_behind(form)]
    both = joined(names, controls, genetic=kinds[0])
    lines = [_form_line(name, form)] if form else []
    return [*lines, *([_form_line(name, both)] if both else _separator(entities, name, texts))]


def _form_line(name: str, form: Form) -> Line:
    return Line(form.field, form.value, f"labels of {name!r} are {form.what}, such as {form.shown[0]!r}")


def _unit_behind(form: Form) -> list[Line]:
    parts = [part for text in form.shown for part in parsed(text, form.value) or ()]
    if any(part.dose is not None and not part.unit for part in parts):
        return [Line("dose_unit", {"value": "uM"}, "labels hold doses without a unit", sure=False)]
    return []


def _likely(texts: Sequence[str]) -> list[str]:
    """Labels that read like controls, also where they stand in a tuple."""
    inside = {text: [part.target for part in found] for text in texts if (found := tuples(text))}
    return control_like(texts) or [text for text, names in inside.items() if control_like(names) == sorted(set(names))]


def _parts(name: str, texts: Sequence[str]) -> list[str]:
    """Guides in the calls of Cell Ranger; labels of others as they are."""
    return [part for text in texts for part in text.split("|")] if name == "feature_call" else list(texts)


def _exclude(name: str, column: pd.Series, texts: Sequence[str]) -> list[Line]:
    nothing, count = sorted(filter(reads_as_nothing, texts)), int((labels(column) == "").sum())
    doubts = [f"labels of {name!r} that read like no label"] if nothing else []
    if count:
        blank = f"{count} of {len(column)} entities have no label in {name!r}: leave them out, or are they controls?"
        nothing, doubts = ["", *nothing], [blank, *doubts]
    return [Line("exclude", nothing, "; ".join(doubts), sure=False)] if nothing else []


def guide_lines(held: Guides) -> list[Line]:
    """Suggest how a matrix of guides is read as labels."""
    shown = ", ".join(map(repr, held.names[:_SHOWN]))
    found = [
        Line("perturbation", held.place, f"{held.place!r} is a matrix of {len(held.names)} guides, such as {shown}")
    ]
    likely = control_guides(held.names)
    evidence = f"guides whose names read like controls: {', '.join(map(repr, likely[:_SHOWN]))}"
    found.append(
        Line("control", likely, evidence) if likely else Line("control", "...", "no guide reads so", sure=False)
    )
    if held.counts:
        doubt = f"{held.place!r} holds counts: from how many on does a cell have a guide?"
        found.append(Line("guide_threshold", 5, doubt, sure=False))
    if held.several:
        joins = f"{held.several} cells have several guides; no name of a guide holds {held.separator!r}"
        found.append(Line("separator", held.separator, joins))
    if held.none:
        doubt = f"{held.none} cells have no guide: leave them out, or are they controls?"
        found.append(Line("exclude", [""], doubt, sure=False))
    doubt = "the file does not say what was done: ko, crispri, crispra, oe?"
    return [*found, Line("kind", "ko", doubt, sure=False)]


def _says_only_whether(texts: Sequence[str]) -> bool:
    return len(texts) <= 2 and any(re.fullmatch(r"(?i)perturbed|true|yes|1|treated|stimulated|stim", t) for t in texts)


def _control(name: str, column: pd.Series, likely: Sequence[str]) -> Line:
    if not likely:
        return Line("control", "...", f"no label of {name!r} reads like a control", sure=False)
    counts = pd.Series(labels(column)).value_counts()
    texts = ", ".join(f"{text!r} ({counts.get(text, 0)} cells)" for text in likely)
    value = likely[0] if len(likely) == 1 else list(likely)
    return Line("control", value, f"labels of {name!r} that read like controls: {texts}")


def _is_text(label: str) -> bool:
    try:
        return ":" in label and bool(Perturbation.parse(label).agents)
    except (PerturbationError, UnknownNameError):
        return False


def _kind(entities: pd.DataFrame, name: str) -> list[Line]:
    if stating := _first(entities, ("perturbation_type", "pert_type")):
        stated = _values(entities, stating)
        kinds = {_KINDS[text.casefold()] for text in stated if text.casefold() in _KINDS}
        answer = f"obs column {stating!r}: {seen(entities[stating])}"
        if len(kinds) == 1:
            return [Line("kind", kinds.pop(), answer)]
        return [Line("kind", "...", f"{answer}: no one kind", sure=False)]
    if name in (*_CHEMICAL, "drugname_drugconc"):
        return [Line("kind", "drug", f"obs column {name!r} names compounds")]
    return [
        Line("kind", "ko", "the file does not say what was done: ko, crispri, crispra, oe, drug, ligand?", sure=False)
    ]


def _separator(entities: pd.DataFrame, name: str, texts: Sequence[str]) -> list[Line]:
    if name == "feature_call" and (several := [text for text in texts if "|" in text]):
        return [Line("separator", "|", f"calls of {name!r} such as {several[0]!r}")]
    if "nperts" not in entities:
        return []
    several = entities.loc[pd.to_numeric(entities["nperts"], errors="coerce") > 1, name]
    both = [text for text in pd.unique(labels(several)) if "_" in text]
    if not both:
        return []
    return [Line("separator", "_", f"obs column 'nperts' is above 1 where {name!r} is such as {both[0]!r}")]


def _amounts(entities: pd.DataFrame) -> list[Line]:
    found = []
    name = next((name for name in _DOSE if name in entities and _numeric(entities[name])), "")
    if name:
        answer = f"obs column {name!r}: {seen(entities[name])}"
        unit = _unit(entities, name)
        known = unit.sure
        found += [Line("dose", name, answer, sure=known), unit]
    if name := next((name for name in _HOURS if name in entities and _numeric(entities[name])), ""):
        stated = _values(entities, f"{name}_unit") if f"{name}_unit" in entities else []
        named = name in _NAMED_HOURS or set(stated) in ({"h"}, {"hours"})
        doubt = "" if named else ": are these hours?"
        found.append(Line("hours", name, f"obs column {name!r}: {seen(entities[name])}{doubt}", sure=named))
    return found


def _unit(entities: pd.DataFrame, dose: str) -> Line:
    if name := _first(entities, _DOSE_UNIT):
        return Line("dose_unit", name, f"obs column {name!r}: {seen(entities[name])}")
    if match := re.search(r"_([un])m$", dose, re.I):
        return Line("dose_unit", {"value": f"{match[1].lower()}M"}, f"the name of column {dose!r}")
    return Line("dose_unit", {"value": "uM"}, "the file does not say the unit of the dose", sure=False)


def _numeric(column: pd.Series) -> bool:
    numbers = pd.to_numeric(pd.Series(labels(column)).replace("", None), errors="coerce")
    return bool(numbers.notna().any() and (numbers.notna() | (pd.Series(labels(column)) == "")).all())


def as_mapping(lines: Iterable[Line]) -> Mapping[str, Any]:
    """What the file says, by field, without what a person has to complete."""
    return {line.field: line.value for line in lines if line.sure}
