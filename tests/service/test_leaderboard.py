import leaderboard_data
import pytest

from aivc.service.board_models import Leaderboard
from aivc.service.leaderboard import BOARD, leaderboard


def test_the_file_is_the_one_of_the_results():
    assert BOARD.read_text(encoding="utf-8") == leaderboard_data.written(), "run benchmarks/leaderboard_data.py"
    assert BOARD.stat().st_size < 200_000


def test_floors_and_nulls_stand_beside_the_methods():
    board = Leaderboard(**leaderboard())
    by_name = {each.name: each for each in board.benchmarks}
    rows = {row.method: row for row in by_name["papalexi-unseen-target"].rows}
    assert rows["mean-effect"].floor
    assert rows["effect.v2:shuffled"].role == "null"
    assert rows["replicate"].role == "ceiling"
    assert rows["effect.v2"].value == pytest.approx(0.1425)
    assert rows["effect.v2"].anchored == pytest.approx(0.05079, abs=1e-4)
