"""A screen finds what the truth says, refuses early, and goes on where it was cut off."""

import numpy as np
import pytest

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.data.synthetic import synthetic_screen
from aivc.experiments import batch as asking
from aivc.experiments.fitting.fit import assemble, fit
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.experiments.predict import predict
from aivc.experiments.response import Response
from aivc.experiments.screen import Screen, screen

RECIPE = Recipe(dim=8, members=2, inner_folds=3)


@pytest.fixture(scope="module")
def world():
    cells, truth = synthetic_screen(perturbations=12, features=80, cells=60, controls=200, seed=3)
    return fit(cells, "transfer", recipe=RECIPE), truth


def strongest(truth, count=3):
    """Features that the first perturbation moves most, its own apart, with the signs that make a fall of them all."""
    effect_f = truth.effects[0].copy()
    effect_f[0] = 0
    return {f"G{i + 1:04}": -float(np.sign(effect_f[i])) for i in np.argsort(-np.abs(effect_f))[:count]}


def test_screen_ranks_what_lowers_the_response_first(world):
    cell, truth = world
    response = Response(strongest(truth))
    found = screen(cell, list(truth.perturbations), response)
    features = [f"G{i + 1:04}" for i in range(80)]
    wanted = [float(response.over(features, {features[i]}) @ effect_f) for i, effect_f in enumerate(truth.effects)]
    order = [list(truth.perturbations).index(text) for text in found.table["perturbation"]]
    assert order[0] == int(np.argmin(wanted))
    assert np.corrcoef(np.array(wanted)[order], found.table["score"])[0, 1] > 0.9
    assert (found.table["low"] <= found.table["score"]).all()
    assert (found.table["score"] <= found.table["high"]).all()
    assert found.table["seen"].all()
    assert found.context == "line1"


def test_direction_turns_the_ranking_round(world):
    cell, truth = world
    asked, response = list(truth.perturbations[3:8]), Response.of(["G0070", "G0071"])
    down, up = (screen(cell, asked, response, direction=way) for way in ("lower", "raise"))
    assert list(down.table["perturbation"]) == list(up.table["perturbation"])[::-1]


def test_unseen_perturbations_are_distinguished(world):
    cell, _ = world
    table = screen(cell, ["ko:G0001", "ko:G0050"], "G0060", allow_unknown=True).table.set_index("perturbation")
    assert table["seen"].to_dict() == {"ko:G0001": True, "ko:G0050": False}
    assert table["applicability"].to_dict() == {"ko:G0001": "in", "ko:G0050": "out"}
    # What was held out was answered like the second, and nothing like the first was.
    assert ["not" in table["coverage"][text] for text in ("ko:G0001", "ko:G0050")] == [True, False]
    assert not table["abstained"].any()


def test_a_screen_says_where_coverage_is_promised_and_keeps_it_in_its_file(tmp_path):
    cells, truth = synthetic_screen(perturbations=14, features=40, cells=15, controls=60)
    cell = fit(cells, "ridge-on-priors", parts=truth.priors, recipe=Recipe(dim=5, members=2, inner_folds=3))
    found = screen(cell, ["ko:G0001", "ko:G0030", "ko:NOBODY"], "G0035", allow_unknown=True)
    answer = found.table.set_index("perturbation")["coverage"].to_dict()
    # Held out were perturbations that knowledge relates to others: not what was measured, nor what nothing is known of.
    assert {text: "not" in said for text, said in answer.items()} == {
        "ko:G0001": True,
        "ko:G0030": False,
        "ko:NOBODY": True,
    }
    found.save(tmp_path / "screen.csv")
    again = Screen.load(tmp_path / "screen.csv")
    assert list(again.table["coverage"]) == list(found.table["coverage"])
    assert again.table["abstained"].dtype == bool
    assert found.to_json()["rows"][0]["coverage"] == found.table["coverage"].iloc[0]


def test_a_screen_says_of_each_row_whether_the_method_abstained():
    cells, truth = synthetic_screen(perturbations=24, features=40, cells=15, controls=60, seed=1)
    ground = shared_fit(summarize(cells), Recipe(dim=6, members=2, inner_folds=3))
    cell = assemble(ground, "nearest", parts=truth.priors, shuffled="priors", abstain=True)
    asked = [*map(str, truth.perturbations[:3]), *(f"ko:G{i:04d}" for i in range(26, 36))]
    wanted = {text: cell.predict("line1", text).abstained for text in asked}
    assert set(wanted.values()) == {True, False}
    for order in (asked, asked[::-1]):
        answer = screen(cell, order, "G0036").table.set_index("perturbation")["abstained"]
        assert answer.to_dict() == wanted


def test_own_target_is_not_credited(world):
    cell, _ = world
    both = screen(cell, ["ko:G0001"], "G0001, G0060").table.iloc[0]
    alone = screen(cell, ["ko:G0001"], "G0060").table.iloc[0]
    assert bool(both["self_target"])
    assert not bool(alone["self_target"])
    assert both["scored_on"] == 1
    assert both["score"] == pytest.approx(alone["score"])


def test_a_perturbation_of_the_whole_response_stands_last(world):
    cell, truth = world
    for way in ("lower", "raise"):
        last = screen(cell, list(truth.perturbations), "G0002", direction=way).table.iloc[-1]
        assert (last["perturbation"], last["scored_on"]) == ("ko:G0002", 0)


