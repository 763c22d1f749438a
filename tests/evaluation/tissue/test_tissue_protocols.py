"""Every protocol of tissue finds what was put into a simulated one, and loses it when neighbors are shuffled."""

from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.priors.memberships import memberships
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.evaluation.tissue.beyond_type import BeyondType
from aivc.evaluation.tissue.donor_stage import DonorStage, _balanced, _shares, _staged
from aivc.evaluation.tissue.held_out_labels import HeldOutLabels
from aivc.evaluation.tissue.masked_type import MaskedType
from aivc.evaluation.tissue.unseen_region import UnseenRegion, _expected, _linked, _Tissue

GRAPH = {"rule": "nearest:6", "reach": 2, "by_section": False}


@pytest.fixture(scope="module")
def tissue():
    return synthetic_tissue(cells=200, features=20, effect=1.5, seed=2)[0]


def asked(protocol, tissue, settings, *methods):
    """Pooled values, or means over folds, by method and metric."""
    made, found = protocol(), {}
    made.require(settings, methods)
    for method in methods:
        rows = pd.DataFrame([vars(row) for row in made.run({"made-up": tissue}, settings, method, 0)])
        for metric, own in rows.groupby("metric"):
            pooled = own[own["fold"] == ""]
            found[method, metric] = float((pooled if len(pooled) else own)["value"].astype(float).mean())
    return found


def test_a_label_larger_than_a_cell_is_read_from_its_surroundings(tissue):
    settings = {"dataset": "made-up", "label": "niche", "unknown": [""], "leave_out": "donor", "genes": 20, "width": 6}
    settings |= {"graph": GRAPH, "metrics": ["macro_f1", "accuracy"], "clusters": 4}
    found = asked(HeldOutLabels, tissue, settings, "shells", "own", "most-frequent")
    assert found["shells", "macro_f1"] > found["own", "macro_f1"] + 0.05
    assert found["own", "accuracy"] > found["most-frequent", "accuracy"]


def test_a_patient_with_one_class_has_no_power(tissue):
    label = np.where(tissue.entities["donor"] == "P1", "N1", tissue.entities["niche"])
    donor = np.where((tissue.entities["donor"] == "P2") & (np.arange(len(tissue)) % 2), "P3", tissue.entities["donor"])
    tissue = tissue.replace(entities=tissue.entities.assign(niche=label, donor=donor))
    settings = {"dataset": "made-up", "label": "niche", "unknown": [""], "positive": ["N1"], "leave_out": "donor"}
    settings |= {"genes": 20, "width": 6, "graph": GRAPH, "metrics": ["auroc"]}
    rows = HeldOutLabels().run({"made-up": tissue}, settings, "total-counts", 0)
    assert [row.value is None for row in rows] == [True, False, False]
    assert "0 negative" in rows[0].note


def following():
    """Two genes of 400 cells of two types; the second follows what neighbors have of the first."""
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2) * 10
    types = rng.choice(["a", "b"], 400)
    entities = pd.DataFrame({"cell_type": types, "section": "one", "donor": "one"}).rename(index=str)
    sent = rng.normal(size=400)
    near = np.linalg.norm(points[:, None] - points[None], axis=2)
    beside = (near > 0) & (near < 11)
    got = beside @ sent / beside.sum(axis=1)
    rate = np.column_stack([sent, 2 * got, rng.normal(size=(400, 3)) * 0.2 + (types == "a")[:, None]])
    counts = rng.poisson(np.exp(rate * 0.5 + 3)).astype(np.float32)
    features = np.array([f"G{i}" for i in range(5)], dtype=object)
    return Measurement(counts, features, entities, "counts", coordinates=points)


def test_a_gene_that_follows_neighbors_is_read_from_them():
    cells = following()
    fold = "".join(str(int(x > 95)) for x in cells.coordinates[:, 0])
    settings = {"dataset": "made-up", "rows": fold, "graph": "radius:11", "nearness": 15.0, "buffer": 11.0, "dim": 20}
    found = asked(BeyondType, cells, settings, "type", "neighbors", "neighbors:shuffled", "same-gene", "shells")
    assert found["neighbors", "r2"] > found["neighbors:shuffled", "r2"] + 0.05
    assert found["neighbors", "r2"] > found["same-gene", "r2"] + 0.05
    assert found["shells", "r2"] > found["type", "r2"] + 0.05


