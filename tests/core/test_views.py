"""What a prediction says as a table, as virtual cells, as a figure and as a card."""

import subprocess
import sys
from pathlib import Path

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.calibration import Applicability, Calibration
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.prediction import NOT_GUARANTEED, Prediction
from aivc.core.views import require_h5ad, to_anndata
from aivc.data.io.written import write_h5ad
from aivc.testing import sample_ur

mpl.use("Agg")
NAMES = ["A", "<b>B</b>", "C$1$", "D"]
BASE = np.array([1.0, 1.0, 1.0, 1.0])


def make(draws=3, values=np.asarray, names=NAMES, **changes):
    random = np.random.default_rng(0)
    made = []
    for _ in range(draws):
        entities = pd.DataFrame({"perturbation": "ko:X", "context": "line <1>"}, index=["a", "b"])
        mean = np.array([1.1, 4.0, 0.0, 1.0]) + random.normal(0, 0.1, 4)
        made.append(Measurement(values(np.vstack([mean, mean])), np.array(names, dtype=object), entities, "arbitrary"))
    return Prediction(tuple(made), ("mover", "reader"), Applicability.EDGE, base=BASE).replace(**changes)


def test_effects_are_tidy_and_largest_first():
    answer = make()
    table = answer.effects()
    assert table.columns.tolist() == ["feature", "effect", "low", "high"]
    assert table["feature"].tolist()[:2] == ["<b>B</b>", "C$1$"]
    assert (table["effect"].abs().diff().dropna() <= 0).all()
    effect = dict(zip(answer.draws[0].features, answer.mean - BASE, strict=True))
    np.testing.assert_allclose(table["effect"], [effect[name] for name in table["feature"]])
    low, _ = answer.interval(0.5)
    np.testing.assert_allclose(answer.effects(0.5).set_index("feature").loc["A", "low"], low[0] - BASE[0])


def test_calibrated_effects_count_the_noise_of_fresh_controls():
    scores, weights, of_four = np.array([0.5, 1.5, 2.5]), np.full(3, 0.25), np.full(4, 4.0)
    calibration = Calibration(of_four, np.array([0.0, 3.0, 8.0, 1.0]), scores, weights, 4.0, shared=1 / 8, follows=0.5)
    answer = make(calibration=calibration)
    low, high = answer.interval(0.5, controls=calibration.controls)
    table = answer.effects(0.5).set_index("feature").loc[NAMES]
    np.testing.assert_allclose(table["low"], low - BASE)
    np.testing.assert_allclose(table["high"], high - BASE)
    assert (high - low > np.subtract(*answer.interval(0.5)[::-1])).all()


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_virtual_cells_go_to_scanpy_and_back_from_disk(form, tmp_path):
    answer = make(values=form)
    adata = answer.to_anndata()
    assert adata.shape == (6, 4)
    assert sparse.issparse(adata.X) == (form is sparse.csr_matrix)
    assert adata.obs_names.is_unique
    assert adata.obs[["perturbation", "context"]].drop_duplicates().values.tolist() == [["ko:X", "line <1>"]]
    assert adata.obs["draw"].tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(adata.var["effect"], answer.mean - BASE)
    adata.write_h5ad(tmp_path / "p.h5ad")
    about = anndata.read_h5ad(tmp_path / "p.h5ad").uns["aivc"]
    assert list(about["made_by"]) == ["mover", "reader"]
    assert (about["applicability"], about["coverage"], about["units"]) == ("edge", NOT_GUARANTEED, "arbitrary")
    assert (about["perturbation"], about["context"], about["level"]) == ("ko:X", "line <1>", 0.9)
    assert about["sureness"] == answer.sureness()
    assert "do not test them for p values" in about["not_for_testing"]


def test_the_sentence_counts_effects_clear_of_zero():
    answer = make(base=np.array([1.1, 1.0, 1.0, 1.0]))
    low, high = answer.effect_interval()
    clear = int(((low > 0) | (high < 0)).sum())
    assert 0 < clear < 4
    assert answer.sureness().startswith(f"{clear} of 4 features")
    assert make(draws=1).sureness().startswith("0 of 4 features")


def test_several_predictions_go_into_one_file_column_by_column(tmp_path):
    answers = [make(), make(draws=2, base=BASE + 1)]
    adata = to_anndata(answers, cells=4)
    assert adata.shape == (8, 4)
    assert adata.obs_names.is_unique
    write_h5ad(adata, tmp_path / "deep" / "p.h5ad")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["p.h5ad"]
    back = anndata.read_h5ad(tmp_path / "deep" / "p.h5ad")
    for i, answer in enumerate(answers):
        np.testing.assert_allclose(back.varm["effect"][:, i], answer.effect)
        np.testing.assert_allclose(back.varm["low"][:, i], answer.effect_interval()[0])
        assert back.uns["aivc"]["sureness"][i] == answer.sureness()
    assert list(back.uns["aivc"]["perturbation"]) == ["ko:X", "ko:X"]


def test_files_name_the_virtual_cell_that_answered():
    origin = {"cell": "abc", "version": "1", "fitted_on": "somewhere"}
    about = make(origin=lambda: origin).to_anndata().uns["aivc"]
    assert {key: about[key] for key in origin} == origin


def test_what_does_not_fit_into_one_file_is_refused():
    with pytest.raises(DataError, match="share features and units"):
        to_anndata([make(), make(names=["A", "B", "C", "E"])])
    with pytest.raises(DataError, match="at least one perturbation"):
        to_anndata([])
    with pytest.raises(DataError, match=r"written as \.h5ad"):
        require_h5ad(Path("p.csv"))


def test_the_card_says_what_and_how_sure_and_escapes_everything():
    card = make(names=["A", "<b>B</b>", "<script>", "D"])._repr_html_()
    assert "<b>" not in card
    assert "<script>" not in card
    assert "&lt;b&gt;B&lt;/b&gt;" in card
    assert "ko:X in line &lt;1&gt;" in card
    assert "its relatives were" in card
    assert NOT_GUARANTEED in card


def test_the_figure_shows_the_largest_effects_once():
    axes = make().plot(top=2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C$1$", "<b>B</b>"]
    axes.figure.canvas.draw()
    assert make(draws=1).plot(top=3, axes=axes) is axes
    axes.figure.canvas.draw()
    mpl.pyplot.close(axes.figure)


def test_what_states_no_effect_is_refused_with_a_remedy():
    with pytest.raises(DataError, match=r"Ask VirtualCell\.predict"):
        make(base=None).effects()
    ur = sample_ur(dim=3).take(np.arange(4))
    states = Prediction((ur,), ("mover",), Applicability.IN)
    with pytest.raises(DataError, match="Decode it"):
        states.to_anndata()
    assert "virtual cells" in states._repr_html_()
    assert "interval</th>" not in make(base=None)._repr_html_()


def test_predictions_need_neither_matplotlib_nor_anndata():
    code = "import aivc.core.prediction, sys; assert not {'matplotlib', 'anndata'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
