import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aivc.core.errors import DataError, UnknownNameError, WritingError
from aivc.service.jobs.job import failure
from aivc.service.refusals import TooOftenError, add_refusals
from tiny_service import tiny_client


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


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/srv/my data/old files/a.csv is empty.", "a.csv is empty."),
        ("'/srv/my data/folder' is one.", "'folder' is one."),
        (r"C:\Users\Ada Byron\a b.csv is empty.", "a b.csv is empty."),
        (r"'C:\\Users\\Ada Byron\\a.csv' is empty.", "'a.csv' is empty."),
        ("D:/data/a.csv is empty.", "a.csv is empty."),
        (r"\\server\share of ada\a.csv is empty.", "a.csv is empty."),
        ("sqlite:////srv/x/aivc.db is locked.", "aivc.db is locked."),
        ("/srv/a.csv and obs/gene differ from /srv/b/c.csv.", "a.csv and obs/gene differ from c.csv."),
        ("Read https://example.org/a b/c.html, or POST /api/v1/jobs.", "Read https://example.org/a b/c.html, or POST "
         "/api/v1/jobs."),
        ("ko:JAK2/drug:x@1uM is 1/2.", "ko:JAK2/drug:x@1uM is 1/2."),
    ],
)  # fmt: skip
def test_folders_are_left_out_however_they_are_called(said, shown):
    failed, _ = answered(DataError([said]))
    assert failed.json()["error"]["problems"] == [shown]


def test_folders_of_the_service_are_left_out_without_an_ending_too(tmp_path):
    with tiny_client(tmp_path / "my home", cell=False) as client:

        def fail(_account):
            raise DataError([f"{tmp_path / 'my home' / 'cells' / 'x-1'} is no folder of a cell."])

        client.app.state.service.datasets.seen_by = fail
        answer = client.get("/api/v1/datasets")
    assert answer.json()["error"]["problems"] == ["x-1 is no folder of a cell."]


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


def test_a_job_fails_in_the_same_words():
    said = "Nothing is known of /srv/my data/x.csv: allow_unknown=True, or --allow-unknown in a shell."
    (problem,) = failure("UnknownNameError", [said])["problems"]
    assert problem.startswith('Nothing is known of x.csv: "allow_unknown": true in the request')
