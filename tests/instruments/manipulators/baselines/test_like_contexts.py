"""Contexts weighted by likeness: by their controls, by their effects, or not at all where nothing is shared."""

import numpy as np
import pytest

from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.baselines.like_contexts import LikeContexts
from aivc.instruments.manipulators.baselines.transfer import Transfer
from tiny_tables import predicted, table

DIM = 40
TEXTS = [f"drug:D{i}@1uM" for i in range(12)]


def lineages(*, texts=TEXTS, controls=True, seed=0):
    """Two kinds of context, four of each; effects are those of the kind, controls lie by kind."""
    rng = np.random.default_rng(seed)
    kinds, effects = rng.normal(0, 3, (2, DIM)), rng.normal(size=(2, len(texts), DIM))
    names = {f"{kind}{i}": k for k, kind in enumerate("AB") for i in range(4)}
    start = {name: kinds[k] + rng.normal(0, 0.3, DIM) for name, k in names.items()}
    found = {
        (name, text): effects[k, i] + rng.normal(0, 0.3, DIM)
        for name, k in names.items()
        for i, text in enumerate(texts)
    }
    return found, start if controls else {name: np.zeros(DIM) for name in names}


def rivals(found, start, hidden, asked):
    """Mean correlation of predicted and true effects, of this and of the plain mean over contexts."""
    ur = table({key: effect for key, effect in found.items() if key not in hidden}, controls=start)
    scores = {}
    for part in (LikeContexts, Transfer):
        fitted = part.fit(ur)
        said = [predicted(fitted, ur, text, context)[0] for context, text in asked]
        scores[part.name] = np.mean([np.corrcoef(s, found[key])[0, 1] for s, key in zip(said, asked, strict=True)])
    return scores


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]])
def test_a_context_never_seen_perturbed_is_known_by_its_control(texts):
    found, start = lineages(texts=texts)
    asked = [("A0", text) for text in texts]
    scores = rivals(found, start, asked, asked)
    assert scores["like-contexts"] > max(0.9, scores["transfer"] + 0.1)


def test_a_context_is_known_by_its_effects_where_controls_tell_nothing():
    found, start = lineages(controls=False)
    asked = [("A0", text) for text in TEXTS[6:]]
    scores = rivals(found, start, asked, asked)
    assert scores["like-contexts"] > max(0.9, scores["transfer"] + 0.1)


def test_where_nothing_is_shared_it_is_the_plain_mean():
    found, start = lineages(controls=False)
    asked = [("A0", text) for text in TEXTS]
    ur = table({key: effect for key, effect in found.items() if key not in asked}, controls=start)
    ours, plain = LikeContexts.fit(ur), Transfer.fit(ur)
    for _, text in asked:
        np.testing.assert_allclose(predicted(ours, ur, text, "A0")[0], predicted(plain, ur, text, "A0")[0], atol=1e-9)
        np.testing.assert_allclose(predicted(ours, ur, text, "new")[0], predicted(plain, ur, text, "A0")[0], atol=1e-9)


def test_likeness_that_tells_nothing_is_not_used():
    rng, (found, start) = np.random.default_rng(5), lineages()
    effect = {text: rng.normal(size=DIM) for text in TEXTS}
    same = {(c, text): effect[text] + rng.normal(0, 1, DIM) for c, text in found}
    part = LikeContexts.fit(table(same, controls=start))
    assert part.by_controls == 0.0
    assert LikeContexts.fit(table(found, controls=start)).by_controls >= 1.0


def test_one_reading_per_effect_is_enough():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(2, 60))
    found = {
        (f"{'AB'[k]}{i}", f"drug:D{j}@1uM"): [kinds[k, j] + rng.normal(0, 0.3)]
        for k in range(2) for i in range(5) for j in range(60)
    }  # fmt: skip
    asked = [("A0", f"drug:D{j}@1uM") for j in range(40, 60)]
    ur = table({key: effect for key, effect in found.items() if key not in asked})
    truth = [found[key][0] for key in asked]
    said = {part.name: [predicted(part.fit(ur), ur, t, c)[0][0] for c, t in asked] for part in (LikeContexts, Transfer)}
    r = {name: np.corrcoef(values, truth)[0, 1] for name, values in said.items()}
    assert r["like-contexts"] > max(0.9, r["transfer"] + 0.1)


def test_what_was_not_measured_takes_no_part():
    found, start = lineages()
    rng = np.random.default_rng(1)
    holes = {key: np.where(rng.random(DIM) < 0.3, np.nan, effect) for key, effect in found.items()}
    asked = [("A0", text) for text in TEXTS]
    assert rivals(found, start, asked, asked)["like-contexts"] > 0.9
    ur = table({key: effect for key, effect in holes.items() if key not in asked}, controls=start)
    part = LikeContexts.fit(ur)
    said = [np.corrcoef(predicted(part, ur, text, "A0")[0], found["A0", text])[0, 1] for _, text in asked]
    assert np.mean(said) > 0.9
    nobody = {key: np.where(np.arange(DIM) == 3, np.nan, effect) for key, effect in holes.items() if key[1] == TEXTS[0]}
    gone = table({key: effect for key, effect in (holes | nobody).items() if key not in asked}, controls=start)
    part = LikeContexts.fit(gone)
    assert predicted(part, gone, TEXTS[0], "A0")[0][3] == pytest.approx(part.default[3])


def test_what_was_measured_here_is_weighed_in_and_what_is_unknown_is_the_mean_effect():
    found, start = lineages()
    ur = table(found, controls=start)
    part = LikeContexts.fit(ur)
    shift_d, answer = predicted(part, ur, TEXTS[0], "A0")
    assert answer is Applicability.IN
    assert np.corrcoef(shift_d, found["A0", TEXTS[0]])[0, 1] > 0.9
    shift_d, answer = predicted(part, ur, "drug:unknown@1uM", "B1")
    assert answer is Applicability.OUT
    np.testing.assert_allclose(shift_d, part.means[part.contexts.index("B1")])


def test_many_cells_weigh_more_where_contexts_are_alike():
    effects = {(c, "ko:A"): [float(c)] for c in "123"}
    ur = table(effects, cells={("3", "ko:A"): 98.0})
    part = LikeContexts.fit(ur)
    assert predicted(part, ur, "ko:A", "new")[0] == pytest.approx((1 + 2 + 3 * 98) / 100)
