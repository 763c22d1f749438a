"""A moved protein is found, a resting one is not, and a well counts once however many cells it holds."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import ControlError, DataError
from aivc.data.synthetic_locations import PROTEIN, synthetic_translocation
from aivc.experiments.translocation import moved_share, translocation


def wells(effect, count, cells=20, plates=2, spread=0.05, seed=0):
    draw = np.random.default_rng(seed)
    rows, share = [], []
    for plate in range(plates):
        level = draw.normal(0.4, 0.2)
        for text, off, number in (("control", 0, max(count, 2)), ("drug:X@1uM", effect, count)):
            for well in range(number):
                rows += [(text, f"P{plate}", f"{text[0]}{well}")] * cells
                share += [level + off + draw.normal(0, spread) + 0.05 * draw.normal(size=cells)]
    return np.concatenate(share), pd.DataFrame(rows, columns=["perturbation", "batch", "well"])


def test_a_protein_that_moves_is_found_in_pictures():
    crops = synthetic_translocation(
        {"control": 0.3, "drug:up@1uM": 0.75, "drug:down@1uM": 0.1}, wells=2, cells=3, plates=2, side=48
    )
    found = translocation(crops, PROTEIN).set_index("perturbation")
    assert found.loc["drug:up@1uM", "low"] > 0 > found.loc["drug:down@1uM", "change"]
    assert found.loc["drug:up@1uM", ["wells", "control_wells", "plates", "spread_from"]].tolist() == [
        4,
        4,
        2,
        "its wells",
    ]


def test_intervals_over_wells_hold_the_change_and_those_over_cells_do_not():
    held, alone = [], []
    for seed in range(12):
        share_n, frame = wells(0.1, 3, cells=5, seed=seed)
        row = moved_share(share_n, frame, draws=200).iloc[0]
        held.append(row["low"] <= 0.1 <= row["high"])
        row = moved_share(share_n, frame.assign(well=np.arange(len(frame)).astype(str)), draws=200).iloc[0]
        alone.append(row["low"] <= 0.1 <= row["high"])
    assert np.mean(held) > 0.8
    assert np.mean(alone) < 0.75


def test_plates_do_not_count_as_a_change_and_order_does_not_matter():
    share_n, frame = wells(0.0, 3)
    apart = frame.assign(perturbation=np.where(frame["batch"] == "P1", "drug:X@1uM", "control"))
    with pytest.raises(ControlError, match="controls"):
        moved_share(share_n, apart)
    share_n, frame = wells(0.2, 3)
    mixed = np.random.default_rng(1).permutation(len(frame))
    again = moved_share(share_n[mixed], frame.iloc[mixed])
    pd.testing.assert_frame_equal(moved_share(share_n, frame), again)


def test_one_well_takes_the_spread_of_the_controls_and_none_gives_no_interval():
    share_n, frame = wells(0.3, 1)
    row = moved_share(share_n, frame, level=0.99).iloc[0]
    assert row["spread_from"] == "control wells"
    assert row["low"] < 0.3 < row["high"]
    first = (frame["perturbation"] != "control") | (frame["well"] == "c0")
    row = moved_share(share_n[first], frame[first]).iloc[0]
    assert np.isnan(row["low"])
    assert not row["moved"]
    assert row["spread_from"] == "nothing"


def test_wells_are_needed():
    share_n, frame = wells(0.3, 1)
    with pytest.raises(DataError, match="too narrow"):
        moved_share(share_n, frame.drop(columns="well"))
    with pytest.raises(DataError, match="level"):
        moved_share(share_n, frame, level=1.0)
