"""Questions with a name: data, split, metrics and reference methods, frozen under one digest, and run as they stand."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

from aivc.core.errors import IntegrityError, SplitError, UnavailableError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS, Registry
from aivc.core.state import write_text
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.priors.for_screen import drugs_of, priors_for
from aivc.data.splits import folds
from aivc.data.splits.split import Split
from aivc.evaluation.protocol.cost import measured
from aivc.evaluation.protocol.evaluate import evaluate, metrics_of, require_methods
from aivc.evaluation.protocol.forecast import Predicted
from aivc.evaluation.scores.table import Evaluation
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.fitting.summary import Progress

FORMAT = 1
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
_SHORT = 12


@final
@dataclass(frozen=True)
class Benchmark:
    """A question that everybody is asked in the same way.

    Attributes:
        name: Lowercase words joined by hyphens.
        title: For people.
        question: One paragraph: what is asked, and why an answer would be worth something.
        dataset: Name in the catalog; of its own data where ``source`` gives them.
        sha256: Checksum of each file of the dataset that the benchmark was frozen on.
        split_digest: Of the split, checked at every run.
        split: The manifest itself (`Split.to_json`), or how to make it: ``{"recipe": {"kind": …, …}}``. A recipe takes
            what the function of its kind in `aivc.data.splits.folds` takes, and ``asked``, how many of its folds are
            asked.
        profile: Names of metric profiles.
        methods: Those that make the reference rows; ``no-change`` and ``mean-effect`` always stand beside them, and
            ``NAME:shuffled`` beside NAME shows what it loses with permuted labels.
        anchors: What scores 0 and what scores 1: ``{"zero": "mean-effect", "one": "replicate" or "none"}``.
        cells: Cells per predicted population.
        recipe: Settings of `aivc.experiments.fitting.shared_fit.Recipe`, its seed among them.
        licence: Terms of the data.
        citation: Whom to cite.
        leaks: What is known to be wrong, and what no score here can say.
        source: Gives the data of a benchmark that are in no catalog; no part of the digest, the split's digest is.
        supersedes: Reference of the benchmark of the same name that this one replaces; empty for the first.
    """

    name: str
    title: str
    question: str
    dataset: str
    sha256: Mapping[str, str]
    split_digest: str
    split: Mapping[str, Any]
    profile: Sequence[str]
    methods: Sequence[str]
    anchors: Mapping[str, str]
    cells: int = 200
    recipe: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    citation: str = ""
    leaks: Sequence[str] = ()
    source: Callable[[], Measurement] | None = field(default=None, compare=False)
    supersedes: str = ""

    def __post_init__(self) -> None:
        for name in ("profile", "methods", "leaks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = {*self.recipe} - {each.name for each in dataclasses.fields(Recipe)}
        if unknown or "unseen" in self.recipe:
            listed = ", ".join(sorted(unknown)) or "unseen, which follows from the split"
            raise IntegrityError(f"The recipe of benchmark {self.name} sets {listed}. Leave it out.")

    @property
    def digest(self) -> str:
        """sha256 of all that the benchmark fixes; its split counts by its own digest."""
        body = {key: value for key, value in self._body().items() if key != "split"}
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def reference(self) -> str:
        """Name and beginning of the digest, as every row of scores carries it."""
        return f"{self.name}@{self.digest[:_SHORT]}"

    def _body(self) -> dict[str, Any]:
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "source"}
        if not self.supersedes:
            # A benchmark that replaces none has the digest it had before any could.
            del fields["supersedes"]
        return {"format": FORMAT, **json.loads(json.dumps(fields, default=dict))}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, stamped with its digest."""
        return {**self._body(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Any) -> "Benchmark":
        """Read what `to_json` wrote.

        Raises:
            IntegrityError: It is no benchmark, of another format, or was changed since it was stamped.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise IntegrityError(f"This is no benchmark of format {FORMAT}. Write one with Benchmark.save.")
        known = {key: value for key, value in data.items() if key not in ("format", "digest")}
        wanted = {each.name for each in dataclasses.fields(cls)} - {"source"}
        if differing := sorted(wanted ^ {*known, "supersedes"}):
            raise IntegrityError(f"A benchmark holds {', '.join(sorted(wanted))}; look at {', '.join(differing)}.")
        made = cls(**known)
        if data.get("digest") != made.digest:
            raise IntegrityError(
                f"Benchmark {made.name} is stamped {str(data.get('digest'))[:_SHORT]} but its content makes "
                f"{made.digest[:_SHORT]}: it was changed. Take the original, or stamp the new one under another name."
            )
        return made

    def save(self, path: Path) -> None:
        """Write it, stamped."""
        write_text(path, json.dumps(self.to_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Benchmark":
        """Read what `save` wrote."""
        return cls.from_json(read_json(path))

    @property
    def files(self) -> str:
        """Whether its data are ``here``, ``not here``, ``damaged``, or ``another version`` than it was frozen on."""
        if self.source is not None:
            return "here"
        try:
            self._require_same_files()
        except (IntegrityError, UnknownNameError):
            return "another version"
        try:
            for file in self.sha256:
                catalog.path(self.dataset, file, offline=True)
        except UnavailableError:
            return "not here"
        except IntegrityError:
            return "damaged"
        return "here"

    def load_data(self) -> Measurement:
        """Read the data that the benchmark was frozen on.

        Raises:
            IntegrityError: The catalog now means another file.
            UnavailableError: The data are nowhere here and cannot be fetched.
        """
        if self.source is not None:
            return self.source()
        self._require_same_files()
        return catalog.load(self.dataset)

    def _require_same_files(self) -> None:
        now = {file.name: file.sha256 for file in catalog.entry(self.dataset).files}
        if now != dict(self.sha256):
            raise IntegrityError(
                f"Benchmark {self.name} was frozen on {self.dataset} with {_answer(self.sha256)}, and the catalog now "
                f"has {_answer(now)}. Scores on other data are those of another benchmark: freeze a new one."
            )

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
                f"Benchmark {self.name} was frozen with split {self.split_digest[:_SHORT]}, but on these data "
                f"{split.digest[:_SHORT]} came out. Give it the data it was frozen on; if they are, the split is made "
                "otherwise than it was: use the version of aivc that froze it."
            )
        return split


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


def benchmark(name: str) -> Benchmark:
    """Return a registered benchmark: an object, a function without arguments that makes one, or a path of its JSON.

    Args:
        name: Registered; ``NAME@DIGEST``, or the beginning of the digest, takes that version, superseded or not.

    Raises:
        UnknownNameError: No package registers it, or there is no such version.
        IntegrityError: What is registered is no benchmark, or has another name.

    >>> benchmark("kang-unseen-donor").dataset
    'kang2018-labelled'
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


def superseded(name: str) -> tuple[Benchmark, ...]:
    """Versions that the registered benchmark of this name has replaced, the latest first.

    Of a benchmark registered by the path of its JSON, each stands in ``superseded/NAME@DIGEST.json`` beside it.

    Raises:
        UnknownNameError: No package registers it.
        IntegrityError: A version is not the one that its successor names, or is missing.
    """
    found, path, versions = _registered(name), BENCHMARKS.load(name), list[Benchmark]()
    while found.supersedes and isinstance(path, str | os.PathLike):
        earlier = Benchmark.load(Path(path).parent / "superseded" / f"{found.supersedes}.json")
        if earlier.reference != found.supersedes:
            raise IntegrityError(
                f"{found.reference} supersedes {found.supersedes}, but the file of that name holds "
                f"{earlier.reference}. Put the original back."
            )
        versions.append(found := earlier)
    return tuple(versions)


def _registered(name: str) -> Benchmark:
    found = BENCHMARKS.load(name)
    if not isinstance(found, Benchmark | str | os.PathLike) and callable(found):
        found = found()
    if isinstance(found, str | os.PathLike):
        found = Benchmark.load(Path(found))
    if not isinstance(found, Benchmark) or found.name != name:
        what = f"the benchmark {found.name!r}" if isinstance(found, Benchmark) else f"a {type(found).__name__}"
        raise IntegrityError(
            f"{BENCHMARKS.origin(name)} registers {what} as {name!r} under aivc.benchmarks. An entry point names a "
            "Benchmark of the same name, a function that makes it, or the path of its JSON."
        )
    return found


def run_benchmark(
    chosen: Benchmark,
    methods: Sequence[str] | None = None,
    *,
    predictions: Mapping[str, Predicted] | None = None,
    measurement: Measurement | None = None,
    parts: UR | None = None,
    keep_going: bool = False,
    checkpoint: Path | str | None = None,
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
            progress=progress,
        )
    return stamped(found, chosen, cost)


def _require_own(predictions: Mapping[str, Predicted], chosen: Benchmark) -> None:
    # A version that asked the same of the same data was answered by the same cells.
    earlier = superseded(chosen.name) if chosen.supersedes and predictions else ()
    asked = (chosen.split_digest, chosen.sha256)
    same = {chosen.digest, *(each.digest for each in earlier if (each.split_digest, each.sha256) == asked)}
    for name, predicted in predictions.items():
        of = predicted.provenance.get("benchmark")
        if of is not None and of not in same:
            raise IntegrityError(
                f"The predictions of {name!r} say that they answer benchmark {of[:_SHORT]}, and {chosen.reference} is "
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


def _answer(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {digest[:_SHORT]}" for name, digest in digests.items())
