import os
import uuid

import pytest
from sqlalchemy import inspect, text

from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.hub.database import open_database
from aivc.hub.hub import Hub
from aivc.hub.hub_index import VERSION_TABLE, HubIndex, HubTable
from aivc.hub.signing import TrustStore


def test_migrations_make_what_the_models_say(hub):
    seen = inspect(hub.index.engine)
    assert set(seen.get_table_names()) == {*HubTable.metadata.tables, VERSION_TABLE}
    for name, table in HubTable.metadata.tables.items():
        columns = {each["name"]: each["nullable"] for each in seen.get_columns(name)}
        assert columns == {each.name: each.nullable for each in table.columns}
        assert set(seen.get_pk_constraint(name)["constrained_columns"]) == {each.name for each in table.primary_key}


def test_words_are_found_in_any_order_and_kinds_kept_apart(hub, card, card_fields, tmp_path):
    hub.publish(card, {**card_fields, "title": "Interferon in monocytes"})
    benchmark("paul-order").save(tmp_path / "paul.json")
    hub.publish(tmp_path / "paul.json", {**card_fields, "kind": "benchmark", "description": "interferon"})
    assert [each["kind"] for each in hub.search("MONOCYTES interferon")] == ["dataset-card"]
    assert len(hub.search("interferon")) == 2
    assert [each["kind"] for each in hub.search("interferon", "benchmark")] == ["benchmark"]
    assert hub.search("interferon", limit=1)
    assert hub.search("'; drop table hub_versions; --") == []
    assert hub.search(namespace="nobody") == []


def test_postgres_does_as_sqlite(card, card_fields, tmp_path):
    url = os.environ.get("AIVC_TEST_POSTGRES")
    if not url:
        pytest.skip("AIVC_TEST_POSTGRES names no database; set it to a URL of one that may be written to")
    schema = f"hub_{uuid.uuid4().hex[:12]}"
    server = open_database(url)
    with server.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        own = f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"
        hub = Hub.open(str(tmp_path / "hub"), own, trust=TrustStore())
        hub.publish(card, {**card_fields, "title": "50 % of monocytes"})
        hub.verify("dataset-card/lab/jak", ["valid"])
        before = hub.search("50 %")
        assert before[0]["badges"]["valid"] is True
        assert hub.search("5_") == []
        assert hub.reindex() == []
        assert hub.search("50 %") == before
        HubIndex.open(own).engine.dispose()
        hub.index.engine.dispose()
    finally:
        with server.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        server.dispose()
