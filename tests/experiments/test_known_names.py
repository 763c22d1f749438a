import json

import numpy as np
import pandas as pd
import pytest

from aivc import Measurement, Perturbation, VirtualCell, predict, screen, search
from aivc.cli import main
from aivc.core.errors import DataError, PerturbationError, UnavailableError, UnknownNameError
from aivc.experiments import known_names
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.known_names import KnownNames, questions
from tiny_parts import TinyDecoder, TinyEncoder, TinyManipulator

RECIPE = Recipe(dim=2, members=2, inner_folds=0)


def table(*texts):
    names = ["control", *texts]
    rng = np.random.default_rng(0)
    values = rng.poisson(5.0, (4 * len(names), 12)).astype(np.float32)
    entities = pd.DataFrame(
        {"perturbation": np.repeat(names, 4), "context": "A"}, index=[f"c{i}" for i in range(len(values))]
    )
    return Measurement(values, np.array([f"G{i}" for i in range(12)]), entities, units="counts")


def known(*texts, knowledge=()):
    return KnownNames(tuple(map(Perturbation.parse, texts)), frozenset(knowledge), stated=True)


@pytest.fixture
def genes(monkeypatch):
    """A table of genes that knows one former symbol."""
    today = {"KMT2A": "KMT2A", "MLL": "KMT2A", "ENSG00000118058": "KMT2A", "JAK2": "JAK2"}

    class Genes:
        def symbol(self, name):
            return today.get(name), "exact"

    monkeypatch.setattr(known_names, "_tables", lambda: (Genes(),))


@pytest.fixture(scope="module")
def drugs():
    return fit(table("drug:Topotecan@1uM", "drug:Topotecan@10uM", "drug:trametinib@0.5uM"), "transfer", recipe=RECIPE)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("ko:jak2", "ko:JAK2"), ("ko:MLL", "ko:KMT2A"), ("ko:ENSG00000118058", "ko:KMT2A"),
        ("ko:JAK2 + ko:mll", "ko:JAK2 + ko:MLL"), ("ko:JAK2", "ko:JAK2"), ("crispri:Jak2", "crispri:JAK2"),
    ],
)  # fmt: skip
def test_genes_are_found_in_any_case_and_by_former_symbols(asked, meant, genes):
    measured = known("ko:JAK2", "ko:MLL" if "mll" in asked else "ko:KMT2A", knowledge={"STAT1"})
    assert str(measured.question(asked)) == meant


def test_a_cell_of_former_symbols_is_asked_by_todays(genes):
    assert str(known("ko:MLL").question("ko:KMT2A")) == "ko:MLL"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("drug:topotecan@1uM", "drug:Topotecan@1uM"),
        ("drug:Topotecan hydrochloride@1uM", "drug:Topotecan@1uM"),
        ("drug:Trametinib (GSK1120212)@0.5uM", "drug:trametinib@0.5uM"),
        ("drug:Topotecan@1000nM", "drug:Topotecan@1uM"),
        ("drug:Topotecan@1\u00b5M", "drug:Topotecan@1uM"),
        ("drug:Topotecan@3uM", "drug:Topotecan@3uM"),
    ],
)
def test_compounds_are_found_by_other_names_salts_and_units(asked, meant, drugs):
    assert str(KnownNames.of(drugs).question(asked)) == meant


def test_a_dose_measured_in_another_unit_is_that_dose():
    assert str(known("drug:x@1000nM").question("drug:x@1uM")) == "drug:x@1000nM"


def test_a_missing_dose_asks_which(drugs):
    with pytest.raises(PerturbationError, match=r"measured at 1uM, 10uM, .*Which one\? .*drug:Topotecan@1uM"):
        predict(drugs, "A", "drug:topotecan")
    assert str(known("drug:x").question("drug:x")) == "drug:x"
    assert str(known("drug:x@1uM", "drug:x").question("drug:x")) == "drug:x"
    with pytest.raises(PerturbationError, match="Each drug of this cell was measured at 1uM"):
        known("drug:x@1uM", knowledge={"y"}).question("drug:y")


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("drug:topotecn@1uM", "Topotecan"),
        ("drug:Trametinb@0.5uM", "trametinib"),
        ("drug:nothing@1uM", "allow_unknown=True"),
    ],
)
def test_what_is_not_known_is_refused_with_what_reads_like_it(asked, near, drugs):
    with pytest.raises(UnknownNameError, match=near):
        predict(drugs, "A", asked)
    assert predict(drugs, "A", asked, allow_unknown=True).applicability == "out"
    assert KnownNames.of(drugs).unknown(Perturbation.parse(asked)) == (Perturbation.parse(asked).targets)


def test_knowledge_counts_as_known_and_one_unknown_agent_does_not():
    measured = known("ko:JAK2", knowledge={"STAT1"})
    assert str(measured.question("ko:stat1")) == "ko:STAT1"
    assert str(measured.question("variant:JAK2:p.V617F")) == "variant:JAK2:p.V617F"
    with pytest.raises(UnknownNameError, match=r"gene known to this cell named 'STTA1'.*'STAT1'"):
        measured.question("ko:JAK2 + ko:STTA1")


def test_names_that_read_alike_are_asked_back():
    with pytest.raises(UnknownNameError, match="name the one you mean"):
        known("drug:Topotecan@1uM", "drug:TOPOTECAN hydrochloride@1uM").question("drug:topotecan@1uM")


def test_without_files_of_genes_only_case_is_looked_at(monkeypatch):
    def missing(_species):
        raise UnavailableError("There are no files.")

    monkeypatch.setattr(known_names, "gene_table", missing)
    known_names._tables.cache_clear()
    assert str(known("ko:JAK2").question("ko:jak2")) == "ko:JAK2"
    with pytest.raises(UnknownNameError):
        known("ko:JAK2").question("ko:MLL")
    known_names._tables.cache_clear()


