"""What structure, targets, and the effects in other screens tell of drugs never seen in this one.

The folds of tahoe-unseen-drug and op3-unseen-drug. Every source through each method, and through the same method with
the sources of other drugs in their place; of Tahoe, every ninth line is asked about, and all are trained on. A gain is
over the mean effect of the same context, its interval over drugs.

The screens share few drugs. More are in the L1000 consensus signatures, but these are named by DrugBank number: give a
table of two columns, drugbank_id and a PubChem number, to have them too. Terms of such tables are often non-commercial;
none is part of the package.

Run: python benchmarks/unseen_drug.py [tahoe-unseen-drug] [op3-unseen-drug] [--drugbank pubchem.tsv]
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.measurement import Measurement
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.provider import Provider
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.molecules.blocks import molecular_ur
from aivc.data.priors.for_screen import drug_molecules, drugs_of
from aivc.evaluation.benchmarks.benchmark import benchmark
from aivc.evaluation.metrics.metric import pearson
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.fit import assemble
from aivc.experiments.fitting.shared_fit import Recipe, SharedFit, shared_fit
from aivc.representations.molecular.compounds import Descriptors, KnownTargets, Morgan, SmilesWords
from aivc.representations.molecular.drug_effects import DrugEffects
from aivc.representations.molecular.target_knowledge import TargetKnowledge

HERE = Path(__file__).parent
RESULT = HERE / "results" / "unseen_drug.json"
NAMES = ("tahoe-unseen-drug", "op3-unseen-drug")
METHODS = ("nearest", "ridge-on-priors", "effect.v2")
SCREENS = ("tahoe100m", "op3", "sciplex3")
LINES = 4
L1000 = "B/lincs_l1000_drugbank_consensus.tsv.gz"


def sources(dataset: str, numbers: Path | None) -> Mapping[str, list[Provider]]:
    structure: list[Provider] = [SmilesWords()]
    if find_spec("rdkit"):
        structure += [Morgan(), Descriptors()]
    targets: list[Provider] = [KnownTargets.build(), TargetKnowledge.build()]
    others: list[Provider] = [DrugEffects.fit(catalog.load(name), title=name) for name in SCREENS if name != dataset]
    if numbers is not None:
        others.append(DrugEffects.fit(l1000(numbers), title="l1000"))
    return {
        "structure": structure,
        "targets": targets,
        "same drug in other screens": others,
        "all": [*structure, *targets, *others],
    }


def l1000(numbers: Path) -> Measurement:
    """Consensus signatures of drugs, as ranks of genes; named as LINCS does."""
    table = pd.read_csv(Path(os.environ["AIVC_DATA"]) / L1000, sep="\t", index_col=0)
    drugbank = pd.read_csv(numbers, sep="\t", dtype=str).set_axis(["drugbank", "pubchem"], axis=1)
    lincs = pd.read_parquet(catalog.path("lincs-compounds"))
    lincs = lincs.assign(pubchem=lincs["pubchem_cid"].astype(str).str.removesuffix(".0"))
    named = drugbank.merge(lincs[["pubchem", "pert_iname"]], on="pubchem")
    named = named[named["drugbank"].isin(table.index)].drop_duplicates("drugbank").drop_duplicates("pert_iname")
    ranks_nf = table.loc[named["drugbank"]].rank(axis=1, pct=True).to_numpy() * 2 - 1
    texts = [str(Agent("drug", name.strip())) for name in named["pert_iname"]]
    entities = pd.DataFrame({"perturbation": texts, "context": "L1000 consensus"}, index=named["drugbank"].to_numpy())
    notes = {"dataset": "lincs-l1000", "licence": "CC BY 4.0"}
    features = table.columns.to_numpy(dtype=object)
    return Measurement(ranks_nf, features, entities, "score", modality="effect", provenance=notes)


def ask(name: str, numbers: Path | None) -> Iterator[dict]:
    """Report again after every source, so that a run that is cut off leaves what it found."""
    began = time.perf_counter()
    chosen = benchmark(name) if name in _registered() else _packaged(name)
    cells = chosen.load_data()
    evaluation = EvaluationSet.prepare(cells, chosen.make_split(cells), cells=2)
    drugs = drugs_of(Perturbation.parse(text) for text in set(map(str, cells.perturbations)))
    molecules = drug_molecules(drugs)
    given = {
        source: molecular_ur(molecules, providers, names=drugs, under_test=cells)
        for source, providers in sources(chosen.dataset, numbers).items()
    }
    grounds = [
        shared_fit(evaluation.training(fold), Recipe(**chosen.recipe)) for fold in range(len(evaluation.split.folds))
    ]
    asked = [questions(cells, evaluation, fold) for fold in range(len(grounds))]
    # Every method is set beside the mean effect in the axes that all of them share.
    mean = predicted(grounds, "mean-effect", None, None)
    means = [{q.context: mean(fold, q) for q in own} for fold, own in enumerate(asked)]
    floor = table(asked, means, mean)
    lines = [{line: evaluation.mean_effect(fold, line) for line in known} for fold, known in enumerate(means)]
    genes = table(asked, means, lambda fold, question: lines[fold][question.context])
    report: dict = {
        "benchmark": chosen.reference,
        "drugs": len(drugs),
        "questions": len(floor),
        "contexts asked": len({q.context for own in asked for q in own}),
        "mean-effect": {"pearson-delta": float(floor["pearson"].mean()), "mse": float(floor["mse"].mean())},
        "mean-effect of genes themselves": {"pearson-delta": float(genes["pearson"].mean())},
        "blocks": {column: int(given["all"].entities[column].sum()) for column in columns(given["all"])},
        "sources": {},
    }
    for source, parts in given.items():
        known = parts.entities.index[parts.entities[columns(parts)].any(axis=1)]
        rows: dict = {"known drugs": len(known), "methods": {}}
        for method in METHODS:
            for shuffled in (None, "priors"):
                said = table(asked, means, predicted(grounds, method, parts, shuffled))
                rows["methods"][method + (":shuffled-priors" if shuffled else "")] = judged(said, floor, known)
                print(name, source, method, shuffled, said["pearson"].mean(), flush=True)
        report["sources"][source] = rows
        report["seconds"] = round(time.perf_counter() - began, 1)
        yield report


class Asked(NamedTuple):
    """A drug in a context, and what was measured; a table of effects has its control at zero."""

    context: str
    drug: Perturbation
    true: np.ndarray
    seen: np.ndarray


def questions(cells: Measurement, evaluation: EvaluationSet, fold: int) -> list[Asked]:
    """What a fold asks, in at most `LINES` contexts; all of them are trained on."""
    contexts = sorted(set(map(str, cells.contexts)))
    chosen = contexts[:: max(1, -(-len(contexts) // LINES))]
    rows = np.flatnonzero(evaluation.split.folds[fold].tested(cells) & np.isin(cells.contexts.astype(str), chosen))
    taken = cells.take(rows)
    seen_nf = np.ones(taken.values.shape, dtype=bool) if taken.observed is None else taken.observed
    labels = zip(taken.contexts, taken.perturbations, taken.dense(), seen_nf, strict=True)
    return [Asked(str(at), Perturbation.parse(str(text)), true, seen) for at, text, true, seen in labels]


def columns(parts: UR) -> list[str]:
    return [str(column) for column in parts.entities if str(column).startswith("covered_")]


def predicted(grounds: list[SharedFit], method: str, parts: UR | None, shuffled: str | None):
    """Say the effect that a method expects; what it says of a context and a drug does not depend on the cells."""
    cells = [assemble(ground, method, parts=parts, shuffled=shuffled) for ground in grounds]

    def say(fold: int, question) -> np.ndarray:
        ground, cell = grounds[fold], cells[fold]
        start = ground.start(question.context).take(np.arange(1))
        said = cell.instruments[method].manipulate(start, question.drug)
        # Readout is linear, and draws are in opposite pairs: the mean draw has the mean effect.
        middle = replace(start, values=np.mean([draw.values for draw in said.draws], axis=0))
        return ground.decoder.profile(middle) - ground.decoder.profile(start)

    return say


def table(asked, means, say) -> pd.DataFrame:
    rows = []
    for fold, questions in enumerate(asked):
        for question in questions:
            true, seen = question.true, question.seen
            said, mean = say(fold, question), means[fold][question.context]
            beyond = (said - mean)[seen]
            rows.append(
                {
                    "drug": question.drug.agents[0].target,
                    "pearson": _or_zero(pearson(said[seen], true[seen])),
                    "mse": float(((said - true)[seen] ** 2).mean()),
                    # Where a method says no more than the mean effect, it tells nothing of the drug.
                    "beyond": _or_zero(pearson(beyond, (true - mean)[seen])) if np.abs(beyond).max() > 1e-9 else 0.0,
                }
            )
    return pd.DataFrame(rows)


def _or_zero(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


def judged(said: pd.DataFrame, floor: pd.DataFrame, known: pd.Index) -> dict:
    gain = said.assign(gain=said["pearson"] - floor["pearson"], saved=1 - said["mse"] / floor["mse"].mean())
    by = gain.groupby("drug")[["pearson", "gain", "beyond"]].mean()
    inside = by[by.index.isin(known)]
    return {
        "pearson-delta": float(said["pearson"].mean()),
        "gain": interval(by["gain"]),
        "mse-skill": float(1 - said["mse"].mean() / floor["mse"].mean()),
        "beyond-the-mean": interval(by["beyond"]),
        "known": {"gain": interval(inside["gain"]), "beyond-the-mean": interval(inside["beyond"])},
    }


def interval(values: pd.Series) -> list[float | None]:
    """Mean over drugs, and the middle 95 % of means of drugs drawn again."""
    if not len(values):
        return [None, None, None]
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    means = values.to_numpy()[drawn].mean(axis=1)
    return [round(float(x), 4) for x in (values.mean(), *np.quantile(means, (0.025, 0.975)))]


def _registered() -> set[str]:
    from aivc.evaluation.benchmarks.benchmark import names

    return set(names())


def _packaged(name: str):
    from aivc.evaluation import benchmarks
    from aivc.evaluation.benchmarks.benchmark import Benchmark

    return Benchmark.load(Path(benchmarks.__file__).parent / f"{name}.json")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[*NAMES])
    parser.add_argument("--drugbank", type=Path)
    args = parser.parse_args()
    command = "python " + " ".join(
        ["benchmarks/unseen_drug.py", *args.names, *(["--drugbank pubchem.tsv"] * bool(args.drugbank))]
    )
    for name in args.names:
        for report in ask(name, args.drugbank):
            found = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
            found[name] = {"command": command, "rdkit": find_spec("rdkit") is not None, **report}
            RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
