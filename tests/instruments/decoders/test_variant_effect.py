import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.instruments.decoders.kernel_readout import KernelReadout
from aivc.instruments.decoders.variant_effect import (
    AMINO_ACIDS,
    BLOSUM62,
    MaskedMarginal,
    SiteIndependent,
    SubstitutionMatrix,
    VariantFeatures,
    VariantScorer,
    zero_shot,
)

WILD = "MKTAYIAKQR"


class Alphabetical:
    """A model that likes letters late in the alphabet."""

    def score_variants(self, reference, variants, *, kind="protein"):
        return np.array([sum(map(ord, v)) - sum(map(ord, reference)) for v in variants], dtype=float)


def mutants(n=150, sites=(2, 5, 7), seed=0):
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        letters = list(WILD)
        for site in sites:
            letters[site] = AMINO_ACIDS[rng.integers(20)]
        found.append("".join(letters))
    return found


def measured(ur, y):
    return Measurement(np.asarray(y)[:, None], np.array(["fitness"]), ur.entities, "score", "effect", Scale.MOLECULAR)


def test_the_matrix_is_symmetric_and_prefers_no_change():
    np.testing.assert_array_equal(BLOSUM62, BLOSUM62.T)
    assert (np.diag(BLOSUM62) > np.where(np.eye(20), -9, BLOSUM62).max(axis=1)).all()
    # Sums of the matrix as published by the NCBI.
    assert BLOSUM62.sum() == -426
    assert BLOSUM62[AMINO_ACIDS.index("W"), AMINO_ACIDS.index("W")] == 11


def test_every_scorer_says_its_name_and_nothing_of_no_change():
    scorers = (SubstitutionMatrix(), MaskedMarginal(Alphabetical()), SiteIndependent.of_alignment([WILD, WILD]))
    for scorer in scorers:
        assert isinstance(scorer, VariantScorer)
        said = zero_shot(scorer, WILD, {"p.=": WILD, "p.M1K": "K" + WILD[1:]})
        assert said.values[0, 0] == 0
        assert said.values[1, 0] != 0
        assert list(said.features) == [scorer.name]
        assert said.units == "score"
    assert len({scorer.name for scorer in scorers}) == 3


def test_an_alignment_makes_common_letters_bearable():
    relatives = ["MK", "MR", "MR", "M-", "MK"]
    common, rare = SiteIndependent.of_alignment(relatives).score("MK", ["MR", "MW"])
    assert common > rare
    assert common == pytest.approx(0.0)


def test_letters_never_measured_at_a_site_are_placed_by_their_likeness():
    train = [v for v in mutants(400) if v[5] not in "VW"]
    hydrophobic = {letter: float(letter in "AILMFVWY") for letter in AMINO_ACIDS}
    features = VariantFeatures.of(WILD, train)
    ur = features.ur(train)
    fitted = KernelReadout.fit(ur, measured(ur, [hydrophobic[v[5]] for v in train]))
    like_isoleucine, unlike = (WILD[:5] + letter + WILD[6:] for letter in ("V", "P"))
    said = fitted.predict(features.ur([like_isoleucine, unlike]))[0][:, 0]
    assert said[0] > said[1] + 0.3


def test_two_sites_that_need_each_other_are_found():
    train = mutants(300, sites=(2, 7), seed=1)
    greasy = {letter: float(letter in "AILMFVWYC") - 0.45 for letter in AMINO_ACIDS}
    features = VariantFeatures.of(WILD, train)
    ur = features.ur(train)
    fitted = KernelReadout.fit(ur, measured(ur, [greasy[v[2]] * greasy[v[7]] for v in train]))
    assert fitted.kernel != "linear"
    new = [v for v in mutants(400, sites=(2, 7), seed=2) if v not in train]
    truth = [greasy[v[2]] * greasy[v[7]] for v in new]
    said = fitted.predict(features.ur(new))[0][:, 0]
    assert np.corrcoef(said, truth)[0, 1] > 0.7


def test_the_reference_is_zero_and_changes_outside_are_counted():
    features = VariantFeatures.of(WILD, mutants())
    ur = features.ur([WILD, "K" + WILD[1:]], names=["reference", "p.M1K"])
    assert not ur.values[0].any()
    assert ur.entities["elsewhere"].tolist() == [0, 1]
    assert ur.values[1].any()
    assert list(ur.entities.index) == ["reference", "p.M1K"]


def test_spaces_differ_where_axes_mean_something_else():
    features = VariantFeatures.of(WILD, mutants())
    one, again = features.ur([WILD]), features.ur(mutants(3))
    assert one.space == again.space
    assert one.space != features.ur([WILD], substitutions=False).space
    assert one.space != features.ur([WILD], extra={"score": np.zeros(1)}).space
    assert one.space != VariantFeatures.of(WILD, ["K" + WILD[1:]]).ur([WILD]).space


def test_refusals_say_what_to_do():
    with pytest.raises(DataError, match="by k-mers"):
        SubstitutionMatrix().score(WILD, [WILD[:-1]])
    with pytest.raises(DataError, match=r"'\*' at 3"):
        VariantFeatures.of(WILD, [WILD[:2] + "*" + WILD[3:]])


def test_names_of_variants_may_not_stand_twice_in_a_measurement():
    said = zero_shot(SubstitutionMatrix(), WILD, dict(zip("ab", mutants(2), strict=True)))
    assert isinstance(said.entities, pd.DataFrame)
    assert said.scale is Scale.MOLECULAR
