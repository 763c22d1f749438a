import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.decoders.kernel_map import KERNELS, KernelMap
from aivc.instruments.decoders.kernel_readout import KernelReadout
from aivc.testing import check_decoder


def ur_of(values, name="molecules"):
    table = pd.DataFrame(index=[f"m{i}" for i in range(len(values))])
    return UR(np.asarray(values, dtype=float), Space(name, Scale.MOLECULAR, values.shape[1], "test"), table)


def read(ur, values, **more):
    values = np.asarray(values, dtype=float).reshape(len(ur), -1)
    features = np.array([f"r{i}" for i in range(values.shape[1])])
    return Measurement(values, features, ur.entities, "score", "effect", Scale.MOLECULAR, **more)


def sample(n=200, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_it_keeps_the_promises_of_a_decoder():
    check_decoder(KernelReadout)


def test_a_straight_line_is_read_with_the_linear_kernel():
    x = sample()
    ur = ur_of(x)
    fitted = KernelReadout.fit(ur, read(ur, x @ [1, -2, 0, 1] + np.random.default_rng(1).normal(size=200)))
    assert fitted.kernel == "linear"
    new = sample(seed=2)
    np.testing.assert_allclose(fitted.predict(ur_of(new))[0][:, 0], new @ [1, -2, 0, 1], atol=1.0)


def test_an_interaction_earns_a_richer_kernel():
    x = sample(300)
    ur = ur_of(x)
    fitted = KernelReadout.fit(ur, read(ur, x[:, 0] * x[:, 1]))
    assert fitted.kernel == "quadratic"
    assert fitted.skill[0] > 0.95
    linear = KernelReadout.fit(ur, read(ur, x[:, 0] * x[:, 1]), kernels=("linear",))
    assert linear.skill[0] < 0.2


def test_without_information_it_says_the_mean():
    ur = ur_of(sample())
    y = np.random.default_rng(5).normal(size=200) + 3
    fitted = KernelReadout.fit(ur, read(ur, y))
    assert fitted.skill[0] < 0.05
    np.testing.assert_allclose(fitted.predict(ur_of(sample(seed=6)))[0], 3, atol=0.6)


def test_spread_is_large_where_errors_are():
    x = sample(600)
    noise = np.random.default_rng(1).normal(size=600) * np.exp(x[:, 0])
    ur = ur_of(x)
    fitted = KernelReadout.fit(ur, read(ur, x[:, 1] + noise))
    low, high = (fitted.predict(ur_of(np.array([[side, 0, 0, 0]])))[1][0, 0] for side in (-1.0, 1.0))
    assert high > 3 * low


def test_a_readout_that_is_missing_in_part_is_fitted_on_the_rest():
    x = sample(80)
    y = np.column_stack([x[:, 0], x[:, 1]])
    observed = np.ones((80, 2), dtype=bool)
    observed[:30, 1] = False
    y[:30, 1] = 99.0
    ur = ur_of(x)
    said = KernelReadout.cross_fit(ur, read(ur, y, observed=observed))
    alone = ur.take(np.arange(30, 80))
    fitted = KernelReadout.fit(alone, read(alone, x[30:, 1]), kernels=("linear",))
    assert np.isnan(said.predicted[:30, 1]).all()
    new = ur_of(sample(seed=9))
    np.testing.assert_allclose(said.decoder.predict(new)[0][:, 1], fitted.predict(new)[0][:, 0], atol=1e-6)


def test_groups_are_left_out_together():
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(40), 5)
    x = np.eye(40)[family] * 3 + rng.normal(size=(200, 40)) * 0.1
    y = rng.normal(size=40)[family]
    ur = ur_of(x)
    alone = KernelReadout.fit(ur, read(ur, y), kernels=("linear",))
    together = KernelReadout.fit(ur, read(ur, y), kernels=("linear",), groups=family)
    assert alone.skill[0] > 0.9
    assert together.skill[0] < 0.1


def test_what_lies_beyond_is_predicted_without_it():
    x = sample(120)
    ur, beyond = ur_of(x), x[:, 0] > 1
    said = KernelReadout.fit_beyond(ur, read(ur, np.maximum(x[:, 0], 0.0)), beyond)
    assert np.isnan(said.predicted[~beyond]).all()
    near = KernelReadout.fit(ur.take(~beyond), read(ur.take(~beyond), np.maximum(x[~beyond, 0], 0.0)))
    np.testing.assert_array_equal(said.predicted[beyond], near.predict(ur.take(beyond))[0])
    whole = KernelReadout.fit(ur, read(ur, np.maximum(x[:, 0], 0.0)))
    assert said.decoder.state().digest() == whole.state().digest()


def test_order_of_molecules_does_not_matter_to_what_is_read():
    x = sample(60)
    ur = ur_of(x)
    fitted = KernelReadout.fit(ur, read(ur, x[:, 0] ** 2))
    new = ur_of(sample(9, seed=1))
    order = np.random.default_rng(0).permutation(9)
    np.testing.assert_allclose(fitted.predict(new.take(order))[0], fitted.predict(new)[0][order], atol=1e-10)


def test_a_molecule_of_which_nothing_is_known_makes_the_answer_a_default():
    x = sample(20)
    ur = ur_of(x)
    fitted = KernelReadout.fit(ur, read(ur, x[:, 0]))
    assert fitted.decode(ur).applicability is Applicability.EDGE
    assert fitted.decode(ur_of(np.zeros((1, 4)))).applicability is Applicability.OUT


def test_refusals_say_what_to_do():
    ur = ur_of(sample(20))
    with pytest.raises(DataError, match="Measure more"):
        KernelReadout.fit(ur.take(np.arange(3)), read(ur.take(np.arange(3)), np.arange(3.0)))
    with pytest.raises(DataError, match="Label every row"):
        KernelReadout.fit(ur, read(ur, np.arange(20.0)), groups=["a"] * 20)
    with pytest.raises(DataError, match="Align"):
        KernelReadout.fit(ur, read(ur.take(np.arange(19)), np.arange(19.0)))
    with pytest.raises(UnknownNameError, match="gaussian"):
        KernelMap.fit(ur.values, "gausian")
    with pytest.raises(SpaceError, match="refit"):
        KernelReadout.fit(ur, read(ur, np.arange(20.0))).predict(ur_of(sample(2), "others"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_features_have_the_products_of_their_kernel(kernel):
    x = sample(30)
    mapped = KernelMap.fit(x, kernel)
    products, wanted = mapped(x) @ mapped(x).T, x @ x.T
    if kernel == "quadratic":
        wanted = (1 + wanted / mapped.size) ** 2
    if kernel == "gaussian":
        wanted = np.exp(-((x[:, None] - x[None]) ** 2).sum(axis=2) / (2 * mapped.size))
    np.testing.assert_allclose(products, wanted, atol=1e-6)
