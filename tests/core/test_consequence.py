"""A stop codon is a knock-out, a synonymous change is nothing, and what the text does not tell stays as it is."""

import numpy as np
import pytest

from aivc.core.consequence import consequence
from aivc.core.perturbation import Perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("variant:TP53:p.R175*", "ko:TP53"),
        ("variant:TP53:p.R97fs", "ko:TP53"),
        ("variant:TP53:p.R175=", "control"),
        ("variant:TP53:p.R175H", "variant:TP53:p.R175H"),
        ("variant:APOE:e4", "variant:APOE:e4"),
        ("variant:TP53:p.R175= for 48h", "control"),
        ("variant:TP53:p.R175* + ko:TP53", "ko:TP53"),
        ("ko:TP53 + drug:nutlin-3@1uM", "drug:nutlin-3@1uM + ko:TP53"),
        ("control", "control"),
    ],
)
def test_a_variant_is_what_it_does(text, meant):
    assert str(consequence(Perturbation.parse(text))) == meant


@pytest.mark.parametrize("method", ["transfer", "additive", "mean-effect", "ridge-on-priors"])
def test_every_manipulator_holds_loss_of_function_for_a_knock_out_and_silence_for_nothing(method):
    cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    cell = fit(cells, method, parts=truth.priors, recipe=Recipe(dim=4, members=2, inner_folds=0))
    context = str(cells.contexts[0])
    asked = {name: cell.predict(context, text).mean for name, text in (
        ("ko", "ko:G0001"), ("stop", "variant:G0001:p.R175*"), ("silent", "variant:G0001:p.R175="), ("none", "control")
    )}  # fmt: skip
    np.testing.assert_array_equal(asked["stop"], asked["ko"])
    np.testing.assert_array_equal(asked["silent"], asked["none"])
    assert not np.allclose(asked["ko"], asked["none"])
