import pytest

from aivc.core.errors import DataError, UnavailableError
from aivc.instruments.remote.connecting import connected
from far_parts import far_service
from tiny_service import tiny_cell


def test_a_part_says_what_it_is(tmp_path, monkeypatch):
    at = far_service(monkeypatch, tmp_path, tiny_cell())
    far = connected(f"{at}/effect.v2", "manipulator")
    assert far["digest"] == tiny_cell().instruments["effect.v2"].state().digest()
    with pytest.raises(DataError, match="decoder was wanted"):
        connected(f"{at}/effect.v2", "decoder")
    with pytest.raises(UnavailableError, match="no part named 'none'"):
        connected(f"{at}/none", "decoder")


def test_a_token_is_needed_where_others_reach_the_service(tmp_path, monkeypatch):
    at = far_service(monkeypatch, tmp_path, tiny_cell(), host="0.0.0.0")
    with pytest.raises(UnavailableError, match="token"):
        connected(f"{at}/effect.v2", "manipulator")
