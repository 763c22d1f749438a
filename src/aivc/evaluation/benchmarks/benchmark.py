"""Questions with a name: data, split, metrics and reference methods, frozen under one digest, and run as they stand."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, final

from aivc.compute.executor import Executor
from aivc.core.errors import IntegrityError, SplitError, UnavailableError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS, Registry
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.priors.for_screen import drugs_of, priors_for
from aivc.data.splits import folds
from aivc.data.splits.split import Split
from aivc.evaluation.benchmarks.frozen import SHORT, Frozen
from aivc.evaluation.benchmarks.task_benchmark import TaskBenchmark
from aivc.evaluation.protocol.cost import measured
from aivc.evaluation.protocol.evaluate import evaluate, metrics_of, require_methods
from aivc.evaluation.protocol.forecast import Predicted
from aivc.evaluation.scores.table import Evaluation
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.fitting.summary import Progress

BENCHMARKS = Registry("benchmarks")

# Kinds of split that a benchmark may leave to be made again; their digest says whether the same came out.
KINDS: Mapping[str, Callable[..., Split]] = MappingProxyType(
    {
        "unseen-perturbation": folds.unseen_perturbation,
        "unseen-context": folds.unseen_context,
        "unseen-donor": folds.unseen_donor,
        "unseen-both": folds.unseen_both,
        "unseen-pair": folds.unseen_pair,
        "unseen-combination": folds.unseen_combination,
        "hidden-combination": folds.hidden_combination,
        "few-shot-context": folds.few_shot_context,
        "extrapolate": folds.extrapolate,
    }
)


@final
@dataclass(frozen=True, kw_only=True)
class Benchmark(Frozen):
    """What do perturbations do? A question about effects that everybody is asked in the same way.

    ``no-change`` and ``mean-effect`` always stand beside ``methods``, and ``NAME:shuffled`` beside NAME shows what it
    loses with permuted labels. See `aivc.evaluation.benchmarks.frozen.Frozen` for what every benchmark has.

    Attributes:
        dataset: Name in the catalog; of its own data where ``source`` gives them.
        sha256: Checksum of each file of the dataset that the benchmark was frozen on.
        split_digest: Of the split, checked at every run.
        split: The manifest itself (`Split.to_json`), or how to make it: ``{"recipe": {"kind": …, …}}``. A recipe takes
            what the function of its kind in `aivc.data.splits.folds` takes, and ``asked``, how many of its folds are
            asked. It counts in the digest by its own.
        profile: Names of metric profiles.
        anchors: What scores 0 and what scores 1: ``{"zero": "mean-effect", "one": "replicate" or "none"}``.
        cells: Cells per predicted population.
        recipe: Settings of `aivc.experiments.fitting.shared_fit.Recipe`, its seed among them.
    """

    _apart: ClassVar[tuple[str, ...]] = ("split",)

    dataset: str
    sha256: Mapping[str, str]
    split_digest: str
    split: Mapping[str, Any]
    profile: Sequence[str]
    anchors: Mapping[str, str]
    cells: int = 200
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "profile", tuple(self.profile))
        unknown = {*self.recipe} - {each.name for each in dataclasses.fields(Recipe)}
        if unknown or "unseen" in self.recipe:
            listed = ", ".join(sorted(unknown)) or "unseen, which follows from the split"
            raise IntegrityError(f"The recipe of benchmark {self.name} sets {listed}. Leave it out.")

    @property
    def checksums(self) -> Mapping[str, Mapping[str, str]]:
        """Of the files of its dataset."""
        return {self.dataset: self.sha256}

    def load_data(self) -> Measurement:
        """Read the data that the benchmark was frozen on.

        Raises:
            IntegrityError: The catalog now means another file.
            UnavailableError: The data are nowhere here and cannot be fetched.
        """
        if self.source is not None:
            made: Measurement = self.source()
            return made
        self._require_same_files()
        return catalog.load(self.dataset)

    def make_split(self, measurement: Measurement) -> Split:
        """Who may see what, on the benchmark's data.

        Raises:
            SplitError: What was made from the recipe is not the frozen split.
            IntegrityError: The manifest is not the frozen split.
        """
        if "recipe" not in self.split:
            split = Split.from_json(self.split)
        else:
            split = make_split(measurement, **self.split["recipe"])
        if split.digest != self.split_digest:
            raise SplitError(
                f"Benchmark {self.name} was frozen with split {self.split_digest[:SHORT]}, but on these data "
                f"{split.digest[:SHORT]} came out. Give it the data it was frozen on; if they are, the split is made "
                "otherwise than it was: use the version of aivc that froze it."
            )
        return split


AnyBenchmark: TypeAlias = Benchmark | TaskBenchmark


def make_split(measurement: Measurement, *, kind: str, asked: int | None = None, **given: Any) -> Split:
    """Make a split from its recipe.

    Args:
        measurement: The data.
        kind: Such as ``unseen-pair``.
        asked: Only the first so many folds are asked; None asks all.
        given: What the function of that kind in `aivc.data.splits.folds` takes.

    Raises:
        UnknownNameError: No such kind.
        SplitError: The data do not allow it.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of split", kind, KINDS)
    split = KINDS[kind](measurement, **given)
    return split if asked is None else dataclasses.replace(split, folds=split.folds[:asked])


