import numpy as np

from aivc.data import catalog
from aivc.data.splits.folds import unseen_donor


def test_every_patient_has_as_many_treated_cells_as_controls(aivc_data):
    cells = catalog.load("zhao2021")
    assert cells.values.shape == (4000, 300)
    assert set(cells.perturbations) == {"control", "drug:panobinostat@0.2uM"}
    treated = cells.perturbations != "control"
    donors = cells.entities["donor"].to_numpy()
    assert {donor: int(treated[donors == donor].sum()) for donor in set(donors)} == dict.fromkeys(set(donors), 500)
    assert len(unseen_donor(cells).folds) == 4


def test_panobinostat_raises_metallothioneins_in_every_patient(aivc_data):
    """A pan-HDAC inhibitor opens these genes; a swapped label would turn the sign."""
    cells = catalog.load("zhao2021")
    share_n = cells.dense()[:, list(cells.features).index("MT1X")] / cells.dense().sum(axis=1)
    treated, donors = cells.perturbations != "control", cells.entities["donor"].to_numpy()
    for donor in set(donors):
        here = donors == donor
        assert np.mean(share_n[here & treated]) > np.mean(share_n[here & ~treated])
