"""Batches of the sequence model: what is hidden is asked for, and shares make up the whole."""

import numpy as np
import pytest
import torch

from aivc.core.errors import DataError
from aivc.representations.molecular.alphabet import MASK, PAD, SYMBOLS, encode
from aivc.representations.molecular.pretrain import (
    Crops,
    SequenceSource,
    guess_by_counts,
    guess_hidden,
    hidden,
    objective,
    seen_half,
)
from aivc.representations.molecular.sequence_network import SequenceNetwork, Shape

PROTEINS = ("MKLVAAGHDEWWYRNDPQ", "MAVLLSGGX", "MSTNPKPQRKTKRNTNRRPQDVKFPGGGQIVGGVYLLPRRG")
SOURCES = (
    SequenceSource("proteins", "protein", PROTEINS, rows=4, coding=2),
    SequenceSource("promoters", "dna", ("ACGTACGTTTGACA",), rows=2),
)


def test_batches_are_a_function_of_seed_and_step():
    first, again, other = Crops(SOURCES, 12, 1), Crops(SOURCES, 12, 1), Crops(SOURCES, 12, 2)
    assert all((first(3, 0, 1)[k] == again(3, 0, 1)[k]).all() for k in ("symbols", "target", "amino", "kinds"))
    assert (
        first(3, 0, 1)["symbols"].shape != other(3, 0, 1)["symbols"].shape
        or (first(3, 0, 1)["symbols"] != other(3, 0, 1)["symbols"]).any()
    )
    assert (first(3, 0, 1)["symbols"] != first(4, 0, 1)["symbols"]).any()


def test_shares_of_processes_make_up_the_batch():
    crops = Crops(SOURCES, 12)
    whole, parts = crops(0, 0, 1), [crops(0, rank, 2) for rank in (0, 1)]
    for name, tensor in whole.items():
        assert (torch.cat([parts[0][name], parts[1][name]]).sort(0)[0] == tensor.sort(0)[0]).all()


def test_hidden_letters_are_asked_for_and_no_others():
    batch = Crops(SOURCES, 12)(0, 0, 1)
    assert ((batch["symbols"] == MASK) == (batch["target"] >= 0)).all()
    assert ((batch["target"] >= 0).sum(1) >= 1).all()
    assert (batch["target"][batch["symbols"] == PAD] < 0).all()


def test_unknown_letters_are_never_asked_for():
    row = hidden(encode("XXXM", "protein"), "protein", np.random.default_rng(0), 1.0)
    assert np.flatnonzero(row["target"] >= 0).tolist() == [3]


def test_codons_are_asked_for_at_their_middle_letters():
    coding = Crops([SequenceSource("p", "protein", ("MKV",), rows=0, coding=1)], 9)(0, 0, 1)
    amino = coding["amino"][0]
    assert [SYMBOLS[code] for code in amino[amino >= 0]] == ["M", "K", "V"]
    assert torch.nonzero(amino >= 0).ravel().tolist() == [1, 4, 7]


def test_nothing_to_crop_is_refused():
    with pytest.raises(DataError, match="got none"):
        Crops([SequenceSource("empty", "dna", (), rows=3)], 12)


def test_losses_at_the_start_are_those_of_guessing_blindly():
    torch.manual_seed(0)
    network = SequenceNetwork(Shape(16, 1, 2, 16))
    torch.nn.init.zeros_(network.symbols.weight)
    terms = objective(network, Crops(SOURCES, 12)(0, 0, 1))
    means = {name: float(total.detach() / weight) for name, (total, weight) in terms.items()}
    assert means == pytest.approx(
        {"protein": np.log(20), "nucleotide": 0.5 * np.log(4), "codon": 0.25 * np.log(21)}, rel=1e-5
    )


def test_blind_guesses_have_the_perplexity_of_the_alphabet():
    network = SequenceNetwork(Shape(16, 1, 2, 16))
    torch.nn.init.zeros_(network.symbols.weight)
    assert guess_hidden(network, PROTEINS, crop=20)["perplexity"] == pytest.approx(20, rel=1e-5)


def test_pairs_of_neighbours_tell_more_than_letters_where_there_are_rules():
    rng = np.random.default_rng(0)
    made = ["".join(rng.choice(["AC", "DE"], 30)) for _ in range(40)]
    found = guess_by_counts(made[:30], made[30:], crop=40)
    assert found["bigram"]["accuracy"] > 0.95
    assert found["unigram"]["accuracy"] < 0.5
    assert found["unigram"]["perplexity"] == pytest.approx(4, rel=0.1)
    assert found["bigram"]["perplexity"] < 1.3


def test_families_go_to_one_side_and_about_half_of_them_to_each():
    rng = np.random.default_rng(0)
    elements = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(300)]
    tiles = [part for e in elements for part in (e[:40], e[20:], e[10:50])]
    seen = seen_half(tiles, length=15)
    sides = seen.reshape(300, 3)
    assert (sides.all(1) | ~sides.any(1)).all()
    assert 0.35 < sides[:, 0].mean() < 0.65
    shuffled = rng.permutation(900)
    assert (seen_half([tiles[i] for i in shuffled], length=15) == seen[shuffled]).all()
