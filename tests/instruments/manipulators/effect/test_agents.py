import numpy as np
import pandas as pd
import pytest

from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.effect.agents import Knowledge, agents_in_common, canonical, is_nothing
from tiny_effects import molecules

parse = Perturbation.parse


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("drug:A@1uM", "drug:A@1000nM"),
        ("drug:A@1uM", "drug:A@0.001mM"),
        ("drug:A@0.3uM for 24h", "drug:A@300nM for 24h"),
        ("ligand:IL2@1ug_per_ml", "ligand:IL2@1000ng_per_ml"),
        ("drug:A@1uM + drug:B@2uM", "drug:B@2000nM + drug:A@1000nM"),
    ],
)
def test_a_dose_is_one_dose_however_it_is_written(one, other):
    assert canonical(parse(one)) == canonical(parse(other))


def test_another_quantity_is_another_dose():
    texts = ["drug:A@1uM", "drug:A@1ng_per_ml", "drug:A@1mg"]
    assert len({canonical(parse(text)) for text in texts}) == 3
    np.testing.assert_array_equal(agents_in_common(texts, texts), np.eye(3))


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        ("drug:A@0uM", True),
        ("drug:A@1uM for 0h", True),
        ("control", False),
        ("drug:A@0uM + drug:B@1uM", False),
        ("time for 24h", False),
    ],
)
def test_nothing_is_no_dose_or_no_time(text, nothing):
    assert is_nothing(parse(text)) is nothing


def test_what_two_have_in_common_adds_up_over_agents_and_falls_with_the_distance_of_dose_and_time():
    def common(one, other):
        return agents_in_common([one], [other])[0, 0]

    assert common("ko:A + ko:B", "ko:B + ko:A") == 2
    assert common("ko:A + ko:B", "ko:A + ko:C") == 1
    assert common("ko:A", "oe:A") == 0
    assert common("drug:A@1uM", "drug:A@10uM") == pytest.approx(np.exp(-1))
    assert common("drug:A@1uM", "drug:A@100uM") == pytest.approx(np.exp(-2))
    assert common("ko:A for 6h", "ko:A for 24h") == pytest.approx(np.exp(-1))
    assert common("ko:A", "ko:A for 24h") == 0.5


def test_likeness_by_knowledge_is_of_targets_and_what_is_done_to_them():
    known = Knowledge.of(molecules({"A": [1.0, 0.0], "B": [1.0, 0.0], "C": [0.0, 1.0]}))
    like = known.likeness(["ko:A"], ["ko:B", "ko:C", "oe:B", "ko:NEVER", "ko:A + ko:NEVER"])[0]
    assert like[0] == pytest.approx(1)
    assert like[0] > like[1] > like[2] > 0
    # Half a pair is another perturbation, and of an unseen agent nothing is known.
    assert not like[3:].any()
    assert known.knows("ko:A + oe:C")
    assert not known.knows("ko:A + ko:NEVER")


def test_a_block_that_does_not_know_both_makes_nothing_alike():
    table = pd.DataFrame(
        {"covered_one": True, "axes_one": 1, "covered_two": [True, False], "axes_two": 1}, index=["A", "B"]
    )
    parts = UR(np.ones((2, 2)), Space("molecular", Scale.MOLECULAR, 2, "t"), table)
    known = Knowledge.of(parts)
    np.testing.assert_allclose(known.likeness(["ko:A", "ko:B"], ["ko:A", "ko:B"]), [[1.0, 0.5], [0.5, 0.5]])
    assert (known.share("ko:A"), known.share("ko:B"), known.share("ko:C")) == (1.0, 0.5, 0.0)
    assert not Knowledge.of(None).knows("ko:A")
