import numpy as np
import pytest

from aivc.core.errors import DataError, PerturbationError, UnknownNameError
from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.time.neighbor_times import CopyTime, MixtureTime
from aivc.instruments.manipulators.time.transport_v1 import TransportV1
from tiny_development import DAY, after, arc, at, cells_at


@pytest.fixture(scope="module")
def cells():
    return arc((0, 1, 3, 4))


@pytest.fixture(scope="module")
def fitted(cells):
    return TransportV1.fit(cells)


def test_a_time_that_was_never_read_is_filled(cells, fitted):
    truth = at(arc((2,), seed=1), 2 * DAY).values
    found = fitted.manipulate(at(cells, DAY), after(24)).draws[0]
    assert np.linalg.norm(found.values.mean(0) - truth.mean(0)) < 1.0
    assert found.values.std() == pytest.approx(truth.std(), rel=0.2)
    np.testing.assert_array_equal(found.times, 2 * DAY)
    np.testing.assert_array_equal(found.mass, 1.0)


def test_it_says_how_it_was_judged_and_what_its_plans_are_worth(fitted):
    assert fitted.verdict["kept"] == "transport"
    assert fitted.verdict["scores"]["transport"] < fitted.verdict["scores"]["mixture"]
    assert all(plan["converged"] for plans in fitted.verdict["plans"].values() for plan in plans)


def test_with_too_few_times_the_choice_is_declared():
    fitted = TransportV1.fit(arc((0, 1)))
    assert fitted.verdict["kept"] == "transport"
    assert "too few to leave any out" in fitted.verdict["because"]


def test_where_mixing_is_better_mixing_answers():
    # Cells jump between two places, and never are between them.
    rng = np.random.default_rng(0)
    share = np.repeat([0.0, 0.33, 0.67, 1.0], 90)
    there = rng.random(360) < share
    values = np.stack([np.where(there, 20.0, 0.0), np.zeros(360)], axis=1) + rng.normal(0, 0.2, (360, 2))
    ur = cells_at(values, np.repeat([0.0, 24.0, 48.0, 72.0], 90))
    fitted = TransportV1.fit(ur)
    assert fitted.verdict["kept"] == "mixture"
    half = fitted.manipulate(at(ur, 0.0), after(36)).draws[0].values
    assert not ((half[:, 0] > 3) & (half[:, 0] < 17)).any()
    assert TransportV1.fit(ur, judged=False).verdict["kept"] == "transport"


def test_times_after_the_last_are_refused_unless_asked_for(cells, fitted):
    with pytest.raises(PerturbationError, match=r"from 0 to 96 h, but 'time for 48h' .* fit with extrapolate=True"):
        fitted.manipulate(at(cells, 3 * DAY), after(48))
    # Along a line, going on is better than staying.
    hours = np.repeat(np.arange(4.0), 40) * DAY
    values = np.stack([hours / DAY * 5, np.zeros(160)], axis=1) + np.random.default_rng(0).normal(size=(160, 2))
    line = cells_at(values, hours)
    further = TransportV1.fit(line, extrapolate=True)
    answer = further.manipulate(at(line, 3 * DAY), after(24))
    assert "better than today" in further.verdict["beyond_because"]
    assert answer.applicability is Applicability.OUT
    assert answer.draws[0].values[:, 0].mean() == pytest.approx(20.0, abs=1.0)


def test_where_going_on_is_no_better_than_today_today_answers():
    # Cells go out and come back: the last step says the opposite of the next.
    rng = np.random.default_rng(0)
    place = np.repeat([0.0, 5.0, 0.0], 50)
    ur = cells_at(place[:, None] * [1.0, 0.0] + rng.normal(0, 0.3, (150, 2)), np.repeat([0.0, 24.0, 48.0], 50))
    fitted = TransportV1.fit(ur, extrapolate=True)
    assert "no better than today" in fitted.verdict["beyond_because"]
    start = at(ur, 48.0)
    answer = fitted.manipulate(start, after(24))
    assert answer.made_by == ("transport.v1", "today")
    np.testing.assert_array_equal(answer.draws[0].values, start.values)


def test_contexts_develop_each_in_its_own_way():
    rng = np.random.default_rng(0)
    context = np.where(np.arange(200) % 2, "up", "down").astype(object)
    hours = np.repeat([0.0, 24.0], 100)
    way = np.where(context == "up", 5.0, -5.0) * (hours > 0)
    ur = cells_at(np.stack([way, np.zeros(200)], 1) + rng.normal(0, 0.3, (200, 2)), hours, context=context)
    fitted = TransportV1.fit(ur)
    start = at(ur, 0.0)
    found = fitted.manipulate(start, after(12)).draws[0]
    assert (np.sign(found.values[:, 0]) == np.where(start.contexts == "up", 1, -1)).mean() > 0.95
    stranger = cells_at(start.values, start.times, context=np.full(100, "other", dtype=object))
    assert fitted.manipulate(stranger, after(12)).applicability is Applicability.EDGE
    assert fitted.manipulate(start, after(12)).applicability is Applicability.IN


def test_what_was_done_to_cells_has_a_line_of_its_own():
    rng = np.random.default_rng(0)
    done = np.repeat(["control", "control", "drug:d@1uM for 24h"], 30).astype(object)
    values = np.repeat([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]], 30, axis=0) + rng.normal(0, 0.3, (90, 2))
    ur = cells_at(values, np.repeat([0.0, 24.0, 24.0], 30))
    ur.entities["perturbation"] = done
    fitted = TransportV1.fit(ur)
    start = at(ur, 0.0)
    drug, none = (fitted.manipulate(start, after(24, text)).draws[0].values for text in ("drug:d@1uM", ""))
    np.testing.assert_allclose(drug.mean(0), [0.0, 5.0], atol=0.3)
    np.testing.assert_allclose(none.mean(0), [5.0, 0.0], atol=0.3)
    with pytest.raises(UnknownNameError, match="perturbation read at two or more times named 'ko:G'"):
        fitted.manipulate(start, after(24, "ko:G"))


def test_counts_set_the_total_mass(cells):
    for kind in (CopyTime, MixtureTime, TransportV1):
        fitted = kind.fit(cells, counts={0: 100, 96: 500}, **({"judged": False} if kind is TransportV1 else {}))
        found = fitted.manipulate(at(cells, DAY), after(24)).draws[0]
        assert fitted.grows
        np.testing.assert_allclose(found.mass, 300 / 200)


def test_growth_needs_what_it_is_made_of(cells):
    with pytest.raises(DataError, match="needs a reach"):
        TransportV1.fit(cells, growth="plan")
    with pytest.raises(DataError, match="proliferation and apoptosis is not there"):
        TransportV1.fit(cells, growth="scores")
    grown = TransportV1.fit(cells, growth="plan", reach=0.5, judged=False)
    assert grown.grows
    assert not TransportV1.fit(cells, judged=False).grows
