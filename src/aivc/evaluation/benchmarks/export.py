"""Exports what a benchmark gives to methods, as files that a model of any other environment can be trained on."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import IntegrityError, SplitError
from aivc.core.foreign_text import read_json
from aivc.core.matching import matched_columns
from aivc.core.measurement import Measurement
from aivc.core.state import write_text
from aivc.core.units import is_effect, log1p_target
from aivc.core.writing import held, whole_file
from aivc.data.io.written import write_h5ad
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN, Split
from aivc.evaluation.benchmarks.benchmark import Benchmark
from aivc.evaluation.protocol.questions import EvaluationSet

FORMAT = 1
TRAINING, QUESTIONS, FACTS, README = "train.h5ad", "questions.csv", "benchmark.json", "README.txt"
# All else that a file says of cells stays where it is: it may tell what only a tested cell could.
_LABELS = ("donor", "batch", "cells")


def export_benchmark(
    chosen: Benchmark,
    path: Path,
    *,
    fold: int | None = None,
    measurement: Measurement | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write what each fold of a benchmark gives to methods, and what it asks; see `hand_out`.

    Args:
        chosen: From `aivc.evaluation.benchmarks.benchmark.benchmark`.
        path: Folder, made if need be.
        fold: Only this one; None writes all.
        measurement: The data, where they were read already.
        overwrite: Write folds anew that are there.

    Raises:
        IntegrityError: The data are not those it was frozen on, or the folder holds another benchmark, or the fold.
        SplitError: No such fold.
        UnavailableError: The data are not here.
    """
    cells = chosen.load_data() if measurement is None else measurement
    about = {"benchmark": chosen.name, "digest": chosen.digest, "title": chosen.title, "question": chosen.question}
    return hand_out(
        cells,
        chosen.make_split(cells),
        path,
        folds=None if fold is None else [fold],
        cells=chosen.cells,
        seed=int(chosen.recipe.get("seed", 0)),
        about={**about, "licence": chosen.licence, "citation": chosen.citation},
        overwrite=overwrite,
    )


