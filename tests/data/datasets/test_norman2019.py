"""Distances between perturbations become effects: how much nearer than control."""

import numpy as np

from aivc.data.datasets import norman2019


def test_effects_are_distances_to_singles_less_those_of_control(tmp_path):
    labels = np.array(["A", "control", "B_A", "B"])
    distance = np.array([[0, 5, 1, 4], [5, 0, 7, 3], [1, 7, 0, 2], [4, 3, 2, 0]], dtype=np.float32)
    name = "edist__NormanWeissman2019_filtered"
    np.savez(tmp_path / "d.npz", **{name: distance, f"{name}__labels": labels})
    table = norman2019.convert({"distances": tmp_path / "d.npz"})
    assert table.features.tolist() == ["A", "B"]
    assert table.perturbations.tolist() == ["crispra:A", "crispra:A + crispra:B", "crispra:B"]
    np.testing.assert_allclose(table.dense(), [[-5, 1], [-4, -1], [-1, -3]])
    assert (table.units, table.modality) == ("score", "effect")
