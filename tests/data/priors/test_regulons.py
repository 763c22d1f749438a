"""Signed links are read once per pair, the surest first."""

import pandas as pd

from aivc.data import catalog
from aivc.data.priors.regulons import regulons


def test_the_surest_link_of_a_pair_of_current_symbols_counts(monkeypatch, tmp_path):
    # T is the former symbol of TBXT.
    links = [("TP53", "C", "T", -1), ("TP53", "A", "TBXT", 1), ("MYC", "E", "JUN", 1), ("MYC", "D", "FOS", -1)]
    pd.DataFrame(links, columns=["tf", "confidence", "target", "mor"]).to_csv(tmp_path / "dorothea", index=False)
    kept = catalog.path
    here = tmp_path / "dorothea"
    monkeypatch.setattr(catalog, "path", lambda name, *more: here if name == "dorothea" else kept(name, *more))
    found = {(row.tf, row.target): (row.link, row.confidence) for row in regulons().itertuples()}
    assert found == {("TP53", "TBXT"): (1.0, "A"), ("MYC", "FOS"): (-0.4, "D")}
