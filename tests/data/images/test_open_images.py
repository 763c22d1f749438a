"""The same crops come back from every format, by name and in order, and what is not stated is asked for."""

import json

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError, SchemaError, UnavailableError
from aivc.core.measurement import StoredRows
from aivc.data.io.guess import guess
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from tiny_images import field_of_cells, image_schema

tifffile = pytest.importorskip("tifffile")
CROPS = np.random.default_rng(0).integers(0, 4000, (6, 8, 10, 2)).astype(np.uint16)
LABELS = {"compound": np.array(["DMSO", "A", "DMSO", "A", "B", "B"]), "plate": np.array(["p"] * 6)}


def crops(folder, kind):
    path = folder / f"crops.{'zarr' if kind == 'zarr' else 'npz'}"
    if kind == "zarr":
        import zarr

        group = zarr.open_group(str(path), mode="w")
        for name, value in {"images": CROPS, **LABELS}.items():
            group.create_array(name, data=value.astype("U4") if value.dtype.kind == "U" else value)
    elif kind == "npz":
        np.savez(path, images=CROPS, channels=np.array(["DNA", "Actin"]), **LABELS)
    else:
        np.savez_compressed(path, images=CROPS, **LABELS)
    return path


@pytest.mark.filterwarnings("ignore:The data type .FixedLengthUTF32")
@pytest.mark.parametrize("kind", ["npz", "compressed", "zarr"])
def test_an_array_of_crops_is_read_by_rows(tmp_path, kind):
    read_back = read(crops(tmp_path, kind), image_schema("compound", axes="nyxc"))
    assert isinstance(read_back.values, StoredRows)
    assert read_back.values.shape == (6, 2, 8, 10)
    assert list(read_back.features) == ["DNA", "Actin"]
    assert read_back.provenance["image"]["um_per_pixel"] == 0.5
    assert read_back.perturbations.tolist() == ["control", "drug:A", "control", "drug:A", "drug:B", "drug:B"]
    wanted = CROPS.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(read_back.block(2, 5), wanted[2:5])
    np.testing.assert_array_equal(read_back.take(np.array([5, 0])).values, wanted[[5, 0]])
    assert read_back.block(0, 6).dtype == np.uint16


def test_npy_with_a_table_beside_it(tmp_path):
    np.save(tmp_path / "crops.npy", CROPS)
    pd.DataFrame({"name": [f"crop-{i}" for i in range(6)], **LABELS}).to_csv(tmp_path / "cells.csv", index=False)
    schema = image_schema("compound", axes="nyxc")
    cells = read(tmp_path / "crops.npy", type(schema).from_json({**schema.to_json(), "metadata": "cells.csv"}))
    np.testing.assert_array_equal(cells.block(5, 6)[0], CROPS[5].transpose(2, 0, 1))
    assert list(cells.entities["plate"]) == ["p"] * 6


def test_what_is_not_stated_is_asked_for(tmp_path):
    path = crops(tmp_path, "compressed")
    for layout, said in (
        ({}, 'axes = "nyxc"'),
        ({"axes": "nyxc", "channels": None}, "2 channels, and none is named"),
        ({"axes": "nyxc", "channels": ["A"]}, "2 channels, and 1 are named"),
        ({"axes": "nyxc", "um_per_pixel": None}, "does not state the size of a pixel"),
        ({"axes": "nyxc", "array": "crops"}, "it holds images"),
    ):
        with pytest.raises(SchemaError, match=said):
            read(path, image_schema("compound", **layout))


def test_objects_of_python_are_never_loaded(tmp_path):
    np.savez(tmp_path / "bad.npz", images=np.array([{"a": 1}], dtype=object))
    with pytest.raises(IntegrityError, match="objects of Python"):
        read(tmp_path / "bad.npz", image_schema(axes="nyxc"))


