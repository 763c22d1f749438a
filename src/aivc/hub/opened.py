"""Opens what is published as files: a benchmark loads, a score says what it is of, a campaign comes to its end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.saved_cell import fitting
from aivc.data.splits.split import Split
from aivc.evaluation.benchmarks.benchmark import KINDS, AnyBenchmark, Benchmark, benchmark
from aivc.evaluation.benchmarks.frozen import SHORT
from aivc.evaluation.benchmarks.protocol import POOLED
from aivc.evaluation.benchmarks.task_benchmark import TaskBenchmark
from aivc.evaluation.protocol.evaluate import metrics_of, require_methods
from aivc.evaluation.protocol.output import SCORES
from aivc.experiments.campaign.campaign import Campaign
from aivc.hub.manifest import MANIFEST
from aivc.hub.refs import HubKind

# Kinds that are opened; a dataset card is read by people.
OPENED = (HubKind.BENCHMARK, HubKind.SCORE, HubKind.CAMPAIGN)
_BESIDE = (MANIFEST, "signatures.json")
_RTOL = 1e-6


def open_files(kind: HubKind, place: Path) -> str:
    """Open a benchmark, a score or a campaign with what made it.

    Args:
        kind: Of thing.
        place: Its folder, or its one file.

    Returns:
        What was found, a sentence for people.

    Raises:
        AIVCError: It is none, contradicts itself, or needs what is not installed here.
    """
    with fitting(f"The {kind} in {place.name}"):
        return _WAYS[kind](place)


def read_benchmark(place: Path) -> AnyBenchmark:
    """A benchmark as `Benchmark.save` or `TaskBenchmark.save` wrote it; its stamp is checked.

    Raises:
        IntegrityError: There is none.
    """
    body = read_json(_one(place, "benchmark", "benchmark.json"))
    return (TaskBenchmark if isinstance(body, dict) and "protocol" in body else Benchmark).from_json(body)


@final
@dataclass(frozen=True)
class ReadScore:
    """A file of scores.

    Attributes:
        benchmark: Name of the benchmark that was asked.
        digest: Of its version.
        methods: That answered, but for those that always stand in such a table.
        given: Those that other programs answered for.
        values: Method and metric → value; None where there is none.
        protocol: Version of the protocol of a task; None of a benchmark of effects.
    """

    benchmark: str
    digest: str
    methods: tuple[str, ...]
    given: tuple[str, ...]
    values: Mapping[tuple[str, str], float | None]
    protocol: int | None

    @property
    def reference(self) -> str:
        """Name and beginning of the digest of the benchmark."""
        return f"{self.benchmark}@{self.digest[:SHORT]}"


def read_score(place: Path) -> ReadScore:
    """Read scores, and see that they agree with themselves.

    Raises:
        IntegrityError: They are none, name no version of a benchmark or no method, or do not follow from their rows.
    """
    body = read_json(_one(place, "score", SCORES))
    wanted = ("stamp", "methods", "metrics", "scores", "rows")
    if not isinstance(body, dict) or (missing := [name for name in wanted if not body.get(name)]):
        lacks = ", ".join(missing) if isinstance(body, dict) else "all of it"
        raise IntegrityError(f"These are no scores: {lacks} is missing. Publish a scores.json of aivc benchmark run.")
    stamp, about = body["stamp"], body.get("benchmark")
    if not isinstance(about, dict) or not isinstance(stamp.get("benchmark"), str):
        raise IntegrityError(
            "These scores name no version of a benchmark, so that nobody can tell what was asked. Publish a "
            "scores.json of aivc benchmark run."
        )
    if about.get("digest") != stamp["benchmark"] or about.get("name") != stamp.get("name", about.get("name")):
        raise IntegrityError("These scores name two benchmarks. Take the original, or run the benchmark again.")
    protocol = stamp.get("protocol")
    values = {(name, metric): by[metric]["value"] for name, by in body["scores"].items() for metric in by}
    _require_rows(body, values, task=protocol is not None)
    given = tuple(map(str, stamp.get("predictions", {})))
    methods = tuple(map(str, body["methods"]))
    if lacking := sorted(set(methods) - {name for name, _ in values}):
        raise IntegrityError(f"The scores of {lacking[0]} are missing. Take the original, or run the benchmark again.")
    return ReadScore(str(about["name"]), stamp["benchmark"], methods, given, values, protocol)


def named_benchmark(found: ReadScore, beside: Sequence[Path]) -> AnyBenchmark | None:
    """The version of a benchmark that scores name: registered here, or in a folder beside; None where it is neither."""
    for place in beside:
        each = read_benchmark(place)
        if each.digest == found.digest:
            return each
    try:
        return benchmark(f"{found.benchmark}@{found.digest}")
    except UnknownNameError:
        return None


def _require_rows(body: Mapping[str, Any], values: Mapping[tuple[str, str], Any], *, task: bool) -> None:
    """See that each number is the mean of its rows, which a number changed by hand is not."""
    rows, pooled = dict[tuple[str, str], list[Any]](), dict[tuple[str, str], list[Any]]()
    for row in body["rows"]:
        if task:
            # A number over all folds stands for the mean of them.
            group = pooled if row["fold"] == POOLED else rows
            group.setdefault((row["method"], row["metric"]), []).append(row["value"])
        else:
            for metric in body["metrics"]:
                rows.setdefault((row["method"], metric), []).append(row.get(metric))
    rows |= pooled
    for key, value in values.items():
        known = np.array([each for each in rows.get(key, ()) if each is not None], dtype=np.float64)
        whole = not task or len(known) == len(rows.get(key, ()))
        mean = float(known.mean()) if len(known) and whole else None
        same = value is None if mean is None else value is not None and np.isclose(value, mean, _RTOL, _RTOL)
        if not same:
            raise IntegrityError(
                f"{key[1]} of {key[0]} is {value}, and its rows make {mean}: it was changed. Take the original, or run "
                "the benchmark again."
            )


def _benchmark(place: Path) -> str:
    found = read_benchmark(place)
    if found.files == "another version":
        raise IntegrityError(
            f"{found.reference} was frozen on files of {', '.join(found.checksums)} that the catalog here does not "
            "have. Use the version of aivc that froze it, or freeze a new one."
        )
    if isinstance(found, TaskBenchmark):
        found.asker.require(found.settings, found.methods_for())
        return f"{found.reference} loads; its protocol {found.protocol} takes its settings and methods."
    require_methods(found.methods)
    metrics_of(found.profile)
    if "recipe" in found.split:
        kind = found.split["recipe"].get("kind")
        if kind not in KINDS:
            raise UnknownNameError("kind of split", str(kind), KINDS)
        return f"{found.reference} loads; its folds are made from the data ({kind})."
    split = Split.from_json(dict(found.split))
    if split.digest != found.split_digest:
        raise IntegrityError(
            f"{found.reference} was frozen with split {found.split_digest[:SHORT]} and holds {split.digest[:SHORT]}. "
            "Take the original."
        )
    return f"{found.reference} loads; its {len(split.folds)} folds are those of its digest."


def _score(place: Path) -> str:
    found = read_score(place)
    return f"{len(found.values)} values of {', '.join(found.methods[:5])} on {found.reference} follow from their rows."


def _campaign(place: Path) -> str:
    status = Campaign.load(place).status()
    waits = f", and waits for round {status['waits_for_round']}" if status["waits_for_round"] else ""
    return (
        f"It opens, and its record is followed to its end: {status['rounds']} rounds, {status['measured']} of "
        f"{status['candidates']} candidates measured{waits}."
    )


def _one(place: Path, what: str, usual: str) -> Path:
    """The one JSON file that counts in a folder."""
    if place.is_file():
        return place
    if (place / usual).is_file():
        return place / usual
    found = _jsons(place.glob("*.json"))
    if len(found) != 1:
        listed = ", ".join(each.name for each in found) or "none"
        raise IntegrityError(f"A {what} is one JSON file, and {place.name} holds {listed}. Name the one {usual}.")
    return found[0]


def _jsons(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.name not in _BESIDE)


_WAYS = {HubKind.BENCHMARK: _benchmark, HubKind.SCORE: _score, HubKind.CAMPAIGN: _campaign}
