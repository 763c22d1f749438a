import itertools
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, SplitError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.splits import folds as ask
from aivc.data.splits.split import ROLES, Fold, Split, check_roles


def table(perturbations, contexts=("k562",), donors=("d1", "d2"), cells=6, units="counts", strong=()):
    """A screen with every combination of the labels; strong perturbations raise the second half of the features."""
    rng = np.random.default_rng(0)
    keys = [key for key in itertools.product(perturbations, contexts, donors) for _ in range(cells)]
    entities = pd.DataFrame(
        keys, columns=["perturbation", "context", "donor"], index=[f"c{i}" for i in range(len(keys))]
    )
    rate = np.full((len(keys), 10), 5.0)
    rate[np.ix_(entities["perturbation"].isin(strong), np.arange(5, 10))] *= 4
    counts = rng.poisson(rate) + 1
    return Measurement(counts.astype(float), np.array([f"g{i}" for i in range(10)]), entities, units)


KNOCKOUTS = [CONTROL, *(f"ko:G{i}" for i in range(10))]
DOUBLES = [CONTROL, *(f"ko:{t}" for t in "ABCDEF"), "ko:A + ko:B", "ko:C + ko:D", "ko:E + ko:F", "ko:A + ko:C"]


def seen(cells, roles, role, name="perturbation"):
    return set(cells.entities[name][roles == role])


@pytest.mark.parametrize(
    "make",
    [
        lambda cells: ask.unseen_perturbation(cells, folds=3),
        ask.unseen_context,
        lambda cells: ask.unseen_both(cells, folds=3),
        ask.unseen_donor,
        lambda cells: ask.unseen_pair(cells, folds=3),
    ],
)
class TestEverySplit:
    @pytest.fixture
    def cells(self):
        return table(KNOCKOUTS, contexts=("k562", "rpe1", "jurkat"))

    def test_roles_are_disjoint_balanced_and_honest(self, make, cells):
        split = make(cells)
        for fold in range(len(split.folds)):
            roles = split.roles(cells, fold)
            assert set(roles) <= set(ROLES)
            counts = pd.Series(roles).value_counts()
            assert abs(counts["control-train"] - counts["control-score"]) <= 3
            assert abs(counts["score"] - counts["replicate"]) <= cells.entities["perturbation"].nunique() * 3
            held_out = split.folds[fold].tested(cells)
            assert set(roles[held_out]) == {"score", "replicate"}
            assert not held_out[roles == "train"].any()

    def test_every_entity_keeps_its_role_in_any_order(self, make, cells):
        split = make(cells)
        shuffled = np.random.default_rng(1).permutation(len(cells))
        again = make(cells.take(shuffled))
        assert again == split
        np.testing.assert_array_equal(again.roles(cells.take(shuffled), 0), split.roles(cells, 0)[shuffled])

    def test_survives_disk_and_shows_edits(self, make, cells, tmp_path):
        split, path = make(cells), tmp_path / "split.json"
        split.save(path)
        assert Split.load(path) == split
        assert Split.load(path).digest == split.digest
        body = json.loads(path.read_text())
        body["seed"] += 1
        path.write_text(json.dumps(body))
        with pytest.raises(IntegrityError, match="stamp does not fit"):
            Split.load(path)

    def test_other_data_are_refused(self, make, cells):
        with pytest.raises(SplitError, match="make the split again"):
            make(cells).roles(cells.take(np.arange(len(cells) - 1)), 0)


def test_every_perturbation_is_tested_once_and_strength_is_spread():
    cells = table(KNOCKOUTS, strong=["ko:G0", "ko:G1", "ko:G2"])
    split = ask.unseen_perturbation(cells, folds=3)
    tests = [set(fold.test["perturbation"]) for fold in split.folds]
    assert set.union(*tests) == set(KNOCKOUTS) - {CONTROL}
    assert sum(map(len, tests)) == 10
    assert all(len(test & {"ko:G0", "ko:G1", "ko:G2"}) == 1 for test in tests)


def test_strength_is_large_where_there_is_an_effect_and_near_zero_for_others():
    strength = ask.effect_strength(table(KNOCKOUTS, cells=40, strong=["ko:G3"]))
    assert strength.pop("ko:G3") > 4 * max(strength.values())
    scores = table(["drug:a", "drug:b"], units="zscore")
    scores.values[:12] = np.nan
    assert ask.effect_strength(scores)["drug:a"] == 0


