"""An evaluation's files have names that people guess, that no two predictions share, and that stay in their folder."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.data.splits.folds import unseen_donor, unseen_perturbation
from aivc.data.splits.split import Fold, Split
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.protocol.checkpoints import CHECKPOINTS
from aivc.evaluation.protocol.output import Folder, file_name, require_free, short_names
from aivc.evaluation.protocol.questions import EvaluationSet


def labeled(texts: list[str], contexts: list[str]) -> Measurement:
    """Eight cells of each perturbation and of control in every context."""
    rows = [(text, context) for context in contexts for text in ["control", *texts] for _ in range(8)]
    entities = pd.DataFrame(rows, columns=["perturbation", "context"], index=[f"cell-{i}" for i in range(len(rows))])
    return Measurement(np.ones((len(rows), 3)), np.array(["A", "B", "C"], dtype=object), entities, units="counts")


def split_of(*texts: str) -> Split:
    return Split("given", 0, tuple(Fold({"perturbation": (text,)}, {"perturbation": (text,)}) for text in texts))


def test_a_single_target_names_its_file_and_anything_else_is_spelled_out():
    texts = {"ko:JAK2", "ko:JAK2 + ko:STAT1", "drug:nutlin-3@1uM", "drug:nutlin-3@10uM", "ko:STAT1"}
    names = short_names(texts)
    assert (names["ko:JAK2"], names["ko:STAT1"]) == ("JAK2", "STAT1")
    assert names["drug:nutlin-3@1uM"] == "drug%3Anutlin-3%401uM"
    assert names["ko:JAK2 + ko:STAT1"] == "ko%3AJAK2%20%2B%20ko%3ASTAT1"
    assert len(set(names.values())) == len(texts)


@pytest.mark.parametrize("text", ["../../etc/passwd", "..", ".hidden", "a/b", "a\\b"])
def test_no_name_leaves_its_folder(text):
    assert not file_name(text).startswith(".")
    assert not set(file_name(text)) & set("/\\")


def test_contexts_and_donors_become_folders_where_they_matter(tmp_path):
    one = Folder.claim(tmp_path / "one", labeled(["ko:A", "ko:B"], ["x"]), split_of("ko:A"))
    assert set(one.places.values()) == {"A"}
    two = Folder.claim(tmp_path / "two", labeled(["ko:A", "ko:B"], ["x", "../y"]), split_of("ko:A"))
    assert set(two.places.values()) == {"x/A", "%2E.%2Fy/A"}
    screen, _ = synthetic_screen(perturbations=4, features=20, cells=12, controls=24, donors=2)
    three = Folder.claim(tmp_path / "three", screen, unseen_donor(screen))
    assert len(set(three.places.values())) == len(three.places) == 8
    assert all(place.count("/") == 1 for place in three.places.values())


def test_batches_that_are_asked_by_become_folders_as_donors_do(tmp_path):
    screen, _ = synthetic_screen(perturbations=2, features=20, cells=24, controls=48, batches=3)
    split = unseen_donor(screen, column="batch")
    folder = Folder.claim(tmp_path, screen, split)
    asked = set(EvaluationSet.prepare(screen, split).asked)
    assert set(folder.places) == asked
    assert folder.places[0, "line1", "ko:G0001", "batch1"] == "batch1/G0001"


def test_what_is_tested_in_several_folds_is_kept_apart(tmp_path):
    again = Split("given", 0, split_of("ko:A").folds * 2)
    folder = Folder.claim(tmp_path, labeled(["ko:A", "ko:B"], ["x"]), again)
    assert sorted(folder.places.values()) == ["fold-0/A", "fold-1/A"]


def test_names_that_some_computers_take_for_one_are_refused_before_any_work(tmp_path):
    cells = labeled(["ko:A + ko:B", "ko:a + ko:B"], ["x"])
    with pytest.raises(DataError, match="Rename one"):
        Folder.claim(tmp_path / "out", cells, split_of("ko:A + ko:B", "ko:a + ko:B"))
    with pytest.raises(DataError, match="too long"):
        Folder.claim(tmp_path / "out", labeled(["ko:A", "ko:" + "B" * 300], ["x"]), split_of("ko:" + "B" * 300))
    assert not (tmp_path / "out").exists()


def test_only_a_folder_of_our_own_is_overwritten(tmp_path):
    cells = labeled(["ko:A", "ko:B"], ["x"])
    out = tmp_path / "out"
    Folder.claim(out, cells, unseen_perturbation(cells, folds=2))
    (out / CHECKPOINTS).rmdir()
    with pytest.raises(IntegrityError, match=r"unfinished evaluation.*do it again with --overwrite"):
        require_free(out)
    (out / "scores.json").write_text("{}")
    with pytest.raises(IntegrityError, match="earlier evaluation"):
        require_free(out)
    require_free(out, overwrite=True)
    (out / "predictions").mkdir()
    (out / "predictions" / "notes.txt").write_text("mine")
    with pytest.raises(IntegrityError, match=r"notes\.txt"):
        Folder.claim(out, cells, unseen_perturbation(cells, folds=2), overwrite=True)
    assert (out / "split.json").exists()
    with pytest.raises(IntegrityError, match="is a file"):
        require_free(out / "split.json")


def test_an_interrupted_evaluation_is_gone_on_with_and_its_checkpoints_end_with_it(tmp_path):
    data, split = labeled(["ko:A", "ko:B"], ["x"]), split_of("ko:A")
    Folder.claim(tmp_path, data, split).release()
    kept = tmp_path / CHECKPOINTS / "0123" / "0"
    State({"a": 1}, {}).save(kept)
    Folder.claim(tmp_path, data, split).release()
    assert State.load(kept).settings == {"a": 1}
    Folder.claim(tmp_path, data, split, overwrite=True).release()
    assert not kept.exists()
    (tmp_path / CHECKPOINTS / "notes.txt").write_text("mine")
    with pytest.raises(IntegrityError, match=r"no evaluation wrote, such as notes\.txt"):
        Folder.claim(tmp_path, data, split, overwrite=True)
