import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict
from aivc.interpretation.explain import explain

SOURCES = {"measured", "other context", "part", "relative", "relative in other context"}
QUICK = Recipe(dim=6, members=2, inner_folds=2)


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=14, features=60, cells=25, controls=60, contexts=2, prior_noise=0.05, seed=1)


@pytest.fixture(scope="module")
def cell(screen):
    cells, truth = screen
    keep = ~((cells.perturbations == "ko:G0003") | ((cells.perturbations == "ko:G0005") & (cells.contexts == "c0")))
    return fit(cells.take(keep), "effect.v2", parts=truth.priors, recipe=QUICK)


@pytest.fixture(scope="module")
def context(cell):
    return sorted(cell.starts)[0]


def asks(screen, cell, context):
    """A perturbation of each kind of evidence."""
    cells, _ = screen
    seen = sorted(set(cells.perturbations.astype(str)) - {"control"})
    measured = next(text for text in seen if ((cells.perturbations == text) & (cells.contexts == context)).any())
    unseen = sorted(set(seen) - set(cell.card["perturbations"]))
    return {"measured": measured, "parts": f"{measured} + {seen[-1]}", **({"relative": unseen[0]} if unseen else {})}


def test_pieces_add_up_to_the_prediction(screen, cell, context):
    for text in asks(screen, cell, context).values():
        said = explain(cell, text, context)
        assert said.pieces["share"].sum() == pytest.approx(1.0)
        assert said.sources["share"].sum() == pytest.approx(1.0)
        whole = predict(cell, cell.start(context), Perturbation.parse(text))
        order = np.argsort(-np.abs(whole.effect), kind="stable")[: len(said.genes)]
        np.testing.assert_allclose(said.genes["effect"], whole.effect[order])


def test_the_evidence_is_named(screen, cell, context):
    asked = asks(screen, cell, context)
    measured = explain(cell, asked["measured"], context)
    assert measured.sources["source"].iloc[0] == "measured"
    assert measured.pieces.iloc[0][["source", "name", "detail"]].tolist() == ["measured", asked["measured"], context]
    assert "part" in set(explain(cell, asked["parts"], context).sources["source"])
    assert "relative" in asked, "the screen of this test leaves one perturbation out"
    relative = explain(cell, asked["relative"], context)
    assert {"relative", "relative in other context"} <= set(relative.sources["source"]) <= {*SOURCES, "readout"}
    names = set(relative.pieces.loc[relative.pieces["source"] == "relative", "name"])
    assert names <= set(cell.card["perturbations"])


def test_of_many_pieces_the_largest_are_listed_and_the_rest_is_summed():
    """Fifty perturbations in two contexts: a hundred rows, each of them a piece."""
    cells, truth = synthetic_screen(perturbations=50, features=60, cells=8, controls=60, contexts=2, seed=1)
    asked, rows = "ko:G0003", len(set(zip(cells.perturbations, cells.contexts, strict=True))) - 2
    cell = fit(cells.take(cells.perturbations != asked), "effect.v2", parts=truth.priors, recipe=Recipe(inner_folds=0))
    said = explain(cell, asked, sorted(cell.starts)[0])
    others = said.pieces["name"].str.fullmatch(r"\d+ more")
    assert len(said.pieces) - others.sum() - (said.pieces["source"] == "readout").sum() == 30
    assert set(said.pieces.loc[others, "source"]) <= SOURCES
    assert said.sources.loc[said.sources["source"] != "readout", "pieces"].sum() == rows - 2
    for table in (said.pieces, said.sources):
        assert table["share"].sum() == pytest.approx(1.0)
        assert table["changed"].is_monotonic_decreasing


def test_genes_come_with_intervals_and_what_they_are_made_from(screen, cell, context):
    said = explain(cell, asks(screen, cell, context)["measured"], context, top=5)
    assert len(said.genes) == 5
    assert (said.genes["low"] <= said.genes["effect"]).all()
    assert (said.genes["high"] >= said.genes["effect"]).all()
    assert said.genes["carried_by"].str.startswith("measured").mean() > 0.5


def test_pathways_of_what_rises_and_falls(screen, cell, context):
    text = asks(screen, cell, context)["measured"]
    whole = predict(cell, cell.start(context), Perturbation.parse(text))
    features = whole.draws[0].features.astype(str)
    risen = features[np.argsort(-whole.effect)[:6]]
    sets = {"mine": frozenset(risen), "other": frozenset(features[:10])}
    table = explain(cell, text, context, top=6, sets=sets).pathways
    assert (table.loc[0, "set"], table.loc[0, "direction"]) == ("mine", "up")
    assert table.loc[0, "q"] < 0.01


def test_what_cannot_be_explained_is_refused(screen, cell, context):
    with pytest.raises(DataError, match="Control changes nothing"):
        explain(cell, "control", context)
    with pytest.raises(UnknownNameError):
        explain(cell, "ko:G0001", "nowhere")
    plain = fit(screen[0], "mean-effect", recipe=QUICK)
    with pytest.raises(DataError, match=r"Fit the cell with effect\.v2"):
        explain(plain, "ko:G0001", context)