def test_given_strength_is_used_and_must_be_whole():
    cells = table(KNOCKOUTS)
    strength = {text: float(text in ("ko:G7", "ko:G8")) for text in KNOCKOUTS[1:]}
    split = ask.unseen_perturbation(cells, folds=2, strength=strength)
    assert [len({"ko:G7", "ko:G8"} & set(fold.test["perturbation"])) for fold in split.folds] == [1, 1]
    with pytest.raises(SplitError, match="No effect strength"):
        ask.unseen_perturbation(cells, folds=2, strength={"ko:G7": 1.0})
    with pytest.raises(SplitError, match="cannot make 0 folds"):
        ask.unseen_perturbation(cells, folds=0)


def test_what_shares_a_target_is_never_on_both_sides():
    cells = table([CONTROL, "ko:A", "ko:A + ko:B", "crispri:B", "ko:C", "ko:D", "drug:x@1uM", "drug:x@10uM"])
    for fold in range(3):
        split = ask.unseen_perturbation(cells, folds=3, seed=fold)
        roles = split.roles(cells, fold)
        trained, scored = (
            {t for text in seen(cells, roles, role) for t in Perturbation.parse(text).targets}
            for role in ("train", "score")
        )
        assert not trained & scored
        assert "unused" not in roles


def test_long_chains_of_combinations_are_cut_and_leave_no_leak():
    cells = table(
        [CONTROL, *(f"ko:{t}" for t in "ABCDEF"), *(f"ko:{a} + ko:{b}" for a, b in itertools.pairwise("ABCDEF"))]
    )
    split = ask.unseen_perturbation(cells, folds=3)
    roles = split.roles(cells, 0)
    assert "unused" in roles
    assert not {t for p in seen(cells, roles, "train") for t in Perturbation.parse(p).targets} & {
        t for p in seen(cells, roles, "score") for t in Perturbation.parse(p).targets
    }


def test_controls_of_an_unseen_context_are_given_but_not_its_perturbations():
    cells = table(KNOCKOUTS, contexts=("k562", "rpe1"))
    roles = ask.unseen_context(cells).roles(cells, 1)
    assert seen(cells, roles, "train", "context") == {"k562"}
    assert seen(cells, roles, "score", "context") == {"rpe1"}
    assert seen(cells, roles, "control-train", "context") == {"k562", "rpe1"}


def test_both_unseen_leaves_the_shared_margins_unused():
    cells = table(KNOCKOUTS, contexts=("k562", "rpe1"))
    split = ask.unseen_both(cells, folds=2)
    roles = split.roles(cells, 0)
    assert not seen(cells, roles, "train") & seen(cells, roles, "score")
    assert not seen(cells, roles, "train", "context") & seen(cells, roles, "score", "context")
    assert (roles == "unused").sum() == 10 * 12


def test_pairs_leave_row_and_column_in_training():
    cells = table(KNOCKOUTS, contexts=("k562", "rpe1", "jurkat"))
    split = ask.unseen_pair(cells, folds=3)
    assert sum(len(fold.test["pair"]) for fold in split.folds) == 30
    for fold in range(3):
        roles = split.roles(cells, fold)
        assert seen(cells, roles, "score") <= seen(cells, roles, "train")
        assert seen(cells, roles, "score", "context") <= seen(cells, roles, "train", "context")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_combinations_hide_as_many_targets_as_asked(count):
    cells = table(DOUBLES)
    split = ask.unseen_combination(cells, seen=count, folds=2)
    for fold in range(2):
        roles = split.roles(cells, fold)
        alone = {Perturbation.parse(p).targets[0] for p in seen(cells, roles, "train") if " + " not in p}
        any_trained = {t for p in seen(cells, roles, "train") for t in Perturbation.parse(p).targets}
        for text in seen(cells, roles, "score"):
            targets = set(Perturbation.parse(text).targets)
            assert len(targets & alone) == count
            assert targets & any_trained == targets & alone


def test_all_combinations_are_tested_when_both_were_seen():
    split = ask.unseen_combination(table(DOUBLES), seen=2, folds=4)
    assert sorted(p for fold in split.folds for p in fold.test["perturbation"]) == sorted(DOUBLES[7:])


