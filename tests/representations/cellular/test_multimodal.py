import dataclasses

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError, SpaceError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.io.obsm import load_obsm
from aivc.data.streaming.normalize import profile_units
from aivc.data.streaming.shards import write_shards
from aivc.representations.cellular import multimodal
from aivc.representations.cellular.factor_analysis import FactorAnalysis
from aivc.representations.cellular.multimodal import PPCAExperts, join
from aivc.testing.encoders import check_encoder
from aivc.testing.samples import sample_measurement

GENES, PROTEINS = 40, 8


def one(values, kind, letter, rows=None, units="arbitrary"):
    names = np.array([f"{letter}{i}" for i in range(values.shape[1])], dtype=object)
    rows = np.arange(len(values)) if rows is None else rows
    return Measurement(values[rows], names, pd.DataFrame(index=[f"c{i}" for i in rows]), units, kind)


def linear(n=600, d=3, seed=0):
    """Latent states, and RNA and protein drawn from them."""
    rng = np.random.default_rng(seed)
    z_nd, w_fd = rng.normal(size=(n, d)), rng.normal(size=(GENES + PROTEINS, d))
    x_nf = z_nd @ w_fd.T + rng.normal(0, 0.5, (n, GENES + PROTEINS)) + rng.normal(size=GENES + PROTEINS)
    return z_nd, x_nf[:, :GENES], x_nf[:, GENES:]


def explained(z_nd, found):
    """Share of the variance of the true states that is linear in the found ones."""
    design = np.column_stack([np.ones(len(found)), found])
    residual = z_nd - design @ np.linalg.lstsq(design, z_nd, rcond=None)[0]
    return 1 - residual.var(axis=0).sum() / z_nd.var(axis=0).sum()


def counts(seed=0):
    measurement = sample_measurement(seed=seed)
    names = [f"adt:{name}" if i >= 22 else name for i, name in enumerate(measurement.features)]
    return measurement.replace(features=np.array(names, dtype=object))


def test_promises_with_one_modality():
    check_encoder(PPCAExperts)


def test_promises_with_two_modalities():
    check_encoder(PPCAExperts, counts())


def test_promises_with_unpaired_entities():
    measurement = counts()
    observed = np.ones(measurement.values.shape, dtype=bool)
    observed[::3, :22], observed[1::3, 22:] = False, False
    check_encoder(PPCAExperts, measurement.replace(observed=observed))


def test_a_single_modality_is_factor_analysis_but_for_the_noise_of_cells():
    _, rna, _ = linear()
    rna = one(rna, "rna", "g")
    ours, plain = PPCAExperts.fit(rna, dim=3), FactorAnalysis.fit(rna, dim=3)
    assert np.allclose(ours.loadings * ours.size[:, None], plain.loadings * plain.size, atol=1e-6)
    assert np.allclose(ours.noise * ours.size**2, plain.noise, atol=1e-6)
    each = np.corrcoef(ours.encode(rna).values.T, plain.encode(rna).values.T)[:3, 3:]
    assert (np.diag(each) > 0.999).all()


def test_a_noisy_protein_says_less_than_a_steady_one():
    z_nd, rna, protein = linear(n=1500)
    noisy = protein + np.random.default_rng(1).normal(size=protein.shape) * np.where(np.arange(PROTEINS) < 4, 3.0, 0.0)
    both = join(one(rna, "rna", "g"), one(noisy, "protein", "p"))
    encoder = PPCAExperts.fit(both, dim=3)
    own = encoder._own("protein")
    assert encoder.noise[own][:4].min() > 5 * encoder.noise[own][4:].max()
    halves = [encoder.encode(both.select([f"protein:p{i}" for i in which])) for which in (range(4), range(4, 8))]
    assert (halves[0].variance.mean(axis=0) > halves[1].variance.mean(axis=0)).all()
    assert explained(z_nd, halves[1].values) > explained(z_nd, halves[0].values) + 0.1


def test_joint_rna_only_and_protein_only_cells_in_one_fit():
    z_nd, rna, protein = linear()
    first, last = np.arange(0, 400), np.arange(200, 600)
    measurement = join(one(rna, "rna", "g", first), one(protein, "protein", "p", last))
    order = [int(name[1:]) for name in measurement.entities.index]
    ur = PPCAExperts.fit(measurement, dim=3).encode(measurement)
    assert explained(z_nd[order], ur.values) > 0.9
    has_rna, has_protein = np.isin(order, first), np.isin(order, last)
    width = {
        "joint": ur.variance[has_rna & has_protein].mean(),
        "rna": ur.variance[has_rna & ~has_protein].mean(),
        "protein": ur.variance[has_protein & ~has_rna].mean(),
    }
    assert width["joint"] < width["rna"] < width["protein"] < 1


