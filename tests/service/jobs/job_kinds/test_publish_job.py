import json
import shutil

import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.hub.hub import Hub

SAID = {"cell": "small", "name": "jak", "version": "1.0", "licence": "CC-BY-4.0", "limits": "Synthetic."}


@pytest.fixture
def hub(desk, tmp_path):
    """A hub of its own for one test."""
    desk.hub = str(tmp_path / "hub")
    return desk.hub


def test_a_cell_is_published_and_checked(desk, hub, small_home):
    private = small_home / "cells" / "small" / "about.json"
    private.write_text('{"owner": "ada"}')
    result = desk.do(desk.bench("publish", **SAID, namespace="ada"))
    private.unlink()
    assert result["ref"] == "virtual-cell/ada/jak@1.0"
    manifest = Hub.open(hub).manifest(result["ref"])
    assert (manifest.digest, manifest.limits) == (result["digest"], "Synthetic.")
    assert "about.json" not in {file.path for file in manifest.files}
    found = desk.do(desk.bench("verify", ref=result["ref"]))
    assert found["passed"] is True
    assert [each["badge"] for each in found["badges"]] == ["valid", "runs", "reproduces"]
    json.dumps([result, found], allow_nan=False)


def test_what_was_pulled_keeps_its_terms(desk, hub, small_home):
    bound = {**SAID, "namespace": "ada", "terms": ["no-redistribution"], "visibility": "private"}
    desk.do(desk.bench("publish", **bound))
    pulled = Hub.open(hub).pull("virtual-cell/ada/jak@1.0", small_home / "cells" / "pulled")
    asked = {**SAID, "cell": "pulled", "namespace": "bob"}
    try:
        with pytest.raises(DataError, match="no-redistribution"):
            desk.do(desk.bench("publish", user="bob", **asked))
    finally:
        shutil.rmtree(pulled)


def test_nobody_publishes_under_another_name_or_says_what_is_not_so(desk):
    for user, more, said in (
        ("ada", {"namespace": "bob"}, "not yours"),
        ("ada", {"namespace": "ada", "licence": "mine"}, "licence"),
        ("ada", {"namespace": "ada", "version": ""}, "version"),
        ("local", {"namespace": "any", "terms": ["nothing known"]}, "terms"),
    ):
        with pytest.raises(DataError, match=said):
            desk.jobs.submit("publish", {**SAID, **more}, user)


def test_what_is_private_of_another_is_not_there(desk, hub):
    desk.do(desk.bench("publish", **SAID, namespace="ada", visibility="private"))
    bench = desk.bench("verify", user="bob", ref="virtual-cell/ada/jak@1.0")
    with pytest.raises(UnknownNameError, match="thing in the hub"):
        desk.do(bench)
