"""Drugs get priors from their structure and their targets, by whatever name a screen gives them."""

import gzip

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.data import catalog
from aivc.data.molecules import lookup as molecules
from aivc.data.names.compound_names import aliases
from aivc.data.priors.for_screen import DRUGS, drug_molecules, drug_priors, drugs_of, priors_for
from aivc.data.priors.gene_priors import block_slices
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.lineage import of_priors
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict

ETHERS = {f"ethoxide {i}": "CCO" * i + "C" for i in range(2, 9)}
AMIDES = {f"amidine {i}": "NC(=O)" * i + "c1ccccc1" for i in range(2, 9)}
TARGETS = {"ethoxide 2": "ABL1|KIT", "amidine 2": "HDAC1", "nameless": "HDAC1|HDAC2"}
BLOCKS = ("smiles-words", "known-targets")


@pytest.fixture
def sources(monkeypatch, tmp_path, known_genes):
    """Two families of structures, and the targets of three compounds, one of them without a structure."""
    rows = [
        {"pert_id": f"BRD-{i}", "pert_iname": name, "num_gold": 1, "pubchem_cid": 100 + i, "canonical_smiles": smiles,
         "inchi_key": "".join(chr(65 + int(d)) for d in f"{i:014}") + "-UHFFFAOYSA-N"}
        for i, (name, smiles) in enumerate({**ETHERS, **AMIDES}.items())
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / "lincs-compounds.parquet")
    jump = pd.DataFrame(
        {"broad_sample": "BRD-K1-1", "InChIKey": "", "pert_iname": list(TARGETS), "pubchem_cid": "",
         "target_list": list(TARGETS.values()), "smiles": ""}
    )  # fmt: skip
    with gzip.open(tmp_path / "jump-target.tsv.gz", "wt") as stream:
        jump.to_csv(stream, sep="\t", index=False)
    known_genes({"ABL1": ()})

    def path(name, file=None, *, offline=False):
        found = next(tmp_path.glob(f"{name}.*"), None)
        if found is None:
            raise UnavailableError(f"{name} is not here")
        return found

    monkeypatch.setattr(catalog, "path", path)
    molecules._compounds.cache_clear()
    yield tmp_path
    molecules._compounds.cache_clear()


def screen(texts, values=None, **notes):
    values = np.eye(len(texts), 6) if values is None else values
    entities = pd.DataFrame({"perturbation": texts, "context": "A549"}, index=[f"r{i}" for i in range(len(texts))])
    features = np.array([f"F{i}" for i in range(values.shape[1])], dtype=object)
    return Measurement(values, features, entities, "score", modality="effect", provenance=notes)


def test_other_names_stand_in_brackets_behind_a_space():
    assert aliases("Tozasertib (VX-680, MK-0457)") == [
        "Tozasertib (VX-680, MK-0457)",
        "Tozasertib",
        "VX-680",
        "MK-0457",
    ]


def test_ligands_and_genes_are_no_drugs():
    asked = [Perturbation.parse(text) for text in ("ko:TP53", "ligand:IFNB1", "drug:b@1uM + drug:a", "control")]
    assert drugs_of(asked) == ["a", "b"]


def test_a_drug_is_found_by_salt_and_by_the_names_in_brackets(sources):
    found = drug_molecules(["Ethoxide 2 (hydrochloride)", "ABC-1 (amidine 3)", "unlisted"])
    assert [each.sequence for each in found] == [ETHERS["ethoxide 2"], AMIDES["amidine 3"], ""]
    assert found[1].name == "ABC-1 (amidine 3)"


def test_blocks_say_what_they_know_and_unlisted_ones_are_no_rows(sources):
    ur = drug_priors(["ethoxide 2", "amidine 3", "nameless", "unlisted"], blocks=BLOCKS)
    assert list(ur.entities.index) == ["ethoxide 2", "amidine 3", "nameless"]
    assert ur.entities["covered_smiles-words"].tolist() == [True, True, False]
    assert ur.entities["covered_known-targets"].tolist() == [True, False, True]
    assert (ur.space.name, ur.space.scale) == (DRUGS, Scale.MOLECULAR)
    for block, axes in block_slices(ur).items():
        known = ur.entities[f"covered_{block}"].to_numpy(dtype=bool)
        np.testing.assert_allclose(np.linalg.norm(ur.values[:, axes], axis=1), known, atol=1e-6)
        assert ((ur.variance[:, axes] > 0).all(axis=1) == ~known).all()


