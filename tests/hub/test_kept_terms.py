from datetime import UTC, datetime

import pytest

from aivc.hub.kept_terms import KnownUse, kept, telling, when
from aivc.hub.manifest import Manifest
from aivc.hub.manifest_fields import HubFile
from aivc.hub.use_terms import UseTerm

WEIGHTS, OTHERS = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def use(term="", created=OLD, said="lab/a@1.0", sha256=WEIGHTS):
    return KnownUse(sha256, frozenset({UseTerm(term)} if term else ()), created, said)


@pytest.fixture
def manifest():
    files = [HubFile(path="w.safetensors", sha256=WEIGHTS, bytes=9000)]
    return Manifest(
        kind="manipulator",
        namespace="me",
        name="mine",
        version="1.0",
        licence="MIT",
        files=files,
        terms=["attribution"],
    )


def test_terms_of_a_version_with_the_same_weights_stay(manifest):
    found = kept(manifest, [use("non-commercial"), use("no-redistribution", sha256=OTHERS)])
    assert found.terms == {UseTerm.NON_COMMERCIAL}
    assert "lab/a@1.0, with the terms non-commercial" in found.said
    assert kept(manifest, [use("attribution")]).terms == frozenset()
    assert kept(manifest, []).said == ""


def test_the_oldest_version_speaks_for_a_file(manifest):
    assert kept(manifest, [use("non-commercial", NEW), use()]).terms == frozenset()
    assert kept(manifest, [use("non-commercial"), use("", NEW)]).terms == {UseTerm.NON_COMMERCIAL}
    assert kept(manifest, [use("non-commercial"), use()]).terms == {UseTerm.NON_COMMERCIAL}


def test_a_version_that_is_not_for_everybody_is_not_named(manifest):
    assert "a version that is not for everybody" in kept(manifest, [use("share-alike", said="")]).said


@pytest.mark.parametrize("path", ["settings.json", "README.md", "self_test.safetensors"])
def test_files_that_may_be_the_same_by_chance_tell_nothing(path):
    assert telling([HubFile(path=path, sha256=WEIGHTS, bytes=9000)]) == []


def test_a_file_of_no_arrays_tells_nothing():
    assert telling([HubFile(path="a.safetensors", sha256=WEIGHTS, bytes=72)]) == []


def test_times_without_a_zone_can_be_compared():
    assert when("2026-01-01T00:00:00") == OLD == when("2026-01-01T01:00:00+01:00")
