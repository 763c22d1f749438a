"""Writes what an evaluation leaves behind: scores, and every predicted population as a file others can read."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from urllib.parse import quote

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.state import write_text
from aivc.core.units import COUNTS
from aivc.core.views import LABELS
from aivc.core.writing import Hold, files_below, meant_by
from aivc.data.io.written import write_h5ad
from aivc.data.splits.split import Split, column
from aivc.evaluation.protocol.checkpoints import CHECKPOINTS, discard, is_checkpoint
from aivc.evaluation.protocol.questions import Question, site_column
from aivc.evaluation.scores.table import Evaluation

SCORES, REPORT, SPLIT, PREDICTIONS = "scores.json", "report.html", "split.json", "predictions"
_LONGEST = 200
_IN_USE = ".in-use"


@final
@dataclass(frozen=True)
class Folder:
    """The folder of one evaluation.

    Attributes:
        path: Where it is.
        split_digest: Of the split, written into every file.
        places: Path below a method's folder, without its ending, by fold, context, perturbation, and donor or batch.
        hold: Keeps other processes out for as long as this is in use.
    """

    path: Path
    split_digest: str
    places: Mapping[tuple[int, str, str, str], str]
    hold: Hold | None = field(default=None, repr=False, compare=False)

    @classmethod
    def claim(cls, path: Path, measurement: Measurement, split: Split, *, overwrite: bool = False) -> "Folder":
        """Take a folder for an evaluation, before any work, and write the split into it.

        The checkpoints of one that was interrupted there are kept, unless it is overwritten.

        Args:
            path: Made if need be.
            measurement: The data.
            split: What will be asked.
            overwrite: Remove the files of an earlier evaluation there.

        Raises:
            DataError: Two predictions would have the same file name.
            IntegrityError: The folder holds other files, or an earlier evaluation that is not to be overwritten.
        """
        places = _places(measurement, split)
        require_free(path, overwrite=overwrite)
        hold = Hold(path / _IN_USE)
        require_free(path, overwrite=overwrite)
        _vacate(path)
        if overwrite:
            discard(path / CHECKPOINTS)
        (path / CHECKPOINTS).mkdir(exist_ok=True)
        split.save(path / SPLIT)
        return cls(path, split.digest, places, hold)

    def prediction(self, method: str, question: Question, population: Measurement) -> None:
        """Write a predicted population; fits the ``sink`` of `aivc.evaluation.protocol.evaluate.evaluate`."""
        place = self.places[question.fold, question.context, question.perturbation, question.site]
        answer = {"method": method, "fold": question.fold, "split_digest": self.split_digest}
        named = {"perturbation": question.perturbation, "context": question.context}
        if question.site:
            named[question.site_column] = question.site
        entities = population.entities.assign(**named)
        target = self.path / PREDICTIONS / quote(method.replace(":", "~"), safe="~") / f"{place}.h5ad"
        write_population(target, population.replace(entities=entities), answer)

    def release(self) -> None:
        """Let other processes use the folder."""
        if self.hold is not None:
            self.hold.release()

    def scores(self, evaluation: Evaluation) -> None:
        """Write the scores; checkpoints are then of no more use."""
        write_text(self.path / SCORES, json.dumps(evaluation.to_json(), indent=1, allow_nan=False) + "\n")
        discard(self.path / CHECKPOINTS)


def write_population(path: Path, cells: Measurement, about: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write virtual cells as h5ad, whole or not at all.

    It holds no controls, so `aivc.read` reads it as cells whose labels are put aside: with a schema of its units,
    ``context = "context"`` and ``perturbation = { value = "control" }``.

    Args:
        path: Ends in ``.h5ad``; its folder is made.
        cells: Named ``draw-name``, as `Prediction.population` names them.
        about: JSON-ready notes, kept in ``uns`` beside the units.
        overwrite: Replace a file that is there.

    Raises:
        IntegrityError: A file is there, and is not to be replaced.
        WritingError: The place cannot be written to.
    """
    cells.require_table("An h5ad of virtual cells")
    kept = [name for name in LABELS if name in cells.entities]
    obs = cells.entities[kept].astype(str).set_axis(cells.entities.index.astype(str), axis=0)
    obs["draw"] = [int(name.split("-", 1)[0]) for name in obs.index]
    values = cells.dense().astype(np.float32)
    var = pd.DataFrame(index=pd.Index(cells.features.astype(str)))
    made = anndata.AnnData(
        sparse.csr_matrix(values) if cells.units == COUNTS else values,
        obs=obs,
        var=var,
        uns={"units": cells.units, **about},
    )
    write_h5ad(made, path, overwrite=overwrite, compression="gzip", compression_opts=1)


def file_name(text: str) -> str:
    """Turn any text into a name that is safe in every folder.

    >>> file_name("ko:JAK2 + ko:STAT1")
    'ko%3AJAK2%20%2B%20ko%3ASTAT1'
    """
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E", 1) if encoded.startswith(".") else encoded


