import dataclasses
import hashlib
import os
import re
from importlib.metadata import EntryPoint

import pytest

from aivc.core import registry
from aivc.core.errors import IntegrityError, UnavailableError, UnknownNameError
from aivc.data import catalog
from aivc.data.datasets import ENTRIES
from aivc.data.datasets.record import File, Original
from aivc.data.names.genes import FILES

BODY = b"a table"
SMALL = File("table", "X/table.txt", len(BODY), hashlib.sha256(BODY).hexdigest(), "https://127.0.0.1:9/table.txt")


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("AIVC_DATA", raising=False)
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def small(nowhere, monkeypatch):
    entry = dataclasses.replace(catalog.entry("go-bp"), name="small", files=(SMALL,))
    monkeypatch.setitem(ENTRIES, "small", entry)
    return nowhere


def _put(folder, body=BODY):
    file = folder / SMALL.local
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_says_what_it_must(name):
    entry = catalog.entry(name)
    assert entry.name == name
    assert all((entry.title, entry.what, entry.species, entry.source, entry.licence, entry.citation))
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
        pinned = r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/.+"
        assert file.address is None or re.fullmatch(pinned, file.address)
        if file.original is not None:
            assert re.fullmatch(pinned, file.original.address)
            assert re.fullmatch(r"[0-9a-f]{64}", file.original.sha256)
    assert entry.redistribute is (name in {"drug-mechanisms", "papalexi2021", "sachs2005"})


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="papalexi2021"):
        catalog.entry("papalexi2012")


def test_an_unknown_file_is_refused():
    with pytest.raises(UnknownNameError, match="Name one of its 2 files"):
        catalog.path("sachs2005")


def test_knowledge_is_no_measurement():
    with pytest.raises(UnknownNameError, match=r"catalog\.path"):
        catalog.load("go-bp")


def test_the_data_folder_comes_before_the_cache(small, monkeypatch):
    cached = small / "cache" / "datasets" / "small" / "table.txt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(BODY)
    assert catalog.path("small") == cached
    (small / "data").mkdir()
    monkeypatch.setenv("AIVC_DATA", str(small / "data"))
    assert catalog.path("small") == cached
    file = _put(small / "data")
    assert catalog.path("small") == file


def test_a_file_is_hashed_once_and_again_when_it_changes(small, monkeypatch):
    monkeypatch.setenv("AIVC_DATA", str(small))
    file = _put(small)
    hashed = []
    monkeypatch.setattr(catalog, "digest", lambda path: hashed.append(path) or hashlib.sha256(BODY).hexdigest())
    catalog.path("small")
    catalog.path("small")
    assert hashed == [file]
    os.utime(file, ns=(1, 1))
    catalog.path("small")
    assert hashed == [file, file]


def test_another_file_in_its_place_is_refused(small, monkeypatch):
    monkeypatch.setenv("AIVC_DATA", str(small))
    _put(small, b"b table")
    for _ in range(2):
        with pytest.raises(IntegrityError, match="Delete it"):
            catalog.path("small")
    _put(small)
    assert catalog.path("small").read_bytes() == BODY


def test_a_data_folder_that_is_none_is_refused(small, monkeypatch):
    monkeypatch.setenv("AIVC_DATA", str(small / "mistyped"))
    with pytest.raises(UnavailableError, match="Correct it, or unset it"):
        catalog.path("small")


def test_offline_may_be_asked_for_a_single_call(small, monkeypatch):
    monkeypatch.delenv("AIVC_OFFLINE")
    with pytest.raises(UnavailableError, match="Allow network"):
        catalog.path("small", offline=True)


def test_a_failed_network_is_distinguished_and_quick(small, monkeypatch):
    monkeypatch.delenv("AIVC_OFFLINE")
    with pytest.raises(UnavailableError, match="Check the network"):
        catalog.path("small")


def test_a_prepared_file_names_its_source_and_the_remedy(nowhere):
    with pytest.raises(UnavailableError, match=r"montilab/sigrecon.*Set AIVC_DATA") as caught:
        catalog.load("tahoe100m")
    assert "B/tahoe100m_rank_scores.npz" in str(caught.value)


