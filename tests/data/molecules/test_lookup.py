"""Names of molecules: one gene by all of them, one compound by any, and nothing taken for what it is not."""

import importlib.util
import os
from pathlib import Path

import pytest

from aivc.core.errors import MoleculeError, UnavailableError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.data.molecules.lookup import (
    accessions,
    canonical_smiles,
    complete,
    find_compound,
    genes_of,
    identify,
    inchi_key,
    ortholog,
    protein_of,
)

here = os.environ.get("AIVC_DATA")
needs_data = pytest.mark.skipif(
    not here or not Path(here, "J/lincs_compounds_smiles.parquet").is_file(),
    reason="AIVC_DATA does not name a folder with the tables of genes and compounds",
)
has_rdkit = importlib.util.find_spec("rdkit") is not None


@needs_data
@pytest.mark.parametrize("name", ["TP53", "P53", "P04637", "ENSG00000141510.17", "7157"])
def test_a_gene_is_known_by_all_its_names(name):
    found = identify(name)
    assert (found.symbol, found.uniprot, found.ensembl, found.ortholog) == (
        "TP53",
        "P04637",
        "ENSG00000141510",
        "Trp53",
    )


@needs_data
def test_a_mouse_gene_has_its_counterpart_and_no_human_accession():
    found = identify("Trp53", species="mouse")
    assert (found.symbol, found.uniprot, found.ortholog) == ("Trp53", None, "TP53")
    assert ortholog(Molecule("protein", "P04637")) == Molecule("protein", "Trp53", "mouse")
    assert ortholog(Molecule("gene", "Trp53", "mouse")) == Molecule("gene", "TP53")
    with pytest.raises(UnknownNameError, match="symbol of today"):
        identify("ENSG99999999999")
    with pytest.raises(UnknownNameError, match="mouse counterpart"):
        ortholog(Molecule("gene", "NOTAGENE"))


@needs_data
def test_accessions_and_genes_lead_to_each_other():
    assert accessions(["MARCH8", "CDKN2A", "P04637", "NOTAGENE"]).resolved == ("Q5T0T0", None, "P04637", None)
    assert accessions(["CDKN2A"]).how == ("ambiguous",)
    assert genes_of(["Q5T0T0", "P04637-2", "TP53"]).resolved == ("MARCHF8", "TP53", None)


@needs_data
def test_compounds_are_found_by_any_name_and_given_letters():
    vorinostat = find_compound("Vorinostat")
    assert inchi_key(vorinostat) == "WAEXFXRVDQXREF-UHFFFAOYSA-N"
    assert find_compound("WAEXFXRVDQXREF-UHFFFAOYSA-N").sequence == vorinostat.sequence
    assert find_compound("doxorubicin hydrochloride").sequence == find_compound("doxorubicin").sequence
    assert complete(Molecule("compound", "vorinostat")).sequence == vorinostat.sequence
    assert complete(Molecule("compound", "unheard-of")).sequence == ""
    with pytest.raises(UnknownNameError, match="Did you mean 'vorinostat'"):
        find_compound("vorinostatt")
    with pytest.raises(UnknownNameError, match="structures go by this name"):
        find_compound("dexamethasone")


@needs_data
def test_proteins_get_letters_that_their_variants_fit():
    braf = complete(Molecule.parse("protein:BRAF"))
    mutant = complete(Molecule.parse("protein:P15056:p.Val600Glu"))
    assert (braf.sequence[599], mutant.sequence[599]) == ("V", "E")
    # ABL1 of this table counts its residues differently, and is left out.
    assert complete(Molecule.parse("protein:ABL1")).sequence == ""
    assert complete(Molecule.parse("mouse/protein:Braf")).sequence == ""
    with pytest.raises(MoleculeError, match="expects K at position 600"):
        complete(Molecule.parse("protein:BRAF:p.K600E"))


@needs_data
def test_your_own_sequences_come_first():
    own = {"P15056": "MK", "GB1": "MQYK"}
    assert complete(Molecule.parse("protein:BRAF:p.K2A"), own).sequence == "MA"
    assert complete(Molecule.parse("none/protein:GB1"), own).sequence == "MQYK"


def test_what_is_given_stays():
    given = Molecule.parse("compound:x[CCO]")
    assert complete(given) is given
    assert protein_of(Molecule.parse("gene:TP53:p.R175H")) == Molecule.parse("protein:TP53:p.R175H")
    assert inchi_key(Molecule("compound", "LFQSCWFLJHTTHZ-UHFFFAOYSA-N")) == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"


def test_what_has_no_answer_is_refused():
    with pytest.raises(MoleculeError, match="changed by a variant in p"):
        protein_of(Molecule.parse("gene:TP53:c.5A>G"))
    with pytest.raises(MoleculeError, match="InChIKeys name compounds"):
        inchi_key(Molecule("gene", "TP53"))
    with pytest.raises(MoleculeError, match="unchanged human and mouse"):
        ortholog(Molecule.parse("gene:TP53:p.R175H"))


@pytest.mark.skipif(has_rdkit, reason="RDKit is installed")
def test_without_rdkit_the_remedy_is_named():
    with pytest.raises(UnavailableError, match=r"aivc\[chem\]"):
        canonical_smiles("OCC")


@pytest.mark.skipif(not has_rdkit, reason="RDKit is not installed")
def test_with_rdkit_two_spellings_are_one():
    assert canonical_smiles("OCC") == canonical_smiles("CCO")
    with pytest.raises(MoleculeError, match="finds no structure"):
        canonical_smiles("C(C)(C)(C)(C)C")


@needs_data
@pytest.mark.skipif(not has_rdkit, reason="RDKit is not installed")
def test_with_rdkit_a_new_compound_has_a_key():
    assert inchi_key(Molecule("compound", "my-ethanol", sequence="CCO")) == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