def test_several_unknown_names_are_listed_together(drugs):
    with pytest.raises(DataError, match="2 problems") as caught:
        screen(drugs, ["drug:aaaa@1uM", "drug:topotecan", "drug:topotecan@1uM"], "G1")
    assert "Which one?" in str(caught.value)
    with pytest.raises(UnknownNameError):
        search(drugs, {"G1": 1.0}, ["drug:aaaa@1uM"])
    found = screen(drugs, ["drug:topotecan@1uM", "drug:aaaa@1uM"], "G1", allow_unknown=True)
    assert set(found.table["perturbation"]) == {"drug:Topotecan@1uM", "drug:aaaa@1uM"}
    with pytest.raises(DataError, match="not looked at"):
        questions(drugs, [f"drug:aaaa{i}@1uM" for i in range(100)])
    with pytest.raises(PerturbationError, match="kind:target"):
        questions(drugs, ["topotecan", "drug:aaaa"])


def test_all_is_what_was_measured_and_what_is_known():
    measured = known("drug:x@1uM for 24h", "drug:z@1uM for 24h", "drug:x@1uM + drug:z@1uM", "ko:JAK2", knowledge={"y"})
    assert measured.candidates("drug") == ["drug:x@1uM for 24h", "drug:z@1uM for 24h", "drug:y@1uM for 24h"]
    assert measured.candidates("ko") == ["ko:JAK2", "ko:y"]
    with pytest.raises(DataError, match="knows nothing that ligand could target: it has measured ko"):
        known("ko:JAK2", knowledge={"STAT1"}).candidates("ligand")


def test_doses_in_units_that_were_not_measured_are_refused():
    measured = known("ko:STAT1", "drug:x@1uM", "drug:y", "oe:MYC@2ug", knowledge={"JAK2"})
    for text in ("ko:STAT1@3parsec", "ko:JAK2@1uM", "crispri:STAT1@1uM"):
        with pytest.raises(PerturbationError, match=r"has a dose.*Write (ko|crispri):[A-Z0-9]+\."):
            measured.question(text)
    with pytest.raises(PerturbationError, match=r"measured in uM.*as drug:x@1uM"):
        measured.question("drug:x@3parsec")
    assert str(measured.question("drug:x@5nM")) == "drug:x@5nM"
    assert str(measured.question("oe:JAK2@1ug")) == "oe:JAK2@1ug"
    assert str(measured.question("ko:STAT1@3parsec", allow_unknown=True)) == "ko:STAT1@3parsec"
    assert str(known("drug:y").question("drug:y@1uM")) == "drug:y@1uM"


def test_unless_named_the_kind_is_what_was_measured_most():
    measured = known("drug:x@1uM", "drug:z@1uM", "ko:JAK2")
    assert measured.usual_kind == "drug"
    assert measured.candidates() == ["drug:x@1uM", "drug:z@1uM"]
    assert known().usual_kind == "ko"


def test_a_cell_without_a_card_refuses_nothing(cells):
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    ur = encoder.encode(cells)
    cell = VirtualCell([encoder], {"m": TinyManipulator.fit(ur), "d": TinyDecoder.fit(ur, cells)})
    assert str(KnownNames.of(cell).question("ko:NOBODY")) == "ko:NOBODY"
    assert KnownNames.of(cell).unknown(Perturbation.parse("ko:NOBODY")) == ()


def test_the_shell_reads_names_likewise(drugs, tmp_path, capsys):
    drugs.save(tmp_path / "cell")

    def asked(*words):
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    code, said = asked("predict", tmp_path / "cell", "drug:Topotecan hydrochloride@1000nM")
    assert (code, said["perturbation"], said["unknown"]) == (0, "drug:Topotecan@1uM", [])
    code, said = asked("predict", tmp_path / "cell", "drug:topotecn@1uM")
    assert (code, said["error"]["type"]) == (1, "UnknownNameError")
    code, said = asked("predict", tmp_path / "cell", "drug:topotecn@1uM", "--allow-unknown")
    assert (code, said["unknown"]) == (0, ["topotecn"])
    assert main(["predict", str(tmp_path / "cell"), "drug:topotecn@1uM", "--allow-unknown"]) == 0
    printed = capsys.readouterr().out
    assert "NOTHING IS KNOWN of topotecn" in printed
    assert main(["predict", str(tmp_path / "cell"), "drug:topotecan@1uM"]) == 0
    assert "Read as drug:Topotecan@1uM" in capsys.readouterr().out
    words = ("screen", tmp_path / "cell", "--response", "G1", "--kind", "drug", "--out", tmp_path / "s.csv")
    code, said = asked(*words)
    assert (code, len(said["rows"])) == (0, 3)
    (tmp_path / "names.txt").write_text("topotecan\n")
    code, said = asked(*words, "--perturbations", tmp_path / "names.txt", "--overwrite")
    assert (code, said["error"]["type"]) == (1, "PerturbationError")
    assert "10uM" in said["error"]["message"]


def test_one_perturbation_says_what_it_can_and_cannot_tell():
    cell = fit(table("ko:JAK2"), "transfer", recipe=RECIPE)
    assert any("ko:JAK2 is the only perturbation" in note for note in cell.card["notes"])
    found = screen(cell, ["ko:jak2"], "G1")
    assert "nothing is ranked" in found.note
    assert not screen(cell, ["ko:JAK2", "ko:X"], "G1", allow_unknown=True).note