def short_names(perturbations: set[str]) -> dict[str, str]:
    """Name the file of each perturbation: its target where that is enough to tell it, else its whole text.

    >>> short_names({"ko:JAK2", "drug:nutlin-3@1uM", "drug:nutlin-3@10uM"})["ko:JAK2"]
    'JAK2'
    """
    agents = {text: Perturbation.parse(text).agents for text in perturbations}
    single = {text: listed[0].target for text, listed in agents.items() if len(listed) == 1}
    shared = Counter(target.casefold() for target in single.values())
    return {
        text: file_name(single[text] if text in single and shared[single[text].casefold()] == 1 else text)
        for text in perturbations
    }


def _places(measurement: Measurement, split: Split) -> dict[tuple[int, str, str, str], str]:
    keys = sorted({key for fold in range(len(split.folds)) for key in _asked(measurement, split, fold)})
    names = short_names(set(map(str, measurement.perturbations)) - {CONTROL})
    several = len(set(map(str, measurement.contexts))) > 1
    again = max(Counter(key[1:] for key in keys).values(), default=1) > 1
    places = {}
    for fold, context, text, site in keys:
        above = [file_name(context)] if several else []
        above += [file_name(site)] if site else []
        above += [f"fold-{fold}"] if again else []
        places[fold, context, text, site] = "/".join([*above, names[text]])
    _refuse_collisions(places)
    return places


def _asked(measurement: Measurement, split: Split, fold: int) -> Iterator[tuple[int, str, str, str]]:
    tested = split.folds[fold].tested(measurement)
    table = pd.DataFrame({"context": measurement.contexts, "text": measurement.perturbations}).astype(str)
    by = site_column(split)
    table["site"] = column(measurement, by) if by else ""
    for context, text, site in table[tested].drop_duplicates().itertuples(index=False):
        yield fold, context, text, site


def _refuse_collisions(places: Mapping[tuple[int, str, str, str], str]) -> None:
    # Upper and lower case are one name on many computers.
    count = Counter(place.casefold() for place in places.values())
    problems = [
        f"{key[2]} in {key[1]} would be written to {place}, as another prediction is. Rename one of them in the data, "
        "or write no predictions."
        for key, place in places.items()
        if count[place.casefold()] > 1
    ]
    problems += [
        f"{key[2]} is too long for a file name. Rename it in the data, or write no predictions."
        for key, place in places.items()
        if max(map(len, place.split("/"))) > _LONGEST
    ]
    if problems:
        raise DataError(problems)


def require_free(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that an evaluation cannot be written into.

    Raises:
        IntegrityError: It holds other files, or an earlier evaluation that is not to be overwritten.
    """
    if path.exists() and not path.is_dir():
        raise IntegrityError(f"{path} is a file, and an evaluation is a folder. Choose another place.")
    # The top first: a mistaken folder may be somebody's home, with millions of files below.
    foreign = [item for item in (path.iterdir() if path.exists() else ()) if not _is_ours(item)]
    files = [] if foreign else _files(path)
    foreign += [item for item in files if item.parent != path and not _is_prediction(item)]
    if files and not foreign and not _is_split(path / SPLIT):
        foreign = files
    if foreign:
        raise IntegrityError(
            f"{path} holds files that no evaluation wrote, such as {foreign[0].name}. Choose an empty or a new folder."
        )
    if files and not overwrite and not (path / SCORES).is_file() and (path / CHECKPOINTS).is_dir():
        return
    if files and not overwrite and not (path / SCORES).is_file():
        raise IntegrityError(
            f"{path} holds an unfinished evaluation, without {SCORES}: it runs still, or was interrupted. If no other "
            "process writes there, do it again with --overwrite, or choose another folder."
        )
    if files and not overwrite:
        raise IntegrityError(
            f"{path} holds an earlier evaluation. Choose another folder, or allow overwriting it (--overwrite)."
        )


def _files(path: Path) -> list[Path]:
    names = sorted(files_below(path)) if path.exists() else []
    below = f"{CHECKPOINTS}/"
    kept = [name for name in names if name.startswith(below) and is_checkpoint(name.removeprefix(below))]
    return [path / name for name in names if name != _IN_USE and name not in set(kept)]


def _is_ours(item: Path) -> bool:
    name = meant_by(item.name)
    if item.is_symlink():
        return False
    return name in (SCORES, REPORT, SPLIT, _IN_USE) or (name in (PREDICTIONS, CHECKPOINTS) and item.is_dir())


def _is_split(path: Path) -> bool:
    """Whether a file is a split as every evaluation writes one first."""
    try:
        found = read_json(path)
    except IntegrityError:
        return False
    return isinstance(found, dict) and {"format", "digest", "folds"} <= set(found)


def _is_prediction(item: Path) -> bool:
    """Whether a file was written by `Folder.prediction`, whole or cut off; it says so itself."""
    if item.is_symlink() or not meant_by(item.name).endswith(".h5ad"):
        return False
    if meant_by(item.name) != item.name:
        return True
    try:
        with h5py.File(item, "r") as file:
            return {"method", "split_digest"} <= set(file["uns"])
    except (OSError, KeyError, TypeError):
        return False


def _vacate(path: Path) -> None:
    for item in _files(path):
        item.unlink()
    below = path / PREDICTIONS
    for folder in [*sorted(below.rglob("*"), reverse=True), *([below] if below.exists() else [])]:
        folder.rmdir()
