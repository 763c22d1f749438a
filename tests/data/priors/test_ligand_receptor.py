import os
from pathlib import Path

import pytest

from aivc.data import catalog
from aivc.data.priors.ligand_receptor import ligand_receptor_pairs

INTERACTIONS = """partner_a,partner_b,classification,directionality
P1,R_complex,Signaling by A,Ligand-Receptor
P1,P4,Signaling by A,Adhesion-Adhesion
P5,P4,Signaling by B,Ligand-Receptor
P1,R_complex,Signaling by A again,Ligand-Receptor
"""
COMPLEXES = "complex_name,uniprot_1,uniprot_2,uniprot_3,uniprot_4,uniprot_5\nR_complex,P2,P3,,,\n"
GENES = "gene_name,uniprot,hgnc_symbol,ensembl\nL,P1,L,E1\nR1,P2,R1,E2\nR2,P3,R2,E3\nNA,P4,NA,E4\n"


def test_complexes_are_all_of_their_subunits_and_only_what_has_a_direction_is_read(tmp_path, monkeypatch):
    for name, text in (("interactions", INTERACTIONS), ("complexes", COMPLEXES), ("genes", GENES)):
        (tmp_path / f"cellphonedb-{name}.csv").write_text(text)
    monkeypatch.setattr(catalog, "path", lambda name: tmp_path / f"{name}.csv")
    (pair,) = ligand_receptor_pairs()
    assert pair.name == "L-R1+R2"
    assert (pair.ligand, pair.receptor) == (("L",), ("R1", "R2"))
    assert pair.genes == ("L", "R1", "R2")
    assert pair.family == "Signaling by A"


@pytest.mark.skipif(
    not Path(os.environ.get("AIVC_DATA", "nowhere"), "J/cellphonedb_v5/interaction_input.csv").is_file(),
    reason="AIVC_DATA does not name a folder with the tables of CellPhoneDB",
)
def test_the_tables_of_the_catalog_are_read_whole():
    pairs = {pair.name: pair for pair in ligand_receptor_pairs()}
    assert 2000 < len(pairs) < 2600
    assert pairs["CXCL12-CXCR4"].family == "Signaling by Chemokines"
    assert max(len(pair.receptor) for pair in pairs.values()) == 5
