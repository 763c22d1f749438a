import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators import kernel_priors as module
from aivc.instruments.manipulators.effect_v1 import EffectV1
from aivc.instruments.manipulators.kernel_priors import KernelPriors
from aivc.testing import check_manipulator

GENES, DIM, WIDTH, FAMILIES = 80, 5, 8, 10


def world(*, noise=0.3, seed=0, related=True):
    """Genes in families that lie close in one block, and do alike if ``related``; the other block is noise."""
    rng = np.random.default_rng(seed)
    family = np.arange(GENES) % FAMILIES
    kin = rng.standard_normal((FAMILIES, WIDTH))[family] + 0.3 * rng.standard_normal((GENES, WIDTH))
    values = {"kin": kin, "noise": rng.standard_normal((GENES, WIDTH))}
    names = [f"G{i:02d}" for i in range(GENES)]
    table = pd.DataFrame(index=names)
    for block in values:
        table[f"covered_{block}"], table[f"axes_{block}"] = True, WIDTH
    parts = UR(np.hstack(list(values.values())), Space("molecular", Scale.MOLECULAR, 2 * WIDTH, "t"), table)
    effect = 2 * rng.standard_normal((FAMILIES, DIM))
    own = effect[family] if related else 2 * rng.standard_normal((GENES, DIM))
    return parts, 1.5 + own + noise * rng.standard_normal((GENES, DIM))


def states(shifts, rows=slice(None), cells=None):
    texts = [CONTROL, *np.array([f"ko:G{i:02d}" for i in range(GENES)])[rows]]
    table = pd.DataFrame({"perturbation": texts, "context": "A"}, index=[str(i) for i in range(len(texts))])
    mass = np.ones(len(texts)) if cells is None else np.append(1000.0, cells)
    return UR(np.vstack([np.zeros(DIM), shifts[rows]]), Space("test", Scale.CELLULAR, DIM, "t"), table, None, mass)


def ask(genes):
    return [Perturbation.parse(f"ko:G{i:02d}") for i in genes]


def test_it_keeps_the_promises_of_a_manipulator():
    check_manipulator(KernelPriors)


def test_an_unseen_gene_does_what_its_family_does():
    parts, shifts = world()
    fitted = KernelPriors.fit(states(shifts, slice(0, 60)), parts=parts)
    said = fitted.default + fitted.library(ask(range(60, GENES)))[0]
    left = ((said - shifts[60:]) ** 2).mean() / ((fitted.default - shifts[60:]) ** 2).mean()
    assert left < 0.35
    assert fitted.error == pytest.approx(left, abs=0.15)


def test_where_likeness_tells_nothing_the_answer_is_the_mean_effect():
    parts, shifts = world(related=False, seed=3)
    fitted = KernelPriors.fit(states(shifts, slice(0, 60)), parts=parts)
    said = fitted.library(ask(range(60, GENES)))[0]
    assert np.abs(said).mean() < 0.3 * np.abs(shifts - shifts.mean(axis=0)).mean()


def test_the_variance_is_the_error_that_is_made():
    parts, shifts = world(noise=0.8)
    fitted = KernelPriors.fit(states(shifts, slice(0, 60)), parts=parts)
    deviation, variance, informed = fitted.library(ask(range(60, GENES)))
    error = (fitted.default + deviation - shifts[60:]) ** 2
    assert 0.5 < (error / variance).mean() < 2
    assert (variance < fitted.variance).all()
    assert (informed > 0.02).all()


