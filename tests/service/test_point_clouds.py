import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.service import point_clouds
from aivc.service.point_clouds import (
    arrow_bytes,
    plane_of_states,
    plane_of_values,
    point_table,
    position_table,
    principal_plane,
)
from tiny_service import tiny_cell


def test_two_groups_lie_apart_on_the_first_axis():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 5))
    values[30:, 2] += 20
    plane = principal_plane(values)
    assert plane.shape == (60, 2)
    assert plane[30:, 0].min() > plane[:30, 0].max()
    measured = Measurement(
        values - values.min(), np.array(list("abcde")), pd.DataFrame(index=map(str, range(60))), "arbitrary"
    )
    assert np.abs(np.corrcoef(plane_of_values(measured)[:, 0], plane[:, 0])[0, 1]) == pytest.approx(1)


def test_one_axis_leaves_the_other_at_zero():
    assert principal_plane(np.arange(4.0)[:, None])[:, 1].tolist() == [0, 0, 0, 0]


def test_labels_become_dictionaries_and_long_ones_stay_away():
    entities = pd.DataFrame({"context": ["a", "b"] * 150, "name": [f"n{i}" for i in range(300)], "score": 0.5})
    table = pa.ipc.open_stream(arrow_bytes(point_table(np.zeros((300, 2)), entities, ("u", "v")))).read_all()
    assert table.column_names == ["x", "y", "context"]
    assert table.schema.field("x").type == pa.float32()
    assert table["context"].combine_chunks().to_pylist() == ["a", "b"] * 150
    assert json.loads(table.schema.metadata[b"axes"]) == ["u", "v"]


def test_states_that_a_cell_keeps_have_places():
    cell = tiny_cell()
    plane, entities = plane_of_states(cell, list(cell.starts.values()))
    assert len(plane) == len(entities) == sum(map(len, cell.starts.values()))


def test_positions_say_their_unit_and_what_tells_sections_apart():
    tissue, _ = synthetic_tissue(cells=20, features=15)
    made = position_table(tissue, "a tissue")
    assert np.allclose(made["x"].to_numpy(), tissue.coordinates[:, 0])
    assert made["section"].to_pylist() == tissue.entities["section"].tolist()
    about = {name: made.schema.metadata[name.encode()].decode() for name in ("axes", "unit", "section", "dimensions")}
    assert about == {"axes": json.dumps(["x (µm)", "y (µm)"]), "unit": "µm", "section": "section", "dimensions": "2"}
    deep = tissue.replace(coordinates=np.c_[tissue.coordinates, np.zeros(len(tissue))], provenance={})
    made = position_table(deep, "a tissue")
    assert (made.schema.metadata[b"dimensions"], made.schema.metadata[b"unit"]) == (b"3", b"")
    with pytest.raises(DataError, match="no positions"):
        position_table(tissue.replace(coordinates=None), "a screen")


def test_no_more_points_than_can_be_drawn(monkeypatch):
    monkeypatch.setattr(point_clouds, "MOST", 10)
    assert len(point_clouds.shown_rows(25)) == 10
    assert point_clouds.shown_rows(25)[[0, -1]].tolist() == [0, 24]
