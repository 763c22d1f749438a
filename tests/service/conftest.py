"""A service that the tests of one file share, and a server of PostgreSQL, where the environment names one."""

import os
import secrets

import pytest
from sqlalchemy import create_engine, make_url, text

from tiny_service import tiny_client


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def postgres():
    """URL of an empty database of its own."""
    named = os.environ.get("AIVC_TEST_POSTGRES")
    if not named:
        pytest.skip("AIVC_TEST_POSTGRES names no server, such as postgresql://aivc@127.0.0.1:54329/postgres")
    url = make_url(named).set(drivername="postgresql+psycopg")
    name = f"aivc_{secrets.token_hex(6)}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
