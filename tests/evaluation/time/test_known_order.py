"""Cells on a line are put in order from their root or by velocity; from roots drawn at random they are not."""

import pytest

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.evaluation.time.known_order import KnownOrder
from tiny_velocity import NEXT, moving_cells

SETTINGS = {"dataset": "spliced", "rows": 180, "column": "cell_type", "root": "early", "pairs": NEXT}
SETTINGS |= {"encoder": "count-pca", "axes": 6, "roots": 6, "resamples": 20}
SETTINGS |= {"unspliced": "unspliced", "smooth": 15, "shuffles": 2}


@pytest.fixture(scope="module")
def data():
    spliced, unspliced, _ = moving_cells()
    return {"spliced": spliced, "unspliced": unspliced}


def asked(data, settings, *methods):
    protocol = KnownOrder()
    protocol.require(settings, methods)
    rows = {method: protocol.run(data, settings, method, 0) for method in methods}
    return {method: {(row.fold, row.metric): row for row in each} for method, each in rows.items()}


def test_cells_are_put_in_order_from_a_root(data):
    methods = ("order", "order-path", "order:shuffled", "root-distance", "random-order", "velocity-off", "velocity")
    found = asked(data, SETTINGS, *methods)
    value = {method: rows["", "auroc"].value for method, rows in found.items()}
    for method in ("order", "order-path", "root-distance", "velocity-off", "velocity"):
        assert value[method] > 0.85, method
    assert value["order:shuffled"] < 0.8
    assert 0.4 < value["random-order"] < 0.6
    assert value["velocity-off"] == pytest.approx(value["order-path"], abs=0.02)
    own = found["order"]
    assert [fold for fold, metric in own if metric == "auroc"] == ["early → middle", "middle → late", ""]
    assert own["", "auroc"].low <= own["", "auroc"].value <= own["", "auroc"].high


def test_without_a_root_velocity_finds_the_direction(data):
    found = asked(data, SETTINGS | {"root": ""}, "velocity", "velocity:shuffled", "genes-detected", "unspliced-share")
    assert found["velocity"]["", "auroc"].value > 0.9
    assert found["velocity"]["", "auroc"].value > found["velocity:shuffled"]["", "auroc"].value + 0.1
    assert found["velocity"]["", "cosine_to_next"].value > found["velocity:shuffled"]["", "cosine_to_next"].value + 0.2


def test_what_cannot_be_asked_is_refused(data):
    plain = {key: value for key, value in SETTINGS.items() if key not in ("unspliced", "smooth", "shuffles")}
    for settings, method in (
        (SETTINGS | {"root": ""}, "order"),
        (SETTINGS, "genes-detected"),
        (plain, "velocity"),
        (SETTINGS, "moon"),
    ):
        with pytest.raises(UnknownNameError):
            KnownOrder().require(settings, [method])
    for lacking in ("pairs", "smooth"):
        with pytest.raises(IntegrityError, match=lacking):
            KnownOrder().require({key: value for key, value in SETTINGS.items() if key != lacking}, ["order"])
    for change in ({"rows": 179}, {"pairs": [["early", "dead"]]}):
        with pytest.raises(IntegrityError, match="frozen on"):
            KnownOrder().run(data, SETTINGS | change, "order", 0)
