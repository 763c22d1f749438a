"""A service that the tests of one file share."""

import pytest

from tiny_service import tiny_client


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home")) as made:
        yield made