def test_mechanisms_are_known_without_any_file(monkeypatch, tmp_path):
    monkeypatch.setenv("AIVC_CACHE", str(tmp_path))
    monkeypatch.setenv("AIVC_OFFLINE", "1")
    monkeypatch.delenv("AIVC_DATA", raising=False)
    # Structures that another test looked up in files are remembered.
    molecules._compounds.cache_clear()
    ur = priors_for(screen(["drug:Trametinib (GSK1120212)@1uM", "drug:PD-0325901@1uM", "drug:Vorinostat", "control"]))
    asked = ur.take(ur.entities.index.get_indexer(["Trametinib (GSK1120212)", "PD-0325901", "Vorinostat"]))
    assert asked.entities["covered_drug-mechanisms"].all()
    near = asked.values @ asked.values.T
    assert near[0, 1] > 0.9
    assert near[0, 2] == 0
    # Every other compound of the table can be asked for, the screen's own under the screen's name alone.
    assert {"dabrafenib", "topotecan"} <= set(ur.entities.index)
    assert not {"trametinib", "vorinostat"} & set(ur.entities.index)


def test_structures_of_one_family_lie_together(sources):
    ur = drug_priors([*ETHERS, *AMIDES], blocks=["smiles-words"])
    near = ur.values @ ur.values.T
    assert near[:7, :7].min() > near[:7, 7:].max()


def test_a_screen_of_drugs_also_knows_compounds_it_does_not_hold(sources):
    ur = priors_for(screen(["drug:ethoxide 3@1uM", "drug:amidine 4@1uM", "control"]))
    assert {"ethoxide 3", "amidine 4", "nameless", "amidine 2"} <= set(ur.entities.index)
    answer = of_priors(ur)
    assert answer.expression is False
    assert {"lincs-compounds", "jump-target", "smiles-words"} <= set(answer.tables)


def test_without_a_table_of_targets_structures_still_serve(sources):
    (sources / "jump-target.tsv.gz").unlink()
    with pytest.raises(UnavailableError, match="known-targets"):
        drug_priors(["ethoxide 3"], blocks=BLOCKS)
    # Structures are read from two tables: without either, nothing is known of a structure.
    with pytest.raises(UnavailableError, match="Nothing is known about ethoxide 3"):
        drug_priors(["ethoxide 3"])


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: drug_priors(["ethoxide 2"], blocks=["perfume"]), UnknownNameError, "perfume"),
        (lambda: drug_priors(["unlisted"]), UnavailableError, "Are these names of compounds"),
        (lambda: drug_priors([]), UnavailableError, "no drug was named"),
        (lambda: priors_for(screen(["ligand:IFNB1", "control"])), UnavailableError, "none is a drug"),
    ],
)
def test_refusals(sources, ask, error, words):
    with pytest.raises(error, match=words):
        ask()


def test_what_a_drug_does_is_predicted_from_its_structure(sources):
    """Ethers do one thing, amides another: a drug left out does what its family does, not the mean of both."""
    names, left = [*ETHERS, *AMIDES], [3, 10]
    truth = np.repeat(np.eye(2, 12) * 3, 7, axis=0)
    values = truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)
    rows = np.setdiff1d(np.arange(14), left)
    seen = screen([f"drug:{names[i]}" for i in rows], values[rows])
    plain = Recipe(encoder="ppca", dim=3, members=0, inner_folds=0)
    cell = fit(seen, "effect.v2", parts=drug_priors(names, blocks=["smiles-words"]), recipe=plain)
    for i in left:
        said = predict(cell, cell.starts["A549"], Perturbation.parse(f"drug:{names[i]}"), cells=2).effect
        assert np.square(said - truth[i]).sum() < 0.25 * np.square(truth.mean(axis=0) - truth[i]).sum()
