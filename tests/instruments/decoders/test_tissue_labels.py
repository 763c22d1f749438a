import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.units import ARBITRARY
from aivc.data.priors.memberships import memberships
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.decoders.tissue_labels import TissueLabels
from aivc.representations.multicellular.shells import Shells
from aivc.testing import check_decoder

SIDE, REACH, WIDTH = 14, 2, 4


def tissue(seed, *, donors=4, by_place=True, noise=1.5):
    """Sections of cells on a lattice; a label is a half of the section, or a type scattered over it."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2).astype(float)
    n, cells = donors * len(place), len(place)
    own = np.tile(place[:, 0] < SIDE / 2, donors) if by_place else rng.random(n) < 0.5
    values = rng.normal(0, noise, (n, WIDTH)) + np.outer(own, [1.5, 1.0, 0.0, 0.0])
    names = np.repeat([f"d{i}" for i in range(donors)], cells)
    entities = pd.DataFrame(
        {"donor": names, "section": names, "label": np.where(own, "inner", "outer")}, [f"{seed}-{i}" for i in range(n)]
    )
    features = np.array([f"p{i}" for i in range(WIDTH)], dtype=object)
    return link(
        Measurement(values, features, entities, ARBITRARY, coordinates=np.tile(place, (donors, 1))),
        GraphRule.parse("radius:1.5"),
    )


def written(cells, encoder=None):
    encoder = encoder or Shells.fit(cells, dim=WIDTH * (REACH + 1), reach=REACH)
    return encoder, encoder.encode(cells)


def fitted(ur, **settings):
    known = memberships(ur.entities, "label", scale=Scale.MULTICELLULAR)
    return TissueLabels.fit(ur, known, **{"reach": REACH, **settings})


def right(probe, ur):
    return float((probe.labels(ur)["best"] == ur.entities["label"]).mean())


def test_keeps_the_promises_of_a_decoder():
    _, ur = written(tissue(0))
    check_decoder(
        TissueLabels, ur, measurement=memberships(ur.entities, "label", scale=Scale.MULTICELLULAR), reach=REACH
    )


def test_neighbors_are_used_where_a_label_is_larger_than_a_cell():
    encoder, ur = written(tissue(0))
    _, asked = written(tissue(1), encoder)
    probe, alone = fitted(ur), fitted(ur, neighbors=False)
    assert probe.unit == "donor"
    assert probe.neighbor_weight > 0.9
    assert probe.gain > 2 * probe.gain_error > 0
    assert alone.neighbor_weight == 0
    assert right(probe, asked) > 0.9 > right(alone, asked) + 0.1


def test_neighbors_cost_nothing_where_a_label_is_that_of_the_cell_alone():
    encoder, ur = written(tissue(0, by_place=False, noise=0.8))
    _, asked = written(tissue(1, by_place=False, noise=0.8), encoder)
    probe, alone = fitted(ur), fitted(ur, neighbors=False)
    assert probe.neighbor_weight == 0
    assert right(probe, asked) > right(alone, asked) - 0.01
    assert right(alone, asked) > 0.8


def test_shuffled_neighbors_are_worth_nothing():
    cells = tissue(0)
    mixed = np.concatenate([np.random.default_rng(0).permutation(SIDE**2) + SIDE**2 * i for i in range(4)])
    assert fitted(written(cells)[1]).gain > 0.2
    assert fitted(written(cells.replace(links=cells.links[mixed][:, mixed]))[1]).gain < 0.05


def test_sets_hold_what_they_promise():
    encoder, ur = written(tissue(0, donors=12, noise=2.5))
    _, asked = written(tissue(1, donors=12, noise=2.5), encoder)
    probe = fitted(ur)
    own = asked.entities["label"].to_numpy()
    for pooled in (False, True):
        inside = probe.sets(asked, 0.9, pooled=pooled)
        assert 0.86 < (inside & (own[:, None] == probe.features)).any(axis=1).mean() < 0.95
    table = probe.labels(asked, level=0.99)
    assert set(table["label"]) == {"inner", "outer", "undecided"}
    both = probe.sets(asked, 0.99, pooled=True).all(axis=1)
    assert ((table["label"] == "undecided") == both).all()


def test_what_is_left_out_together_is_the_largest_thing_there_is():
    _, ur = written(tissue(0, donors=2))
    without = ur.entities.drop(columns="donor")
    assert fitted(dataclasses.replace(ur, entities=without)).unit == "section"
    assert fitted(ur.take(np.arange(SIDE**2))).unit == "block"
    assert fitted(dataclasses.replace(ur, entities=without[["label"]], links=None)).unit == "cell"
    assert fitted(ur, groups=np.arange(len(ur)) % 7).unit == "group"


def test_a_rare_class_is_found():
    encoder, ur = written(tissue(0))
    rare = (ur.entities["label"] == "inner").to_numpy() & (np.arange(len(ur)) % 12 > 0)
    few = dataclasses.replace(ur, entities=ur.entities.assign(label=ur.entities["label"].mask(rare, "")))
    _, asked = written(tissue(1), encoder)
    inner = (asked.entities["label"] == "inner").to_numpy()
    assert (fitted(few).labels(asked)["best"][inner] == "inner").mean() > 0.8


def test_an_empty_shell_counts_as_the_expected_one():
    _, ur = written(tissue(0))
    variance = np.zeros_like(ur.values)
    variance[:, WIDTH:] = np.inf
    probe = fitted(ur)
    np.testing.assert_array_equal(
        probe.probabilities(ur), probe.probabilities(dataclasses.replace(ur, variance=variance))
    )


def test_states_unlike_anything_are_out_of_range():
    encoder, ur = written(tissue(0))
    probe = fitted(ur)
    assert probe.decode(written(tissue(1), encoder)[1]).applicability is Applicability.IN
    far = dataclasses.replace(ur, values=ur.values + 6)
    assert probe.decode(far).applicability is Applicability.OUT


def test_what_makes_no_sense_is_refused():
    _, ur = written(tissue(0))
    with pytest.raises(DataError, match="as the encoder of these states has it"):
        fitted(ur, reach=4)
    with pytest.raises(DataError, match="Give other groups"):
        fitted(ur, groups=["one"] * len(ur))
    with pytest.raises(ValueError, match="between 0 and 1"):
        fitted(ur).sets(ur, 90.0)
    with pytest.raises(SpaceError, match="refit the instrument"):
        fitted(ur).labels(dataclasses.replace(ur, space=dataclasses.replace(ur.space, fingerprint="other")))
