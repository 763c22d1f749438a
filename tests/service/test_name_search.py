import pytest

from aivc.data.names.gene_files import GeneNames
from aivc.experiments import known_names
from aivc.service.name_search import NameSearch
from tiny_service import tiny_cell


@pytest.fixture(scope="module")
def search():
    return NameSearch(tiny_cell())


def test_prefixes_come_before_parts_in_any_case(search):
    assert [each.text for each in search.find("g000", limit=2)] == ["ko:G0001", "ko:G0002"]
    assert search.find("003")[0].text == "ko:G0003"
    assert search.find("ko:g0004")[0] == ("ko:G0004", "G0004", "ko", True)
    assert search.find("G0005")[0].name == "G0005"


def test_nothing_typed_shows_what_was_measured(search):
    assert all(each.measured for each in search.find("", limit=6))
    assert search.find("zzz") == []
    assert search.find("g", kind="drug") == []


def test_a_former_symbol_finds_the_gene(monkeypatch):
    table = GeneNames("human", frozenset({"G0001"}), {"OLDNAME": frozenset({"G0001"})}, {}, {})
    monkeypatch.setattr(known_names, "_tables", lambda: (table,))
    assert [each.text for each in NameSearch(tiny_cell()).find("oldname")] == ["ko:G0001"]
