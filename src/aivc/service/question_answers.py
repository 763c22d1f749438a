"""Answers of a virtual cell as a page shows them: genes, pathways, what it is made from, and how far to trust it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
import pyarrow as pa

from aivc.core.calibration import Applicability
from aivc.core.errors import DataError, UnavailableError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.units import spoken_units
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors.gene_sets import COLLECTIONS, gene_sets
from aivc.experiments.known_names import questions
from aivc.experiments.predict import predict
from aivc.interpretation.enrichment import enrichment
from aivc.interpretation.explain import explain
from aivc.service.name_search import MEANING

# Points of a volcano, pieces of evidence and pathways at most; genes that are looked for in pathways, on each side.
_POINTS, _PIECES, _PATHWAYS, _LOOKED_FOR = 5000, 12, 30, 100
_JOINT = re.compile(r"\s*\+\s*(?=[a-z_]+:)")
_APPLICABILITY = {
    Applicability.IN: ("inside", "This perturbation, or what it is made of, was seen in training."),
    Applicability.EDGE: ("edge", "Not seen in training, but its relatives were."),
    Applicability.OUT: ("outside", "Nothing is known about it: the answer is a default."),
}


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question to a virtual cell.

    Attributes:
        perturbation: As text.
        context: Where; empty takes the only one.
        new_context: Whether that is new, although its name reads like a known one.
        allow_unknown: Answer also where nothing is known of a name.
        top: Genes that are listed.
        level: Of intervals.
        why: Say also what the answer is made from.
        sets: Collection of gene sets; empty for none.
    """

    perturbation: str
    context: str = ""
    new_context: bool = False
    allow_unknown: bool = False
    top: int = 50
    level: float = 0.9
    why: bool = True
    sets: str = "hallmark"


def predicted(cell: VirtualCell, asked: Asked) -> tuple[Perturbation, Prediction[Measurement]]:
    """The question in the names of the cell, and its answer.

    Raises:
        PerturbationError: The text is no perturbation, or lacks a dose.
        UnknownNameError: No such context, or nothing is known of a target.
    """
    with MEANING:
        meant = questions(cell, [spaced(asked.perturbation)], allow_unknown=asked.allow_unknown)[0]
    start = cell.start(asked.context, new_context=asked.new_context)
    return meant, predict(cell, start, meant, allow_unknown=asked.allow_unknown)


def spaced(text: str) -> str:
    """Write a combination with spaces around what joins its parts, as the grammar wants it.

    >>> spaced("ko:JAK2+ko:STAT1"), spaced("drug:(+)-JQ1@1uM")
    ('ko:JAK2 + ko:STAT1', 'drug:(+)-JQ1@1uM')
    """
    return _JOINT.sub(" + ", text)


