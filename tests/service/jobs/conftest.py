"""A server of Redis that tests of jobs may use, where the environment names one."""

import os

import pytest


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
