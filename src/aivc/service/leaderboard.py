"""The leaderboard that comes with the package: every frozen benchmark, with floors, nulls and ceilings."""

import json
from functools import cache
from pathlib import Path
from typing import Any

BOARD = Path(__file__).parent / "leaderboard.json"


@cache
def leaderboard() -> dict[str, Any]:
    """What `benchmarks/leaderboard_data.py` made of the results, as `aivc.service.board_models.Leaderboard` says.

    >>> "papalexi-unseen-target" in {each["name"] for each in leaderboard()["benchmarks"]}
    True
    """
    found: dict[str, Any] = json.loads(BOARD.read_text(encoding="utf-8"))
    return found
