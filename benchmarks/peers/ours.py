"""What a method of aivc takes for the same export: `python benchmarks/peers/ours.py METHOD DIR OUT`, one process.

Reads the cells given, fits with calibrated intervals as the benchmark does, predicts every question, all folds. Writes
`METHOD.cost.json` in the form of the adapters; its scores come from the benchmark itself.
"""

import sys
import time
from pathlib import Path

import exchange

exchange.single_thread()

import pandas as pd  # noqa: E402

from aivc import Recipe, fit  # noqa: E402
from aivc.core.measurement import Measurement  # noqa: E402
from aivc.core.perturbation import Perturbation  # noqa: E402
from aivc.core.ur import UR  # noqa: E402
from aivc.data.io.read import read  # noqa: E402
from aivc.data.io.schema import Schema  # noqa: E402
from aivc.data.priors.for_screen import priors_for  # noqa: E402
from aivc.experiments.predict import predict  # noqa: E402


def main(method: str, folder: Path, out: Path) -> None:
    schema = Schema(
        units="counts",
        perturbation="perturbation",
        control="control",
        context="context",
        batch="batch",
        species="human",
    )
    book = exchange.Book(method, out, ["aivc", "numpy", "scipy"], budget="as the benchmark runs it")
    for fold in sorted(folder.glob("fold-*")):
        began = time.process_time()
        cells = read(fold / "train.h5ad", schema)
        asked = pd.read_csv(fold / "questions.csv", dtype=str)
        known = set(asked["perturbation"]) <= set(map(str, cells.perturbations))
        recipe = Recipe(unseen="context" if known else "perturbation")
        cell = fit(cells, method, parts=knowledge(cells), recipe=recipe)
        fitted = time.process_time()
        for text, context in zip(asked["perturbation"], asked["context"], strict=True):
            said = predict(cell, cell.starts[context], Perturbation.parse(text), cells=200)
            said.population(200, seed=0)
        seconds = {"train_cpu_s": round(fitted - began, 2), "predict_cpu_s": round(time.process_time() - fitted, 2)}
        book.fold(int(fold.name.removeprefix("fold-")), **seconds)
    book.close()


def knowledge(cells: Measurement) -> UR | None:
    """What is known of the targets; nothing where a stimulus names no gene."""
    return priors_for(cells) if any(Perturbation.parse(text).genes for text in set(cells.perturbations)) else None


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