def names() -> list[str]:
    """Every registered benchmark.

    >>> "kang-unseen-donor" in names()
    True
    """
    return list(BENCHMARKS.names())


def benchmark(name: str) -> AnyBenchmark:
    """Return a registered benchmark: an object, a function without arguments that makes one, or a path of its JSON.

    Args:
        name: Registered; ``NAME@DIGEST``, or the beginning of the digest, takes that version, superseded or not.

    Returns:
        A `Benchmark` of effects of perturbations, or a `TaskBenchmark` of anything else.

    Raises:
        UnknownNameError: No package registers it, or there is no such version.
        IntegrityError: What is registered is no benchmark, or has another name.

    >>> benchmark("kang-unseen-donor").title
    'Kang 2018: interferon beta in a donor never seen treated'
    """
    bare, _, digest = name.partition("@")
    found = _registered(bare)
    if found.digest.startswith(digest):
        return found
    versions = {each.reference: each for each in superseded(bare)}
    matching = [each for each in versions.values() if each.digest.startswith(digest)]
    if len(matching) != 1:
        raise UnknownNameError("version of a benchmark", name, [found.reference, *versions])
    return matching[0]


def superseded(name: str) -> tuple[AnyBenchmark, ...]:
    """Versions that the registered benchmark of this name has replaced, the latest first.

    Of a benchmark registered by the path of its JSON, each stands in ``superseded/NAME@DIGEST.json`` beside it.

    Raises:
        UnknownNameError: No package registers it.
        IntegrityError: A version is not the one that its successor names, or is missing.
    """
    found, path, versions = _registered(name), BENCHMARKS.load(name), list[AnyBenchmark]()
    while found.supersedes and isinstance(path, str | os.PathLike):
        earlier = _read(Path(path).parent / "superseded" / f"{found.supersedes}.json")
        if earlier.reference != found.supersedes:
            raise IntegrityError(
                f"{found.reference} supersedes {found.supersedes}, but the file of that name holds "
                f"{earlier.reference}. Put the original back."
            )
        versions.append(found := earlier)
    return tuple(versions)


def _read(path: Path) -> AnyBenchmark:
    body = read_json(path)
    return (TaskBenchmark if isinstance(body, dict) and "protocol" in body else Benchmark).from_json(body)


def _registered(name: str) -> AnyBenchmark:
    found = BENCHMARKS.load(name)
    if not isinstance(found, AnyBenchmark | str | os.PathLike) and callable(found):
        found = found()
    if isinstance(found, str | os.PathLike):
        found = _read(Path(found))
    if not isinstance(found, AnyBenchmark) or found.name != name:
        what = f"the benchmark {found.name!r}" if isinstance(found, AnyBenchmark) else f"a {type(found).__name__}"
        raise IntegrityError(
            f"{BENCHMARKS.origin(name)} registers {what} as {name!r} under aivc.benchmarks. An entry point names a "
            "Benchmark of the same name, a function that makes it, or the path of its JSON."
        )
    return found


