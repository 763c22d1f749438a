import pytest

from aivc.core.errors import DataError
from aivc.service.settings import Settings


def test_everything_lies_in_its_home(tmp_path):
    made = Settings(home=tmp_path)
    assert made.database_url == f"sqlite:///{tmp_path}/aivc.db"
    assert made.hub_location == str(tmp_path / "hub")
    assert made.folder("cells").is_dir()
    assert Settings(home=tmp_path, database="sqlite://", hub="memory://x").hub_location == "memory://x"


def test_numbers_without_sense_are_refused_all_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        Settings(home=tmp_path, port=70_000, upload_limit=0)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("host", "own"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False)])
def test_only_this_computer_reaches_loopback(tmp_path, host, own):
    assert Settings(home=tmp_path, host=host).loopback == own


def test_a_proxy_is_named_by_its_address(tmp_path):
    assert Settings(home=tmp_path, proxies=("10.0.0.0/8", "::1")).proxies
    with pytest.raises(DataError, match=r"such as 10\.0\.0\.2"):
        Settings(home=tmp_path, proxies=("*",))
