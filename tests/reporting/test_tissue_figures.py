import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.reporting.report import report
from aivc.reporting.tissue_figures import bar_length, section_map


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(cells=60)[0]


def test_sections_lie_side_by_side_with_a_bar_in_micrometers(tissue):
    figure = section_map(tissue)
    panels = figure.drawing.axes
    assert [each.get_title(loc="left") for each in panels] == ["P1-S1", "P2-S1"]
    assert panels[0].get_aspect() == 1
    assert np.ptp(panels[0].get_xlim()) == pytest.approx(np.ptp(panels[1].get_xlim()))
    assert [each.get_text() for each in panels[0].texts] == ["20 µm"]
    bar = next(line for line in panels[0].lines if line.get_color() == "#1c1f25")
    assert np.ptp(bar.get_xdata()) == 20
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["N1", "N2", "N3"]
    assert sum(len(line.get_xdata()) for line in panels[1].lines) == 60
    assert "2 of 2 sections, 120 of 120 cells" in figure.caption
    assert figure.svg == section_map(tissue).svg


def test_what_is_predicted_is_drawn_below(tissue):
    figure = section_map(tissue, "cell_type", change=np.arange(120.0), change_of="ko:CXCL12")
    colors = [each.collections[0].get_array() for each in figure.drawing.axes[2:4]]
    assert np.array_equal(np.concatenate(colors), np.arange(120.0))
    assert "ko:CXCL12" in figure.caption
    assert "colored by cell_type" in figure.caption


def test_rare_values_are_gray_and_named_so(tissue):
    many = tissue.replace(entities=tissue.entities.assign(niche=[f"n{i % 9}" for i in range(120)]))
    texts = section_map(many).drawing.axes[0].get_legend().get_texts()
    assert len(texts) == 7
    assert texts[-1].get_text() == "all others"


@pytest.mark.parametrize("wide", [0.7, 3.0, 99.0, 4321.0])
def test_the_bar_is_round_and_fits(wide):
    length = bar_length(wide)
    assert wide / 10 < length <= wide / 3
    assert f"{length:e}"[0] in "125"


def test_what_cannot_be_drawn_is_refused(tissue):
    with pytest.raises(DataError, match="Declare coordinates"):
        section_map(tissue.replace(coordinates=None))
    with pytest.raises(DataError, match="no 'nich'"):
        section_map(tissue, "nich")
    with pytest.raises(DataError, match="one finite number"):
        section_map(tissue, change=np.ones(3))


def test_a_report_on_cells_with_positions_draws_them(tissue):
    perturbed = np.where(np.arange(120) % 3 == 0, "ko:CXCL12", "control")
    perturbed[1::3] = "ko:CXCR4"
    screen = tissue.replace(entities=tissue.entities.assign(perturbation=perturbed, context="tissue"))
    cell = fit(screen, "mean-effect", recipe=Recipe(dim=4, members=2, inner_folds=0))
    made = report(cell, screen, score=False, ask="ko:CXCL12")
    drawn = made.figures("section")[0]
    assert "ko:CXCL12" in drawn.caption
    assert len(made.plot("section").axes) == 5
    missing = report(cell, score=False).missing["section"]
    assert "no positions" in missing or "add data" in missing
