"""How the columns of a file map to ours: declared once, translated when it is read, never guessed."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import SchemaError, UnknownNameError
from aivc.core.foreign_text import read_toml
from aivc.core.perturbation import kind_of
from aivc.core.state import write_text
from aivc.core.units import ARBITRARY, HOURS, INTENSITY, LOG_INTENSITY, is_effect, parse_units
from aivc.data.images.layout import ImageLayout
from aivc.data.io.number_names import name_text
from aivc.data.io.time_texts import EMBRYONIC, TIMES, TimeRule, pairs_of
from aivc.data.names.label_rules import holds_dose, holds_hours, require_rule

SPECIES = ("human", "mouse", "none")
FORMATS = ("wide", "long", "transposed", "cells")
SOURCES = (
    "perturbation", "kind_column", "context", "donor", "batch", "section", "cell_type", "dose", "dose_unit", "hours",
    "cells", "time", "clone",
)  # fmt: skip
LISTS = ("control", "exclude", "keep", "match", "describe", "time_map")
NUMBERS = ("guide_threshold", "um_per_pixel", "birth")
ZERO_DOSES = ("control", "perturbation")
COORDINATE_UNITS = ("um", "array", "pixel")
OBSM = "obsm:"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@final
@dataclass(frozen=True)
class Constant:
    """One value for every entity, where the file has no column for it.

    In TOML: ``context = { value = "K562" }``.
    """

    value: str | float | int


Source = str | Constant | None


@final
@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the columns of a file mean. A source is the name of a column, or a `Constant` for all rows.

    Attributes:
        units: What the values are; see `aivc.core.units.parse_units`. No default: it would be a guess.
        perturbation: Source of the labels: a column, or, where cells hold several guides, a matrix of cells × guides (a
            key in obsm, a modality of an h5mu, a feature type of a 10x file). None only for tables of effects whose
            entity names are the labels; ``Constant("control")`` for data in which nothing was perturbed.
        control: Labels that mean unperturbed; needed unless values are effects. An empty text stands for blank labels.
        exclude: Labels of perturbations, contexts, donors and batches whose entities are left out and counted. An empty
            text stands for blank ones, but not of contexts, donors and batches where ``blank`` names these.
        keep: Labels that read like a control or like no label, such as ``GFP`` or ``none``, and are neither.
        zero_dose: What a dose of 0 is: ``control``, or a ``perturbation`` as any other dose.
        match: Columns by which controls are matched, such as the vehicle: a perturbation is measured against controls
            that have its value, where there are any. Context, hours, time, donor and batch are matched without it.
        kind: Perturbation kind of plain labels, such as ``ko``; None when labels are texts of `Perturbation` already.
        labels: How a label holds its target: ``guide`` (``STAT1_g2``, ``sgSTAT1-1``), ``drug-tuple``
            (``[('A', 5.0, 'uM')]``), ``dose-in-label`` (``0.2 uM A``, ``A_0.2``), ``hours-in-label`` (``A_24h``,
            ``A_1uM_3d``), ``whole`` where it is a name as it stands; or a regular expression of the whole label with
            the group ``target``, and perhaps ``dose``, ``unit`` and ``hours``. None takes labels whole, unless they
            look like one of these, which is a problem.
        separator: What joins the labels of a combination, such as ``+`` in ``CEBPA+JUN``; None where there are none.
        kind_column: Source of the kind row by row; rows without one take ``kind``.
        guide_threshold: Where perturbation names a matrix of guides that holds counts: how many make one.
        context: Source of the cell type or line.
        donor: Source of the donor; a patient is one.
        batch: Source of the batch.
        section: Source of the section, slide or image that positions belong to; no neighbours are in two of them.
        cell_type: Source of the cell type, where it is a label of tissue rather than the context.
        dose: Source of the amount.
        dose_unit: Source of its unit, such as ``Constant("uM")``.
        hours: Source of the duration of the perturbation, in hours.
        cells: Source of how many cells a row stands for, in pseudobulk files.
        time: Source of when the entity was read, on a clock that all share, such as hours or days in culture.
        time_unit: Its unit, ``s``, ``min``, ``h`` or ``d``; it is brought to hours. There is no default.
        times: How a time stands in a text: ``stated`` with its unit (``d2``, ``day 4``, ``24h``), or ``embryonic``
            (``E15.5``, ``P0``); None for numbers, which need ``time_unit``.
        birth: With ``times = "embryonic"``, the embryonic day of birth; needed where both E and P stages are there.
        time_map: What labels stand for, in ``time_unit``, where they count samples: ``["0=2", "1=4", "2=6"]``.
        clone: Source of the clone, a column or a matrix of cells × clones such as ``obsm:X_clone``; blank for none.
        spliced: Layer of spliced counts; None where ``layer`` holds them.
        unspliced: Layer of unspliced counts (`aivc.data.io.splicing_counts.read_splicing`).
        layer: Where the values lie in an h5ad or zarr: ``X``, ``raw`` or a layer; the genome in a 10x h5 of several.
        modality: Such as ``rna`` or ``protein``; picks the feature type in 10x files, and the modality in h5mu files.
        species: ``human`` or ``mouse``; ``none`` where names are no genes of these.
        features: Column that names the features; None takes the file's own names (symbols in 10x files, where
            ``id`` takes Ensembl ids).
        feature_prefix: What the names of features begin with and lose, such as ``GRCh38_`` where reads were mapped to
            a genome of that name; features that do not begin so, of another genome, are left out.
        entity: Column that names the entities; None takes the file's own names.
        coordinates: Key in obsm, such as ``obsm:spatial``, or two or three columns; ``spatial`` in the folders of
            Visium, Xenium, CosMx and MERSCOPE.
        coordinate_unit: Their unit: ``um``; ``array`` where they count places of a lattice; or ``pixel``, which
            ``um_per_pixel`` brings to µm. No default: it would be a guess.
        um_per_pixel: Size of a pixel in µm; folders of Visium state it themselves.
        links: Key in obsp of who is whose neighbour; None takes ``spatial_connectivities``, which squidpy writes, where
            it is there and coordinates are declared.
        metadata: Table beside the file (csv, tsv or parquet) whose rows describe entities, joined by name.
        blank: What blank contexts, donors and batches are called; None refuses them.
        describe: In wide tables, numeric columns that describe the entity and are no features; those whose names begin
            with ``Metadata_``, as CellProfiler and pycytominer write them, do so anyway.
        format: Of tables: ``wide`` (a row is an entity, numeric columns are features), ``long`` (a row is a value) or
            ``transposed`` (a row is a feature, columns are entities); the last for any other file, too. ``cells``: a
            row is a cell of a tissue without any measured feature; the features are its cell types, 1 for its own.
        prefix: In a folder with the 10x matrices of several samples, what the names of the files of one begin with.
        feature: Column of feature names in a long table.
        value: Column of values in a long table.
        image: Where the values are images: channels, size of a pixel, axes, masks; see `ImageLayout`. Units are those
            of the pixels, and ``modality = "image"``.

    Raises:
        SchemaError: The declarations contradict each other.
        UnitsError: The units are unknown.
        UnknownNameError: The kind is unknown.

    >>> schema = Schema(units="counts", perturbation="target", control="non-targeting", kind="ko")
    >>> schema.control
    ('non-targeting',)
    """

    units: str
    perturbation: Source = None
    control: str | tuple[str, ...] = ()
    exclude: str | tuple[str, ...] = ()
    keep: str | tuple[str, ...] = ()
    zero_dose: str | None = None
    match: str | tuple[str, ...] = ()
    kind: str | None = None
    labels: str | None = None
    separator: str | None = None
    kind_column: Source = None
    guide_threshold: float | int | None = None
    context: Source = None
    donor: Source = None
    batch: Source = None
    section: Source = None
    cell_type: Source = None
    dose: Source = None
    dose_unit: Source = None
    hours: Source = None
    cells: Source = None
    time: Source = None
    time_unit: str | None = None
    times: str | None = None
    birth: float | int | None = None
    time_map: str | tuple[str, ...] = ()
    clone: Source = None
    spliced: str | None = None
    unspliced: str | None = None
    layer: str = "X"
    modality: str = "rna"
    species: str = "human"
    features: str | None = None
    feature_prefix: str | None = None
    entity: str | None = None
    coordinates: str | tuple[str, ...] | None = None
    coordinate_unit: str | None = None
    um_per_pixel: float | int | None = None
    links: str | None = None
    metadata: str | None = None
    blank: str | None = None
    describe: tuple[str, ...] = ()
    format: str = "wide"
    prefix: str | None = None
    feature: str | None = None
    value: str | None = None
    image: ImageLayout | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", parse_units(self.units))
        for name in ("control", "exclude", "keep", "match", "time_map"):
            if isinstance(given := getattr(self, name), str):
                object.__setattr__(self, name, (given,))
        if self.kind is not None:
            kind_of(self.kind)
        if self.labels is not None:
            require_rule(self.labels)
        if problems := self._contradictions():
            raise SchemaError(" ".join(problems))

    def _contradictions(self) -> list[str]:
        effect = is_effect(self.units)
        plain = self.kind is not None or self.kind_column is not None
        dosed = holds_dose(self.labels)
        rules = {
            'A schema names the column of perturbation labels: perturbation = "target". Where nothing was perturbed, '
            'write perturbation = { value = "control" }.': self.perturbation is None
            and not (effect and self.format != "long"),
            'A schema names the labels that mean unperturbed: control = "non-targeting".': not self.control
            and self.zero_dose != "control"
            and not effect
            and isinstance(self.perturbation, str),
            f"zero_dose is one of {', '.join(ZERO_DOSES)}, got {self.zero_dose!r}.": self.zero_dose is not None
            and self.zero_dose not in ZERO_DOSES,
            "A label is a control, excluded or kept as a perturbation, and only one of these. Take it out of the other "
            "list.": len({*self.control, *self.exclude, *self.keep})
            < len(set(self.control)) + len(set(self.exclude)) + len(set(self.keep)),
            f"species is one of {', '.join(SPECIES)}, got {self.species!r}.": self.species not in SPECIES,
            f"format is one of {', '.join(FORMATS)}, got {self.format!r}.": self.format not in FORMATS,
            'A long table needs the columns feature and value: feature = "gene", value = "score".': self.format
            == "long"
            and (self.feature is None or self.value is None),
            'A dose needs its unit: dose_unit = { value = "uM" }, or the column that holds it.': not dosed
            and (self.dose is None) != (self.dose_unit is None),
            f"Doses stand in the labels (labels = {toml_value(self.labels)}) or in a column, not in both. Leave one "
            "out.": dosed and self.dose is not None,
            f"Durations stand in the labels (labels = {toml_value(self.labels)}) or in a column, not in both. Leave "
            "one out.": holds_hours(self.labels) and self.hours is not None,
            'Doses and separators go with plain labels: declare kind = "drug" (or kind_column), or write the dose '
            "into the labels as drug:NAME@10uM.": not plain and (self.dose is not None or self.separator is not None),
            "separator cannot be empty; leave it out where labels hold no combinations.": self.separator == "",
            "coordinates are one obsm key, or two or three columns.": isinstance(self.coordinates, tuple)
            and len(self.coordinates) not in (2, 3),
            'Images are declared both ways: modality = "image" and image = { channels = [...], um_per_pixel = ... }.': (
                self.image is None
            )
            == (self.modality == "image"),
            "Pixels are in intensity, log_intensity or arbitrary units; got " + self.units + ".": self.image is not None
            and self.units not in (INTENSITY, LOG_INTENSITY, ARBITRARY),
            **self._of_times(),
            **self._of_positions(),
        }
        return [text for text, broken in rules.items() if broken]

    def _of_times(self) -> dict[str, bool]:
        unit, rule = self.time_unit, self.times
        stated = unit is not None or rule is not None
        return {
            'A time needs its unit, and a unit its time: time = "day", time_unit = "d" (or times = "stated" where each '
            "text says it, as in d2 or 24h).": (self.time is None) == stated,
            f"time_unit is one of {', '.join(HOURS)}, got {unit!r}.": unit is not None and unit not in HOURS,
            f"times is one of {', '.join(TIMES)}, got {rule!r}.": rule is not None and rule not in TIMES,
            f"Texts state their unit (times = {rule!r}), and so does time_unit. Leave one out.": rule is not None
            and unit is not None,
            'birth goes with times = "embryonic", and is a positive day.': self.birth is not None
            and (rule != EMBRYONIC or not 0 < self.birth < float("inf")),
            'time_map goes with a time and its unit: time = "sample", time_unit = "d".': bool(self.time_map)
            and unit is None,
            f'time_map is labels and numbers, such as ["0=2", "1=4"]; got {list(self.time_map)}.': bool(
                pairs_of(self.time_map)[1]
            ),
        }

    @property
    def time_rule(self) -> TimeRule:
        """How the column of times is to be read."""
        return TimeRule(self.time_unit, self.times, self.birth, pairs_of(self.time_map)[0])

    def _of_positions(self) -> dict[str, bool]:
        unit, size = self.coordinate_unit, self.um_per_pixel
        return {
            'Coordinates need their unit, and a unit its coordinates: coordinates = "obsm:spatial", coordinate_unit = '
            '"um" (or "array" for places of a lattice, or "pixel" with um_per_pixel).': (self.coordinates is None)
            != (unit is None),
            f"coordinate_unit is one of {', '.join(COORDINATE_UNITS)}, got {unit!r}.": unit is not None
            and unit not in COORDINATE_UNITS,
            f'um_per_pixel is a positive size and goes with coordinate_unit = "pixel"; got {size!r} with {unit!r}.': (
                size is not None and (unit != "pixel" or not 0 < size < float("inf"))
            ),
            'A table of cells needs cell_type, the column of their types: cell_type = "cellType".': self.format
            == "cells"
            and not isinstance(self.cell_type, str),
        }

    @property
    def coordinate_key(self) -> str | None:
        """Key in obsm that holds the coordinates; None where they are columns, or not declared.

        >>> Schema(units="score", coordinates="obsm:spatial", coordinate_unit="um").coordinate_key
        'spatial'
        """
        return self.coordinates.removeprefix(OBSM) if isinstance(self.coordinates, str) else None

    @property
    def controls(self) -> tuple[str, ...]:
        """Labels that mean unperturbed, written as labels are (`name_text`)."""
        return tuple(map(name_text, (self.control,) if isinstance(self.control, str) else self.control))

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the entities that the schema names, by field."""
        named = {field: getattr(self, field) for field in SOURCES}
        columns = {field: source for field, source in named.items() if isinstance(source, str)}
        if isinstance(self.coordinates, tuple):
            columns |= {f"coordinates {i}": name for i, name in enumerate(self.coordinates)}
        columns |= {f"match {i}": name for i, name in enumerate(self.match)}
        return columns

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, JSON-ready.

        >>> Schema(units="log2fc", context=Constant("K562")).to_json()
        {'units': 'log2fc', 'context': {'value': 'K562'}}
        """
        written = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                written[item.name] = _plain(value)
        return written

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        """Inverse of `to_json`.

        Raises:
            SchemaError: A value has the wrong type, or declarations contradict each other.
            UnknownNameError: A field does not exist.
        """
        known = {item.name: item for item in dataclasses.fields(cls)}
        for name in data:
            if name not in known:
                remedy = "A patient is a donor: write donor." if name == "patient" else ""
                raise UnknownNameError("field of a schema", name, known, remedy)
        if "units" not in data:
            raise SchemaError('A schema declares what the values are, and this one does not. Add: units = "counts".')
        return cls(**{name: _parsed(name, value) for name, value in data.items()})

    def to_toml(self, path: Path | str) -> None:
        """Write the schema as a TOML file that `from_toml` reads."""
        lines = [f"{name} = {toml_value(value)}" for name, value in self.to_json().items()]
        write_text(Path(path), "\n".join(lines) + "\n")

    @classmethod
    def from_toml(cls, path: Path | str) -> "Schema":
        """Read a schema from a TOML file.

        Raises:
            IntegrityError: The file is missing or is not TOML.
            SchemaError: A value has the wrong type, or declarations contradict each other.
            UnknownNameError: A field does not exist.
        """
        return cls.from_json(read_toml(Path(path)))