@pytest.fixture
def prepared(small, monkeypatch):
    original = Original("https://127.0.0.1:9/folder/plain.txt", 5, hashlib.sha256(b"plain").hexdigest())
    file = dataclasses.replace(SMALL, address=None, original=original)
    monkeypatch.setitem(ENTRIES, "small", dataclasses.replace(ENTRIES["small"], files=(file,)))
    return small


def test_the_original_is_fetched_where_the_prepared_file_has_no_address(prepared, monkeypatch):
    asked = []

    def download(address, target, *, sha256, size):
        asked.append((address, sha256, size))
        target.parent.mkdir(parents=True)
        target.write_bytes(b"plain")
        return target

    monkeypatch.setattr(catalog, "download", download)
    found = catalog.path("small")
    assert found == prepared / "cache" / "datasets" / "small" / "plain.txt"
    assert asked == [("https://127.0.0.1:9/folder/plain.txt", hashlib.sha256(b"plain").hexdigest(), 5)]
    assert catalog.path("small", offline=True) == found
    assert len(asked) == 1
    monkeypatch.setenv("AIVC_DATA", str(prepared))
    put = _put(prepared)
    assert catalog.path("small") == put
    assert catalog.entry("small").provenance()["addresses"] == ["https://127.0.0.1:9/folder/plain.txt"]


def test_a_changed_original_is_refused(prepared):
    cached = prepared / "cache" / "datasets" / "small" / "plain.txt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"plane")
    with pytest.raises(IntegrityError, match="Delete it"):
        catalog.path("small")


def test_all_that_gene_priors_and_names_need_can_be_fetched():
    needed = ("go-bp", "reactome", "string-experimental", "imex-records", "intact-records", *FILES["human"])
    for file in (file for name in needed for file in catalog.entry(name).files):
        assert file.address or file.original, file


def test_without_network_the_packaged_data_are_used_and_the_reason_is_given(nowhere):
    chosen = catalog.default()
    assert chosen.name == "sachs2005"
    assert len(chosen.measurement) == 7466
    assert "Papalexi 2021" in chosen.reason
    assert "AIVC_OFFLINE" in chosen.reason


@pytest.mark.parametrize("file", catalog.entry("sachs2005").files, ids=lambda file: file.name)
def test_packaged_files_are_the_ones_the_catalog_means(file):
    body = catalog.path("sachs2005", file.name).read_bytes()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (file.bytes, file.sha256)


def test_provenance_travels_with_the_measurement():
    provenance = catalog.load("sachs2005").provenance
    assert provenance["dataset"] == "sachs2005"
    assert "none stated" in provenance["licence"]


def test_ours_are_registered_as_a_strangers_would_be():
    assert set(ENTRIES) <= set(registry.names("datasets"))
    assert all(registry.DATASETS.load(name) is entry for name, entry in ENTRIES.items())


def test_a_package_adds_a_dataset_of_its_own(register):
    register(EntryPoint("tiny", "tiny_parts:DATASETS", "aivc.datasets"))
    assert "tiny" in catalog.names()
    assert catalog.entry("tiny").name == "tiny"
    register(EntryPoint("other", "tiny_parts:MISNAMED", "aivc.datasets"))
    with pytest.raises(IntegrityError, match="registers the dataset 'go-bp' as 'other'"):
        catalog.entry("other")
    with pytest.raises(UnknownNameError, match=r"entry point aivc\.datasets"):
        catalog.entry("nothing-like-it")


def test_an_original_of_the_same_name_is_kept_apart(nowhere, monkeypatch):
    monkeypatch.setenv("AIVC_CACHE", str(nowhere / "cache"))
    made = hashlib.sha256(b"made").hexdigest()
    original = Original("https://example.org/a/small.gmt", len(BODY), hashlib.sha256(BODY).hexdigest())
    file = File("small", "J/small.gmt", 4, made, original=original)
    entry = dataclasses.replace(catalog.entry("go-bp"), name="small", files=(file,))
    monkeypatch.setitem(ENTRIES, "small", entry)
    kept = nowhere / "cache" / "datasets" / "small" / "original" / "small.gmt"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(BODY)
    assert catalog.path("small") == kept