def test_extrapolation_tests_the_highest():
    texts = [CONTROL, "drug:x@1uM for 6h", "drug:x@10uM for 6h", "drug:y@100uM for 24h"]
    cells = table(texts)
    assert ask.extrapolate(cells, along="dose", above=10.0).folds[0].test["perturbation"] == (texts[3],)
    assert ask.extrapolate(cells, along="dose", above=1.0).folds[0].test["perturbation"] == (texts[2], texts[3])
    split = ask.extrapolate(cells, along="hours", above=6.0)
    assert seen(cells, split.roles(cells, 0), "score") == {texts[3]}
    assert split.notes == {"along": "hours", "above": 6}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ask.unseen_perturbation(table(KNOCKOUTS), folds=11), "fewer folds"),
        (lambda: ask.unseen_perturbation(table(KNOCKOUTS), folds=1), "at least two folds"),
        (lambda: ask.unseen_context(table(KNOCKOUTS)), "use unseen_perturbation where there is one context"),
        (lambda: ask.unseen_donor(table(KNOCKOUTS), column="plate"), "0 values of 'plate'"),
        (lambda: ask.unseen_pair(table(KNOCKOUTS)), "several contexts"),
        (lambda: ask.unseen_combination(table(KNOCKOUTS), seen=2), "0 combinations"),
        (lambda: ask.unseen_combination(table(DOUBLES), seen=3), "0, 1 or 2"),
        (lambda: ask.extrapolate(table([CONTROL, "drug:x@1uM", "drug:y@1nM"]), along="dose", above=1.0), "one unit"),
        (lambda: ask.extrapolate(table([CONTROL, "drug:x@1uM"]), along="dose", above=5.0), "nothing to test"),
        (lambda: ask.extrapolate(table([CONTROL, "drug:x@1uM"]), along="dose", above=0.0), "nothing to train on"),
    ],
)
def test_impossible_requests_are_refused_with_a_remedy(make, words):
    with pytest.raises(SplitError, match=words):
        make()


def test_a_held_out_context_needs_controls():
    cells = table(KNOCKOUTS, contexts=("k562", "rpe1"))
    bare = cells.take(~((cells.contexts == "rpe1") & (cells.perturbations == CONTROL)))
    with pytest.raises(SplitError, match="'rpe1' has no control"):
        ask.unseen_context(bare)
    one = cells.take((cells.contexts == "k562") | (cells.perturbations != CONTROL) | (np.arange(len(cells)) == 6 * 2))
    with pytest.raises(SplitError, match="Give single cells"):
        ask.unseen_context(one).roles(one, 1)


def test_effects_need_neither_controls_nor_halves():
    scores = table(["drug:a", "drug:b", "drug:c"], contexts=("c1", "c2"), cells=1, donors=("d",), units="normal_score")
    roles = ask.unseen_context(scores).roles(scores, 0)
    assert set(roles) == {"train", "score"}


def test_a_perturbation_of_one_cell_has_a_truth():
    cells = table(KNOCKOUTS)
    lone = cells.take((cells.perturbations != "ko:G0") | ~cells.entities["perturbation"].duplicated().to_numpy())
    split = ask.unseen_perturbation(lone, folds=2)
    fold = next(i for i, f in enumerate(split.folds) if "ko:G0" in f.test["perturbation"])
    assert set(split.roles(lone, fold)[lone.perturbations == "ko:G0"]) == {"score"}


def test_a_fold_that_leaks_cannot_be_written():
    with pytest.raises(SplitError, match="would leak"):
        Fold({"perturbation": ("ko:A",)}, {"perturbation": ("ko:B",)})
    with pytest.raises(SplitError, match="tests nothing"):
        Fold({"perturbation": ()}, {"perturbation": ()})
    ok = Fold({"perturbation": ("ko:A",)}, {"perturbation": ("ko:A",)})
    with pytest.raises(SplitError, match="Make them disjoint"):
        Split("given", 0, (ok,), controls={"train": ("c1", "c2"), "score": ("c2",)})
    with pytest.raises(SplitError, match="at least one"):
        Split("given", 0, ())


