import numpy as np

from aivc.data.tissue.clusters import adjusted_rand, k_means, squares


def test_groups_that_lie_apart_are_found():
    rng = np.random.default_rng(0)
    own = rng.integers(0, 3, 300)
    x = 10 * np.eye(3)[own] + rng.normal(0, 1, (300, 3))
    centers, far = min((k_means(x, 3, seed=seed) for seed in range(3)), key=lambda found: found[1])
    assert adjusted_rand(squares(x, centers).argmin(axis=1), own) == 1.0
    assert 2.5 < far < 3.5


def test_as_many_centers_as_points_fit_exactly():
    x = np.arange(8.0).reshape(4, 2)
    centers, far = k_means(x, 4)
    assert far < 1e-9
    np.testing.assert_allclose(np.sort(centers, axis=0), x)


def test_points_at_one_place_are_divided_without_complaint():
    assert k_means(np.ones((5, 2)), 3)[1] == 0.0


def test_the_adjusted_rand_index_is_that_of_pairs():
    rng = np.random.default_rng(1)
    a = rng.integers(0, 4, 60)
    b = np.where(rng.random(60) < 0.6, a, rng.integers(0, 4, 60))
    same_a, same_b = ((x[:, None] == x)[np.triu_indices(60, 1)] for x in (a, b))
    chance = same_a.sum() * same_b.sum() / len(same_a)
    wanted = ((same_a & same_b).sum() - chance) / ((same_a.sum() + same_b.sum()) / 2 - chance)
    assert abs(adjusted_rand(a, b) - wanted) < 1e-12
    assert abs(np.mean([adjusted_rand(a, rng.permutation(a)) for _ in range(200)])) < 0.02
    assert adjusted_rand(np.zeros(5), np.zeros(5)) == 1.0
