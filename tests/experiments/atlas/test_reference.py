import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.experiments.atlas.reference import Atlas


def study(name, seed, *, types=3, n=240):
    rng = np.random.default_rng(seed)
    rate = np.random.default_rng(1).gamma(1.0, 6.0, (4, 25))
    own = rng.integers(0, types, n) if types < 4 else np.full(n, 3)
    entities = pd.DataFrame(
        {
            "study": name,
            "tissue": np.array(["blood", "gut"])[rng.integers(0, 2, n)],
            "cell_type": np.array(["B", "T", "NK", "odd"])[own],
            "donor": [f"{name}-{i}" for i in rng.integers(0, 3, n)],
        },
        index=[f"{name}:{i}" for i in range(n)],
    )
    genes = np.array([f"G{i}" for i in range(25)], dtype=object)
    return Measurement(rng.poisson(rate[own]).astype(np.float32), genes, entities, "counts")


@pytest.fixture(scope="module")
def atlas():
    return Atlas.build([study("one", 2), study("two", 3)], label="cell_type", dim=4)


def test_transfers_labels_and_names_neighbours(atlas):
    asked = study("three", 4)
    table, near = atlas.ask(asked, k=5)
    assert (table["best"] == asked.entities["cell_type"]).mean() > 0.95
    assert table["new"].mean() < 0.1
    assert (table["coverage"] == 1).all()
    assert len(near) == 5 * len(asked)
    assert list(near.columns[:4]) == ["entity", "rank", "distance", "match"]
    assert {"study", "tissue", "cell_type"} <= set(near)
    assert set(near["study"]) == {"one", "two"}
    assert near.loc[near["rank"] == 1, "distance"].mean() <= near.loc[near["rank"] == 5, "distance"].mean()


def test_a_type_never_seen_is_new(atlas):
    table = atlas.ask(study("four", 5, types=4)).table
    assert table["new"].mean() > 0.5
    assert table["novelty"].median() > atlas.ask(study("three", 4)).table["novelty"].median()
    assert set(table.loc[table["new"], "label"]) == {"unknown"}


def test_round_trip_answers_to_the_last_bit(atlas, tmp_path):
    atlas.save(tmp_path / "atlas")
    again, asked = Atlas.load(tmp_path / "atlas"), study("three", 4)
    pd.testing.assert_frame_equal(again.ask(asked).table, atlas.ask(asked).table)
    pd.testing.assert_frame_equal(again.ask(asked).near, atlas.ask(asked).near)
    assert again.card == atlas.card
    with pytest.raises(IntegrityError, match="another folder"):
        atlas.save(tmp_path / "atlas")
    (tmp_path / "atlas" / "atlas.json").write_text("{}")
    with pytest.raises(IntegrityError, match="Build and save it again"):
        Atlas.load(tmp_path / "atlas")


def test_takes_states_and_refuses_those_of_another_encoder(atlas):
    cells = study("three", 4)
    table = atlas.ask(atlas.encoder.encode(cells)).table
    pd.testing.assert_frame_equal(table.drop(columns="coverage"), atlas.ask(cells).table.drop(columns="coverage"))
    with pytest.raises(SpaceError, match="Encode the data"):
        atlas.ask(ENCODERS.load("ppca").fit(cells, dim=4).encode(cells))


def test_what_makes_no_atlas_is_refused(atlas):
    with pytest.raises(DataError, match="studies with entities"):
        Atlas.build([])
    with pytest.raises(DataError, match="Put the study before each name"):
        Atlas.build([study("one", 2), study("one", 3)])
    with pytest.raises(ValueError, match="k=15"):
        atlas.ask(study("three", 4), k=0)
