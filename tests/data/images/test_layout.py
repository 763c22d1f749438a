"""Images are declared in a schema, which comes back from TOML as it was."""

import pytest

from aivc.core.errors import SchemaError, UnknownNameError
from aivc.data.images.layout import ImageLayout
from aivc.data.io.schema import Schema
from tiny_images import image_schema


def test_a_schema_of_images_comes_back_from_toml(tmp_path):
    schema = image_schema(axes="nyxc", masks={"nucleus": "a b.tiff", "cell": "c.tiff"}, crop=32, bits=12)
    schema.to_toml(tmp_path / "s.toml")
    assert Schema.from_toml(tmp_path / "s.toml") == schema
    assert schema.image.masks == (("nucleus", "a b.tiff"), ("cell", "c.tiff"))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"um_per_pixel": -1}, "positive size"),
        ({"um_per_pixel": "small"}, "positive size"),
        ({"axes": "nxx"}, "letters of"),
        ({"axes": "nc"}, "with y and x"),
        ({"channels": ["A", "A"]}, "stands twice"),
        ({"channels": ["mask:nucleus"]}, "Name them otherwise"),
        ({"channels": ["A", "B"], "files": ["a", "b", "c"]}, "one for each of the 2"),
        ({"crop": 32}, "need"),
        ({"masks": {"nucleus": "n"}, "crop": 7}, "even number"),
        ({"bits": 0}, "1 to 32"),
        ({"crop": "32"}, "whole number"),
        ({"channels": "DAPI"}, "list of texts"),
        ({"masks": []}, "masks is a table"),
    ],
)
def test_contradictions_are_refused(declared, said):
    with pytest.raises(SchemaError, match=said):
        ImageLayout.from_json(declared)


def test_unknown_fields_and_other_modalities_are_refused():
    with pytest.raises(UnknownNameError, match="um_per_pixel"):
        ImageLayout.from_json({"um_per_pixels": 1})
    with pytest.raises(SchemaError, match='modality = "image"'):
        Schema(units="intensity", image=ImageLayout(), perturbation="a", control="b")
    with pytest.raises(SchemaError, match="Pixels are in intensity"):
        Schema.from_json({**image_schema().to_json(), "units": "counts"})