def test_experts_multiply():
    """Natural parameters of the joint posterior are the sum of the experts', the prior counted once."""
    _, rna, protein = linear()
    both = join(one(rna, "rna", "g"), one(protein, "protein", "p"))
    encoder = PPCAExperts.fit(both, dim=3)
    precision, pull = np.eye(3), np.zeros((600, 3))
    for values, kind in ((rna, "rna"), (protein, "protein")):
        own = encoder._own(kind)
        w_fd = encoder.loadings[own] * encoder.size[own][:, None]
        said_fd = w_fd / (encoder.noise[own] * encoder.size[own] ** 2)[:, None]
        precision = precision + w_fd.T @ said_fd
        pull = pull + (values - encoder.center[own]) @ said_fd
    ur = encoder.encode(both)
    assert np.allclose(ur.values, pull @ np.linalg.inv(precision))
    assert np.allclose(ur.variance, np.diag(np.linalg.inv(precision)))


def test_no_modality_outweighs_another_by_its_size():
    _, rna, protein = linear()
    plain = join(one(rna, "rna", "g"), one(protein, "protein", "p"))
    loud = join(one(rna, "rna", "g"), one(protein * 1000, "protein", "p"))
    a, b = (PPCAExperts.fit(item, dim=3).encode(item) for item in (plain, loud))
    assert np.allclose(a.values, b.values, atol=1e-6)


def test_protein_is_predicted_from_rna():
    _, rna, protein = linear()
    train, test = np.arange(400), np.arange(400, 600)
    encoder = PPCAExperts.fit(join(one(rna, "rna", "g", train), one(protein, "protein", "p", train)), dim=3)
    predicted = encoder.expected(encoder.encode(one(rna, "rna", "g", test)), "protein")
    assert predicted.features.tolist() == [f"p{i}" for i in range(PROTEINS)]
    assert (predicted.modality, predicted.units) == ("protein", "arbitrary")
    r = [np.corrcoef(predicted.values[:, i], protein[test, i])[0, 1] for i in range(PROTEINS)]
    assert np.mean(r) > 0.8


def test_totals_are_of_one_modality():
    """More protein counts in a cell do not make its RNA look lower."""
    measurement = counts()
    encoder = PPCAExperts.fit(measurement, dim=4)
    more = measurement.dense()
    more[:, 22:] *= 10
    assert np.allclose(
        encoder.encode(measurement.replace(values=more)).values, encoder.encode(measurement).values, atol=1e-5
    )


def test_prefixes_and_aliases_name_the_same_features():
    _, rna, protein = linear()
    encoder = PPCAExperts.fit(join(one(rna, "rna", "g"), one(protein, "protein", "p")), dim=3)
    own = one(protein, "protein", "p")
    prefixed = own.replace(features=np.array([f"ADT:{name}" for name in own.features]), modality="rna")
    assert np.allclose(encoder.encode(own).values, encoder.encode(prefixed).values)
    peaks = one(rna, "chromatin", "chr1:10")
    assert PPCAExperts.fit(peaks, dim=2).features[3] == "chromatin:chr1:103"


def test_values_on_disk_are_read_in_blocks(tmp_path, monkeypatch):
    measurement = counts()
    encoder = PPCAExperts.fit(measurement, dim=4)
    on_disk = write_shards(measurement, tmp_path, rows=50).measurement()
    monkeypatch.setattr(multimodal, "_ROWS", 30)
    assert np.allclose(encoder.encode(on_disk).values, encoder.encode(measurement).values)
    assert np.allclose(PPCAExperts.fit(on_disk, dim=4).loadings, encoder.loadings)


def test_many_panels_and_few_agree(monkeypatch):
    measurement = counts()
    observed = np.random.default_rng(0).random(measurement.values.shape) < 0.8
    measurement = measurement.replace(observed=observed)
    encoder = PPCAExperts.fit(counts(), dim=4)
    together = encoder.encode(measurement)
    alone = [encoder.encode(measurement.take(np.array([i]))) for i in range(20)]
    assert np.allclose(together.values[:20], np.concatenate([ur.values for ur in alone]))
    assert np.allclose(together.variance[:20], np.concatenate([ur.variance for ur in alone]))


