"""The schema: declared, round-tripped, and refused when it contradicts itself."""

import pytest

from aivc.core.errors import IntegrityError, SchemaError, UnitsError, UnknownNameError
from aivc.data.io.schema import Constant, Schema


def screen(**changes):
    return Schema(**{"units": "counts", "perturbation": "target", "control": "NT", "kind": "ko", **changes})


@pytest.mark.parametrize(
    "schema",
    [
        screen(),
        screen(
            control=("NT", 'safe "harbour"'),
            context=Constant("K562"),
            batch="rep",
            coordinates=("x", "y"),
            coordinate_unit="um",
        ),
        screen(time="day", time_unit="d", hours="treated"),
        screen(time=Constant(90), time_unit="min"),
        screen(time="stage", times="embryonic", birth=19.5, clone="obsm:X_clone", unspliced="unspliced"),
        screen(time="sample", time_unit="d", time_map=("0=2", "1=4")),
        screen(kind="drug", dose="dose", dose_unit=Constant("uM"), hours=Constant(24), separator="+", blank="unknown"),
        Schema(
            units="log2fc", format="long", perturbation="drug", kind="drug", feature="gene", value="lfc", species="none"
        ),
        Schema(units="normal_score"),
        Schema(
            units="counts",
            perturbation=Constant("control"),
            coordinates="spatial",
            coordinate_unit="array",
            describe=("n_counts",),
        ),
    ],
)
def test_toml_round_trip(tmp_path, schema):
    path = tmp_path / "s.toml"
    schema.to_toml(path)
    assert Schema.from_toml(path) == schema


def test_units_are_made_canonical():
    assert screen(units="log1p_cp10000").units == "log1p_cp10k"


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"perturbation": None}, 'perturbation = "target"'),
        ({"control": ()}, 'control = "non-targeting"'),
        ({"species": "rat"}, "human, mouse"),
        ({"format": "tall"}, "wide, long"),
        ({"format": "long"}, 'feature = "gene"'),
        ({"dose": "dose"}, 'dose_unit = { value = "uM" }'),
        ({"time": "day"}, 'time_unit = "d"'),
        ({"time_unit": "h"}, 'time = "day"'),
        ({"time": "day", "time_unit": "days"}, "time_unit is one of h, s, min, d, got 'days'"),
        ({"time": "day", "times": "texts"}, "times is one of stated, embryonic, got 'texts'"),
        ({"time": "day", "times": "stated", "time_unit": "d"}, "Leave one out"),
        ({"time": "day", "times": "stated", "birth": 19.5}, 'times = "embryonic"'),
        ({"time": "day", "times": "stated", "time_map": ("0=2",)}, "time_map goes with a time and its unit"),
        ({"time": "day", "time_unit": "d", "time_map": ("0",)}, "labels and numbers"),
        ({"kind": None, "separator": "+"}, "plain labels"),
        ({"separator": ""}, "leave it out"),
        ({"coordinates": ("x",)}, "two or three"),
    ],
)
def test_contradictions_are_refused_with_their_remedy(changes, remedy):
    with pytest.raises(SchemaError, match=remedy):
        screen(**changes)


def test_all_contradictions_are_reported_at_once():
    with pytest.raises(SchemaError, match=r"(?s)species is.*format is"):
        screen(species="rat", format="tall")


def test_unknown_units_and_kinds_are_refused():
    with pytest.raises(UnitsError, match="Declare what the values are"):
        screen(units="tpm-ish")
    with pytest.raises(UnknownNameError, match="Did you mean 'crispri'"):
        screen(kind="crispr")


def test_toml_refusals(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('units = "counts"\npertubation = "target"\n')
    with pytest.raises(UnknownNameError, match="Did you mean 'perturbation'"):
        Schema.from_toml(path)
    path.write_text('perturbation = "target"\n')
    with pytest.raises(SchemaError, match='units = "counts"'):
        Schema.from_toml(path)
    path.write_text('units = "counts"\nperturbation = 7\n')
    with pytest.raises(SchemaError, match="the name of a column"):
        Schema.from_toml(path)
    path.write_text('units = "counts"\nperturbation = { column = "x" }\n')
    with pytest.raises(SchemaError, match="the name of a column"):
        Schema.from_toml(path)
    path.write_text("units = counts")
    with pytest.raises(IntegrityError, match="Correct it or the path"):
        Schema.from_toml(path)
    with pytest.raises(IntegrityError, match="Check the path"):
        Schema.from_toml(tmp_path / "absent.toml")
