from fastapi import FastAPI
from fastapi.testclient import TestClient

from aivc.core.errors import DataError, UnknownNameError, WritingError
from aivc.service.refusals import TooOftenError, add_refusals


def answered(error):
    app = FastAPI()
    add_refusals(app)

    @app.get("/{number}")
    def fail(number: int):
        raise error

    client = TestClient(app, raise_server_exceptions=False)
    return client.get("/1"), client.get("/x")


def test_refusals_say_every_problem():
    failed, malformed = answered(DataError(["One.", "Two."]))
    assert failed.status_code == 422
    assert failed.json() == {"error": {"kind": "DataError", "problems": ["One.", "Two."]}}
    assert malformed.status_code == 422
    assert malformed.json()["error"]["problems"][0].startswith("path.number: ")


def test_refusals_do_not_say_where_files_lie():
    failed, _ = answered(DataError(["/srv/x/screen 1.h5ad is none ('/srv/a/b.h5')."]))
    assert failed.json()["error"]["problems"] == ["screen 1.h5ad is none ('b.h5')."]


def test_a_name_that_is_not_there_is_404_and_suggests_others():
    failed, _ = answered(UnknownNameError("cell", "tin", ["tiny"]))
    assert (failed.status_code, failed.json()["error"]["kind"]) == (404, "UnknownNameError")
    assert "Did you mean 'tiny'?" in failed.json()["error"]["problems"][0]


def test_statuses_say_whose_fault_it_is():
    often, _ = answered(TooOftenError(3.2))
    assert (often.status_code, often.headers["retry-after"]) == (429, "4")
    assert answered(WritingError("full"))[0].status_code == 507
    fault, _ = answered(ZeroDivisionError("secret"))
    assert fault.status_code == 500
    assert "secret" not in fault.text


def test_notes_of_an_error_are_told():
    error = DataError(["One."])
    error.add_note("Did you mean two?")
    assert answered(error)[0].json()["error"]["problems"] == ["One.", "Did you mean two?"]
