import numpy as np

from aivc.instruments.manipulators.baselines.left_out import left_out_residuals


def test_residuals_left_out_are_those_of_a_refit():
    rng = np.random.default_rng(0)
    x_pm, y_pd, families = rng.normal(size=(12, 4)), rng.normal(size=(12, 3)), [f"f{i // 2}" for i in range(12)]
    left, strength, _ = np.linalg.svd(x_pm, full_matrices=False)
    kept = strength**2 / (strength**2 + 2.0)
    found = left_out_residuals(left, kept, y_pd - left @ (kept[:, None] * (left.T @ y_pd)), families)
    for family in sorted(set(families)):
        out = np.array([each == family for each in families])
        w = np.linalg.solve(x_pm[~out].T @ x_pm[~out] + 2.0 * np.eye(4), x_pm[~out].T @ y_pd[~out])
        np.testing.assert_allclose(found[out], y_pd[out] - x_pm[out] @ w, atol=1e-7)
