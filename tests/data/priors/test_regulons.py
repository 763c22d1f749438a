"""Signed links are read once per pair, the surest first."""

import pandas as pd

from aivc.data import catalog
from aivc.data.priors.regulons import regulons


def test_the_surest_link_of_a_pair_of_current_symbols_counts(monkeypatch, tmp_path):
    names = pd.DataFrame([["P00001", "NEWA OLDA"]], columns=["Entry", "Gene names"])
    names.to_csv(tmp_path / "uniprot-human", sep="\t", index=False)
    links = [("NEWA", "C", "T", -1), ("OLDA", "A", "T", 1), ("F", "E", "T", 1), ("F", "D", "U", -1)]
    pd.DataFrame(links, columns=["tf", "confidence", "target", "mor"]).to_csv(tmp_path / "dorothea", index=False)
    monkeypatch.setattr(catalog, "path", lambda name, *_: tmp_path / name)
    table = regulons()
    found = {(row.tf, row.target): (row.link, row.confidence) for row in table.itertuples()}
    assert found == {("NEWA", "T"): (1.0, "A"), ("F", "U"): (-0.4, "D")}