def test_refusals():
    _, rna, protein = linear()
    rna, protein = one(rna, "rna", "g"), one(protein, "protein", "p")
    with pytest.raises(UnitsError, match="Normalize first"):
        join(rna, protein.replace(units="zscore"))
    with pytest.raises(DataError, match="Say what each is"):
        join(rna, rna)
    both = join(rna, protein)
    with pytest.raises(DataError, match="No entity was measured on protein"):
        PPCAExperts.fit(both.replace(observed=np.arange(GENES + PROTEINS) < GENES))
    encoder = PPCAExperts.fit(both, dim=3)
    with pytest.raises(UnknownNameError, match="modality"):
        encoder.expected(encoder.encode(both), "chromatin")
    ur = encoder.encode(both)
    with pytest.raises(SpaceError, match="Encode with it first"):
        encoder.expected(dataclasses.replace(ur, space=FactorAnalysis.fit(rna, dim=3).writes), "protein")


def embedded(z_nd, rows, key="X_other", seed=7):
    """A nonlinear, rotated and loud view of the states, as a third-party model would give it."""
    rng = np.random.default_rng(seed)
    view = 40 * np.tanh(z_nd @ rng.normal(size=(z_nd.shape[1], 12))) + rng.normal(0, 4, (len(z_nd), 12)) + 7
    cells = anndata.AnnData(obs=pd.DataFrame(index=[f"c{i}" for i in rows]), obsm={key: view[rows]})
    return load_obsm(cells, key)


def noisy_counts(n=300, seed=0):
    rng = np.random.default_rng(seed)
    z_nd = rng.normal(size=(n, 3))
    rate_nf = 0.4 * np.exp(0.6 * z_nd @ rng.normal(size=(3, 30)))
    names, index = np.array([f"g{i}" for i in range(30)], dtype=object), pd.DataFrame(index=[f"c{i}" for i in range(n)])
    return z_nd, Measurement(rng.poisson(rate_nf).astype(float) + (np.arange(30) == 0), names, index, "counts")


def test_an_embedding_is_one_more_expert_and_can_be_missing():
    z_nd, rna = noisy_counts()
    both = join(rna, embedded(z_nd, np.arange(0, 200)))
    assert both.units == "counts"
    encoder = PPCAExperts.fit(both, dim=3)
    assert encoder.units.tolist() == [profile_units(rna), "arbitrary"]
    ur, bare = encoder.encode(both), encoder.encode(rna)
    assert explained(z_nd[:200], ur.values[:200]) > explained(z_nd[:200], bare.values[:200]) + 0.05
    assert (ur.variance[:200].mean(axis=0) < ur.variance[200:].mean(axis=0)).all()
    assert np.allclose(ur.values[200:], bare.values[200:], atol=1e-5)
    assert np.allclose(ur.variance[200:], bare.variance[200:])
    alone = encoder.encode(embedded(z_nd, np.arange(100, 300)))
    assert explained(z_nd[100:], alone.values) > 0.6
    assert encoder.expected(ur, "embedding").features[0] == "X_other/0"


def test_the_order_and_the_loudness_of_embeddings_change_nothing():
    z_nd, rna = noisy_counts()
    quiet, other = embedded(z_nd, np.arange(300)), embedded(z_nd, np.arange(300), "X_more", 8)
    loud = other.replace(values=other.values * 1000)
    ours = PPCAExperts.fit(join(rna, quiet, other), dim=3).encode(join(rna, quiet, other))
    theirs = PPCAExperts.fit(join(rna, quiet, loud), dim=3).encode(join(rna, quiet, loud))
    assert np.allclose(ours.values, theirs.values, atol=1e-6)
    turned = join(loud, rna, quiet)
    assert (turned.units, turned.modality) == ("counts", "rna")
    assert explained(ours.values, PPCAExperts.fit(turned, dim=3).encode(turned).values) > 0.999
    check_encoder(PPCAExperts, join(rna, quiet))


def test_states_with_one_noise_for_all_features_are_refused():
    state = PPCAExperts.fit(counts(), dim=3).state()
    arrays = {name: array for name, array in state.arrays.items() if name != "noise"}
    with pytest.raises(IntegrityError, match=r"noise for each feature.*fit the encoder again"):
        PPCAExperts.from_state(State({**state.settings, "noise": {"is": "value", "value": 0.4}}, arrays))
