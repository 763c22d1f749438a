"""How an evaluation was scored, and everything that is needed to repeat it."""

from collections.abc import Iterator, Mapping
from typing import Any

from aivc.reporting.html import Section
from aivc.reporting.reading import label, spoken_split
from aivc.reporting.sortable import Cell, Table

_BETTER = {"up": "higher is better", "down": "lower is better", "none": "closest to its ideal"}


def definitions(scores: Mapping[str, Any]) -> Section:
    """Say how each score is computed, and where it comes from."""
    versions = scores.get("stamp", {}).get("metrics", {})
    rows = tuple(
        (
            label(scores, name),
            *([versions.get(name, item.get("version"))] if versions else []),
            _direction(item),
            *(_stated(item.get(key)) for key in ("chance", "best")),
            item["formula"],
            item["source"],
        )
        for name, item in scores["metrics"].items()
    )
    columns = ("score", *(["version"] if versions else []), "direction", "by chance", "ideal", "formula", "source")
    formats = {"by chance": ".3g", "ideal": ".3g"}
    table = Table(columns, rows, "How each score is computed, and where it comes from.", formats)
    units = scores.get("profile_units", scores["data"].get("units", "units not stated"))
    text = f"Profiles are in {units}. Genes that a perturbation targets itself are left out of its scores."
    return Section("How it was scored", text, tables=(table,))


def repeating(scores: Mapping[str, Any]) -> Section:
    """List what must be the same for the scores to be the same."""
    rows = tuple((what, Cell("not stated") if value is None else str(value)) for what, value in _facts(scores))
    text = (
        "The same data, split, recipe, seed and versions give the same scores. A score may be compared with one of "
        "another report where the benchmark or the split has the same digest, and the score the same version."
    )
    return Section("How to repeat this", text, tables=(Table(("what", "value"), rows, "The stamp of this report."),))


def _facts(scores: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    data, split, stamp = scores["data"], scores["split"], scores.get("stamp", {})
    yield "data", data["name"]
    for key in ("cells", "features", "perturbations", "contexts"):
        if data.get(key) is not None:
            yield f"data: {key}", f"{data[key]:,}"
    yield "data: units", data.get("units")
    yield "held out", f"{spoken_split(str(split['kind']))}; {split['folds']} folds"
    yield "split digest", split["digest"]
    yield "benchmark digest", stamp.get("benchmark") or "none: this evaluation was not run as a named benchmark"
    yield "methods", ", ".join(map(str, scores["methods"]))
    yield "seed", scores.get("seed")
    for key, value in scores.get("recipe", {}).items():
        if key != "seed":
            yield f"recipe: {key.replace('_', ' ')}", value
    if versions := stamp.get("metrics"):
        yield "score versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    for key, value in scores.get("environment", {}).items():
        yield f"environment: {key}", value
    for key, value in stamp.items():
        if key not in ("metrics", "benchmark", "split", "seed"):
            yield key.replace("_", " "), value


def _direction(metric: Mapping[str, Any]) -> str:
    if metric["direction"] == "none" and metric.get("best") is None:
        return "neither by itself"
    return _BETTER[metric["direction"]]


def _stated(value: float | int | None) -> float | int | Cell:
    return Cell("none") if value is None else value