def test_errors_left_out_are_those_of_fits_without_the_family(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((14, 4))
    like, noise, main = x @ x.T / 4, rng.uniform(0.5, 2, 14), rng.standard_normal((14, 3))
    groups = [np.array([2 * i, 2 * i + 1]) for i in range(7)]
    monkeypatch.setattr(module, "_SHARES", np.array([0.3, 0.7]))
    found = module._errors(like, noise, main, groups)
    for share, error in zip((0.3, 0.7), found, strict=True):
        whole = share * like + (1 - share) * np.diag(noise) + module._MEAN_VARIANCE
        wanted = 0.0
        for out in groups:
            rest = np.setdiff1d(np.arange(14), out)
            said = whole[np.ix_(out, rest)] @ np.linalg.solve(whole[np.ix_(rest, rest)], main[rest])
            wanted += ((said - main[out]) ** 2).sum()
        assert error == pytest.approx(wanted, rel=1e-6)


def test_what_it_would_have_told_is_what_a_fit_without_the_gene_tells(monkeypatch):
    parts, shifts = world()
    monkeypatch.setattr(module, "_SHARES", np.array([0.6]))
    whole = KernelPriors.fit(states(shifts, slice(0, 60)), parts=parts)
    said = whole.left_out()
    assert len(said) > 50
    for gene in (0, 17, 59):
        without = KernelPriors.fit(states(shifts, np.delete(np.arange(60), gene)), parts=parts)
        wanted = without.default + without.library(ask([gene]))[0][0]
        np.testing.assert_allclose(whole.default + said[f"ko:G{gene:02d}"], wanted, atol=1e-6)


def test_relatives_share_their_say_in_the_mean():
    # Nine copies of one gene do 10, nine strangers do nothing: the mean effect of a tenth kind of gene is not 5.
    rng = np.random.default_rng(0)
    place = np.vstack([np.tile(rng.standard_normal(WIDTH), (9, 1)), rng.standard_normal((10, WIDTH))])
    names = [f"G{i:02d}" for i in range(19)]
    table = pd.DataFrame({"covered_kin": True, "axes_kin": WIDTH}, index=names)
    parts = UR(place, Space("molecular", Scale.MOLECULAR, WIDTH, "t"), table)
    shifts = np.vstack([np.full((9, DIM), 10.0), np.zeros((9, DIM))]) + 0.1 * rng.standard_normal((18, DIM))
    fitted = KernelPriors.fit(states(np.vstack([shifts, np.zeros((GENES - 18, DIM))]), slice(0, 18)), parts=parts)
    told = fitted.default + fitted.library([Perturbation.parse("ko:NEVER")])[0][0]
    assert np.abs(told).max() < 3.5
    assert np.abs(fitted.default - 5).max() < 0.2


def test_effect_v1_asks_it_for_what_was_never_measured():
    parts, shifts = world()
    fitted = EffectV1.fit(states(shifts, slice(0, 60)), parts=parts)
    alone = KernelPriors.fit(states(shifts, slice(0, 60)), parts=parts)
    told = fitted.tell(ask([70])[0], "A")
    wanted = fitted.related_share * alone.default + alone.library(ask([70]))[0][0]
    np.testing.assert_allclose(told.shift, wanted)
    assert fitted.related_share < 1
    assert (told.evidence, told.applicability) == ("relatives", Applicability.EDGE)
    pieces = fitted.attribute(ask([70])[0], "A")
    np.testing.assert_allclose(np.sum([piece.shift for piece in pieces], axis=0), told.shift)
    stranger = fitted.tell(Perturbation.parse("ko:NEVER"), "A")
    assert (stranger.evidence, stranger.applicability) == ("mean", Applicability.OUT)
    shift_pcd, _ = fitted.effects(ask([70, 3]), ["A"])
    np.testing.assert_allclose(shift_pcd[0, 0], told.shift)
    np.testing.assert_allclose(shift_pcd[1, 0], shifts[3])


def test_few_cells_say_less():
    parts, shifts = world(noise=0.1)
    cells = np.full(60, 100.0)
    loud = shifts.copy()
    loud[0] += 30.0
    cells[0] = 1.0
    heavy = KernelPriors.fit(states(loud, slice(0, 60)), parts=parts)
    light = KernelPriors.fit(states(loud, slice(0, 60), cells=cells), parts=parts)
    relative = ask([60])  # of the family of gene 0
    off = [np.abs(each.default + each.library(relative)[0][0] - shifts[60]).max() for each in (heavy, light)]
    assert off[1] < off[0]


def test_refusals_say_what_to_do():
    parts, shifts = world()
    with pytest.raises(DataError, match="pass parts=gene_priors"):
        KernelPriors.fit(states(shifts))
    named = UR(parts.values, parts.space, parts.entities.set_axis([f"X{i}" for i in range(GENES)], axis=0))
    with pytest.raises(DataError, match="Are their targets named as there"):
        KernelPriors.fit(states(shifts), parts=named)
