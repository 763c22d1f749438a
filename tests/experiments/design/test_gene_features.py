"""Features of genes: what other screens say, on one scale, blind to the target."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.design import gene_features as module
from aivc.experiments.design.gene_features import GeneFeatures, gene_features, strong, transferred

GENES = ["JAK1", "JAK2", "STAT1", "STAT3", "IRF1", "MYC", "TP53", "EGFR", "KRAS", "CD3E", "LCK", "ZAP70"]


@pytest.fixture
def known(monkeypatch):
    # Names are today's already: no table of them is needed.
    monkeypatch.setattr(module, "resolve", lambda names: SimpleNamespace(current=tuple(names)))
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"covered_terms": True, "axes_terms": 3}, index=GENES)
    return UR(rng.standard_normal((12, 3)), Space("test", Scale.MOLECULAR, 3, ""), table)


def test_related_screens_are_features_and_make_the_prior(known):
    score = pd.Series(np.linspace(-2, 2, 12), index=GENES)
    made = gene_features(GENES, {"one": score}, knowledge=[known])
    assert made.names == tuple(sorted(GENES))
    assert made.values.shape == (12, 5 + 3)
    assert made.names[int(np.argmax(made.strength))] in ("JAK1", "ZAP70")
    one_sided = gene_features(GENES, {"one": score}, directions={"one": "lower"}, knowledge=[known])
    assert one_sided.names[int(np.argmax(one_sided.strength))] == "JAK1"
    assert not gene_features(GENES, knowledge=[known]).prior.any()


def test_missing_scores_and_covariates_are_as_the_average(known):
    score = pd.Series([1.0, -3.0], index=["JAK1", "MYC"])
    covariates = pd.DataFrame({"level": [5.0, 1.0]}, index=["JAK1", "JAK2"])
    made = gene_features(GENES, {"one": score}, covariates=covariates, knowledge=[known])
    assert np.isfinite(made.values).all()
    row = dict(zip(made.names, made.values[:, -1], strict=True))
    assert row["JAK1"] == -row["JAK2"] > 0
    assert row["LCK"] == 0


def test_a_gene_is_regressed_by_the_half_it_is_not_in():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 3)), rng.standard_normal(200)
    said = transferred(x, y, 0)
    changed = y.copy()
    changed[7] += 100
    assert transferred(x, changed, 0)[7] == said[7]


def test_features_come_back_from_their_state(known):
    made = gene_features(GENES, knowledge=[known])
    again = GeneFeatures.from_state(made.state())
    assert again.names == made.names
    np.testing.assert_array_equal(again.values, made.values)


def test_repeated_genes_and_unknown_directions_are_refused(known):
    with pytest.raises(DataError, match="each once"):
        gene_features([*GENES, "MYC"], knowledge=[known])
    with pytest.raises(DataError, match="lower"):
        strong(np.zeros(1), "down")


def test_names_nobody_knows_are_counted_and_all_of_them_refused(known):
    strangers = [f"XYZ{i}" for i in range(12)]
    with pytest.raises(DataError, match="Nothing is known of any of 12 genes, first XYZ0"):
        gene_features(strangers, knowledge=[known])
    made = gene_features([*GENES, *strangers[:2]], knowledge=[known])
    assert made.unknown == ("XYZ0", "XYZ1")
    assert GeneFeatures.from_state(made.state()).unknown == made.unknown
    # A screen of one's own that names them is knowledge.
    score = pd.Series(np.arange(12.0), index=strangers)
    assert gene_features(strangers, {"one": score}, knowledge=[known]).unknown == ()
