from aivc.service.cell_details import capabilities, detail, score_table, summary
from aivc.service.cell_models import CellDetail
from aivc.service.served_cells import ServedCell
from evaluator_bodies import full_body
from tiny_service import tiny_cell


def test_a_cell_is_described_without_reading_its_data(tmp_path):
    served = ServedCell("tiny", tmp_path, "Tiny")
    found = summary(served, tiny_cell())
    assert (found["perturbations"], found["features"], found["kinds"]) == (6, 40, ["ko"])
    whole = CellDetail(**detail(served, tiny_cell()))
    assert whole.scores is None
    assert whole.dataset is None
    assert "perturbations" not in whole.card


def test_what_it_can_be_asked_about():
    assert capabilities(tiny_cell()) == {"cells": True, "tissue": False, "time": False, "images": False}


def test_scores_are_one_table_with_a_sentence():
    table = score_table(full_body(), tiny_cell())
    assert table["methods"][0]["name"] == full_body()["baseline"]
    assert {metric["better"] for each in table["methods"] for metric in each["metrics"].values()} <= {
        "higher",
        "lower",
        "neither",
    }
    assert "mean effect" in table["sentence"]
