"""Clones whose early cells show that they will grow are ranked first, and nothing of their last cells is seen."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.time.clonal_expansion import ClonalExpansion, clones_of, spearman
from aivc.experiments.cell_cycle import G2M_PHASE, S_PHASE

CLONES = 30
GENES = [*S_PHASE[:3], *G2M_PHASE[:3], "Growth", "Other"]
SETTINGS = {"dataset": "made-up", "early": 96.0, "last": 144.0, "genes": 8, "axes": 2, "penalties": [0.1, 1.0]}
SETTINGS |= {"resamples": 60, "draws": 2, "fit": {"transport.v1": {"growth": "plan", "reach": 0.5, "curved": False}}}
METHODS = ("ridge-states", "ridge-states-cycle", "ridge-states:shuffled", "cell-cycle", "early-number")


def clones():
    """Clones with one or two early cells and up to six last ones; one gene tells how many."""
    rng, rows = np.random.default_rng(0), []
    for i in range(CLONES):
        late = i % 7
        rows += [(f"clone{i}", 96.0, late)] * (1 + i % 2) + [(f"clone{i}", 144.0, late)] * late
    clone, time, late = map(np.array, zip(*rows, strict=True))
    rate = rng.normal(1.5, 0.1, (len(rows), len(GENES)))
    rate[:, GENES.index("Growth")] += 0.5 * late
    entities = pd.DataFrame(
        {"time": time, "clone": clone.astype(object)}, index=[f"cell{i}" for i in range(len(rows))]
    )  # fmt: skip
    fold = "".join(str(int(c.removeprefix("clone")) % 3) if t == 96.0 else "." for c, t, _ in rows)
    cells = Measurement(np.exp(rate), np.array(GENES, dtype=object), entities, "arbitrary")
    return cells, SETTINGS | {"rows": fold}


def asked(*methods):
    (cells, settings), protocol = clones(), ClonalExpansion()
    protocol.require(settings, methods)
    return {m: {r.metric: r for r in protocol.run({"made-up": cells}, settings, m, 0)} for m in methods}


def test_growth_that_early_cells_show_is_ranked():
    rows = asked(*METHODS, "permuted-clones")
    said = {name: each["spearman"] for name, each in rows.items()}
    for name in METHODS[:2]:
        assert said[name].value > 0.8
        assert rows[name]["spearman_given_number"].value > 0.8
        assert rows[name]["seen_auroc"].value > 0.9
        assert "not predictable" not in said[name].note
    for name in METHODS[2:4]:
        assert said[name].value < 0.5
        assert said[name].note.endswith("not predictable")
    assert rows["early-number"]["spearman_given_number"].value == pytest.approx(0.0, abs=1e-6)
    assert said["permuted-clones"].low < 0 < said["permuted-clones"].high < 0.6


def test_masses_of_a_plan_rank_and_those_that_are_kept_say_nothing():
    rows = asked("transport.v1", "copy-time")
    assert rows["transport.v1"]["spearman"].value > 0.5
    assert rows["copy-time"]["spearman"].value is None
    assert "ranks nothing" in rows["copy-time"]["spearman"].note


def test_last_cells_of_clones_asked_about_are_not_seen():
    cells, settings = clones()
    theirs = np.isin(cells.entities["clone"], [f"clone{i}" for i in range(0, CLONES, 3)]) & (cells.times == 144.0)
    changed = cells.dense().copy()
    changed[theirs] *= 3
    both = []
    for each in (cells, cells.replace(values=changed)):
        protocol = ClonalExpansion()
        protocol.run({"made-up": each}, settings, "ridge-states-cycle", 0)
        both.append(protocol._scores["ridge-states-cycle"][::3])
    np.testing.assert_allclose(*both, rtol=1e-6)


def test_clones_are_whole_in_folds_and_all_early_ones_are_asked_about():
    cells, settings = clones()
    found = clones_of(cells, settings)
    assert found.early_c.tolist()[:4] == [1, 2, 1, 2]
    assert found.late_c.tolist()[:8] == [0, 1, 2, 3, 4, 5, 6, 0]
    assert found.grown_c[0] == pytest.approx(np.log2(0.5 / 1.5))
    rows = settings["rows"]
    second = next(i for i, c in enumerate(cells.entities["clone"]) if c == "clone1")
    for wrong in (rows.replace("0", ".", 1), rows[:second] + "2" + rows[second + 1 :], rows[1:]):
        with pytest.raises(IntegrityError):
            clones_of(cells, settings | {"rows": wrong})


def test_what_cannot_be_asked_is_refused():
    _, settings = clones()
    for method in ("moon", "mean-effect", "cell-cycle:shuffled", "transport.v1:extrapolate"):
        with pytest.raises(UnknownNameError):
            ClonalExpansion().require(settings, [method])
    with pytest.raises(IntegrityError, match="axes"):
        ClonalExpansion().require({key: value for key, value in settings.items() if key != "axes"}, ["cell-cycle"])


def test_a_partial_rank_correlation_takes_out_the_third():
    x, y = np.arange(20.0), np.tile([0.0, 1.0], 10)
    assert spearman(x + 100 * y, y + x / 1000, y) > 0.9
    assert abs(spearman(x, x + 0.0, x)) < 1e-9
