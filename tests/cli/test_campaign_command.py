"""`aivc campaign` from its first word to its replay, and what it refuses."""

import json

import pandas as pd
import pytest

from aivc.cli import campaign_command, main
from tiny_campaigns import tiny_library


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