def test_plain_folds_name_targets():
    cells = table([CONTROL, "ko:A", "crispri:A", "ko:B", "ko:C"])
    split = Split.from_json({"folds": [["A"], ["B", "C"]], "why": "peers use it"}, cells)
    assert [fold.test["perturbation"] for fold in split.folds] == [("crispri:A", "ko:A"), ("ko:B", "ko:C")]
    assert split.notes == {"why": "peers use it"}
    assert seen(cells, split.roles(cells, 0), "score") == {"crispri:A", "ko:A"}
    assert Split.from_json(split.to_json()) == split


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ({"folds": [["A"], []]}, SplitError, "empty"),
        ({"folds": [["A"], ["A"]]}, SplitError, "stands twice"),
        ({"folds": [["Aa"]]}, UnknownNameError, "'Aa'"),
        ({"folds": []}, IntegrityError, "no split"),
        ([], IntegrityError, "no split"),
        ({"folds": [["A"]], "format": 1}, IntegrityError, "damaged"),
    ],
)
def test_bad_manifests_are_refused(data, error, words):
    with pytest.raises(error, match=words):
        Split.from_json(data, table([CONTROL, "ko:A", "ko:B"]))


def test_plain_folds_need_the_data(tmp_path):
    (tmp_path / "folds.json").write_text('{"folds": [["A"]]}')
    with pytest.raises(SplitError, match="give the data too"):
        Split.load(tmp_path / "folds.json")


def test_explicit_pools_and_halves_are_taken_as_given():
    cells = table([CONTROL, "ko:A", "ko:B"])
    names = {p: list(cells.entities.index[cells.perturbations == p]) for p in (CONTROL, "ko:A", "ko:B")}
    data = {
        "folds": {"0": ["A"], "1": ["B"]},
        "control_half_A": names[CONTROL][:5],
        "control_half_B": names[CONTROL][5:10],
        "target_halves": {t: {"scoring": names[f"ko:{t}"][:4], "replicate": names[f"ko:{t}"][4:9]} for t in ("A", "B")},
    }
    roles = Split.from_json(data, cells).roles(cells, 1)
    counts = pd.Series(roles).value_counts().to_dict()
    assert counts == {"train": 12, "control-train": 5, "control-score": 5, "score": 4, "replicate": 5, "unused": 5}
    assert set(cells.entities.index[roles == "replicate"]) == set(names["ko:B"][4:9])
    data["control_half_A"] = ["c999"]
    with pytest.raises(SplitError, match="'c999'"):
        Split.from_json(data, cells).roles(cells, 0)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (["train", "train", "score"], "control has the role"),
        (["control-train", "control-score", "score"], "control has the role"),
        (["control-train", "train", "train"], "'score'"),
        (["control-train", "score", "score"], "'train'"),
        (["control-train", "train", "score"], "both trained on and scored"),
        (["control-train", "train", "test"], "Roles are"),
    ],
)
def test_leaking_roles_are_refused(roles, words):
    cells = table([CONTROL, "ko:A"], cells=2, donors=("d1",)).take(np.array([0, 2, 3]))
    with pytest.raises(SplitError, match=words):
        check_roles(np.array(roles, dtype=object), cells)


def test_the_frozen_folds_of_papalexi_2021():
    anndata = pytest.importorskip("anndata")
    root = Path(os.environ.get("AIVC_DATA", "/nowhere"))
    path, frozen = root / "A/papalexi2021_thp1_eccite_299genes.h5ad", root.parent / "benchmarks/papalexi_folds.json"
    if not (path.exists() and frozen.exists()):
        pytest.skip("AIVC_DATA holds no Papalexi 2021 with its frozen folds beside it")
    obs = anndata.read_h5ad(path, backed="r").obs
    text = [CONTROL if t == "non-targeting" else f"ko:{t}" for t in obs["target"]]
    entities = pd.DataFrame({"perturbation": text}, index=obs.index.astype(str))
    cells = Measurement(np.ones((len(obs), 1)), np.array(["g"]), entities, "counts")
    split = Split.load(frozen, cells)
    roles = split.roles(cells, 0)
    counts = pd.Series(roles).value_counts()
    assert len(split.folds) == 5
    assert split.notes["L"] == 193.0
    assert seen(cells, roles, "score") == {"ko:ATF2", "ko:ETV7", "ko:JAK2", "ko:NFKBIA", "ko:UBE2L6"}
    assert (counts["control-train"], counts["control-score"]) == (1193, 1193)
    assert "unused" not in counts
