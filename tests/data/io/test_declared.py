"""Only what the schema declares is a control, by file and in memory; all else that might be one is named."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SchemaError
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.check import check
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

SCREEN = {"units": "counts", "perturbation": "target", "control": "non-targeting", "kind": "crispri", "species": "none"}
DRUGS = {"units": "counts", "perturbation": "compound", "control": "DMSO", "kind": "drug", "species": "none"}


def cells(labels, column="target", **more):
    values = np.random.default_rng(0).poisson(5, (len(labels), 4)).astype(np.float32) + 1
    obs = pd.DataFrame({column: list(labels), **more}, index=[f"c{i}" for i in range(len(labels))])
    return anndata.AnnData(values, obs, pd.DataFrame(index=["G1", "G2", "G3", "G4"]))


@pytest.fixture(params=["memory", "file", "disk"])
def opened(request, tmp_path):
    """Three ways to the same measurement."""

    def measured(data, **columns):
        if request.param == "memory":
            return as_measurement(data, **columns)
        data.write_h5ad(tmp_path / "x.h5ad")
        return read(tmp_path / "x.h5ad", Schema.from_json(columns), backed=request.param == "disk")

    return measured


@pytest.mark.parametrize("word", ["nan", "Unassigned", "negative", "multiplet"])
def test_words_for_no_label_are_refused_and_can_be_left_out(opened, word):
    data = cells(["non-targeting"] * 3 + ["JAK2"] * 2 + [word] * 4)
    with pytest.raises(DataError, match="read like no label") as caught:
        opened(data, **SCREEN)
    assert f'exclude = ["{word}"]' in caught.value.problems[0]
    found = opened(data, **SCREEN, exclude=[word])
    assert found.perturbations.tolist() == ["control"] * 3 + ["crispri:JAK2"] * 2
    np.testing.assert_array_equal(found.dense(), data.X[:5])
    assert f"4 of 9 entities were left out, as exclude says: {word!r} (4)." in found.provenance["notes"]


def test_blanks_can_be_left_out(opened):
    data = cells(["non-targeting", "JAK2", None, "JAK2"])
    with pytest.raises(DataError, match='leave them out, exclude = \\[""\\]'):
        opened(data, **SCREEN)
    assert len(opened(data, **SCREEN, exclude=[""])) == 3


def test_other_controls_are_named_and_can_be_declared(opened):
    labels = ["non-targeting"] * 2 + ["Non-Targeting", "safe-targeting", "INTERGENIC216151", "JAK2"]
    with pytest.raises(DataError, match="3 of 6 entities have labels that read like controls"):
        opened(cells(labels), **SCREEN)
    declared = {**SCREEN, "control": ["non-targeting", "Non-Targeting", "safe-targeting", "INTERGENIC216151"]}
    assert opened(cells(labels), **declared).perturbations.tolist() == ["control"] * 5 + ["crispri:JAK2"]
    kept = {**SCREEN, "exclude": ["safe-targeting", "INTERGENIC216151"], "keep": "Non-Targeting"}
    assert opened(cells(labels), **kept).perturbations.tolist() == [
        "control",
        "control",
        "crispri:Non-Targeting",
        "crispri:JAK2",
    ]


@pytest.mark.parametrize("kind", [{"kind": "ko"}, {}])
def test_a_label_control_that_is_not_declared_is_none(opened, kind):
    target = "JAK2" if kind else "ko:JAK2"
    data = cells(["NT", "NT", "control", "control", target])
    columns = {"units": "counts", "perturbation": "target", "control": "NT", "species": "none", **kind}
    with pytest.raises(DataError, match=r"2 of 5 entities have labels that read like controls.*'control' \(2\)"):
        opened(data, **columns)
    report = check(data, Schema.from_json(columns))
    assert report.controls == 2
    assert len(report.problems) == 1
    assert opened(data, **{**columns, "control": ["NT", "control"]}).perturbations.tolist()[:4] == ["control"] * 4


def test_with_no_control_at_all_every_label_is_named_once():
    report = check(cells(["Vehicle", "JQ1", "water"], "compound"), Schema.from_json(DRUGS))
    text = "\n".join(report.problems)
    assert text.count("'Vehicle'") == 1
    assert "'water' (1)" in text


def test_a_dose_of_zero_is_named_and_can_be_the_control(opened):
    drugs = ["JQ1", "JQ1", "Trametinib", "Trametinib", "DMSO"]
    data = cells(drugs, "compound", dose=[0.0, 1.0, 0.0, 10.0, 0.0])
    columns = {**DRUGS, "dose": "dose", "dose_unit": {"value": "uM"}}
    found = opened(data, **columns)
    assert (found.perturbations == "control").sum() == 1
    assert any('zero_dose = "control"' in note for note in found.provenance["notes"])
    found = opened(data, **columns, zero_dose="control")
    assert found.perturbations.tolist() == ["control", "drug:JQ1@1uM", "control", "drug:Trametinib@10uM", "control"]
    # Wells without drug may be all the controls there are.
    del columns["control"]
    alone = opened(data[:4].copy(), **columns, zero_dose="control")
    assert (alone.perturbations == "control").sum() == 2
    with pytest.raises(DataError, match="none has a dose of 0"):
        opened(data[[1, 3]].copy(), **columns, zero_dose="control")


def test_what_controls_are_matched_by_comes_with_the_cells(opened):
    data = cells(["DMSO", "DMSO", "JQ1", "JQ1"], "compound", time=[24, 72, 24, 72], plate=list("1212"))
    found = opened(data, **DRUGS, hours="time", match="plate")
    assert found.entities["matched:hours"].tolist() == ["24", "72", "24", "72"]
    assert found.entities["matched:plate"].tolist() == list("1212")
    plain = opened(cells(["DMSO", "DMSO", "JQ1", "JQ1"], "compound", time=24), **DRUGS, hours="time")
    assert not [name for name in plain.entities if name.startswith("matched:")]


def test_a_column_to_match_by_has_to_be_there():
    with pytest.raises(DataError, match=r"There is no column 'plates' for match 0\. Did you mean 'plate'"):
        as_measurement(cells(["DMSO", "JQ1"], "compound", plate="1"), **DRUGS, match=["plates"])


def test_hours_and_batches_without_control_are_notes():
    data = cells(["DMSO", "DMSO", "JQ1", "JQ1"], "compound", time=[24, 24, 24, 72], plate=list("1112"))
    report = check(data, Schema.from_json({**DRUGS, "hours": "time", "batch": "plate"}))
    assert report.problems == ()
    assert any("hours without any control (72)" in note for note in report.notes)
    assert any("batches without any control (2)" in note for note in report.notes)


def test_donors_that_are_the_text_nan_are_named(opened):
    data = cells(["non-targeting", "JAK2", "JAK2"], donor=["P", "P", "nan"])
    with pytest.raises(DataError, match=r"1 of 3 entities have a donor that reads like none"):
        opened(data, **SCREEN, donor="donor")
    assert len(opened(data, **SCREEN, donor="donor", exclude="nan")) == 2


def test_contradictions_are_refused():
    with pytest.raises(SchemaError, match="only one of these"):
        Schema.from_json({**SCREEN, "exclude": ["non-targeting"]})
    with pytest.raises(SchemaError, match="zero_dose is one of control, perturbation"):
        Schema.from_json({**DRUGS, "zero_dose": "vehicle"})
    with pytest.raises(SchemaError, match="exclude is a list of texts"):
        Schema.from_json({**SCREEN, "exclude": [1]})
