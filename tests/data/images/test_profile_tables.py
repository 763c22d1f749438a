"""Tables of CellProfiler and pycytominer are read by their Metadata_ columns, and come back as they were."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.data.images.profile_tables import profile_table, write_profiles
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from tiny_images import screen_of_crops

TABLE = pd.DataFrame(
    {
        "Metadata_Plate": ["p1", "p1", "p2", "p2"],
        "Metadata_Well": ["B02", "C03", "B02", "C03"],
        "Metadata_broad_sample": ["DMSO", "A", "DMSO", "A"],
        "Metadata_mmoles_per_liter": [0.0, 3.0, 0.0, 3.0],
        "Metadata_Site_Count": [9, 9, 8, 9],
        "Cells_AreaShape_Area": [100.0, 120.0, 90.0, 111.0],
        "Nuclei_Intensity_MeanIntensity_DNA": [0.1, 0.2, 0.3, 0.4],
    }
)
SCHEMA = Schema(
    units="arbitrary", modality="profile", species="none", perturbation="Metadata_broad_sample", control="DMSO",
    kind="drug", dose="Metadata_mmoles_per_liter", dose_unit=Constant("uM"), batch="Metadata_Plate",
)  # fmt: skip


@pytest.mark.parametrize("name", ["profiles.csv", "profiles.csv.gz", "profiles.parquet"])
def test_profiles_are_read_and_written_back(tmp_path, name):
    TABLE.to_csv(tmp_path / "in.csv", index=False)
    profiles = read(tmp_path / "in.csv", SCHEMA)
    assert list(profiles.features) == ["Cells_AreaShape_Area", "Nuclei_Intensity_MeanIntensity_DNA"]
    assert profiles.perturbations.tolist() == ["control", "drug:A@3uM"] * 2
    assert profiles.entities["batch"].tolist() == ["p1", "p1", "p2", "p2"]
    write_profiles(profiles, tmp_path / name)
    read_table = pd.read_parquet if name.endswith("parquet") else pd.read_csv
    back = read_table(tmp_path / name)
    for column in TABLE:
        np.testing.assert_array_equal(back[column].to_numpy(), TABLE[column].to_numpy())
    again = read(tmp_path / name, SCHEMA)
    assert list(again.features) == list(profiles.features)
    np.testing.assert_allclose(again.dense(), profiles.dense())


def test_our_words_get_their_names_and_images_are_refused(tmp_path):
    screen = screen_of_crops(per_well=2)
    table = screen.replace(values=screen.values.mean(axis=(2, 3)), modality="profile")
    assert {"Metadata_Plate", "Metadata_perturbation", "Metadata_context", "Metadata_entity"} <= set(
        profile_table(table)
    )
    with pytest.raises(DataError, match="number per entity"):
        profile_table(screen)
    with pytest.raises(IntegrityError, match=r"\.parquet"):
        write_profiles(table, tmp_path / "a.xlsx")
