"""Plate maps: controls on every plate, and a filled-in map that fits or is refused whole."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.data.io.written import write_table
from aivc.experiments.campaign.plate_map import plate_map, read_measured, scores

NAMES = [f"G{i}" for i in range(30)]


@pytest.fixture
def made():
    return plate_map(NAMES, 2, size=48, controls=8, replicates=2, units="log2fc", seed=3)


def filled(made, tmp_path, change=None):
    table = made.assign(
        value=[str(float(plate) + 0.5 * (role == "sample")) for plate, role in made[["plate", "role"]].to_numpy()]
    )
    if change:
        table = change(table)
    write_table(table, tmp_path / "measured.csv")
    return tmp_path / "measured.csv"


def test_every_plate_has_controls_and_every_name_its_wells(made):
    assert made["plate"].nunique() == 2
    assert (made[made["role"] == "control"].groupby("plate").size() == 8).all()
    assert (made[made["role"] == "sample"].groupby("perturbation").size() == 2).all()
    assert not made.duplicated(["plate", "well"]).any()
    pd.testing.assert_frame_equal(made, plate_map(NAMES, 2, size=48, controls=8, replicates=2, units="log2fc", seed=3))
    other = plate_map(NAMES, 2, size=48, controls=8, replicates=2, units="log2fc", seed=4)
    assert list(other["perturbation"]) != list(made["perturbation"])


def test_scores_are_less_the_controls_of_their_own_plate(made, tmp_path):
    found = scores(read_measured(filled(made, tmp_path), made))
    assert sorted(found.index) == sorted(NAMES)
    np.testing.assert_allclose(found, 0.5)


def test_rows_may_come_in_another_order_and_wells_may_fail(made, tmp_path):
    def lost(table):
        table.loc[table["perturbation"] == "G3", "value"] = "failed"
        return table.sample(frac=1, random_state=0)

    found = scores(read_measured(filled(made, tmp_path, lost), made))
    assert np.isnan(found["G3"])
    assert found.drop("G3").notna().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.iloc[1:], "is missing"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "stands there twice"),
        (lambda t: t.assign(round=1), "is not on the plates of this batch"),
        (lambda t: t.assign(units="ng/ml"), "where log2fc are wanted"),
        (lambda t: t.assign(perturbation=t["perturbation"].replace("G1", "MYC")), "holds G1, and the file says MYC"),
        (lambda t: t.assign(value="inf"), "Write a finite number, or failed"),
        (lambda t: t.assign(value=""), "Write a finite number, or failed"),
        (lambda t: t.drop(columns="units"), "lacks the column units"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(made, tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        read_measured(filled(made, tmp_path, change), made)


def test_plates_without_room_or_without_controls_are_refused(made, tmp_path):
    with pytest.raises(ControlError, match="two controls or more"):
        plate_map(NAMES, 1, size=6, controls=6, replicates=1, units="x", seed=0)
    lost = made.assign(value=np.where(made["role"] == "control", np.nan, 1.0))
    with pytest.raises(ControlError, match="All controls of a plate failed"):
        scores(lost)
    with pytest.raises(DataError, match="save it so"):
        read_measured(tmp_path / "measured.xlsx", made)
