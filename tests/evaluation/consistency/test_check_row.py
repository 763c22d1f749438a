import json

from aivc.core.virtual_cell import VirtualCell
from aivc.evaluation.consistency.check_row import Consistency, asked, judged, spared
from tiny_consistency import embedded

ROW = asked("C7", "a property", "a number", "< 1")


def test_rows_say_what_was_found_or_why_nothing_was():
    found = Consistency((judged(ROW, 2.0, 3.0, holds=False), spared(ROW, "there is no part")), {"cells": 5})
    assert found.failed == ["C7"]
    assert found.table["verdict"].tolist() == ["fail", "not applicable"]
    assert found.table["value"].iloc[0] == 2.0
    assert found.rows[1].note == "there is no part"
    body = json.loads(json.dumps(found.to_json()))
    assert body["rows"][1]["value"] is None
    assert body["about"] == {"cells": 5}


def test_the_table_is_saved_on_the_card_and_answers_stay(tmp_path):
    cell = embedded().cell
    found = Consistency((judged(ROW, 0.0, None, holds=True),), {"cells": 5})
    kept = found.on_card(cell)
    kept.save(tmp_path / "cell")
    again = VirtualCell.load(tmp_path / "cell")
    assert again.card["consistency"] == found.to_json()
    assert again.card["cells"] == cell.card["cells"]
    assert again.digest == cell.digest
    assert "consistency" not in cell.card