def _plain(value: Any) -> Any:
    if isinstance(value, Constant):
        return {"value": value.value}
    if isinstance(value, ImageLayout):
        return value.to_json()
    return list(value) if isinstance(value, tuple) else value


def toml_value(value: Any) -> str:
    """Write a JSON-ready value of a schema as TOML.

    >>> toml_value({"value": "K562"})
    '{ value = "K562" }'
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(name)} = {toml_value(item)}' for name, item in value.items())} }}"
    # JSON and TOML write text, lists and numbers alike, except that TOML wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    """A key of TOML: bare where that is enough."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _parsed(name: str, value: Any) -> Any:
    if name == "image":
        return ImageLayout.from_json(value)
    constant = isinstance(value, dict) and set(value) == {"value"} and isinstance(value["value"], str | float | int)
    if name in SOURCES and constant and not isinstance(value["value"], bool):
        return Constant(value["value"])
    if name in (*LISTS, "coordinates") and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if name in NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and name not in ("describe", *NUMBERS):
        return value
    wanted = (
        "the name of a column, or { value = ... }"
        if name in SOURCES
        else "a list of texts"
        if name in LISTS
        else "a number"
        if name in NUMBERS
        else "text"
    )
    raise SchemaError(f"In a schema, {name} is {wanted}; got {value!r}.")
