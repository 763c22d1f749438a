"""Mechanisms that were put into made-up wells are found again, and what a shared week feigns is not."""

from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.evaluation.images.mechanism_retrieval import MechanismRetrieval


def screen(mechanism=0.0, week=0.0):
    """Eight compounds of four mechanisms on four plates of two weeks; each week has a direction of its own."""
    rng, rows, values = np.random.default_rng(0), [], []
    by_mechanism, by_week = rng.normal(size=(4, 30)), rng.normal(size=(2, 30))
    for plate in range(4):
        shift = rng.normal(size=30)
        for _ in range(6):
            rows.append(("control", f"P{plate}"))
            values.append(shift + 0.3 * rng.normal(size=30))
        for each in range(8):
            # Even plates and compounds are of week 0, odd ones of week 1: each mechanism is in both.
            if each % 2 == plate % 2:
                rows.append((f"drug:C{each}@1uM", f"P{plate}"))
                effect = mechanism * by_mechanism[each // 2] + week * by_week[plate % 2]
                values.append(shift + effect + 0.3 * rng.normal(size=30))
    entities = pd.DataFrame(rows, columns=["perturbation", "batch"]).assign(context="MCF7").rename(index=str)
    features = np.array([f"F{i}" for i in range(29)] + ["Center_X"], dtype=object)
    return Measurement(np.array(values), features, entities, "arbitrary", modality="profile")


TREATMENTS = {f"drug:C{i}@1uM": [f"M{i // 2}", f"W{i % 2}"] for i in range(8)}
SETTINGS = {"dataset": "made-up", "without": ["Center_X"], "clip": 10.0, "permutations": 20, "treatments": TREATMENTS}


class Spy:
    """Keeps what an encoder is given of wells."""

    scale: ClassVar[Scale] = Scale.CELLULAR
    given: ClassVar[list[pd.DataFrame]] = []

    @classmethod
    def fit(cls, wells, *, seed):
        cls.given.append(wells.entities)
        return cls()

    def encode(self, wells):
        return UR(wells.dense(), Space("spied", Scale.CELLULAR, len(wells.features), "spy"), wells.entities)


def asked(wells, *methods, **changed):
    settings, protocol = SETTINGS | changed, MechanismRetrieval()
    protocol.require(settings, methods)
    rows = [row for method in methods for row in protocol.run({"made-up": wells}, settings, method, 0)]
    return {(row.method, row.metric): row for row in rows if row.fold == ""}


def test_a_mechanism_is_found_by_what_looks_alike():
    found = asked(screen(mechanism=3.0), "plate-z", "plate-mad", "morphology", "plate-z:shuffled")
    for method in ("plate-z", "plate-mad", "morphology"):
        assert {found[method, metric].value for metric in ("nsc", "nsc_map", "nsc_compounds", "nscb")} == {1.0}
    assert found["plate-z:shuffled", "nsc"].value < 0.4
    assert "8 treatments of 8 compounds" in found["plate-z", "nsc"].note


def test_what_a_shared_week_feigns_is_gone_without_its_neighbors():
    # Mechanisms are in one week each, and all that is seen is the week.
    feigned = {text: [week, week] for text, (_, week) in TREATMENTS.items()}
    found = asked(screen(week=3.0), "plate-z", treatments=feigned)
    assert found["plate-z", "nsc"].value == 1.0
    assert found["plate-z", "nscb"].value is None
    # By weeks alone, mechanisms that are in both are not found.
    assert asked(screen(week=3.0), "plate-z")["plate-z", "nsc"].value < 0.5


def test_without_another_of_a_mechanism_nothing_is_said():
    alone = {text: [text, week] for text, (_, week) in TREATMENTS.items()}
    found = asked(screen(mechanism=3.0), "plate-z", "plate-z:shuffled", treatments=alone)
    assert {row.value for row in found.values()} == {None}


def test_an_encoder_does_not_see_which_compound_it_was(register):
    register(EntryPoint("spy", f"{__name__}:Spy", "aivc.encoders"))
    wells = screen(mechanism=3.0)
    wells = wells.replace(entities=wells.entities.assign(moa="secret", concentration=1.0))
    MechanismRetrieval().run({"made-up": wells}, SETTINGS, "spy", 0)
    (given,) = Spy.given
    assert set(given["perturbation"]) == {"control", "drug:hidden"}
    assert not {"moa", "concentration"} & set(given)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(UnknownNameError, match="moon"):
        MechanismRetrieval().require(SETTINGS, ["moon"])
    with pytest.raises(SpaceError, match="shells"):
        MechanismRetrieval().require(SETTINGS, ["shells"])
    with pytest.raises(IntegrityError, match="C9"):
        asked(screen(), "plate-z", treatments={"drug:C9@1uM": ["M0", "W0"]})
