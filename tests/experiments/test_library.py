"""A library reaches every candidate by arithmetic, and lists none that was not asked for."""

import itertools
import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError, IntegrityError, UnitsError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.library import Library
from aivc.experiments.library_blocks import Factor, LibraryBlock, combinations_from, unrank

NAMES = [f"G{i:04}" for i in range(1, 8)]


@pytest.fixture(scope="module")
def cell():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    return fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))


@given(st.integers(0, 12), st.integers(1, 4))
def test_unrank_is_the_order_of_itertools(n, order):
    wanted = list(itertools.combinations(range(n), order))
    assert [unrank(i, n, order) for i in range(math.comb(n, order))] == wanted
    for first in (0, len(wanted) // 3, len(wanted)):
        assert list(combinations_from(first, n, order)) == wanted[first:]
    with pytest.raises(IndexError, match="none of them"):
        unrank(len(wanted), n, order)


def test_a_library_of_a_million_million_costs_nothing():
    names = [f"G{i}" for i in range(20_000)]
    tracemalloc.start()
    library = Library.triples(names)
    last = library.question(len(library) - 1).perturbation
    middle = library.take(10**12, 10**12 + 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(library) == math.comb(20_000, 3) > 10**12
    assert str(last) == "ko:G19997 + ko:G19998 + ko:G19999"
    assert len(set(middle)) == 3
    assert peak < 50e6


def test_doses_hours_kinds_and_contexts_are_all_combined_once():
    one = Library.doses(["a", "b", "c"], ["1uM", "10uM"], [24, 48], order=2)
    assert len(one) == len(set(one)) == 3 * 4 * 2
    assert str(one.take(1, 2)[0]) == "drug:a@1uM + drug:b@10uM for 24h"
    both = Library.pairs(["A", "B", "C"]).times(Library.doses(["x", "y"], ["1uM"]))
    assert set(map(str, both)) == {
        f"{drug} + {gene}"
        for gene in ("ko:A + ko:B", "ko:A + ko:C", "ko:B + ko:C")
        for drug in ("drug:x@1uM", "drug:y@1uM")
    }
    for library in (one, both):
        assert [library.take(i, i + 5) for i in range(0, len(library), 5)] == [
            list(library)[i : i + 5] for i in range(0, len(library), 5)
        ]
        assert [library.question(i).perturbation for i in range(len(library))] == list(library)
    asked = Library.singles(["A", "B"]).across(["one", "two"])
    assert [(q.context, str(q.perturbation)) for q in asked.questions(1, 4)] == [
        ("one", "ko:B"),
        ("two", "ko:A"),
        ("two", "ko:B"),
    ]


def test_a_sum_goes_from_one_source_to_the_next():
    library = Library.singles(NAMES) + Library.pairs(NAMES) + Library.triples(NAMES)
    wanted = [c for k in (1, 2, 3) for c in itertools.combinations(NAMES, k)]
    assert [each.targets for each in library] == wanted
    assert [library.question(i).perturbation.targets for i in (0, 7, 28, 62)] == [wanted[i] for i in (0, 7, 28, 62)]
    assert library.take(60, 99) == list(library)[60:]
    for place in (-1, 63):
        with pytest.raises(IndexError, match="63 places"):
            library.question(place)


def test_names_are_restricted_before_they_are_combined(tmp_path):
    (tmp_path / "unsafe.txt").write_text("G0002\n\n G0003 \n")
    library = Library.pairs(NAMES).without(tmp_path / "unsafe.txt").only({"G0001", "G0002", "G0004"})
    assert list(map(str, library)) == ["ko:G0001 + ko:G0004"]
    assert library.history == ("5 of 7 names are not excluded.", "2 of 5 names are named.")


def test_druggable_genes_are_targets_of_a_drug():
    library = (Library.singles(["EGFR", "NOSUCHGENE"]) + Library.doses(["afatinib"], ["1uM"])).druggable()
    assert list(map(str, library)) == ["ko:EGFR", "drug:afatinib@1uM"]


def test_expressed_genes_have_a_mean_reading_in_control_cells(cell):
    level = dict(zip(cell.decode(cell.start()).draws[0].features, cell.decode(cell.start()).mean, strict=True))
    middle = sorted(level[name] for name in NAMES)[3]
    kept = Library.pairs([*NAMES, "UNMEASURED"]).expressed(cell, least=middle)
    wanted = [name for name in NAMES if level[name] >= middle]
    assert [each.targets for each in kept] == list(itertools.combinations(wanted, 2))
    assert "4 of 8 names are expressed" in kept.history[0]
    with pytest.raises(UnknownNameError):
        Library.singles(NAMES).expressed(cell, "no such line")


def test_expressed_asks_for_a_level_where_units_are_no_logarithms(cell, monkeypatch):
    monkeypatch.setattr("aivc.experiments.library_limits.log1p_target", lambda units: None)
    with pytest.raises(UnitsError, match="least="):
        Library.singles(NAMES).expressed(cell)


def test_limits_on_combinations_are_counted_as_they_are_taken():
    prices = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 9.0}
    library = Library.doses(["a", "b", "c", "d", "e"], ["1uM"], order=2).cost(prices, 4.0)
    assert library.history == ("3 of 5 names are affordable alone.",)
    assert len(library) == 3
    library = library.plate({"a": "P1", "b": "P1", "c": "P2"})
    kept, left_out = library.sift(0, len(library))
    assert [each.perturbation.targets for each in kept] == [("a", "b")]
    # a + c costs four and stands on two plates; b + c costs five.
    assert left_out == {"cost": 1, "plate": 1}
    assert library.take(0, 99) == list(library) == [each.perturbation for each in kept]


def test_names_are_resolved_once(cell, monkeypatch):
    monkeypatch.setattr("aivc.experiments.known_names._tables", lambda: ())
    library = Library.pairs(["g0001", "G0002", "G0003"]).known_to(cell)
    assert str(library.question(0).perturbation) == "ko:G0001 + ko:G0002"
    with pytest.raises(UnknownNameError, match="NOBODY"):
        Library.triples(["NOBODY", *NAMES[:4]]).known_to(cell)
    assert len(Library.pairs(["NOBODY", "G0001"]).known_to(cell, allow_unknown=True)) == 1


def test_json_holds_the_sources_and_not_their_product(tmp_path):
    prices = dict.fromkeys(NAMES, 1.0)
    library = (Library.triples(NAMES) + Library.doses(NAMES, ["1uM", "2uM"], [24, None])).across(["k", "l"])
    library = library.cost(prices, 2.0).plate(dict.fromkeys(NAMES, "P"), most=2).without(["G0001"])
    library.save(tmp_path / "library.json")
    assert Library.load(tmp_path / "library.json") == library
    with pytest.raises(IntegrityError, match=r"library\.json"):
        library.save(tmp_path / "library.json")
    assert len(json.dumps(Library.triples([f"G{i}" for i in range(2000)]).to_json())) < 30_000


def test_a_library_written_by_hand_is_short(tmp_path):
    path = tmp_path / "library.json"
    path.write_text('{"format": "aivc.library.v1", "blocks": [{"factors": [{"kind": "ko", "names": ["A", "B"]}]}]}')
    assert Library.load(path) == Library.singles(["A", "B"])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"format": "aivc.library.v9", "blocks": []}',
        '{"format": "aivc.library.v1", "blocks": [{"factors": [{"kind": "ko", "names": "AB"}]}]}',
        '{"format": "aivc.library.v1", "blocks": [{"factors": []}]}',
        '{"format": "aivc.library.v1", "blocks": [], "limits": [{"name": "mood"}]}',
    ],
)
def test_files_of_another_form_are_refused(tmp_path, text):
    (tmp_path / "library.json").write_text(text)
    with pytest.raises(IntegrityError):
        Library.load(tmp_path / "library.json")


def test_sources_that_would_ask_twice_are_refused():
    with pytest.raises(DataError, match="twice"):
        Library.singles(["A", "A"])
    with pytest.raises(DataError, match="share ko:A"):
        LibraryBlock((Factor("ko", ("A",)), Factor("ko", ("A", "B"))))
    with pytest.raises(DataError, match="order"):
        Factor("ko", ("A",), 0)
    with pytest.raises(DataError, match="Hours"):
        Library.singles(["A"]).times(Library.doses(["x"], ["1uM"], [24]))


def test_candidates_are_the_perturbations_of_their_text():
    for each in Library.doses(["a-b", "(+)-JQ1"], ["1uM", "0.5nM"], [6], order=2):
        assert Perturbation.parse(str(each)) == each
