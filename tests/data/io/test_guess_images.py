"""Images and profiles as they lie about: the suggested schema reads them, or a sentence says what is missing."""

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.data.io.guess import guess
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.synthetic_plate import synthetic_plate

tifffile = pytest.importorskip("tifffile")
CROPS = np.random.default_rng(0).integers(0, 4000, (6, 2, 12, 12)).astype(np.uint16)
LABELS = {"compound": np.array(["DMSO", "A", "DMSO", "A", "B", "B"]), "plate": np.array(["p"] * 6)}


def profiles(**columns):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"Image_Metadata_Plate": ["p"] * 6, "Image_Metadata_Compound": LABELS["compound"]})
    frame["Image_Metadata_Site"] = range(6)
    frame["ImageNumber"] = range(6)
    for name in ("Cells_AreaShape_Area", "Cells_Texture_A_DNA", "Nuclei_AreaShape_Area"):
        frame[name] = draw.normal(size=6)
    return frame.assign(**columns)


def test_a_folder_without_a_table_is_told_what_to_add(tmp_path):
    synthetic_plate(tmp_path / "screen", plates=1, doses=(1.0,), controls=1, cells=1)
    (tmp_path / "screen" / "plate.csv").rename(tmp_path / "plate.csv")
    with pytest.raises(DataError, match="Move it into that folder"):
        guess(tmp_path / "screen")
    (tmp_path / "plate.csv").unlink()
    with pytest.raises(DataError, match="28 images, but no table"):
        guess(tmp_path / "screen")
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "screen" / "other.csv", index=False)
    with pytest.raises(DataError, match="name none of them"):
        guess(tmp_path / "screen")


def test_a_size_that_no_file_states_is_left_open(tmp_path):
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.tif", CROPS[i, 0])
    table = pd.DataFrame({"FileName_OrigDNA": ["0.tif", "1.tif"], "compound": ["DMSO", "A"], "plate": ["p", "p"]})
    table.to_csv(tmp_path / "images.csv", index=False)
    lines = {line.field: line for line in guess(tmp_path / "images.csv").lines}
    assert lines["image"].value == {"files": ["FileName_OrigDNA"], "channels": ["DNA"], "um_per_pixel": "unknown"}
    assert not lines["image"].sure
    assert "how many µm" in lines["image"].evidence
    table.rename(columns={"FileName_OrigDNA": "file"}).to_csv(tmp_path / "images.csv", index=False)
    (line,) = [line for line in guess(tmp_path / "images.csv").lines if line.field == "image"]
    assert "one channel without a name" in line.evidence
    for i in range(2):
        (tmp_path / f"{i}.tif").unlink()
    with pytest.raises(DataError, match=r"such as 0\.tif, and none lies beside it"):
        guess(tmp_path / "images.csv")


def test_arrays_of_crops_state_their_channels_and_size(tmp_path):
    stated = {"channels": np.array(["DNA", "Actin"]), "um_per_pixel": np.array(0.5)}
    np.savez(tmp_path / "crops.npz", images=CROPS, **LABELS, **stated)
    found = guess(tmp_path / "crops.npz").to_json()
    assert found["open"] == []
    cells = read(tmp_path / "crops.npz", Schema.from_json(found["schema"]))
    assert cells.values.shape == CROPS.shape
    assert cells.provenance["image"]["um_per_pixel"] == 0.5
    np.savez(tmp_path / "bare.npz", images=CROPS, **LABELS)
    assert guess(tmp_path / "bare.npz").to_json()["open"] == ["image"]
    np.savez(tmp_path / "flat.npz", images=CROPS[:, 0, 0])
    with pytest.raises(DataError, match="no array of crops"):
        guess(tmp_path / "flat.npz")


def test_images_inside_of_an_h5ad_are_told_where_to_go(tmp_path):
    cells = anndata.AnnData(np.zeros((6, 1)), pd.DataFrame(LABELS, index=list("abcdef")))
    cells.obsm["crops"] = CROPS
    cells.write_h5ad(tmp_path / "crops.h5ad")
    with pytest.raises(DataError, match=r'numpy\.savez\("crops\.npz"'):
        guess(tmp_path / "crops.h5ad")


@pytest.mark.parametrize("end", ["csv", "parquet", "h5ad"])
def test_profiles_are_read_as_suggested(tmp_path, end):
    frame, path = profiles(), tmp_path / f"profiles.{end}"
    if end == "csv":
        frame.to_csv(path, index=False)
    elif end == "parquet":
        frame.to_parquet(path)
    else:
        features = list(frame.columns[4:])
        obs = frame.iloc[:, :4].set_axis(list("abcdef"))
        anndata.AnnData(frame[features].to_numpy(), obs, pd.DataFrame(index=features)).write_h5ad(path)
    found = guess(path)
    cells = read(path, Schema.from_json(found.to_json()["schema"]))
    # Neither the number of a site nor that of an image is a measurement.
    assert list(cells.features) == ["Cells_AreaShape_Area", "Cells_Texture_A_DNA", "Nuclei_AreaShape_Area"]
    assert found.convention == "CellProfiler"


def test_features_that_are_missing_somewhere_are_left_out(tmp_path):
    profiles(Cells_Texture_A_DNA=[1.0, np.nan, 2, 3, 4, 5]).to_csv(tmp_path / "p.csv", index=False)
    found = guess(tmp_path / "p.csv")
    (line,) = [line for line in found.lines if line.field == "describe"]
    assert line.value == ["ImageNumber", "Cells_Texture_A_DNA"]
    assert "1 features hold NaN" in line.evidence


def test_ome_tiff_says_all_but_that_nothing_was_treated(tmp_path):
    about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Channel": {"Name": ["DNA", "Actin"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", CROPS[0], metadata=about)
    found = guess(tmp_path / "a.ome.tif").to_json()
    assert found["open"] == []
    assert read(tmp_path / "a.ome.tif", Schema.from_json(found["schema"])).values.shape == (1, 2, 12, 12)
    tifffile.imwrite(tmp_path / "z.tif", CROPS[:3, 0], photometric="minisblack", metadata={"axes": "ZYX"})
    assert "3 planes in z" in guess(tmp_path / "z.tif").notes[0]
