import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from aivc.core.errors import ConvergenceError, DataError
from aivc.nn.transport import PlanSettings, couple, squared_distances


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(size=(60, 3))), torch.tensor(rng.normal(size=(80, 3)) + 0.5)


def test_with_little_blur_the_plan_is_the_exact_one(clouds):
    ot = pytest.importorskip("ot", reason="the exact plan comes from POT, of the extra dev")
    x, y = clouds
    a = torch.linspace(1.0, 2.0, len(x)).double()
    plan = couple(x, y, PlanSettings(epsilon=4e-3), weight_n=a)
    cost = squared_distances(x, y).numpy()
    exact = ot.emd2((a / a.sum()).numpy(), np.full(len(y), 1 / len(y)), cost)
    moved = (plan.rows().numpy() * plan.log_n.exp().numpy()[:, None] * cost).sum()
    assert exact - 1e-3 < moved < 1.03 * exact


def test_with_little_blur_each_goes_to_its_partner(clouds):
    x, y = clouds[0], clouds[1][:60]
    rows, columns = linear_sum_assignment(squared_distances(x, y).numpy())
    plan = couple(x, y, PlanSettings(epsilon=2e-3, tolerance=3e-2))
    assert (plan.rows().argmax(1).numpy() == columns[rows]).mean() > 0.85


def test_the_certificate_says_what_was_reached(clouds):
    plan = couple(*clouds)
    said = plan.certificate
    assert said.converged
    assert said.mass == pytest.approx(1.0)
    assert said.destroyed == said.created == 0.0
    assert said.landmarks is None
    assert str(said).startswith("converged: error")
    sums = plan.pushed(plan.log_n.exp())
    assert float((sums - plan.log_m.exp()).abs().sum()) == pytest.approx(said.error, abs=1e-9)
    assert said.to_json()["converged"] is True


def test_a_plan_that_did_not_converge_is_refused_or_says_so(clouds):
    quick = PlanSettings(epsilon=0.01, rounds=3, tolerance=1e-5)
    with pytest.raises(ConvergenceError, match=r"after 3 rounds at epsilon 0.01 .* Raise epsilon or rounds"):
        couple(*clouds, quick)
    said = couple(*clouds, quick, strict=False).certificate
    assert not said.converged
    assert str(said).startswith("NOT converged")


def test_relaxed_sums_let_points_grow_and_die():
    x = torch.tensor([[0.0], [0.1], [10.0]])
    y = torch.tensor([[0.0], [0.05], [0.1], [0.2], [10.0]])
    exact, relaxed = (couple(x, y, PlanSettings(epsilon=0.01, reach_n=reach)) for reach in (None, 0.05))
    torch.testing.assert_close(exact.growth(), torch.ones(3))
    grown = relaxed.growth()
    # Four of five points reached lie near two of three points moved.
    assert float(grown[:2].mean()) == pytest.approx(1.2, abs=0.05)
    assert float(grown[2]) == pytest.approx(0.6, abs=0.1)
    said = relaxed.certificate
    assert said.created == pytest.approx(said.destroyed, abs=1e-3)
    assert said.mass == pytest.approx(1.0, abs=1e-3)


def test_unbalanced_plans_leave_out_what_has_no_counterpart():
    x, y = torch.zeros(4, 1), torch.tensor([[0.0], [0.1], [0.0], [50.0]])
    plan = couple(x, y, PlanSettings(epsilon=0.05, reach_n=0.1, reach_m=0.1))
    assert float(plan.pushed(plan.log_n.exp())[3]) < 0.02
    assert plan.certificate.destroyed > 0.1


def test_units_and_place_do_not_matter(clouds):
    x, y = (each.float() for each in clouds)
    far = couple(1000 * x + 1e5, 1000 * y + 1e5).rows()
    torch.testing.assert_close(far, couple(x, y).rows(), atol=1e-3, rtol=0)


def test_larger_clouds_are_coupled_through_landmarks():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 2, generator=generator)
    plan = couple(x, x + torch.tensor([3.0, 0.0]), PlanSettings(epsilon=0.02, landmarks=400))
    said = plan.certificate
    assert said.landmarks == (400, 400)
    assert said.converged
    assert said.error < said.error_beyond < 0.5
    # A shift is found for all points, landmarks or not.
    moved = plan.expected(x) - x
    torch.testing.assert_close(moved.mean(0), torch.tensor([3.0, 0.0]), atol=0.15, rtol=0)
    assert float((moved - torch.tensor([3.0, 0.0])).norm(dim=1).median()) < 0.5


def test_what_cannot_be_coupled_is_refused(clouds):
    x, y = clouds
    with pytest.raises(DataError, match="Points moved are one or more"):
        couple(x[:0], y)
    with pytest.raises(DataError, match="Weights of points reached are positive"):
        couple(x, y, weight_m=torch.zeros(len(y)).double())
    with pytest.raises(DataError, match="are positive"):
        PlanSettings(epsilon=0.0)
