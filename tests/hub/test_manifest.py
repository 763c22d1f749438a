import json

import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.hub.manifest import Manifest, canonical, declared, manifest_schema

SHA = "sha256:" + "0" * 64
BODY = {
    "kind": "dataset-card", "namespace": "lab", "name": "x", "version": "1.0", "licence": "MIT",
    "files": [{"path": "card.json", "sha256": SHA, "bytes": 3}], "created": "2026-01-01T00:00:00Z",
}  # fmt: skip


def manifest(**changed):
    return Manifest.model_validate({**BODY, **changed})


def altered(**changed):
    """Bytes of a manifest in which somebody changed fields."""
    return canonical({**json.loads(manifest().to_bytes()), **changed})


def test_a_manifest_comes_back_with_its_digest():
    made = manifest(description="µ", terms=["attribution"])
    assert Manifest.from_bytes(made.to_bytes()) == made
    assert made.digest.startswith("sha256:")


@pytest.mark.parametrize(
    "changed",
    [
        {"unknown": 1},
        {"kind": "model"},
        {"namespace": "../x"},
        {"version": "latest"},
        {"licence": "none of yours"},
        {"files": []},
        {"format": 2},
        {"terms": ["whatever"]},
        {"created": "yesterday"},
        {"description": "x" * 20_001},
    ],
)
def test_fields_that_are_unknown_or_wrong_are_refused(changed):
    with pytest.raises(IntegrityError, match="is no manifest"):
        Manifest.from_bytes(altered(**changed))


@pytest.mark.parametrize(
    "paths",
    [
        ["../cell.json"], ["/etc/x.json"], ["a/../../b.json"], ["a\\b.json"], ["a//b.json"], ["C:/b.json"], [".a.json"],
        ["weights.pt"], ["weights.pkl"], ["a.zip"], ["a.json", "A.json"], ["a.json", "a.json/b.json"], ["a./b.json"],
        ["/".join("abcdefghi") + ".json"],
    ],
)  # fmt: skip
def test_paths_that_lead_elsewhere_or_clash_are_refused(paths):
    files = [{"path": path, "sha256": SHA, "bytes": 3} for path in paths]
    with pytest.raises(IntegrityError):
        Manifest.from_bytes(altered(files=files))


def test_other_bytes_of_the_same_manifest_are_refused():
    data = manifest().to_bytes()
    for other in (data + b"\n", data.replace(b'"name"', b'"n\\u0061me"'), json.dumps(json.loads(data)).encode()):
        with pytest.raises(IntegrityError, match="not written as manifests are"):
            Manifest.from_bytes(other)
    with pytest.raises(IntegrityError, match="stands twice"):
        Manifest.from_bytes(data.replace(b"{", b'{"name": "y", ', 1))


def test_when_it_was_made_is_no_difference():
    one, other = manifest(), manifest(created="2026-02-01T00:00:00Z")
    assert one.same_but_when(other)
    assert not one.same_but_when(manifest(description="another"))


def test_everything_wrong_with_what_a_person_says_is_named():
    with pytest.raises(DataError) as caught:
        declared({"namespace": "lab", "colour": "blue", "licence": "MIT", "version": "1"})
    said = " ".join(caught.value.problems)
    assert "name: " in said
    assert "colour: " in said


def test_the_schema_names_every_field():
    schema = manifest_schema()
    assert set(schema["properties"]) == set(Manifest.model_fields)
    assert schema["$defs"]["HubFile"]["additionalProperties"] is False
