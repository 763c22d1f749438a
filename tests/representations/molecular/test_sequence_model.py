"""The sequence model: the same vector wherever a molecule stands, and scores that find what is there to be found."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.representations.molecular import sequence_model as module
from aivc.representations.molecular.sequence_model import SequenceModel
from aivc.representations.molecular.sequence_network import PRESETS, SequenceNetwork, Shape, shape_of
from aivc.training.checkpoint import arrays_of
from aivc.training.loop import TrainingRecipe

SHAPE = Shape(16, 2, 2, 24, kernel=3, window=24, overlap=8)
RNG = np.random.default_rng(0)
SHIPPED = sorted(path.parent.name for path in module.WEIGHTS.glob("*/card.json"))


def drawn(length, letters="ACDEFGHIKLMNPQRSTVWY"):
    return "".join(RNG.choice(list(letters), length))


def molecule(sequence, kind="protein"):
    return Molecule(kind, sequence[:6], sequence=sequence)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = SequenceNetwork(SHAPE)
    # Larger than at the start of training, so that differences are not hidden by being small.
    weights = {name: array * 2 if array.ndim > 1 else array for name, array in arrays_of(network).items()}
    return SequenceModel(
        SHAPE, weights, {"sequences": [{"name": "none"}], "license": "CC0"}, np.zeros(0, dtype=np.uint64)
    )


@pytest.fixture(scope="module")
def molecules():
    proteins = [molecule(drawn(length)) for length in (1, 3, 23, 24, 25, 70, 9, 130)]
    return [*proteins, molecule(drawn(40, "ACGT"), "dna"), molecule(drawn(33, "ACGU"), "rna")]


def test_a_vector_does_not_depend_on_batch_order_or_neighbours(model, molecules):
    together = model.embed(molecules).values
    alone = np.vstack([model.embed([m]).values for m in molecules])
    backwards = model.embed(molecules[::-1]).values[::-1]
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(backwards, together, atol=1e-5)
    assert (model.embed(molecules).values == together).all()


def test_a_vector_does_not_depend_on_the_size_of_a_pass(model, molecules, monkeypatch):
    together = model.embed(molecules).values
    monkeypatch.setattr(module, "_LETTERS_AT_ONCE", 50)
    np.testing.assert_allclose(model.embed(molecules).values, together, atol=1e-5)


def test_kinds_and_letters_make_the_vector_and_names_do_not(model):
    sequence = "ACGACCAGA"
    dna, rna, protein = (model.embed([molecule(sequence, kind)]).values[0] for kind in ("dna", "rna", "protein"))
    assert min(np.abs(dna - rna).max(), np.abs(dna - protein).max()) > 1e-3
    named = Molecule("dna", "other", "mouse", sequence=sequence)
    np.testing.assert_array_equal(model.embed([named]).values[0], dna)
    transcript = Molecule("transcript", "ENST1", sequence=sequence)
    np.testing.assert_allclose(model.embed([transcript]).values[0], rna, atol=1e-6)


def test_order_of_letters_matters(model):
    a, b = model.embed([molecule("MKLV"), molecule("MLKV")]).values
    assert np.abs(a - b).max() > 1e-4


def test_what_has_no_sequence_is_masked(model):
    found = model.embed([Molecule("protein", "TP53"), molecule("MK"), Molecule("compound", "x", "", sequence="CCO")])
    assert found.known.tolist() == [False, True, False]
    assert not found.values[[0, 2]].any()
    assert model.embed([]).values.shape == (0, 16)


def test_illegal_letters_are_refused(model):
    with pytest.raises(DataError, match="letter 2"):
        model.log_likelihoods("M-K")


def test_a_variant_differs_where_it_differs(model):
    reference = molecule("MKLVAAGH")
    found = model.embed_variants(reference, [reference, molecule("MKLVAAGW"), Molecule("protein", "lost")])
    assert np.abs(found.values[0]).max() < 1e-6
    assert np.abs(found.values[1]).max() > 1e-4
    assert found.known.tolist() == [True, True, False]
    assert not found.values[2].any()
    with pytest.raises(DataError, match="Look it up"):
        model.embed_variants(Molecule("protein", "lost"), [reference])


def test_masked_marginals_are_distributions_that_do_not_see_their_own_letter(model):
    sequence = drawn(12)
    table = model.log_likelihoods(sequence)
    assert table.shape == (12, 20)
    np.testing.assert_allclose(np.exp(table).sum(1), 1, atol=1e-9)
    changed = sequence[:4] + ("W" if sequence[4] != "W" else "A") + sequence[5:]
    other = model.log_likelihoods(changed)
    np.testing.assert_allclose(other[4], table[4], atol=1e-6)
    assert np.abs(other[5] - table[5]).max() > 1e-5


def test_positions_asked_for_are_those_of_the_whole(model):
    sequence = drawn(60)
    np.testing.assert_allclose(
        model.log_likelihoods(sequence, positions=[59, 0, 30]), model.log_likelihoods(sequence)[[59, 0, 30]], atol=1e-5
    )
    with pytest.raises(DataError, match="from 0 to 59"):
        model.log_likelihoods(sequence, positions=[60])


def test_nucleotides_have_four_letters(model):
    assert model.log_likelihoods("ACGUAC", kind="rna").shape == (6, 4)


def test_scores_of_substitutions_add_up(model):
    reference = "MKLVAAGHDE"
    one, two, both, none = model.score_variants(reference, ["MRLVAAGHDE", "MKLVAAGHDY", "MRLVAAGHDY", reference])
    assert none == 0
    assert both == pytest.approx(one + two)
    assert model.score_variant(reference, "MRLVAAGHDE") == pytest.approx(one, abs=1e-5)
    back = model.score_variant("MRLVAAGHDE", reference)
    assert back == pytest.approx(-one, abs=1e-5)


def test_deletions_are_scored_by_the_letter(model):
    scores = model.score_variants("MKLVAAGHDE", ["MKLVAAGHD", "MKLVAAGHDE"])
    assert np.isfinite(scores).all()
    assert scores[0] != 0 == scores[1]


def test_a_stop_is_no_substitution(model):
    with pytest.raises(DataError, match="loss of function"):
        model.score_variants("MKL", ["MK*"])


def test_state_round_trip_keeps_every_bit(model, molecules, tmp_path):
    model.state().save(tmp_path)
    again = SequenceModel.from_state(State.load(tmp_path))
    assert (again.embed(molecules).values == model.embed(molecules).values).all()
    assert again.provenance == model.provenance
    assert isinstance(model.provenance, Mapping)
    assert model.provenance["saw"] == []
    assert model.provenance["licence"] == "CC0"
    assert again.dim == 16


def test_a_state_of_something_else_is_refused(model):
    with pytest.raises(IntegrityError, match="no sequence model"):
        SequenceModel.from_state(State({"shape": {"size": 1}, "saw": {}}, {}))
    arrays = {**model.state().arrays, "weights.bias": np.zeros(3, dtype=np.float32)}
    with pytest.raises(IntegrityError, match="another model"):
        SequenceModel.from_state(State(model.state().settings, arrays))


def test_loading_leaves_the_callers_randomness_alone(model):
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    SequenceModel.from_state(model.state())
    assert torch.rand(1) == expected


def test_fit_finds_a_rule_and_codons_and_is_the_same_every_time(monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", Shape(32, 1, 2, 48, kernel=3, window=32, overlap=8))
    # Every W stands between two Cs, and nowhere else does anything follow a rule.
    sequences = ["".join(drawn(3, "AGLK") + "CWC" for _ in range(6)) for _ in range(40)]
    recipe = TrainingRecipe(120, rate=1e-2, warmup=10)
    fitted = SequenceModel.fit({"protein": sequences}, preset="tiny", recipe=recipe, crop=24, seed=1)
    table = np.exp(fitted.log_likelihoods("AGLCWCKLA"))
    assert table[4].argmax() == "ACDEFGHIKLMNPQRSTVWY".index("W")
    assert table[4].max() > 0.6
    assert fitted.score_variant("AGLCWCKLA", "AGLCKCKLA") < -1
    assert fitted.provenance["sequences"][0]["sequences"] == 40
    assert fitted.saw_sequences([sequences[7], sequences[7].lower(), sequences[7][1:]]).tolist() == [True, True, False]
    short = TrainingRecipe(3, rate=1e-2)
    twice = [SequenceModel.fit({"protein": sequences}, preset="tiny", recipe=short, seed=1) for _ in range(2)]
    assert twice[0].state().digest() == twice[1].state().digest()


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(DataError, match="got none"):
        SequenceModel.fit({})


def test_sizes_are_what_they_say():
    assert shape_of("xs").width == 128
    for preset, millions in (("xs", 1), ("s", 4), ("m", 29), ("l", 178)):
        with torch.device("meta"):
            count = sum(p.numel() for p in SequenceNetwork(shape_of(preset)).parameters())
        assert count / 1e6 == pytest.approx(millions, rel=0.06)
    with pytest.raises(UnknownNameError, match="xs"):
        shape_of("xxs")


def test_sizes_not_shipped_are_refused():
    with pytest.raises(UnknownNameError, match=r"SequenceModel\.fit"):
        SequenceModel.pretrained("none-such")


@pytest.mark.parametrize("preset", SHIPPED)
def test_shipped_weights_answer_as_when_they_were_shipped(preset):
    folder = module.WEIGHTS / preset
    card = json.loads((folder / "card.json").read_text())
    shipped = SequenceModel.pretrained(preset)
    assert card["digest"] == shipped.provenance["digest"]
    vectors = json.loads((folder / "vectors.json").read_text())
    found = shipped.embed([Molecule(v["kind"], "shipped", sequence=v["sequence"]) for v in vectors["inputs"]]).values
    expected = np.array([v["first"] for v in vectors["inputs"]])
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=vectors["tolerance"])
    scores = [shipped.score_variant(v["reference"], v["variant"], kind=v["kind"]) for v in vectors["variants"]]
    np.testing.assert_allclose(scores, [v["score"] for v in vectors["variants"]], atol=10 * vectors["tolerance"])
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000
