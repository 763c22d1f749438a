from aivc.evaluation.consistency.suite import consistency
from tiny_consistency import embedded, tissue


def test_every_property_has_its_row_and_the_same_seed_gives_the_same():
    seen = []
    found = consistency(embedded().cell, tissue(), progress=lambda what, done, total: seen.append((done, total)))
    assert [row.code for row in found.rows] == ["C1", "C7", "C8", "C9", "C10", "C10", "C13", "C15"]
    assert {row.code: row.verdict for row in found.rows if row.code in ("C7", "C8")} == {"C7": "pass", "C8": "pass"}
    assert all(row.note for row in found.rows if row.verdict == "not applicable")
    assert found.about["cells"] == len(tissue())
    assert seen == [(i, 7) for i in range(7)]
    assert consistency(embedded().cell, tissue()).to_json() == found.to_json()
