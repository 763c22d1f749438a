"""`aivc fit`, `predict`, `screen`, `search` and `propose`: from a file to the next plate."""

import json
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import tiny_parts
from aivc import Measurement, Recipe, Schema, VirtualCell, fit, predict
from aivc.cli import main
from aivc.core.provenance import Provenance
from aivc.experiments.library import Library
from tiny_images import written_crops


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def fit_words(small_screen: Path, out: Path) -> list[object]:
    words = ["fit", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", out]
    return [*words, "--priors", small_screen / "priors", "--members", 2, "--dim", 3]


@pytest.fixture(scope="module")
def cell(small_screen: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cells") / "cell"
    assert main(list(map(str, fit_words(small_screen, out)))) == 0
    return out


@pytest.fixture
def genes(tmp_path: Path) -> Path:
    path = tmp_path / "genes.txt"
    path.write_text("G0001\nG0002\n\nko:G0003\nG0004\nG0002\n")
    return path


def test_a_fitted_cell_can_be_loaded_and_is_not_overwritten_by_accident(cell, small_screen, capsys):
    fitted = VirtualCell.load(cell)
    assert fitted.card["manipulator"] == "effect.v2"
    assert not list(cell.parent.glob("*.partial"))
    code, said = asked(capsys, *fit_words(small_screen, cell))
    assert (code, said["error"]["type"]) == (1, "IntegrityError")
    code, said = asked(capsys, *fit_words(small_screen, cell), "--overwrite", "--seed", "0")
    assert (code, said["perturbations"], said["manipulator"]) == (0, 6, "effect.v2")


def test_a_cell_says_what_was_worsened_and_learns_to_abstain_from_no_fewer_than_ten(small_screen, tmp_path, capsys):
    code, said = asked(capsys, *fit_words(small_screen, tmp_path / "bold"))
    assert (code, said["left_out"]["n"], "abstains" in said) == (0, 6, False)
    assert said["left_out"]["harm_rate"] <= 1
    code, said = asked(capsys, *fit_words(small_screen, tmp_path / "shy"), "--manipulator", "mean-effect", "--abstain")
    assert (code, "at least 10 perturbations left out, got 6" in said["error"]["message"]) == (1, True)
    assert not (tmp_path / "shy").exists()


def test_a_folder_that_is_no_cell_is_left_alone(small_screen, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    code, said = asked(capsys, *fit_words(small_screen, tmp_path), "--overwrite")
    assert code == 1
    assert "no virtual cell" in said["error"]["message"]
    assert (tmp_path / "notes.txt").exists()


def test_a_manipulator_that_needs_knowledge_never_goes_without_quietly(small_screen, tmp_path, capsys, no_catalog):
    words = ["fit", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", tmp_path / "cell"]
    code, said = asked(capsys, *words, "--manipulator", "ridge-on-priors")
    assert (code, said["error"]["type"]) == (1, "UnavailableError")
    assert "--manipulator mean-effect" in said["error"]["remedy"]
    # The default can do without, and says that it does.
    words += ["--members", "2", "--dim", "3"]
    assert main(list(map(str, words))) == 0
    answer = capsys.readouterr()
    assert answer.err.count("without knowledge of genes") == 1
    assert "without knowledge of genes" in VirtualCell.load(tmp_path / "cell").card["notes"][0]
    assert "aivc predict" in answer.out


def test_a_prediction_names_its_largest_effects_and_writes_cells(cell, tmp_path, capsys):
    out = tmp_path / "new" / "predicted.h5ad"
    code, said = asked(capsys, "predict", cell, "ko:G0002", "--top", 5, "--cells", 12, "--out", out)
    assert code == 0
    answer = [said[name] for name in ("perturbation", "applicability", "intervals", "coverage", "abstained")]
    # It was measured, and what was held out was not: intervals are those of perturbations unlike it.
    assert answer == ["ko:G0002", "in", "not for such a perturbation", "not guaranteed", False]
    sizes = [abs(row["effect"]) for row in said["effects"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row["low"] <= row["effect"] <= row["high"] for row in said["effects"])
    made = anndata.read_h5ad(out)
    assert made.shape == (12, 40)
    rows = pd.DataFrame(said["effects"]).set_index("feature")
    for name in ("effect", "low", "high"):
        np.testing.assert_allclose(made.var.loc[rows.index, name], rows[name])
    about = made.uns["aivc"]
    fitted = VirtualCell.load(cell)
    assert (about["cell"], about["perturbation"], about["coverage"]) == (fitted.digest, "ko:G0002", "not guaranteed")
    assert about["not_for_testing"] == said["not_for_testing"]
    assert main(["predict", str(cell), "ko:G0002", "--out", str(out), "--overwrite"]) == 0
    shown = capsys.readouterr().out
    assert "seen in training" in shown
    assert said["sureness"] in shown
    assert "do not test them for p values" in shown


def test_several_perturbations_are_answered_one_by_one_and_written_together(cell, tmp_path, capsys):
    out = tmp_path / "two.h5ad"
    code, said = asked(capsys, "predict", cell, "ko:G0002", "ko:G0003", "--cells", 8, "--out", out)
    assert (code, [each["perturbation"] for each in said["predictions"]]) == (0, ["ko:G0002", "ko:G0003"])
    _, alone = asked(capsys, "predict", cell, "ko:G0003", "--cells", 8)
    assert said["predictions"][1]["effects"][0] == pytest.approx(alone["effects"][0])
    made = anndata.read_h5ad(out)
    assert made.varm["effect"].shape == (40, 2)
    row = alone["effects"][0]
    assert made.varm["effect"][list(made.var_names).index(row["feature"]), 1] == pytest.approx(row["effect"])


def test_another_ending_is_refused_before_any_work(cell, tmp_path, capsys):
    code, said = asked(capsys, "predict", tmp_path / "nowhere", "ko:G0002", "--out", "predicted.csv")
    assert (code, said["error"]["type"]) == (1, "DataError")


def test_the_shell_answers_as_python_does(cell, capsys):
    code, said = asked(capsys, "predict", cell, "ko:G0002", "--top", 40)
    fitted = VirtualCell.load(cell)
    for wanted in (predict(fitted, said["context"], "ko:G0002"), fitted.predict(said["context"], "ko:G0002")):
        place = {str(name): i for i, name in enumerate(wanted.draws[0].features)}
        rows = [place[row["feature"]] for row in said["effects"]]
        assert (code, len(rows)) == (0, 40)
        np.testing.assert_allclose([row["effect"] for row in said["effects"]], wanted.effect[rows], atol=1e-12)
        np.testing.assert_allclose([row["low"] for row in said["effects"]], wanted.effect_interval()[0][rows])


def test_a_prediction_can_start_from_your_own_controls(cell, small_screen, capsys):
    words = ("predict", cell, "ko:G0002", "--control", small_screen / "screen.h5ad")
    code, said = asked(capsys, *words, "--schema", small_screen / "schema.toml")
    assert code == 0
    code, said = asked(capsys, *words, "--schema", small_screen / "schema.toml", "--context", "new")
    assert (code, said["error"]["type"]) == (1, "ControlError")


@pytest.mark.parametrize(
    ("words", "error", "remedy"),
    [
        (["JAK2"], "PerturbationError", "ko:TP53"),
        (["kd:JAK2"], "UnknownNameError", "ko"),
        (["ko:JAK2", "--context", "K562"], "UnknownNameError", "Name one"),
        (["ko:JAK2", "--schema", "s.toml"], "SchemaError", "--control"),
        (["ko:JAK2", "--control", "screen.h5ad"], "UnavailableError", "no dataset"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(words, error, remedy, cell, capsys):
    code, said = asked(capsys, "predict", cell, *words)
    assert (code, said["error"]["type"]) == (1, error)
    assert remedy in said["error"]["message"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("G0001", "ko:G0001"), ("g0002", "ko:G0002"), ("JAK1", "ko:JAK1"), ("g0001 + JAK1", "ko:G0001 + ko:JAK1")],
)
def test_a_plain_name_is_answered_with_what_was_likely_meant(text, meant, cell, capsys):
    code, said = asked(capsys, "predict", cell, text)
    assert (code, said["error"]["type"]) == (1, "PerturbationError")
    assert said["error"]["message"].endswith(f"Did you mean {meant}?")


def test_a_cell_is_fitted_for_a_fold_and_carries_it(small_screen, tmp_path, capsys):
    words = [*fit_words(small_screen, tmp_path / "cell"), "--manipulator", "nearest", "--members", 0]
    code, said = asked(capsys, *words, "--split", "unseen-perturbation:3", "--fold", 1)
    assert (code, said["fold"], said["perturbations"]) == (0, 1, 4)
    saw = VirtualCell.load(tmp_path / "cell").provenance
    assert {each.split for name, each in saw.items() if name != "priors"} == {said["split"]}
    assert set(saw) == {"encoder-cellular", "linear-expression", "nearest", "priors"}
    code, said = asked(
        capsys, *fit_words(small_screen, tmp_path / "none"), "--split", "unseen-perturbation:3", "--fold", 3
    )
    assert (code, said["error"]["type"]) == (1, "SplitError")


def test_what_priors_were_made_from_lies_beside_them(small_screen, tmp_path):
    shutil.copytree(small_screen / "priors", tmp_path / "priors")
    Provenance("a map of pathways", expression=False).save(tmp_path / "priors" / "provenance")
    words = [*fit_words(small_screen, tmp_path / "cell"), "--priors", tmp_path / "priors", "--manipulator", "nearest"]
    assert main(list(map(str, words))) == 0
    assert VirtualCell.load(tmp_path / "cell").provenance["priors"].source == "a map of pathways"


def test_a_third_party_manipulator_that_needs_priors_is_distinguished(
    small_screen, tmp_path, capsys, no_catalog, register
):
    ours = [point for group in ("encoders", "decoders", "wrappers") for point in entry_points(group=f"aivc.{group}")]
    register(*tiny_parts.POINTS, *ours)
    words = ["fit", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", tmp_path / "cell"]
    words += ["--manipulator", "tiny-manipulator", "--members", 2, "--dim", 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_parts.TinyManipulator, "needs_parts", True)
        code, said = asked(capsys, *words)
    assert (code, said["error"]["type"]) == (1, "UnavailableError")
    assert "tiny-manipulator cannot do without" in said["error"]["message"]


def test_from_a_screen_to_the_next_plate(cell, genes, tmp_path, capsys):
    table = tmp_path / "screen.csv"
    words = ["screen", cell, "--response", "G0010, -G0011", "--raise", "--perturbations", genes, "--out", table]
    code, said = asked(capsys, *words)
    assert code == 0
    assert len(said["rows"]) == 4
    assert said["direction"] == "raise"
    scores = [row["score"] for row in said["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert list(pd.read_csv(table)["perturbation"]) == [row["perturbation"] for row in said["rows"]]
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".unfinished", ".partial")] == []
    assert {"target_level", "expressed", "annotation"} <= set(pd.read_csv(table))
    assert said["sureness"].startswith(("0 of", "1 of", "2 of", "3 of", "4 of"))
    plan = tmp_path / "plan.csv"
    code, said = asked(capsys, "propose", table, "--size", 6, "--controls", 2, "--repeat-seen", "--out", plan)
    assert code == 0
    assert sum(well["perturbation"] == "control" for well in said["wells"]) == 2
    assert len(pd.read_csv(plan)) == len(said["wells"])
    assert list(pd.read_csv(plan))[:7] == ["well", "row", "column", "perturbation", "role", "replicate", "reason"]
    sets = tmp_path / "sets.gmt"
    sets.write_text("complex\tof all\t" + "\t".join(f"G000{i}" for i in range(1, 5)) + "\n")
    words = ["--size", 24, "--controls", 2, "--repeat-seen", "--no-edge", "--guides", 2, "--explore", "0.3"]
    more = [
        *words,
        "--unexpressed",
        "--cell",
        cell,
        "--families",
        sets,
        "--per-family",
        1,
        "--overwrite",
        "--out",
        plan,
    ]
    code, said = asked(capsys, "propose", table, *more)
    assert code == 0
    assert len([well for well in said["wells"] if well["role"] == "exploit"]) <= 2
    learned = [well for well in said["wells"] if well["role"] == "explore"]
    assert learned
    assert all("of the variance of" in well["reason"] for well in learned)
    assert {well["row"] for well in said["wells"]} <= {"B", "C"}
    assert main(["propose", *map(str, [table, *more])]) == 0
    assert said["sureness"] in capsys.readouterr().out
    code, said = asked(capsys, "propose", table, "--size", 6, "--out", plan)
    assert (code, said["error"]["type"]) == (1, "IntegrityError")
    assert "--overwrite" in said["error"]["remedy"]
    code, said = asked(capsys, "propose", table, "--size", 7, "--out", plan, "--overwrite")
    assert (code, said["error"]["type"]) == (1, "DataError")


def test_a_search_ranks_candidates_by_how_close_they_come(cell, genes, tmp_path, capsys):
    goal = tmp_path / "goal.csv"
    goal.write_text("feature,change\nG0010,0.5\nG0011,-0.5\n")
    words = ["search", cell, "--goal", goal, "--candidates", genes, "--pairs", "--beam", 2, "--out", tmp_path / "f.csv"]
    code, said = asked(capsys, *words)
    assert code == 0
    assert len(said["rows"]) >= 5
    assert {row["perturbation"].count("+") for row in said["rows"]} == {0, 1}
    assert said["check_cells"] > 0
    assert isinstance(said["reached"], bool)
    assert (tmp_path / "f.csv").exists()
    goal.write_text("gene,delta\nG0010,0.5\n")
    code, said = asked(capsys, *words, "--overwrite")
    assert (code, said["error"]["type"]) == (1, "IntegrityError")
    assert "feature and change" in said["error"]["remedy"]


def test_a_search_prints_costs_side_effects_and_its_verdict(cell, genes, tmp_path, capsys):
    goal, cost = tmp_path / "goal.csv", tmp_path / "cost.csv"
    goal.write_text("feature,change\nG0010,0.5\n")
    cost.write_text("target,cost\nG0001,3\n")
    words = ["search", cell, "--goal", goal, "--candidates", genes, "--keep", "rest", "--cost", cost]
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("side", "cost", "dominated", "Applied to"))
    code, said = asked(capsys, *words, "--goal-label", "state=sick")
    assert (code, said["error"]["type"]) == (1, "SchemaError")


def test_all_means_what_was_measured_or_is_known(cell, tmp_path, capsys, no_catalog):
    words = ["screen", cell, "--response", "G0010", "--out", tmp_path / "s.csv"]
    code, said = asked(capsys, *words)
    assert code == 0
    # The cell was given knowledge of other genes, too.
    assert {row["perturbation"] for row in said["rows"]} > set(VirtualCell.load(cell).card["perturbations"])
    code, said = asked(capsys, *words, "--kind", "drug", "--overwrite")
    assert (code, said["error"]["type"]) == (1, "DataError")
    code, said = asked(capsys, *words[:-1], tmp_path / "s.xlsx")
    assert (code, said["error"]["type"]) == (1, "DataError")


@pytest.fixture(scope="module")
def effects_cell(tmp_path_factory) -> Path:
    """Fitted on effects of 24 knock-outs in four lines."""
    rng = np.random.default_rng(0)
    keys = [(f"line {line}", f"ko:G{p:02d}") for line in "ABCD" for p in range(24)]
    common_pf, own_nf = rng.normal(size=(24, 20)), 0.3 * rng.normal(size=(96, 20))
    obs = pd.DataFrame(keys, columns=["context", "perturbation"], index=[" | ".join(key) for key in keys])
    features = np.array([f"X{i}" for i in range(20)], dtype=object)
    made = Measurement(np.tile(common_pf, (4, 1)) + own_nf, features, obs, "normal_score", modality="effect")
    out = tmp_path_factory.mktemp("effects") / "cell"
    fit(made, "effect.v2", parts=None, recipe=Recipe(inner_folds=4)).save(out)
    return out


def test_a_line_never_measured_is_asked_by_name_and_distinguished_from_a_slip(effects_cell, tmp_path, capsys):
    code, said = asked(capsys, "predict", effects_cell, "ko:G03", "--context", "T98G")
    assert (code, said["context"], said["new_context"], said["contexts"]) == (0, "T98G", True, 4)
    assert (said["applicability"], said["coverage"]) == ("edge", "not guaranteed")
    code, refused = asked(capsys, "predict", effects_cell, "ko:G03", "--context", "LineA")
    assert (code, refused["error"]["type"]) == (1, "UnknownNameError")
    assert "Did you mean 'line A'" in refused["error"]["message"]
    assert "--new-context" in refused["error"]["message"]
    code, other = asked(capsys, "predict", effects_cell, "ko:G03", "--context", "LineA", "--new-context")
    assert (code, other["context"]) == (0, "LineA")
    assert other["effects"] == said["effects"]
    code, known = asked(capsys, "predict", effects_cell, "ko:G03", "--context", "line A")
    assert (known["new_context"], known["effects"] == said["effects"]) == (False, False)
    assert main(["predict", str(effects_cell), "ko:G03", "--context", "T98G"]) == 0
    answer = " ".join(capsys.readouterr().out.split())
    assert "Nothing was measured in T98G: the answer stands on the 4 contexts in which something was." in answer
    assert "10 perturbations measured there would" in answer
    assert (said["worth"]["few"], said["worth"]["contexts"], "worth" in known) == (10, 4, False)


def test_a_whole_screen_is_asked_in_a_line_never_measured(effects_cell, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("ko:G03\nko:G04\n")
    words = ["--response", "X1", "--perturbations", names, "--out", tmp_path / "screen.csv"]
    code, said = asked(capsys, "screen", effects_cell, "--context", "T98G", *words)
    assert (code, said["context"], said["new_context"]) == (0, "T98G", True)
    assert {row["coverage"] for row in said["rows"]} == {"not guaranteed"}
    code, said = asked(capsys, "screen", effects_cell, "--context", "line E", *words, "--overwrite")
    assert (code, said["error"]["type"]) == (1, "UnknownNameError")
    code, said = asked(capsys, "explain", effects_cell, "ko:G03", "--context", "line E", "--new-context")
    assert (code, said["context"]) == (0, "line E")


def test_constants_in_a_schema_work_from_the_command_line(small_screen, tmp_path, capsys):
    schema = Schema.from_toml(small_screen / "schema.toml")
    text = (small_screen / "schema.toml").read_text().replace('context = "context"', 'context = { value = "HeLa" }')
    (tmp_path / "hela.toml").write_text(text)
    assert schema.context == "context"
    words = ["fit", small_screen / "screen.h5ad", "--schema", tmp_path / "hela.toml", "--manipulator", "mean-effect"]
    code, said = asked(capsys, *words, "--out", tmp_path / "cell", "--priors", small_screen / "priors", "--members", 0)
    assert (code, said["contexts"]) == (0, ["HeLa"])


def test_cells_are_drawn_and_refused_where_nothing_was_imaged(tmp_path, capsys):
    crops, schema = written_crops(tmp_path)
    words = [
        "fit",
        crops,
        "--schema",
        schema,
        "--on-disk",
        "--manipulator",
        "mean-effect",
        "--members",
        "0",
        "--dim",
        "6",
    ]
    code, said = asked(capsys, *words, "--out", tmp_path / "cell")
    assert (code, said["images"]["channels"]) == (0, ["DNA", "Actin"])
    assert "2 perturbations can be drawn" in said["images"]["notes"][0]
    words = ["predict", tmp_path / "cell", "drug:dim", "--allow-unknown", "--image", tmp_path / "dim.png"]
    code, said = asked(capsys, *words)
    assert (code, said["files"]) == (0, {"image": str(tmp_path / "dim.png")})
    assert "is copied from the measured control cell" in said["drawn"][0]
    assert (tmp_path / "dim.png").read_bytes().startswith(b"\x89PNG")
    code, said = asked(capsys, *words)
    assert (code, "--overwrite" in said["error"]["message"]) == (1, True)
    code, said = asked(capsys, *words[:2], "drug:dim@9uM", "--image", tmp_path / "no.png")
    assert (code, "drawn only under what was imaged" in said["error"]["message"]) == (1, True)
    code, said = asked(capsys, *words[:2], "drug:dim", "drug:large", "--image", tmp_path / "no.png")
    assert (code, "one by one" in said["error"]["message"]) == (1, True)
    assert not (tmp_path / "no.png").exists()
    words = ["plot", "gallery", tmp_path / "cell", "--ask", "drug:dim", "--out", tmp_path / "dim.svg"]
    code, said = asked(capsys, *words)
    assert (code, said["caption"].startswith("Cells under drug:dim in all, at one contrast.")) == (0, True)
    svg = (tmp_path / "dim.svg").read_text(encoding="utf-8")
    assert "data:image/png" in svg
    assert 'href="http' not in svg


def test_a_cell_without_images_draws_none(cell, tmp_path, capsys):
    code, said = asked(capsys, "predict", cell, "ko:G0001", "--image", tmp_path / "no.png")
    assert (code, "fitted on no images" in said["error"]["message"]) == (1, True)


def test_a_screen_in_shards_gives_the_scores_of_one_at_once(cell, genes, tmp_path, capsys):
    words = ("screen", cell, "--response", "G0005", "--perturbations", genes, "--out")
    code, whole = asked(capsys, *words, tmp_path / "whole.csv")
    assert code == 0
    in_shards = (*words, tmp_path / "out", "--executor", "serial", "--shard", 3)
    code, said = asked(capsys, *in_shards)
    assert (code, said["perturbations"], len(list((tmp_path / "out").glob("shard-*.parquet")))) == (0, 4, 2)
    scores = {row["perturbation"]: row["score"] for row in whole["rows"]}
    assert {row["perturbation"]: row["score"] for row in said["best"]} == pytest.approx(scores)
    code, said = asked(capsys, *in_shards)
    assert (code, "holds results already" in said["error"]["message"]) == (1, True)
    code, said = asked(capsys, *in_shards, "--resume")
    assert (code, len(said["best"])) == (0, 4)


@pytest.mark.slow
def test_a_library_is_screened_in_shards(cell, tmp_path, capsys):
    Library.pairs(["G0001", "G0002", "G0003"]).save(tmp_path / "library.json")
    words = ("screen", cell, "--response", "G0005", "--library", tmp_path / "library.json", "--executor", "serial")
    code, said = asked(capsys, *words, "--shard", 2, "--out", tmp_path / "pairs")
    assert (code, said["perturbations"], len(said["best"])) == (0, 3, 3)
    code, said = asked(capsys, *words, "--perturbations", "genes.txt", "--out", tmp_path / "both")
    assert (code, "--library or --perturbations" in said["error"]["message"]) == (2, True)


def test_a_score_is_screened_in_shards_as_at_once(cell, tmp_path, capsys):
    library, line = tmp_path / "library.json", VirtualCell.load(cell).contexts[0]
    Library.singles(["G0001", "G0002", "G0003"]).save(library)
    words = ("screen", cell, "--score", f'gene:G0005 - 0.5 * at("{line}", gene:G0006)', "--library", library, "--out")
    code, whole = asked(capsys, *words, tmp_path / "whole.csv")
    assert (code, whole["context"]) == (0, line)
    code, said = asked(capsys, *words, tmp_path / "out", "--executor", "serial", "--shard", 2)
    assert (code, said["units"], said["best"]) == (0, whole["units"], whole["rows"])
    assert whole["rows"][0]["low"] < whole["rows"][0]["score"] < whole["rows"][0]["high"]
    code, said = asked(capsys, *words, tmp_path / "a.csv", "--context", f"{line},elsewhere")
    assert (code, "elsewhere" in said["error"]["message"]) == (1, True)
    plain = ("screen", cell, "--response", "G0005", "--out", tmp_path / "b.csv", "--context", f"{line},{line}")
    code, said = asked(capsys, *plain)
    assert (code, "Several contexts go with --executor" in said["error"]["message"]) == (2, True)


def test_options_of_shards_go_with_an_executor(cell, tmp_path, capsys):
    code, said = asked(capsys, "screen", cell, "--response", "G0005", "--out", tmp_path / "a.csv", "--resume")
    assert (code, "go with --executor" in said["error"]["message"]) == (2, True)
    code, said = asked(capsys, "screen", cell, "--out", tmp_path / "a.csv")
    assert (code, "--response" in said["error"]["message"]) == (2, True)
