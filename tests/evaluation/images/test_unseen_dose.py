"""Made-up effects that grow with the log dose: what is interpolated is right, and what is shuffled is not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.evaluation.images.unseen_dose import UnseenDose, _questions, _said

DOSES = (1.0, 10.0, 100.0, 1000.0)
SETTINGS = {"dataset": "made-up", "without": ["Location"], "clip": 1e6, "halves": ["0101", "1010"]}


def screen(compounds=3, doses=DOSES):
    """Effects are one direction each times 1 + log10 dose; four plates, each with all doses and a shift of its own."""
    rng, rows, values = np.random.default_rng(0), [], []
    directions = rng.normal(size=(compounds, 12))
    for plate in range(4):
        shift = rng.normal(size=12)
        noise = rng.normal(size=(6, 12))
        for own in noise - noise.mean(axis=0):
            rows.append(("control", f"P{plate}"))
            values.append(shift + own)
        for compound, dose in ((c, d) for c in range(compounds) for d in doses):
            rows.append((f"drug:C{compound}@{dose:g}uM", f"P{plate}"))
            values.append(shift + 5 * directions[compound] * (1 + np.log10(dose)))
    entities = pd.DataFrame(rows, columns=["perturbation", "batch"]).assign(context="MCF7").rename(index=str)
    features = np.array([f"F{i}" for i in range(11)] + ["Location_Center"], dtype=object)
    return Measurement(np.array(values), features, entities, "arbitrary", modality="profile")


def asked(wells, *methods, **changed):
    protocol, settings = UnseenDose(), SETTINGS | changed
    protocol.require(settings, methods)
    rows = [row for method in methods for row in protocol.run({"made-up": wells}, settings, method, 0)]
    return {(row.method, row.metric): row for row in rows if row.fold == ""}


def test_what_follows_the_log_dose_is_interpolated():
    found = asked(screen(), "interpolation", "interpolation:shuffled", "nearest-dose", "same-dose", "other-doses")
    assert found["interpolation", "error_interior"].value == pytest.approx(0.0, abs=1e-9)
    assert found["interpolation:shuffled", "error_interior"].value > 0.05
    assert found["same-dose", "error_high"].value == pytest.approx(0.0, abs=1e-9)
    # Sizes are 1 to 4: the nearest of 1 is 2, and of 4 is 3; all lie in one direction.
    assert found["nearest-dose", "error_low"].value == pytest.approx(1.0)
    assert found["nearest-dose", "error_high"].value == pytest.approx(1 / 16)
    assert found["other-doses", "error_low"].value == pytest.approx(4.0)
    assert found["nearest-dose", "cosine_low"].value == pytest.approx(1.0)
    assert (found["nearest-dose", "error_low"].better, found["nearest-dose", "cosine_low"].better) == (
        "lower",
        "higher",
    )
    assert "6 questions on 3 compounds" in found["nearest-dose", "error_low"].note


def test_a_manipulator_reads_the_doses_that_are_given():
    methods = ("dose-response", "dose-response:shuffled", "other-compounds")
    found = asked(screen(2, doses=DOSES[:3]), *methods, halves=["0101"])
    for end in ("error_low", "error_high"):
        assert found["dose-response", end].value < found["dose-response:shuffled", end].value
    assert found["dose-response", "error_low"].value < found["other-compounds", "error_low"].value


def test_no_answer_depends_on_what_is_asked():
    wells, one = screen(2), SETTINGS | {"halves": ["0101"]}
    treated = wells.perturbations != "control"
    asked_about = treated & wells.entities["batch"].isin(["P1", "P3"]).to_numpy()
    changed = wells.replace(values=np.where(asked_about[:, None], -wells.dense(), wells.dense()))
    same_dose = wells.replace(
        values=np.where((wells.perturbations == "drug:C0@10uM")[:, None] & ~asked_about[:, None], 7.0, wells.dense())
    )
    first, *others = (list(_questions({"made-up": each}, one)) for each in (wells, changed, same_dose))
    for before, after in zip(first, others[0], strict=True):
        assert not np.allclose(before.truth, after.truth)
    for found in others:
        for before, after in zip(first, found, strict=True):
            if found is others[0] or (before.compound, before.dose) == ("C0", 10.0):
                for method in ("nearest-dose", "interpolation", "other-doses"):
                    seen = [_said(method, each, each.given, 0) for each in (before, after)]
                    np.testing.assert_allclose(*seen)
                assert before.dose not in before.given[before.compound]


def test_a_compound_with_two_doses_is_no_question():
    found = asked(screen(2, doses=DOSES[:2]), "nearest-dose")
    assert {row.value for row in found.values()} == {None}


def test_what_cannot_be_asked_is_refused():
    for method in ("moon", "same-dose:shuffled"):
        with pytest.raises(UnknownNameError):
            UnseenDose().require(SETTINGS, [method])
    with pytest.raises(IntegrityError, match="frozen on 2 plates"):
        UnseenDose().run({"made-up": screen()}, SETTINGS | {"halves": ["01"]}, "nearest-dose", 0)
