"""Servers that tests of jobs may use, where the environment names them."""

import os
import secrets

import pytest
from sqlalchemy import create_engine, make_url, text


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


@pytest.fixture
def redis_url():
    """URL of a Redis whose queue of jobs is empty before and after."""
    named = os.environ.get("AIVC_TEST_REDIS")
    if not named:
        pytest.skip("AIVC_TEST_REDIS names no server, such as redis://127.0.0.1:63799/0")
    redis = pytest.importorskip("redis")
    client = redis.Redis.from_url(named)
    client.delete("huey.redis.aivcjobs")
    yield named
    client.delete("huey.redis.aivcjobs")
    client.close()
