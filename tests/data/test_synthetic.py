import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.data.streaming.stream import pseudobulk
from aivc.data.synthetic import synthetic_screen, write_synthetic_h5ad


def shifts(screen, context="line1"):
    mean = pseudobulk(screen, units="log1p_cp1k")
    here = mean.contexts == context
    table = pd.DataFrame(mean.values[here], index=mean.perturbations[here])
    return table.drop(CONTROL) - table.loc[CONTROL]


def correlation(a, b):
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def test_measured_effects_recover_the_truth():
    screen, truth = synthetic_screen(perturbations=12, cells=100, controls=300)
    measured = shifts(screen).loc[truth.perturbations].to_numpy()
    assert correlation(measured, truth.effects) > 0.85
    shuffled = screen.entities.assign(perturbation=np.random.default_rng(0).permutation(screen.perturbations))
    nothing = shifts(screen.replace(entities=shuffled)).loc[truth.perturbations].to_numpy()
    assert abs(correlation(nothing, truth.effects)) < 0.1


def test_priors_predict_effects_of_targets_left_out():
    _, truth = synthetic_screen(perturbations=24)
    prior_pq, skill, floor = truth.priors.values[:24], [], []
    for left_out in range(24):
        rest, other_contexts = np.arange(24) != left_out, np.arange(200) != left_out
        mean_f = truth.effects[rest].mean(axis=0)
        x = prior_pq[rest]
        weights = np.linalg.solve(x.T @ x + 0.3 * np.eye(x.shape[1]), x.T @ (truth.effects[rest] - mean_f))
        fitted = mean_f + prior_pq[left_out] @ weights
        skill.append(correlation(fitted[other_contexts], truth.effects[left_out, other_contexts]))
        floor.append(correlation(mean_f[other_contexts], truth.effects[left_out, other_contexts]))
    assert np.mean(skill) > np.mean(floor) + 0.25
    assert truth.priors.space.scale is Scale.MOLECULAR
    assert [Perturbation.parse(p).targets[0] for p in truth.perturbations] == list(truth.priors.entities.index[:24])


def test_pathways_share_a_programme():
    _, truth = synthetic_screen(perturbations=16)
    similar = np.corrcoef(truth.effects)
    pathway = np.array([truth.pathways[Perturbation.parse(p).targets[0]] for p in truth.perturbations])
    same = (pathway[:, None] == pathway) & ~np.eye(16, dtype=bool)
    assert similar[same].min() > 0.4
    assert abs(similar[pathway[:, None] != pathway]).mean() < 0.2


def test_counts_are_whole_dispersed_and_vary_in_depth():
    screen, _ = synthetic_screen(perturbations=2, controls=2000, batches=1)
    control = screen.take(screen.perturbations == CONTROL).dense()
    assert (control == control.round()).all()
    total = control.sum(axis=1)
    assert total.std() / total.mean() > 0.25
    high = control.mean(axis=0) > 5
    assert (control.var(axis=0)[high] > 1.5 * control.mean(axis=0)[high]).all()


def test_combinations_add_and_doses_saturate():
    screen, truth = synthetic_screen(perturbations=5, combos=4, cells=10, contexts=2, donors=3)
    effect = dict(zip(truth.perturbations, truth.effects, strict=True))
    pairs = [text for text in truth.perturbations if " + " in text]
    assert len(pairs) == 4
    for text in pairs:
        a, b = (str(part) for part in Perturbation.parse(text).parts())
        np.testing.assert_allclose(effect[text], effect[a] + effect[b])
    assert screen.entities.groupby(["context", "perturbation"]).size().unique().tolist() == [120, 10]
    assert screen.entities["donor"].nunique() == 3

    _, truth = synthetic_screen(perturbations=3, doses=(0.1, 1.0, 10.0))
    size = pd.Series(np.linalg.norm(truth.effects, axis=1), index=truth.perturbations)
    assert list(size.index[:3]) == ["drug:C0001@0.1uM", "drug:C0001@1uM", "drug:C0001@10uM"]
    assert size.iloc[0] < size.iloc[1] < size.iloc[2] < 2 * size.iloc[1]


def test_contexts_respond_as_strongly_as_the_truth_says():
    screen, truth = synthetic_screen(perturbations=4, cells=150, controls=300, contexts=3, seed=1)
    for context, amplitude in truth.amplitudes.items():
        measured = shifts(screen, context).loc[truth.perturbations].to_numpy()
        slope = (measured * truth.effects).sum() / np.square(truth.effects).sum()
        assert 0.4 < slope / amplitude < 1.1


def test_the_seed_decides_everything():
    first, again, other = (synthetic_screen(perturbations=3, features=20, cells=5, seed=s)[0] for s in (0, 0, 1))
    assert (first.values != again.values).nnz == 0
    assert (first.values != other.values).nnz > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"perturbations": 21, "features": 20}, "more features"),
        ({"perturbations": 3, "combos": 4}, "fewer combinations"),
        ({"combos": 1, "doses": (1.0,)}, "Leave out the doses"),
    ],
)
def test_impossible_screens_are_refused(settings, words):
    with pytest.raises(DataError, match=words):
        synthetic_screen(**settings)


def test_a_large_file_is_written_in_blocks_and_opens_on_disk(tmp_path):
    path, answer = tmp_path / "big.h5ad", []
    truth = write_synthetic_h5ad(
        path, cells=5000, perturbations=10, features=80, block=700, progress=lambda *done: answer.append(done)
    )
    backed = anndata.read_h5ad(path, backed="r")
    assert backed.shape == (5000, 80)
    assert backed.uns["units"] == "counts"
    assert set(backed.obs["perturbation"]) == {CONTROL, *truth.perturbations}
    assert 0.07 < (backed.obs["perturbation"] == CONTROL).mean() < 0.13
    whole = anndata.read_h5ad(path)
    np.testing.assert_array_equal(backed.X[1400:2200].toarray(), whole.X[1400:2200].toarray())
    assert whole.X.has_sorted_indices
    assert answer == [("cells", min(700 * i, 5000), 5000) for i in range(1, 9)]
    backed.file.close()
