"""Whatever the description of the API allows, and much that it does not: no request is answered by a fault."""

import threading
import warnings

import pytest
from hypothesis import HealthCheck, given, settings

from aivc.core.state import State
from tiny_service import tiny_client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis


@schemathesis.serializer("application/vnd.aivc.state")
def state_of(_context, value):
    """Bytes that are none of a state, and states that are none of a question."""
    content = value if isinstance(value, bytes) else str(value).encode()
    asked = {"asked": {"perturbations": [content.decode("latin-1")]}, "states": {}, "population 0": {}}
    return content if len(content) % 2 else State(asked).to_bytes()


# Checks of these take minutes, and their own tests ask them what is odd.
_LEFT_OUT = ("verifyVersion", "getEvents")


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    with tiny_client(tmp_path_factory.mktemp("home"), requests_per_minute=10**6, heavy_per_minute=10**6) as client:
        # Checks of types draw at random while the service warms up, which Hypothesis takes for a draw of its own.
        for thread in threading.enumerate():
            if thread.name == "aivc-warm-up":
                thread.join()
        schema = schemathesis.openapi.from_dict(client.get("/api/v1/openapi.json").json())
        yield client, schema


def ask(described, examples):
    client, schema = described
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.definition.raw.get("operationId") in _LEFT_OUT:
            continue

        @settings(
            max_examples=examples, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def answered(case):
            kwargs = case.as_transport_kwargs(base_url="http://testserver")
            kwargs.pop("cookies", None)
            if isinstance(kwargs.get("data"), bytes):
                kwargs["content"] = kwargs.pop("data")
            answer = client.request(**kwargs)
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.text[:500]}"

        answered()
        asked += 1
    assert asked > 20


@pytest.mark.slow
def test_no_request_is_answered_by_a_fault(described):
    ask(described, 1)


@pytest.mark.slow
def test_many_requests_are_answered_without_a_fault(described):
    ask(described, 100)