@pytest.mark.slow
def test_a_masked_type_is_read_from_the_types_beside_it(tissue):
    settings = {"dataset": "made-up", "graph": "nearest:6", "nearness": 12.0, "unknown": "none", "dim": 9}
    settings |= {"train": [2, 0, 0], "test": [2, 0, 1]}
    methods = ("frequencies", "nearest-cell", "neighbors", "neighbors:shuffled", "shells")
    found = asked(MaskedType, tissue, settings, *methods)
    assert found["neighbors", "nll"] < found["frequencies", "nll"]
    assert found["neighbors", "accuracy"] > found["neighbors:shuffled", "accuracy"]
    assert found["shells", "nll"] < found["frequencies", "nll"]


def staged(effect):
    """Donors of two stages; with an effect, the cells of one are sorted by type and those of the other are mixed."""
    rng, frames, points = np.random.default_rng(0), [], []
    for donor in range(8):
        stage = "sick" if donor % 2 else "well"
        for image in range(2):
            place = rng.uniform(0, 100, (80, 2))
            kind = (
                np.where(place[:, 0] > 50, "a", "b") if effect and stage == "sick" else rng.permutation(["a", "b"] * 40)
            )
            frames.append(
                pd.DataFrame({"cell_type": kind, "section": f"{donor}-{image}", "donor": f"D{donor}", "stage": stage})
            )
            points.append(place)
    entities = pd.concat(frames, ignore_index=True).rename(index=str)
    types = memberships(entities, "cell_type")
    return Measurement(types.values, types.features, entities, "arbitrary", coordinates=np.concatenate(points))


@pytest.mark.slow
def test_a_stage_that_changes_who_lies_beside_whom_is_read_from_niches():
    settings = {"dataset": "made-up", "stage": "stage", "graph": "nearest:6", "number": 4, "rounds": 2}
    cells = staged(effect=True)
    images = cells.entities.drop_duplicates("section").set_index("section").sort_index()
    donor, stage = images["donor"].to_numpy(), images["stage"].to_numpy(dtype=object)
    said, right = _staged(_shares(cells, settings, "niches", np.unique(donor), 0), donor, stage, 0)
    assert (_balanced(said, stage), right) == (1.0, 8.0)
    # One permutation cannot tell.
    rows = DonorStage().run({"made-up": cells}, settings | {"permutations": 1}, "composition", 0)
    assert rows[0].value is None
    assert "1 permutations" in rows[0].note


def test_hidden_types_are_read_without_what_is_hidden(tissue):
    settings = {"dataset": "made-up", "region": "niche", "pairs": [["T2", "N1"]], "neighbors": 6, "dim": 60}
    methods = ("tissue-response.v1", "tissue-response.v1:shuffled", "shells", "region-shift", "nearest-of-type")
    before = asked(UnseenRegion, tissue, settings, *methods, "half-of-cells")
    assert before["half-of-cells", "skill"] > max(before[method, "skill"] for method in methods)
    assert before["tissue-response.v1", "pearson"] != before["tissue-response.v1:shuffled", "pearson"]
    # The same depth in another order of genes: what is hidden is another, what is expected of it is not.
    hidden = ((tissue.entities["cell_type"] == "T2") & (tissue.entities["niche"] == "N1")).to_numpy()
    counts = tissue.dense().copy()
    counts[hidden] = counts[hidden][:, ::-1]
    other = tissue.replace(values=counts)
    for method in methods:
        expected = []
        for cells in (tissue, other):
            protocol = UnseenRegion()
            made, regions = protocol._read({"made-up": cells}, settings)
            linked = _linked(made, hidden, 6)
            types = made.entities["cell_type"].to_numpy()
            seen = _Tissue(linked, made.dense(), types, regions, hidden)
            expected.append(_expected(seen, "T2", "N1", method, settings, 0))
        np.testing.assert_allclose(*expected, atol=1e-6)


@pytest.mark.parametrize("protocol", [HeldOutLabels, BeyondType, MaskedType, DonorStage, UnseenRegion])
def test_an_unknown_method_is_refused(protocol, register):
    with pytest.raises(UnknownNameError):
        protocol().require({}, ["moon"])
    register(EntryPoint("moon", "tiny_tasks:Lengths", "aivc.manipulators"))
    with pytest.raises(UnknownNameError):
        protocol().require({}, ["moon"])
