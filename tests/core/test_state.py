import dataclasses
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aivc.core.errors import IntegrityError
from aivc.core.state import State, read_json, write_text

STATE = State({"ridge": 0.1, "agents": ["ko:A", "ΔF508"]}, {"shift": np.arange(6.0).reshape(2, 3), "n": np.array(3)})
dtypes = st.sampled_from(["<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "|u1", "|b1"])


@pytest.fixture
def saved(tmp_path):
    STATE.save(tmp_path / "part")
    return tmp_path / "part"


def test_disk_round_trip(saved):
    back = State.load(saved)
    assert back.settings == STATE.settings
    assert set(back.arrays) == {"shift", "n"}
    for name, array in STATE.arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array)
        assert (back.arrays[name].shape, back.arrays[name].dtype) == (array.shape, array.dtype)
    assert back.digest() == STATE.digest()


@given(hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_any_numeric_array_survives(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("state")
    State({}, {"x": array.T}).save(folder)
    np.testing.assert_array_equal(State.load(folder).arrays["x"], array.T)


def test_digest_ignores_order_and_layout_and_nothing_else():
    arrays = dict(STATE.arrays)
    turned = State(
        dict(reversed(STATE.settings.items())), {"n": arrays["n"], "shift": np.asfortranarray(arrays["shift"])}
    )
    assert turned.digest() == STATE.digest()
    others = [
        State({**STATE.settings, "ridge": 0.2}, arrays),
        State(STATE.settings, {**arrays, "shift": arrays["shift"] + 1e-12}),
        State(STATE.settings, {**arrays, "shift": arrays["shift"].reshape(3, 2)}),
        State(STATE.settings, {**arrays, "shift": arrays["shift"].astype(np.float32)}),
        State(STATE.settings, {"moved": arrays["shift"], "n": arrays["n"]}),
    ]
    assert len({STATE.digest(), *(state.digest() for state in others)}) == len(others) + 1


@pytest.mark.parametrize("name", ["settings.json", "arrays.safetensors"])
@pytest.mark.parametrize("keep", [0, 7, -1])
def test_truncated_file_is_refused(saved, name, keep):
    path = saved / name
    whole = path.read_bytes()
    path.write_bytes(whole[:keep] if keep >= 0 or name.startswith("arrays") else whole[:-3])
    with pytest.raises(IntegrityError, match=r"[Ff]etch"):
        State.load(saved)


@pytest.mark.parametrize("name", ["settings.json", "arrays.safetensors"])
def test_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(IntegrityError, match=r"is missing|not a readable safetensors"):
        State.load(saved)


def test_altered_array_is_refused(saved):
    path = saved / "arrays.safetensors"
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    with pytest.raises(IntegrityError, match=r"altered after it was saved. Fetch it again"):
        State.load(saved)


def test_swapped_arrays_are_refused(saved, tmp_path):
    State(STATE.settings, {"shift": np.zeros((2, 3)), "n": np.array(3)}).save(tmp_path / "other")
    (tmp_path / "other" / "arrays.safetensors").replace(saved / "arrays.safetensors")
    with pytest.raises(IntegrityError, match="altered after it was saved"):
        State.load(saved)


class Trap:
    """Would raise if it were ever unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was loaded')",)


def test_pickle_in_place_of_arrays_is_refused_without_being_read(saved):
    (saved / "arrays.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(IntegrityError, match="Weights are never pickles here: fetch the part again"):
        State.load(saved)


def test_numbers_numpy_does_not_know_are_refused(saved):
    header = json.dumps({"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (saved / "arrays.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(IntegrityError, match="not a readable safetensors file"):
        State.load(saved)


@pytest.mark.parametrize("change", [{"format": 99}, {"settings": []}, {"format": None}])
def test_another_format_is_refused(saved, change):
    path = saved / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(IntegrityError, match="install the version that wrote it"):
        State.load(saved)


def test_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "deep" / "notes.json"
    write_text(path, '{"a": 1}')
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe\x00", b""])
def test_unreadable_json_is_refused(tmp_path, body):
    (tmp_path / "x.json").write_bytes(body)
    with pytest.raises(IntegrityError, match="is not readable"):
        read_json(tmp_path / "x.json")
    with pytest.raises(IntegrityError, match=r"absent\.json is missing. Check the path"):
        read_json(tmp_path / "absent.json")


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        STATE.settings = {}


def test_a_state_travels_as_bytes():
    state = State({"a": [1, "x"]}, {"w": np.arange(6.0).reshape(2, 3), "same": np.arange(6.0).reshape(2, 3)})
    sent = state.to_bytes()
    back = State.from_bytes(sent, "there")
    assert back.digest() == state.digest()
    assert back.settings == state.settings
    for broken in (sent[:-8], b"", b"\x80\x04pickle", sent[:40], sent.replace(b'\\"x\\"', b'\\"y\\"')):
        with pytest.raises(IntegrityError, match="there"):
            State.from_bytes(broken, "there")