def hand_out(
    measurement: Measurement,
    split: Split,
    path: Path,
    *,
    folds: Sequence[int] | None = None,
    cells: int = 200,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write what each fold of a split gives to methods, and what it asks, and nothing of the tested entities.

    ``fold-K/train.h5ad`` holds the training entities and the controls given to methods, in the units of the data;
    ``fold-K/questions.csv`` one row per question; ``README.txt`` and ``benchmark.json`` say what to give back.

    Args:
        measurement: The data.
        split: Who may see what.
        path: Folder, made if need be.
        folds: Which to write; None writes all.
        cells: How many cells of a predicted population will be looked at.
        seed: Of the evaluation; it draws the controls whose median depth fixes the units of profiles.
        about: JSON-ready; what the data are.
        overwrite: Write folds anew that are there.

    Returns:
        The files, folds first.

    Raises:
        SplitError: No such fold, or the split does not fit the data.
        IntegrityError: The folder holds a fold already, or one of other data.
    """
    wanted = list(range(len(split.folds)) if folds is None else folds)
    if unknown := [fold for fold in wanted if not 0 <= fold < len(split.folds)]:
        raise SplitError(f"The split has folds 0 to {len(split.folds) - 1}, but fold {unknown[0]} was asked for.")
    evaluation = EvaluationSet.prepare(measurement, split, cells=cells, seed=seed)
    facts = {
        "format": FORMAT,
        **(about or {}),
        "split_digest": split.digest,
        "folds": len(split.folds),
        "units": measurement.units,
        "profile_units": evaluation.summary.units,
        "columns": _columns(evaluation),
        "cells": cells,
    }
    _require_room(path, facts, wanted, overwrite=overwrite)
    with held(path / ".in-use"):
        _require_room(path, facts, wanted, overwrite=overwrite)
        return _written(measurement, split, path, evaluation, facts, wanted)


def _written(
    measurement: Measurement,
    split: Split,
    path: Path,
    evaluation: EvaluationSet,
    facts: Mapping[str, Any],
    wanted: Sequence[int],
) -> list[Path]:
    written: list[Path] = []
    for fold in wanted:
        folder = path / f"fold-{fold}"
        written += [folder / TRAINING, folder / QUESTIONS]
        _write(folder / TRAINING, _training(measurement, split, fold), {**facts, "fold": fold})
        with whole_file(folder / QUESTIONS) as partial:
            _questions(evaluation, fold).to_csv(partial, index=False)
    write_text(path / FACTS, json.dumps(facts, indent=1) + "\n")
    write_text(path / README, _readme(facts))
    return [*written, path / FACTS, path / README]


def _columns(evaluation: EvaluationSet) -> list[str]:
    return [name for name in ("fold", "context", "perturbation", evaluation.site_column) if name]


def _questions(evaluation: EvaluationSet, fold: int) -> pd.DataFrame:
    columns = _columns(evaluation)
    return pd.DataFrame([(fold, *key)[: len(columns)] for key in evaluation.keys(fold)], columns=columns)


def _require_room(path: Path, facts: Mapping[str, Any], folds: Sequence[int], *, overwrite: bool) -> None:
    if path.exists() and not path.is_dir():
        raise IntegrityError(f"{path} is a file, and an export is a folder. Choose another place.")
    if (path / FACTS).is_file():
        there = read_json(path / FACTS)
        same = ("digest", "split_digest", "format")
        if not isinstance(there, dict) or any(there.get(name) != facts.get(name) for name in same):
            raise IntegrityError(f"{path} holds the export of something else. Choose an empty or a new folder.")
    if not overwrite and (there := [fold for fold in folds if (path / f"fold-{fold}" / TRAINING).exists()]):
        raise IntegrityError(
            f"{path} holds fold {there[0]} already. Choose another folder, or allow overwriting it (--overwrite)."
        )


def _training(measurement: Measurement, split: Split, fold: int) -> anndata.AnnData:
    measurement.require_table("A handout")
    given = measurement.take(np.isin(split.roles(measurement, fold).astype(str), (TRAIN, CONTROL_TRAIN)))
    obs = pd.DataFrame({"perturbation": given.perturbations, "context": given.contexts}).astype(str)
    for name in (*_LABELS, *matched_columns(given.entities)):
        if name in given.entities:
            column = given.entities[name].to_numpy()
            obs[name] = column.astype(np.float64) if name == "cells" else column.astype(str)
    obs.index = pd.Index(given.entities.index.astype(str), dtype=object)
    var = pd.DataFrame(index=pd.Index(given.features.astype(str), dtype=object))
    block, observed, layers = given.block(0, len(given)), given.observed, {}
    if observed is not None and not observed.all():
        seen = np.broadcast_to(observed, (len(given), len(given.features)))
        if isinstance(block, np.ndarray):
            block = np.where(seen, block, np.nan)
        else:
            layers = {"observed": sparse.csr_matrix(seen.astype(np.uint8))}
    return anndata.AnnData(block, obs=obs, var=var, layers=layers)


def _write(target: Path, made: anndata.AnnData, facts: Mapping[str, Any]) -> None:
    kept = ("benchmark", "digest", "split_digest", "fold", "units", "profile_units")
    made.uns.update({name: facts[name] for name in kept if name in facts})
    write_h5ad(made, target, compression="gzip", compression_opts=1)


def _readme(facts: Mapping[str, Any]) -> str:
    effects, profiles = is_effect(facts["units"]), str(facts["profile_units"])
    shown = {"title": "A split of one dataset", "benchmark": "NAME", **facts}
    shown["question"] = textwrap.fill(str(facts.get("question", "")), 118)
    return (_HEAD + (_EFFECTS if effects else _CELLS) + _FOOT).format(
        **shown,
        columns_=", ".join(facts["columns"]),
        ways=profiles if facts["units"] == profiles else f"{facts['units']}, or {profiles}",
        intervals=_INTERVALS.format(units=profiles),
        how=_LOGS.format(units=profiles, target=log1p_target(profiles)) if log1p_target(profiles) else "",
        train=TRAINING,
        questions=QUESTIONS,
        facts=FACTS,
    )


_HEAD = """\
{title}
{question}

fold-K/{train}: what a method may learn from in fold K, in {units}.
fold-K/{questions}: one row per question. Nothing that answers them may be learned from other sources. The
reading of a gene that a perturbation itself targets is not scored in its question.
{facts}: the same facts for programs.
"""
_EFFECTS = """\
obs of {train} says perturbation and context. Effects are differences from control, so there are no controls.
NaN: not measured.

What to give back: one h5ad with the answers to all {folds} folds, one row per question: the predicted effect.

"""
_CELLS = """\
obs of {train} says perturbation (control: unperturbed) and context, and donor and batch where these are known.

What to give back: one h5ad with the answers to all {folds} folds, several predicted cells per question. Of these,
{cells} drawn at random are compared with measured cells. One row per question, the mean of normalized cells, is enough
for all scores but those of populations.

The predicted effect is the mean of the predicted cells minus the mean of the controls given in the same context (and
donor, or batch, where questions name it): predict what the perturbation would do to those controls. Where obs also
says the batch of each predicted cell, these controls are weighted to the same mix of batches.

"""
_FOOT = """\
  obs   {columns_}, in the words of {questions}; names of rows do not matter
  var   the features of {train} by name, in any order; others are left aside
  X     finite numbers in {ways}{how}
  uns   units: which of these
{intervals}
How it is scored:
  aivc benchmark run {benchmark} --predictions your-model=FILE.h5ad --out scores/
"""
_INTERVALS = """\
  layers  optional: low and high, in {units} as X is then: the ends of the interval in which the mean profile that is
        measured will lie, features beside features, with low <= X <= high. They are ends, not distances from X and not
        effects. uns says their level: 0.5, 0.8, 0.9 (where it says none) or 0.95. Coverage, width and interval score
        are scored of these as of methods that state their own.
"""
_LOGS = "\n        ({units} is the natural log of 1 + counts scaled to {target:g} per cell)"