def test_ome_tiff_states_axes_channels_and_size(tmp_path):
    image, nuclei, cells = field_of_cells()
    about = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["DNA", "Actin"]}}
    about |= {"PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata=about)
    whole = read(tmp_path / "a.ome.tif", image_schema(channels=None, um_per_pixel=None))
    assert whole.provenance["image"] == {
        "channels": ["DNA", "Actin"], "um_per_pixel": 0.25, "dtype": "uint16", "bits": 16,
    }  # fmt: skip
    np.testing.assert_array_equal(whole.values.rows(0, 1)[0], image)
    with pytest.raises(SchemaError, match=r"0\.25 µm per pixel, the schema 0\.5"):
        read(tmp_path / "a.ome.tif", image_schema(channels=None))
    with pytest.raises(SchemaError, match="names its channels DNA, Actin"):
        read(tmp_path / "a.ome.tif", image_schema(channels=["DNA", "ER"], um_per_pixel=None))
    for name, mask in (("nuclei.tif", nuclei), ("cells.tif", cells)):
        tifffile.imwrite(tmp_path / name, mask)
    masks = {"nucleus": "nuclei.tif", "cell": "cells.tif"}
    cut = read(tmp_path / "a.ome.tif", image_schema(channels=None, um_per_pixel=None, masks=masks, crop=32))
    assert list(cut.features) == ["DNA", "Actin", "mask:nucleus", "mask:cell"]
    block = cut.block(0, 3)
    assert block[:, 2].sum(axis=(1, 2)).tolist() == [(nuclei == i).sum() for i in (1, 2, 3)]
    assert block[:, 3].sum(axis=(1, 2)).tolist() == [(cells == i).sum() for i in (10, 20, 30)]
    np.testing.assert_array_equal(block[0, 0], image[0, 8:40, 8:40])


def test_a_movie_without_stated_axes_asks_for_them(tmp_path):
    frames = np.random.default_rng(1).integers(0, 255, (4, 16, 18)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "movie.tif", frames, photometric="minisblack", metadata=None)
    with pytest.raises(SchemaError, match='axes = "tyx"'):
        read(tmp_path / "movie.tif", image_schema(channels=["H2B"]))
    movie = read(tmp_path / "movie.tif", image_schema(channels=["H2B"], axes="tyx"))
    np.testing.assert_array_equal(movie.block(1, 3)[:, 0], frames[1:3])
    assert movie.entities["frame"].tolist() == [0, 1, 2, 3]


def test_a_table_of_files_keeps_its_columns(tmp_path):
    from PIL import Image

    image, nuclei, _ = field_of_cells()
    for well, compound in (("B02", "DMSO"), ("B03", "A")):
        tifffile.imwrite(tmp_path / f"{well}_dna.tif", image[0])
        Image.fromarray(image[1]).save(tmp_path / f"{well}_actin.png")
        tifffile.imwrite(tmp_path / f"{well}_nuclei.tif", (nuclei > 0).astype(np.uint8) * 255)
        row = {"w": well, "compound": compound, "plate": "p1"}
        row |= {"dna": f"{well}_dna.tif", "actin": f"{well}_actin.png", "m": f"{well}_nuclei.tif"}
        with (tmp_path / "images.csv").open("a") as file:
            pd.DataFrame([row]).to_csv(file, index=False, header=well == "B02")
    layout = {"files": ["dna", "actin"], "masks": {"nucleus": "m"}, "crop": 24}
    cells = read(tmp_path / "images.csv", image_schema("compound", **layout))
    assert cells.perturbations.tolist() == ["control"] * 3 + ["drug:A"] * 3
    assert cells.entities["w"].tolist() == ["B02"] * 3 + ["B03"] * 3
    # In a mask of two values, what touches is one object.
    assert cells.block(3, 6)[:, 2].sum(axis=(1, 2)).tolist() == [(nuclei == i).sum() for i in (1, 2, 3)]
    schema = image_schema("compound", **layout)
    inside = read(tmp_path, type(schema).from_json({**schema.to_json(), "metadata": "images.csv"}))
    np.testing.assert_array_equal(inside.block(0, 6), cells.block(0, 6))
    with pytest.raises(SchemaError, match="a table in it says"):
        read(tmp_path, schema)
    with pytest.raises(SchemaError, match="no column nope"):
        read(tmp_path / "images.csv", image_schema("compound", files=["dna", "nope"]))
    (tmp_path / "B03_dna.tif").unlink()
    with pytest.raises(UnavailableError, match="no image"):
        read(tmp_path / "images.csv", image_schema("compound", **layout))


def test_a_table_cannot_lead_out_of_its_folder(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "t.csv").write_text("file\n../secret.tif\n")
    with pytest.raises(IntegrityError, match="outside of its folder"):
        read(inside / "t.csv", image_schema(channels=["A"], files=["file"]))


def ome_zarr(path, version, plate):
    import zarr

    image, nuclei, _ = field_of_cells()
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)

    def put(node, about):
        node.attrs.update(about if version == "0.4" else {"ome": {"version": version, **about}})

    def multiscale(node, array, axes):
        node.create_array("0", data=array)
        sized = [{"name": a, "type": "channel" if a == "c" else "space", "unit": "micrometer"} for a in axes]
        scale = [{"type": "scale", "scale": [1.0 if a == "c" else 0.4 for a in axes]}]
        about = {"multiscales": [{"axes": sized, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
        return about | ({"omero": {"channels": [{"label": "DNA"}, {"label": "Actin"}]}} if "c" in axes else {})

    node = group
    if plate:
        put(group, {"plate": {"name": "P7", "wells": [{"path": "B/02"}]}})
        well = group.create_group("B/02")
        put(well, {"well": {"images": [{"path": "0"}]}})
        node = well.create_group("0")
    put(node, multiscale(node, image, "cyx"))
    labels = node.create_group("labels/nuclei")
    put(labels, multiscale(labels, nuclei, "yx"))
    return image, nuclei


@pytest.mark.parametrize(("version", "plate"), [("0.4", True), ("0.5", True), ("0.5", False)])
def test_ome_zarr_of_both_versions(tmp_path, version, plate):
    path = tmp_path / "p.zarr"
    image, nuclei = ome_zarr(path, version, plate)
    whole = read(path, image_schema(channels=None, um_per_pixel=None))
    np.testing.assert_array_equal(whole.block(0, 1)[0], image)
    assert whole.provenance["image"]["um_per_pixel"] == 0.4
    cut = read(path, image_schema(channels=None, um_per_pixel=None, masks={"nucleus": "nuclei"}, crop=24))
    assert cut.block(0, 3)[:, 2].sum(axis=(1, 2)).tolist() == [(nuclei == i).sum() for i in (1, 2, 3)]
    if plate:
        assert set(cut.entities["well"]) == {"B02"}
        assert set(cut.entities["plate"]) == {"P7"}
    with pytest.raises(SchemaError, match="it has nuclei"):
        read(path, image_schema(channels=None, um_per_pixel=None, masks={"cell": "bodies"}, crop=24))


def test_a_map_of_wells_says_what_is_in_a_plate(tmp_path):
    path = tmp_path / "p.zarr"
    ome_zarr(path, "0.5", plate=True)
    layout = {"channels": None, "um_per_pixel": None, "masks": {"nucleus": "nuclei"}, "crop": 24}
    schema = image_schema("compound", **layout)
    schema = type(schema).from_json({**schema.to_json(), "metadata": "wells.csv"})
    (tmp_path / "wells.csv").write_text("well,compound\nb2,A\nB03,DMSO\n")
    cells = read(path, schema, controls=False)
    assert cells.perturbations.tolist() == ["drug:A"] * 3
    (tmp_path / "wells.csv").write_text("well,compound\nB02,A\nB2,DMSO\n")
    with pytest.raises(DataError, match="describes well B02 twice"):
        read(path, schema, controls=False)
    (tmp_path / "wells.csv").write_text("well,compound\nB03,A\n")
    with pytest.raises(DataError, match="does not describe 1 of 1"):
        read(path, schema, controls=False)


def test_a_plate_in_ome_zarr_is_suggested_with_the_table_beside_it(tmp_path):
    ome_zarr(tmp_path / "p.zarr", "0.5", plate=True)
    found = guess(tmp_path / "p.zarr").to_json()
    assert found["convention"] == "OME-Zarr"
    assert set(found["open"]) == {"perturbation", "kind", "metadata", "image"}
    (tmp_path / "wells.csv").write_text("field,compound\nB02_0,DMSO\n")
    found = guess(tmp_path / "p.zarr").to_json()
    assert found["open"] == ["image"]
    (image,) = [line for line in found["lines"] if line["field"] == "image"]
    assert image["value"] == {"masks": {"nucleus": "nuclei"}, "crop": 64}
    assert "DNA, Actin" in image["evidence"]
    cells = read(tmp_path / "p.zarr", Schema.from_json(found["schema"] | {"image": image["value"]}))
    assert set(cells.perturbations) == {"control"}
    assert set(cells.entities["batch"]) == {"P7"}


def test_fields_of_different_sizes_need_crops(tmp_path):
    for i, side in enumerate((16, 20)):
        tifffile.imwrite(tmp_path / f"{i}.tif", np.ones((side, side), np.uint8))
    (tmp_path / "t.csv").write_text("file\n0.tif\n1.tif\n")
    with pytest.raises(DataError, match="Cut crops"):
        read(tmp_path / "t.csv", image_schema(channels=["A"], files=["file"]))


def test_json_of_the_schema_is_plain():
    assert json.loads(json.dumps(image_schema(masks={"cell": "c"}, crop=8).to_json()))["image"]["masks"] == {
        "cell": "c"
    }


def masked_table(folder, shown=True, scale=1, rows=(0, 1)):
    for i in (0, 1):
        image, nuclei, _ = field_of_cells(i)
        tifffile.imwrite(folder / f"{i}.tif", image[0])
        tifffile.imwrite(
            folder / f"{i}_m.tif", (nuclei if shown or (shown is None and i) else nuclei * 0)[::scale, ::scale]
        )
    table = pd.DataFrame({"dna": ["0.tif", "1.tif"], "m": ["0_m.tif", "1_m.tif"], "compound": ["A", "DMSO"]})
    table.assign(plate="p").iloc[list(rows)].to_csv(folder / "images.csv", index=False)
    return read(
        folder / "images.csv",
        image_schema("compound", channels=["DNA"], files=["dna"], masks={"nucleus": "m"}, crop=24),
    )


def test_masks_without_objects_and_of_another_size(tmp_path):
    with pytest.raises(DataError, match="show no object"):
        masked_table(tmp_path, shown=False)
    with pytest.raises(DataError, match="48 × 48 pixels, and its image is 96 × 96"):
        masked_table(tmp_path, scale=2)
    noted = masked_table(tmp_path, shown=None).provenance["notes"]
    assert "1 of 2 fields show no object in their masks and are left out: 0." in noted


def test_a_field_in_two_rows_is_named(tmp_path):
    with pytest.raises(DataError, match=r"1 fields of images\.csv stand in more than one row: 0"):
        masked_table(tmp_path, rows=(0, 0, 1))


def test_a_size_in_the_file_is_the_size(tmp_path):
    np.savez(tmp_path / "a.npz", images=CROPS, um_per_pixel=np.array([0.65]), **LABELS)
    stated = read(tmp_path / "a.npz", image_schema("compound", axes="nyxc", um_per_pixel=None))
    assert stated.provenance["image"]["um_per_pixel"] == 0.65
    with pytest.raises(SchemaError, match=r"states 0\.65 µm"):
        read(tmp_path / "a.npz", image_schema("compound", axes="nyxc"))
    np.savez(tmp_path / "b.npz", images=CROPS, um_per_pixel=np.array([0.65, 1.0]), **LABELS)
    with pytest.raises(SchemaError, match="crops of each size alone"):
        read(tmp_path / "b.npz", image_schema("compound", axes="nyxc"))
