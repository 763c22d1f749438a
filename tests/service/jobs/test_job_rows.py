import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.service.jobs.job_rows import RowsAsked, job_rows


@pytest.fixture
def path(tmp_path):
    table = pa.table(
        {
            "perturbation": ["ko:A", "ko:B", "drug:c+", "ko:D", "ko:E"],
            "score": [0.2, float("nan"), -float("inf"), 0.2, None],
            "seen": [True, False, True, False, None],
            "applicability": pa.array(["in", "edge", "in", "out", "in"]).dictionary_encode(),
            "rank": [5, 4, 3, 2, 1],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def found(path, **asked):
    answer = job_rows(path, RowsAsked(**asked))
    return [row["perturbation"] for row in answer["rows"]], answer["total"]


def test_the_order_of_the_table_is_kept_unless_another_is_asked_for(path):
    assert found(path)[0] == ["ko:A", "ko:B", "drug:c+", "ko:D", "ko:E"]
    assert found(path, sort="rank")[0][0] == "ko:E"
    assert found(path, sort="perturbation", descending=True)[0][0] == "ko:E"
    assert found(path, sort="applicability")[0] == ["ko:B", "ko:A", "drug:c+", "ko:E", "ko:D"]


def test_what_is_missing_comes_last_either_way_and_equals_keep_their_order(path):
    assert found(path, sort="score")[0] == ["drug:c+", "ko:A", "ko:D", "ko:B", "ko:E"]
    assert found(path, sort="score", descending=True)[0] == ["ko:A", "ko:D", "drug:c+", "ko:B", "ko:E"]


def test_pages_cover_all_rows_once(path):
    pages = [found(path, sort="score", limit=2, offset=start) for start in (0, 2, 4, 6)]
    assert [name for names, _ in pages for name in names] == found(path, sort="score")[0]
    assert {total for _, total in pages} == {5}
    assert found(path, limit=0) == ([], 5)


def test_filters_are_texts_as_they_stand(path):
    assert found(path, text="C+") == (["drug:c+"], 1)
    assert found(path, text="EDGE") == (["ko:B"], 1)
    assert found(path, text=".*") == ([], 0)
    assert found(path, where=(("seen", False),)) == (["ko:B", "ko:D"], 2)
    assert found(path, where=(("applicability", "in"), ("seen", True))) == (["ko:A", "drug:c+"], 2)


def test_numbers_that_are_none_are_none(path):
    rows = job_rows(path, RowsAsked())["rows"]
    assert [row["score"] for row in rows] == [0.2, None, None, 0.2, None]


def test_what_is_wrong_is_said(path, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'score'"):
        found(path, sort="scor")
    with pytest.raises(DataError, match="holds true or false"):
        found(path, where=(("seen", "yes"),))
    with pytest.raises(DataError, match="up to 1000 rows"):
        found(path, limit=1001)
    (tmp_path / "odd.parquet").write_bytes(b"no table")
    with pytest.raises(IntegrityError, match=r"odd\.parquet is no table"):
        found(tmp_path / "odd.parquet")
