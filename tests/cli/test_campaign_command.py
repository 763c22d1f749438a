"""`aivc campaign` from its first word to its replay, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from aivc.cli import campaign_command, main
from aivc.experiments.design.pair_learner import PairCandidates
from tiny_campaigns import tiny_library, tiny_pair_candidates, tiny_pairs


@pytest.fixture
def made(tmp_path, monkeypatch):
    features, score = tiny_library(40)
    # What is known of genes takes half a minute to gather; here it is given.
    monkeypatch.setattr(campaign_command, "gene_features", lambda genes, related, **how: features)
    (tmp_path / "genes.txt").write_text("\n".join(features.names))
    words = ["campaign", "new", str(tmp_path / "c"), "--genes", str(tmp_path / "genes.txt"), "--units", "log2fc"]
    assert main([*words, "--batch", "6", "--plate", "48", "--controls", "4"]) == 0
    return tmp_path, dict(zip(features.names, score, strict=True))


def test_a_round_goes_from_proposal_to_status_and_replay(made, capsys):
    folder, score = made
    plates = folder / "round.csv"
    assert main(["campaign", "propose", str(folder / "c"), "--out", str(plates)]) == 0
    table = pd.read_csv(plates)
    assert table["value"].isna().all()
    table.assign(value=[score.get(name, 0.0) for name in table["perturbation"]]).to_csv(plates, index=False)
    assert main(["campaign", "import", str(folder / "c"), str(plates)]) == 0
    capsys.readouterr()
    assert main(["campaign", "status", str(folder / "c"), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["rounds"], status["measured"]) == (1, 6)
    assert main(["campaign", "replay", str(folder / "c")]) == 0
    assert "Every batch came out the same" in capsys.readouterr().out


def test_a_wrong_file_and_a_taken_name_are_refused(made, capsys):
    folder, _ = made
    plates = folder / "round.csv"
    assert main(["campaign", "propose", str(folder / "c"), "--out", str(plates)]) == 0
    assert main(["campaign", "propose", str(folder / "c"), "--out", str(plates)]) == 1
    assert main(["campaign", "import", str(folder / "c"), str(plates)]) == 1
    assert "Write a finite number, or failed" in capsys.readouterr().err
    assert main(["campaign", "status", str(folder / "nowhere")]) == 1


def test_pairs_go_from_files_to_replay_and_odd_files_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(PairCandidates, "of", staticmethod(tiny_pair_candidates))
    library, score = tiny_pairs()
    genes = np.array(library.candidates.genes)
    known = pd.DataFrame(genes[library.given], columns=["gene_a", "gene_b"]).assign(score=library.scores)
    listed = pd.DataFrame(genes[library.candidates.pairs], columns=["gene_a", "gene_b"])
    # Two of the library are measured already, the other way round.
    more = known[["gene_b", "gene_a"]].set_axis(["gene_a", "gene_b"], axis=1).head(2)
    pd.concat([listed, more]).to_csv(tmp_path / "pairs.csv", index=False)
    known.to_csv(tmp_path / "known.csv", index=False)
    folder, plates = str(tmp_path / "c"), tmp_path / "round.csv"
    words = ["campaign", "new", folder, "--pairs", str(tmp_path / "pairs.csv"), "--units", "score", "--batch", "8"]
    given = ["--measured", str(tmp_path / "known.csv")]
    for odd in (["--related", "x.csv", *given], ["--rule", "ucb", *given], ["--measured", str(tmp_path / "pairs.csv")]):
        assert main([*words, *odd]) == 1
    assert main([*words, *given]) == 0
    assert "over 90 pairs" in (said := capsys.readouterr().out)
    assert "2 of the library were measured already" in " ".join(said.split())
    assert main(["campaign", "propose", folder, "--out", str(plates)]) == 0
    table = pd.read_csv(plates)
    table.assign(value=[score.get(name, 0.0) for name in table["perturbation"]]).to_csv(plates, index=False)
    assert main(["campaign", "import", folder, str(plates)]) == 0
    assert "8 pairs measured" in capsys.readouterr().out
    assert main(["campaign", "replay", folder]) == 0


def test_unknown_units_are_refused_before_anything_is_gathered(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(campaign_command, "gene_features", lambda *a, **k: pytest.fail("gathered"))
    (tmp_path / "genes.txt").write_text("A\nB\n")
    words = ["campaign", "new", str(tmp_path / "c"), "--genes", str(tmp_path / "genes.txt"), "--units", "bananas"]
    assert main(words) == 1
    assert "Units must be one of" in capsys.readouterr().err