def test_interval_of_a_response_adds_up_half_widths(world):
    cell, _ = world
    asked = "ko:G0004"
    row = screen(cell, [asked], "G0060, -3*G0061", level=0.8).table.iloc[0]
    low, high = predict(cell, cell.start(), asking.distinct([asked])[0]).effect_interval(0.8)
    half_f = (high - low) / 2
    assert (row["high"] - row["low"]) / 2 == pytest.approx(0.25 * half_f[59] + 0.75 * half_f[60])


def test_the_fast_way_changes_nothing(world, monkeypatch):
    cell, truth = world
    asked = [*truth.perturbations, "ko:G0050"]
    fast = screen(cell, asked, "G0060, -G0061", allow_unknown=True).table
    monkeypatch.setattr("aivc.experiments.predict._same", lambda _whole, _fast: False)
    whole = screen(cell, asked, "G0060, -G0061", allow_unknown=True).table
    assert list(fast["perturbation"]) == list(whole["perturbation"])
    np.testing.assert_allclose(fast[["score", "low", "high"]], whole[["score", "low", "high"]], atol=1e-9)


def test_where_the_fast_way_differs_whole_populations_are_read(world, monkeypatch):
    cell, truth = world
    right = screen(cell, list(truth.perturbations), "G0060").table
    decoder = next(part for part in cell.instruments.values() if isinstance(part, Decoder))
    monkeypatch.setattr(type(decoder), "profile", lambda _self, ur: np.full(80, ur.values[0, 0]))
    found = screen(cell, list(truth.perturbations), "G0060").table
    np.testing.assert_allclose(found["score"], right["score"], atol=1e-9)


def test_a_screen_cut_off_goes_on_to_the_same_table(world, tmp_path, monkeypatch):
    cell, truth = world
    asked, path = list(truth.perturbations), tmp_path / "screen.jsonl"
    monkeypatch.setattr(asking, "_KEPT_AT_ONCE", 5)
    whole = screen(cell, asked, "G0060")

    def stop(what, done, total):
        if done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        screen(cell, asked, "G0060", checkpoint=path, progress=stop)
    with path.open("a") as file:
        file.write('{"perturbation": "ko:G0')
    answer = []
    again = screen(cell, asked, "G0060", checkpoint=path, progress=lambda *each: answer.append(each))
    assert answer == [("asking", 10, 12), ("asking", 12, 12)]
    assert again.table.equals(whole.table)
    assert screen(cell, asked, "G0060", checkpoint=path).table.equals(whole.table)


def test_a_checkpoint_of_another_question_is_refused(world, tmp_path):
    cell, _ = world
    path = tmp_path / "screen.jsonl"
    screen(cell, ["ko:G0001"], "G0060", checkpoint=path)
    with pytest.raises(IntegrityError, match=r"another question.*Choose another checkpoint"):
        screen(cell, ["ko:G0001"], "G0061", checkpoint=path)
    path.write_text("perturbation,score\n")
    with pytest.raises(IntegrityError, match=r"not a checkpoint.*Choose another file"):
        screen(cell, ["ko:G0001"], "G0060", checkpoint=path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_save_and_load(world, tmp_path, ending):
    cell, _ = world
    found = screen(cell, ["ko:G0001", "ko:G0050"], Response.parse("G0060, -2*G0061", "my response"), allow_unknown=True)
    found.save(tmp_path / f"screen.{ending}")
    back = Screen.load(tmp_path / f"screen.{ending}")
    assert back.to_json() == found.to_json()
    assert back.response == found.response
    assert back.table.dtypes.astype(str).to_dict() == found.table.dtypes.astype(str).to_dict()
    assert len(back.top(1)) == 1


def test_tables_are_written_and_read_only_as_such(world, tmp_path):
    cell, _ = world
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        screen(cell, ["ko:G0001"], "G0060").save(tmp_path / "screen.xlsx")
    with pytest.raises(IntegrityError, match=r"There is no file .*absent\.csv. Check the path"):
        Screen.load(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "Name at least one"),
        (["ko:G0001", "ko:G0001"], "twice: ko:G0001"),
        (["control"], "Leave it out"),
    ],
)
def test_refuses_impossible_lists(world, asked, words):
    with pytest.raises(DataError, match=words):
        screen(world[0], asked, "G0060")


def test_refuses_unknown_features_contexts_and_directions(world):
    cell, _ = world
    with pytest.raises(UnknownNameError, match="Did you mean 'G0060'"):
        screen(cell, ["ko:G0001"], "G00600")
    with pytest.raises(UnknownNameError, match="Name one of them"):
        screen(cell, ["ko:G0001"], "G0060", context="nowhere")


def test_targets_are_named_as_expressed_or_not_measured(world):
    cell, _ = world
    found = screen(cell, ["ko:G0001", "ko:ABSENT"], "G0060", allow_unknown=True)
    table = found.table.set_index("perturbation")
    assert table["expressed"].to_dict() == {"ko:G0001": "yes", "ko:ABSENT": "not measured"}
    level = cell.decode(cell.start()).mean[list(cell.decode(cell.start()).draws[0].features).index("G0001")]
    assert table.loc["ko:G0001", "target_level"] == pytest.approx(level)
    assert found.sureness == (
        f"0 of 1 unseen perturbations have an interval clear of zero (90 %, {table.loc['ko:ABSENT', 'coverage']})."
    )


def test_the_target_columns_survive_a_file(world, tmp_path):
    cell, _ = world
    found = screen(cell, ["ko:G0001", "ko:ABSENT"], "G0060", allow_unknown=True)
    found.save(tmp_path / "s.csv")
    assert Screen.load(tmp_path / "s.csv").to_json() == found.to_json()