def answer(cell: VirtualCell, asked: Asked, scores: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Answer a question.

    Args:
        cell: Whom.
        asked: What.
        scores: What the evaluator wrote of this cell, so that it can be said how well this very question was met when
            it was hidden.

    Returns:
        JSON-ready, as `aivc.service.cell_models.PredictedAnswer` describes it.
    """
    began = time.perf_counter()
    meant, said = predicted(cell, asked)
    where = str(said.draws[0].contexts[0])
    remarks: list[str] = []
    inside, spoken = _APPLICABILITY[said.applicability]
    table = _table(said, asked.level)
    names = table["feature"]
    made = {
        "perturbation": str(meant),
        "context": where,
        "units": spoken_units(said.profile_units),
        "level": asked.level,
        "applicability": inside,
        "applicability_text": spoken,
        "made_by": list(said.made_by),
        "abstained": said.abstained,
        "sureness": said.sureness(asked.level),
        "measured": str(meant) in cell.trained,
        "genes": _genes(table, asked.top),
        "volcano": _volcano(table),
        "pathways": _pathways(said.effect, names, asked.sets, remarks),
        "why": _why(cell, meant, where, asked, remarks) if asked.why else [],
        "scored": held_out_scores(scores, str(meant), where) if scores else None,
    }
    if said.abstained:
        remarks.append("The method trusts itself too little here, so the mean effect of perturbations answers.")
    made["remarks"] = remarks
    made["seconds"] = round(time.perf_counter() - began, 3)
    return made


def answer_table(said: Prediction[Measurement], level: float) -> pa.Table:
    """Every feature: ``feature``, ``control``, ``predicted``, ``effect``, ``low`` and ``high``."""
    columns = {name: pa.array(values) for name, values in _table(said, level).items()}
    return pa.table(columns).replace_schema_metadata({"units": said.profile_units, "level": str(level)})


def _table(said: Prediction[Measurement], level: float) -> dict[str, np.ndarray]:
    low, high = said.effect_interval(level)
    return {
        "feature": said.draws[0].features.astype(str), "control": np.asarray(said.control, dtype=float),
        "predicted": np.asarray(said.mean, dtype=float), "effect": np.asarray(said.effect, dtype=float),
        "low": np.asarray(low, dtype=float), "high": np.asarray(high, dtype=float),
    }  # fmt: skip


def _genes(table: Mapping[str, np.ndarray], top: int) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(table["effect"]), kind="stable")[:top]
    clear = (table["low"] > 0) | (table["high"] < 0)
    return [
        {
            "feature": str(table["feature"][i]),
            **{name: finite(table[name][i]) for name in ("control", "predicted", "effect", "low", "high")},
            "clear": bool(clear[i]),
        }
        for i in order
    ]


def _volcano(table: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Effect against sureness: how many half-widths of its interval it lies from zero."""
    half = (table["high"] - table["low"]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        sure = np.abs(table["effect"]) / half
    rows = np.flatnonzero(np.isfinite(sure))
    rows = rows[np.argsort(-sure[rows], kind="stable")[:_POINTS]]
    return {
        "feature": [str(name) for name in table["feature"][rows]],
        "effect": [round(float(value), 6) for value in table["effect"][rows]],
        "sureness": [round(float(value), 4) for value in sure[rows]],
    }


def _pathways(effect: np.ndarray, names: np.ndarray, sets: str, remarks: list[str]) -> list[dict[str, Any]]:
    """Sets that hold more of the features that rise most, or fall most, than chance would put there."""
    if not sets:
        return []
    try:
        known = _sets(sets)
    except UnavailableError as error:
        remarks.append(f"Gene sets could not be looked up: {error}")
        return []
    order = np.argsort(-effect, kind="stable")
    most = min(_LOOKED_FOR, max(len(order) // 10, 3))
    found: list[dict[str, Any]] = []
    for sign, rows in ((1, order[:most]), (-1, order[::-1][:most])):
        drawn = [str(names[i]) for i in rows if effect[i] * sign > 0]
        tested = enrichment(drawn, names, known)
        found += [
            {
                "name": str(row["set"]), "score": round(sign * float(row["hits"]) / float(row["expected"]), 3),
                "p": float(row["p"]), "q": float(row["q"]), "genes": row["genes"].split(","),
            }
            for row in tested[tested["hits"] > 0].to_dict("records")
        ]  # fmt: skip
    if not found:
        remarks.append(f"No set of {sets} shares enough genes with what this cell measures.")
    return sorted(found, key=lambda row: (row["p"], row["name"]))[:_PATHWAYS]


@lru_cache(maxsize=8)
def _sets(name: str) -> Mapping[str, frozenset[str]]:
    # A path of this computer is never taken from a request.
    if name not in COLLECTIONS:
        raise DataError([f"Gene sets are {', '.join(COLLECTIONS)}, got {name[:80]!r}."])
    return gene_sets(name)


def _why(cell: VirtualCell, meant: Perturbation, where: str, asked: Asked, remarks: list[str]) -> list[dict[str, Any]]:
    try:
        said = explain(
            cell, meant, where, level=asked.level, new_context=asked.new_context, allow_unknown=asked.allow_unknown
        )
    except DataError as error:
        remarks.append(f"What this answer is made from cannot be said: {' '.join(error.problems)}")
        return []
    return [
        {
            "perturbation": str(row["name"]), "context": str(row["detail"]), "source": str(row["source"]),
            "share": finite(row["share"]), "similarity": finite(row["weight"]),
        }
        for row in said.pieces.head(_PIECES).to_dict("records")
    ]  # fmt: skip


def held_out_scores(scores: Mapping[str, Any], perturbation: str, context: str) -> dict[str, Any] | None:
    """How well the methods met this question when it was hidden from them; None where it never was.

    Args:
        scores: What the evaluator wrote.
        perturbation: As text.
        context: Where.

    Returns:
        ``split`` and ``methods``, each with its ``name`` and ``metrics`` (name → value, ``better``).
    """
    rows = [
        row
        for row in scores.get("rows", ())
        if row.get("perturbation") == perturbation and row.get("context", context) == context
    ]
    about = scores.get("metrics", {})
    methods = [
        {
            "name": str(row["method"]),
            "metrics": {
                name: {"value": finite(row.get(name)), "better": better(about[name].get("direction", "none"))}
                for name in about
                if name in row
            },
        }
        for row in rows
    ]
    return {"split": str(scores.get("split", {}).get("kind", "")), "methods": methods} if methods else None


def better(direction: str) -> str:
    """Which way of a metric is better: ``higher``, ``lower``, or ``neither``.

    >>> better("up"), better("none")
    ('higher', 'neither')
    """
    return {"up": "higher", "down": "lower"}.get(direction, "neither")


def finite(value: Any) -> float | None:
    """A number that JSON can hold; None for any other.

    >>> finite(1.5), finite(float("nan")), finite(None)
    (1.5, None, None)
    """
    if value is None or isinstance(value, str):
        return None
    return float(value) if np.isfinite(value) else None
