import numpy as np
import pytest
from scipy import sparse

from aivc.core.errors import ControlError
from aivc.core.measurement import CONTROL
from aivc.data.streaming.normalize import median_total, normalize
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting import summary as module
from aivc.experiments.fitting.summary import summarize, with_zero_control


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=5, features=25, cells=20, controls=40, contexts=2, donors=2)[0]


def test_profiles_are_means_over_every_cell_of_a_group(screen):
    summary = summarize(screen)
    assert summary.units == f"log1p_cp{median_total(screen.take(screen.perturbations == CONTROL)):g}"
    assert summary.profiles.mass.sum() == len(screen)
    row = int(np.flatnonzero(summary.profiles.perturbations == "ko:G0002")[0])
    labels = summary.profiles.entities.iloc[row]
    own = np.all(
        [screen.entities[name] == labels[name] for name in ("perturbation", "context", "donor", "batch")], axis=0
    )
    x_nf = normalize(screen.take(own), summary.units).dense()
    np.testing.assert_allclose(summary.profiles.values[row], x_nf.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(summary.variance[row], x_nf.var(axis=0, ddof=1), rtol=1e-4, atol=1e-7)


def test_parts_are_kept_apart(screen):
    parts = np.where(np.arange(len(screen)) % 2, "a", "b").astype(object)
    summary = summarize(screen, parts=parts)
    counts = summary.profiles.entities.groupby("part")["cells"].sum()
    assert counts.to_dict() == {"a": len(screen) // 2, "b": len(screen) // 2}
    assert set(summary.sample.entities["part"]) == {"a", "b"}


def test_a_sample_holds_some_of_each_group_whatever_the_number_of_cells(screen, monkeypatch):
    monkeypatch.setattr(module, "_SAMPLE", 1)
    monkeypatch.setattr(module, "_FEWEST", 4)
    summary = summarize(screen)
    sizes = summary.sample.entities.groupby(["context", "perturbation"]).size()
    assert set(sizes) == {4}
    assert len(sizes) == 12
    assert summary.profiles.mass.sum() == len(screen)


def test_the_order_of_the_file_decides_nothing(screen):
    order = np.random.default_rng(0).permutation(len(screen))
    ours, theirs = summarize(screen), summarize(screen.take(order))
    assert list(ours.sample.entities.index) == list(theirs.sample.entities.index)
    assert (ours.sample.values != theirs.sample.values).nnz == 0
    np.testing.assert_allclose(ours.profiles.values, theirs.profiles.values, rtol=1e-6)


def test_controls_are_needed_and_so_is_something_else(screen):
    for wanted in (True, False):
        with pytest.raises(ControlError, match="Declare the control label"):
            summarize(screen.take((screen.perturbations == CONTROL) == wanted))


def test_progress_is_reported(screen):
    answer = []
    summarize(screen, progress=lambda *what: answer.append(what))
    assert answer[-1] == ("profiles", len(screen), len(screen))


def test_effects_get_a_control_of_zero(screen):
    table = screen.take(np.flatnonzero(screen.perturbations != CONTROL)).replace(units="zscore", observed=None)
    observed = np.random.default_rng(0).random((len(table), 25)) > 0.1
    zero = with_zero_control(table.replace(observed=observed, entities=table.entities.assign(part="train")))
    control = zero.perturbations == CONTROL
    assert control.sum() == 2
    assert not zero.dense()[control].any()
    assert zero.observed[control].all()
    np.testing.assert_array_equal(zero.observed[~control], observed)
    summary = summarize(table)
    assert not summary.variance.any()
    assert summary.units == "zscore"


def test_a_zero_control_has_a_time_but_no_place_and_no_neighbours(screen):
    table = screen.take(np.flatnonzero(screen.perturbations != CONTROL)).replace(units="zscore")
    n = len(table)
    placed = table.replace(coordinates=np.ones((n, 2)), links=sparse.identity(n, format="csr"))
    zero = with_zero_control(placed.replace(entities=placed.entities.assign(part="train", time=np.arange(n))))
    assert len(zero) == n + 2
    np.testing.assert_array_equal(zero.times, [*range(n), (n - 1) / 2, (n - 1) / 2])
    assert zero.coordinates is None
    assert zero.links is None