def run_benchmark(  # noqa: PLR0913 - each one is a question a user may ask
    chosen: Benchmark,
    methods: Sequence[str] | None = None,
    *,
    predictions: Mapping[str, Predicted] | None = None,
    measurement: Measurement | None = None,
    parts: UR | None = None,
    keep_going: bool = False,
    checkpoint: Path | str | None = None,
    by: Executor | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Ask a benchmark's question, and stamp every score with what it was.

    Args:
        chosen: From `benchmark`.
        methods: Instead of those of the reference rows; the baselines always stand beside them.
        predictions: What models of other environments predicted, by the name of their row; see
            `aivc.evaluation.benchmarks.export.export_benchmark` for what they were given.
        measurement: The data, where they were read already.
        parts: Molecular UR of the targets; None takes the catalog's knowledge of genes and drugs.
        keep_going: Show a method that fails instead of stopping.
        checkpoint: Folder where finished folds are kept, so that a run that was cut off goes on (`evaluate`).
        by: Does folds and methods side by side (`evaluate`); the result names it under ``cost``.
        progress: Called with what is being done.

    Raises:
        UnknownNameError: A method or a metric profile is not known.
        IntegrityError: The data are not those it was frozen on, or predictions say that they are of another benchmark.
        DataError: Predictions do not answer the questions.
        SplitError: The split is not the frozen one.
        UnavailableError: Data, or knowledge of the targets, are not here.
        ScoreError: A method failed, unless ``keep_going``.
    """
    methods = list(chosen.methods if methods is None else methods)
    require_methods(methods)
    metrics_of(chosen.profile)
    _require_own(predictions or {}, chosen)
    with measured() as cost:
        measurement = chosen.load_data() if measurement is None else measurement
        split = chosen.make_split(measurement)
        found = evaluate(
            measurement,
            split,
            methods,
            predictions=predictions,
            parts=_known(measurement, methods) if parts is None else parts,
            recipe=Recipe(**chosen.recipe),
            cells=chosen.cells,
            name=chosen.dataset,
            keep_going=keep_going,
            profile=chosen.profile,
            checkpoint=checkpoint,
            by=by,
            progress=progress,
        )
    cost |= {} if by is None else {"executor": by.name, "workers": by.workers}
    return stamped(found, chosen, cost)


def _require_own(predictions: Mapping[str, Predicted], chosen: Benchmark) -> None:
    # A version that asked the same of the same data was answered by the same cells.
    earlier = superseded(chosen.name) if chosen.supersedes and predictions else ()
    asked = (chosen.split_digest, chosen.sha256)
    alike = (each for each in earlier if isinstance(each, Benchmark) and (each.split_digest, each.sha256) == asked)
    same = {chosen.digest, *(each.digest for each in alike)}
    for name, predicted in predictions.items():
        of = predicted.provenance.get("benchmark")
        if of is not None and of not in same:
            raise IntegrityError(
                f"The predictions of {name!r} say that they answer benchmark {of[:SHORT]}, and {chosen.reference} is "
                "asked. Give the file that answers it."
            )


def _known(measurement: Measurement, methods: Sequence[str]) -> UR | None:
    """Knowledge of the targets, where a method uses it and there can be any; what can do without goes without."""
    parts = [MANIPULATORS.load(method.split(":")[0]) for method in methods]
    needing = any(part.needs_parts for part in parts)
    asked = measurement.parsed.distinct
    if not any(each.genes for each in asked) and not drugs_of(asked):
        return None
    if not needing and not any(part.uses_parts for part in parts):
        return None
    try:
        return priors_for(measurement)
    except UnavailableError:
        if needing:
            raise
        return None


def stamped(found: Evaluation, chosen: Benchmark, cost: Mapping[str, Any]) -> Evaluation:
    """Write into an evaluation, and into each of its rows, which benchmark it is of and what it took."""
    about = {key: value for key, value in chosen.to_json().items() if key not in ("split", "format")}
    body = {
        **found.body,
        "benchmark": about,
        "rows": [{**row, "benchmark": chosen.reference} for row in found.body["rows"]],
        "stamp": {**found.body["stamp"], "benchmark": chosen.digest, "name": chosen.name},
        "cost": dict(cost),
    }
    return Evaluation(found.table.assign(benchmark=chosen.reference), body)


def finished(
    path: Path,
    chosen: Benchmark,
    methods: Sequence[str] | None = None,
    predictions: Mapping[str, str] | None = None,
) -> bool:
    """Whether a file of scores is of this very benchmark, its metrics, these methods and these predictions.

    Args:
        path: Of the scores.
        chosen: The benchmark.
        methods: Instead of those of the reference rows.
        predictions: sha256 and units of each file of predictions (`stamp_of`), by the name of its row.
    """
    if not path.is_file():
        return False
    try:
        body = read_json(path)
    except IntegrityError:
        return False
    stamp = body.get("stamp", {}) if isinstance(body, dict) else {}
    now = {metric.name: metric.version for metric in metrics_of(chosen.profile)}
    wanted = set(chosen.methods if methods is None else methods)
    same = stamp.get("benchmark") == chosen.digest and stamp.get("metrics") == now
    # A row given by file counts by what the file held, and is never that of a method of the same name.
    given, asked = dict(stamp.get("predictions", {})), dict(predictions or {})
    return same and asked.items() <= given.items() and wanted <= set(body["methods"]) - set(given)
