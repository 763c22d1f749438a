from datetime import UTC, datetime

import pytest

from aivc.core.errors import IntegrityError, WritingError
from aivc.hub.manifest import Manifest
from aivc.hub.manifest_fields import HubFile
from aivc.hub.pulled_terms import PulledTerms, pulled_file

WEIGHTS = f"sha256:{'1' * 64}"


def version(day, *terms, path="w.safetensors"):
    return Manifest(
        kind="manipulator", namespace="me", name="mine", version=f"{day}.0", licence="MIT", terms=list(terms),
        files=[HubFile(path=path, sha256=WEIGHTS, bytes=9000)], created=datetime(2026, 1, day, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def record(tmp_path):
    return PulledTerms(tmp_path / "pulled.json")


def noted(record):
    return [(use.said, sorted(map(str, use.terms))) for use in record.uses([WEIGHTS])]


def test_the_oldest_version_that_was_pulled_is_noted(record):
    assert noted(record) == []
    record.note(version(2, "non-commercial"), "lab/a@2.0")
    record.note(version(3), "lab/a@3.0")
    assert noted(record) == [("lab/a@2.0", ["non-commercial"])]
    record.note(version(2, "attribution"), "lab/b@2.0")
    assert noted(record) == [("lab/b@2.0", ["attribution", "non-commercial"])]
    record.note(version(1), "lab/a@1.0")
    assert noted(record) == [("lab/a@1.0", [])]
    assert record.uses([f"sha256:{'2' * 64}"]) == []


def test_what_tells_nothing_is_not_noted(record):
    record.note(version(1, "attribution", path="settings.json"), "")
    assert not record.path.exists()


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"a": {}}}', "no"])
def test_a_damaged_record_is_refused(record, text):
    record.path.write_text(text)
    with pytest.raises(IntegrityError, match=r"record|JSON"):
        record.uses([WEIGHTS])


def test_where_it_lies_can_be_said(monkeypatch, tmp_path):
    monkeypatch.setenv("AIVC_PULLED", str(tmp_path / "a.json"))
    assert pulled_file() == tmp_path / "a.json"
    monkeypatch.delenv("AIVC_PULLED")
    monkeypatch.setenv("AIVC_HOME", str(tmp_path))
    assert pulled_file() == tmp_path / "pulled_terms.json"


def test_a_record_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WritingError, match="Name another file in AIVC_PULLED"):
        PulledTerms(tmp_path / "file" / "a.json").note(version(1), "lab/a@1.0")
