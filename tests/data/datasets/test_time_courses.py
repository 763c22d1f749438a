"""Time courses of the catalog: times in hours, clones, and series that are kept apart."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnavailableError
from aivc.data import catalog
from aivc.data.datasets.time_courses import (
    TIME_COURSES,
    convert_dyngen,
    convert_insulin,
    convert_larry_plane,
    convert_scgem,
)


def test_numbered_samples_become_days_where_these_are_known(tmp_path):
    path = tmp_path / "cells.csv"
    pd.DataFrame({"samples": [0.0, 1.0, 2.0], "x1": [1.0, 2.0, 3.0]}).to_csv(path, index=False)
    assert convert_larry_plane({"cells": path}).times.tolist() == [48, 96, 144]
    with pytest.raises(IntegrityError, match="numbers its samples"):
        convert_dyngen({"cells": path})


def test_series_of_insulin_are_kept_apart(tmp_path):
    table = pd.DataFrame({"site": ["A;1", "B;2"], "Intensity.Liver_Ins_0s_Bio1": [0.0, 1.0]})
    table = table.assign(**{"Intensity.Liver_Ins_2m_Bio6": [2.0, 3.0], "Intensity.Liver_Ins_15s_Bio9": [4.0, 5.0]})
    table.to_parquet(tmp_path / "sites.parquet")
    made = convert_insulin({"sites": tmp_path / "sites.parquet"})
    assert made.entities["seconds"].tolist() == [0, 120, 15]
    assert made.entities["series"].tolist() == ["long", "long", "short"]
    assert made.dense().tolist() == [[0, 1], [2, 3], [4, 5]]


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "e.csv").write_text("0,1\n2,3\n")
    (tmp_path / "s.txt").write_text("1\n")
    with pytest.raises(IntegrityError, match="2 cells and 1 stages"):
        convert_scgem({"expression": tmp_path / "e.csv", "stages": tmp_path / "s.txt"})


@pytest.mark.parametrize("dataset", TIME_COURSES, ids=lambda dataset: dataset.name)
def test_real_files_are_what_the_catalog_says(dataset):
    try:
        made = catalog.load(dataset.name)
    except UnavailableError:
        pytest.skip("AIVC_DATA holds no such file")
    assert len(made) == {"larry-clones": 781, "larry-plane": 10998, "dyngen-5d": 728, "scgem": 177, "paul2015": 2660,
                         "pancreas-velocity": 739, "pancreas-unspliced": 739,
                         "insulin-liver": 90}[dataset.name]  # fmt: skip
    if dataset.name == "larry-clones":
        assert made.entities["clone"].nunique() == 339
        assert sorted(set(made.times)) == [48, 96, 144]
    if dataset.name == "pancreas-velocity":
        nascent = catalog.load("pancreas-unspliced")
        assert np.array_equal(nascent.features, made.features)
        assert nascent.values.sum() < made.values.sum()
