import io

import h5py
import numpy as np
import pyarrow as pa
import pytest

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.service.accounts import Account
from aivc.service.refusals import ForbiddenError
from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings
from tiny_service import SCHEMA, bring, tiny_client, tiny_h5ad, waiting

ADA, BOB = Account("ada", "writer"), Account("bob", "writer")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    state = ServiceState.open(Settings(home=tmp_path_factory.mktemp("home")))
    yield state.datasets
    state.engine.dispose()


def table(content):
    return pa.ipc.open_stream(content).read_all()


def test_a_file_is_asked_about_then_shown(shelf):
    made = shelf.add(waiting(shelf, tiny_h5ad(plane=True)), "screen.h5ad", "", "ada")
    assert made.state == "asked"
    assert made.asked["schema"]["units"] == "counts"
    assert made.asked["schema"]["perturbation"] == "gene"
    with pytest.raises(DataError, match="confirm"):
        shelf.points(made)
    ready = shelf.confirm(made, SCHEMA)
    assert (ready.state, ready.cells, ready.genes) == ("ready", 30, 4)
    points = table(shelf.points(ready))
    assert points["x"].to_pylist()[:2] == [0.0, 2.0]
    assert set(points["perturbation"].to_pylist()) == {"control", "ko:TP53", "ko:MYC"}
    assert b'"UMAP 1"' in points.schema.metadata[b"axes"]
    assert shelf.columns(ready).find("", 9) == ["TP53", "MYC", "JUN", "FOS"]
    assert shelf.columns(ready).units == "log1p_cp10k"


def test_data_with_positions_are_known_by_their_schema(shelf):
    plain = shelf.confirm(shelf.add(waiting(shelf, tiny_h5ad(plane=True)), "s.h5ad", "", "ada"), SCHEMA)
    placed = {**SCHEMA, "coordinates": "obsm:X_umap", "coordinate_unit": "um"}
    asked = shelf.add(waiting(shelf, tiny_h5ad(plane=True)), "s.h5ad", "", "ada")
    ready = shelf.confirm(asked, placed)
    assert [plain.positions, asked.positions, ready.positions] == [False, False, True]
    assert table(shelf.positions(ready))["x"].to_pylist()[:3] == [0.0, 2.0, 4.0]
    assert len(table(shelf.positions(ready))) == len(table(shelf.points(ready)))
    with pytest.raises(DataError, match="no positions"):
        shelf.positions(plain)
    assert not shelf.confirm(ready, SCHEMA).positions
    with pytest.raises(DataError, match="no positions"):
        shelf.positions(shelf.get(ready.id, ADA))


def test_without_a_plane_principal_components_are_shown(shelf):
    ready = shelf.confirm(shelf.add(waiting(shelf, tiny_h5ad()), "s.h5ad", "Mine", "ada"), SCHEMA)
    assert (ready.name, len(table(shelf.points(ready)))) == ("Mine", 30)


def test_problems_are_told_all_at_once_and_nothing_is_confirmed(shelf):
    made = shelf.add(waiting(shelf, tiny_h5ad()), "s.h5ad", "", "ada")
    with pytest.raises(DataError):
        shelf.confirm(made, {**SCHEMA, "perturbation": "genes", "control": ["none"]})
    assert shelf.get(made.id, ADA).state == "asked"
    with pytest.raises(UnknownNameError, match="field"):
        shelf.confirm(made, {**SCHEMA, "colour": "red"})
    with pytest.raises(IntegrityError, match="plain name"):
        shelf.confirm(made, {**SCHEMA, "metadata": "../../secret.csv"})


def test_a_dataset_of_another_user_is_not_there_and_stays(shelf):
    made = shelf.add(waiting(shelf, tiny_h5ad()), "s.h5ad", "", "ada")
    with pytest.raises(UnknownNameError):
        shelf.get(made.id, BOB)
    with pytest.raises(ForbiddenError):
        shelf.remove(made, BOB)
    shelf.remove(made, ADA)
    assert not made.folder.exists()
    with pytest.raises(UnknownNameError):
        shelf.get(made.id, ADA)


def hdf5(change):
    held = io.BytesIO(tiny_h5ad())
    with h5py.File(held, "r+") as file:
        change(file)
    return held.getvalue()


def external(file):
    del file["X"]
    file["X"] = h5py.ExternalLink("/etc/passwd", "X")


def swollen(file):
    del file["X"]
    made = file.create_dataset("X", (30, 1 << 33), "f4", chunks=(1, 1 << 10), compression="gzip")
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def objects(file):
    del file["obs/gene"]
    made = file.create_dataset("obs/gene", (30,), dtype=h5py.vlen_dtype(np.uint8))
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


@pytest.mark.parametrize(
    "content", [b"no file", hdf5(external), hdf5(swollen), hdf5(objects)], ids=["text", "link", "swollen", "objects"]
)
def test_nothing_is_kept_of_a_hostile_file(shelf, content):
    before = set(shelf.settings.folder("datasets").iterdir())
    with pytest.raises((IntegrityError, DataError)):
        shelf.confirm(shelf.add(waiting(shelf, content), "x.h5ad", "", "ada"), SCHEMA)
    assert not list(shelf.settings.folder("uploads").iterdir())
    kept = set(shelf.settings.folder("datasets").iterdir()) - before
    assert all(len(list(each.iterdir())) == 1 for each in kept)


def test_a_billion_names_in_a_few_bytes_are_refused_at_once(tmp_path):
    path = tmp_path / "many.h5ad"
    path.write_bytes(tiny_h5ad())
    with h5py.File(path, "r+") as file:
        key = file["var"].attrs["_index"]
        del file["var"][key]
        names = file["var"].create_dataset(key, shape=(10**9,), dtype=h5py.string_dtype(), chunks=(10**6,))
        names.attrs["encoding-type"], names.attrs["encoding-version"] = "string-array", "0.2.0"
    with tiny_client(tmp_path / "home", cell=False) as client:
        answer = bring(client, path.read_bytes(), "many.h5ad")
    assert answer.status_code == 422
    assert "declares" in answer.text
