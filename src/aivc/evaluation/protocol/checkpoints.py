"""Finished folds of an evaluation on disk, so that one that was cut off goes on where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.state import ARRAYS, SETTINGS, State
from aivc.core.ur import UR
from aivc.core.writing import meant_by, whole_folder
from aivc.data.streaming.normalize import Block
from aivc.evaluation.protocol.questions import EvaluationSet
from aivc.experiments.fitting.shared_fit import Recipe

CHECKPOINTS = "checkpoints"
_FORMAT = 1
_LABELS = ("perturbation", "context", "donor", "batch")
_CSR = ("data", "indices", "indptr")


class FoldAnswer(NamedTuple):
    """What a method said to one question, before it is set beside what was measured.

    Attributes:
        predicted: ``(f,)`` mean profile.
        bounds: Ends ``(2, f)`` of intervals, one for each level; None where none are stated.
        retrieval: ``(f,)`` profile to recognize the perturbation by; None means ``predicted``.
        applicability: The method's own verdict.
        population: Predicted cells, as the decoder writes them.
    """

    predicted: np.ndarray
    bounds: tuple[np.ndarray, ...] | None
    retrieval: np.ndarray | None
    applicability: str
    population: Measurement


@final
@dataclass(frozen=True)
class KeptFolds:
    """What methods said in finished folds, each under a digest of all that it depends on.

    Answers to other data, splits, methods or settings, and those of another version of aivc, lie under another digest
    and are never read.

    Attributes:
        folder: Made when the first fold is finished.
        asked: Digest of what all methods share.
    """

    folder: Path
    asked: str

    @classmethod
    def of(cls, folder: Path, evaluation: EvaluationSet, recipe: Recipe, parts: UR | None) -> "KeptFolds":
        """Take the digest of what methods are fitted on and asked.

        Args:
            folder: Where answers are kept.
            evaluation: Data and split.
            recipe: Encoder, decoder and their sizes.
            parts: Molecular UR of possible targets.
        """
        return cls(folder, digest_of(evaluation, recipe, parts))

    def each(self, method: str, fold: int, ask: Callable[[], Iterable[FoldAnswer]]) -> Iterator[FoldAnswer]:
        """Give what was kept of a method in a fold; where nothing was, ask, and keep it once all is answered.

        Args:
            method: With the input that is shuffled, if any.
            fold: Which.
            ask: Answers every question of the fold, in order.

        Raises:
            IntegrityError: What was kept is damaged.
            WritingError: The folder cannot be written to.
        """
        place = self.folder / self._name(method, fold)
        if place.is_dir():
            for number in range(sum(1 for _ in place.iterdir())):
                yield _stated(State.load(place / str(number)))
            return
        with whole_folder(place, "checkpoint", is_checkpoint) as fresh:
            for number, stated in enumerate(ask()):
                _state(stated).save(fresh / str(number))
                yield stated

    def holds(self, method: str, fold: int) -> bool:
        """Whether all that a method said in a fold is there."""
        return (self.folder / self._name(method, fold)).is_dir()

    def _name(self, method: str, fold: int) -> str:
        origin = MANIPULATORS.origin(method.partition(":")[0])
        return hashlib.sha256(f"{self.asked} {method} {origin} {fold}".encode()).hexdigest()[:32]


def digest_of(evaluation: EvaluationSet, recipe: Recipe, parts: UR | None) -> str:
    """Digest of what methods are fitted on and asked; arguments as in `KeptFolds.of`."""
    summary = evaluation.summary
    settings = [_FORMAT, version("aivc"), evaluation.split.digest, evaluation.cells, summary.units, vars(recipe)]
    sha = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for each in (summary.profiles, summary.sample):
        sha.update("\n".join([each.units, *map(str, each.features)]).encode())
        sha.update(each.entities.to_csv().encode())
        for array in _arrays_of(each.block(0, len(each))).values():
            sha.update(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    sha.update((parts.digest if parts is not None else "").encode())
    return sha.hexdigest()


def is_checkpoint(name: str) -> bool:
    """Whether a file below a folder of checkpoints, by its path with slashes, is of the kind written there.

    >>> is_checkpoint("0123/0/settings.json"), is_checkpoint("notes.txt")
    (True, False)
    """
    last = name.rsplit("/", 1)[-1]
    return last.isdecimal() or meant_by(last) in (SETTINGS, ARRAYS)


def discard(folder: Path) -> None:
    """Remove the checkpoints of an evaluation that is finished."""
    shutil.rmtree(folder, ignore_errors=True)


def _arrays_of(values: Block) -> dict[str, np.ndarray]:
    if isinstance(values, np.ndarray):
        return {"values": values}
    rows = sparse.csr_matrix(values)
    return {name: getattr(rows, name) for name in _CSR}


def _state(stated: FoldAnswer) -> State:
    cells = stated.population
    labels = {name: cells.entities[name].astype(str).tolist() for name in _LABELS if name in cells.entities}
    settings = {
        "applicability": stated.applicability,
        "features": [str(name) for name in cells.features],
        "units": cells.units,
        "modality": cells.modality,
        "scale": cells.scale.value,
        "names": [str(name) for name in cells.entities.index],
        "labels": labels,
    }
    arrays = {"predicted": stated.predicted, **_arrays_of(cells.block(0, len(cells)))}
    if stated.bounds is not None:
        arrays["bounds"] = np.array(stated.bounds)
    if stated.retrieval is not None:
        arrays["retrieval"] = stated.retrieval
    return State(settings, arrays)


def _stated(state: State) -> FoldAnswer:
    known, arrays = state.settings, state.arrays
    entities = pd.DataFrame(known["labels"], index=known["names"], dtype=object)
    features = np.array(known["features"], dtype=object)
    shape = (len(entities), len(features))
    values = arrays["values"] if "values" in arrays else sparse.csr_matrix(tuple(arrays[k] for k in _CSR), shape=shape)
    cells = Measurement(values, features, entities, known["units"], known["modality"], Scale(known["scale"]))
    bounds = tuple(arrays["bounds"]) if "bounds" in arrays else None
    return FoldAnswer(arrays["predicted"], bounds, arrays.get("retrieval"), known["applicability"], cells)
