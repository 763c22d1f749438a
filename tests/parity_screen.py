"""The small screen on which other evaluators were run, and panels made of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.panel import Panel
from tiny_panels import panel

FIXTURES = Path(__file__).parent / "evaluation" / "fixtures"
TARGET = 10_000


def inputs() -> dict[str, np.ndarray]:
    """Counts: ``controls`` (m, f), ``measured`` (p, n, f), ``predicted`` (p, n, f) and ``flat`` (p, n, f).

    ``predicted`` comes from a noisy simulator. ``flat`` is control cells, most of them the same for every perturbation,
    so that predictions are less spread than their cells would have it.
    """
    with np.load(FIXTURES / "parity_screen.npz") as stored:
        found = {name: stored[name].astype(np.float64) for name in ("controls", "measured", "predicted")}
        return {**found, "flat": found["controls"][stored["flat"]]}


def genes(count: int) -> np.ndarray:
    return np.array([f"G{i:03}" for i in range(count)], dtype=object)


def log1p(counts: np.ndarray) -> np.ndarray:
    """As files of cell-eval hold them: log1p of counts per 10,000, in single precision."""
    return np.log1p(counts * (TARGET / counts.sum(axis=-1, keepdims=True))).astype(np.float32)


def parity_panel(screen: dict[str, np.ndarray], prediction: str, *, own: bool = False) -> Panel:
    """One panel; with ``own``, the targets of the perturbations are scored like any other gene."""
    predicted, measured, controls = screen[prediction], screen["measured"], screen["controls"]
    p, _, f = measured.shape
    logs = {name: log1p(x) for name, x in (("p", predicted), ("m", measured), ("c", controls))}
    control = np.tile(logs["c"].mean(axis=0, dtype=float), (p, 1))
    target = (np.arange(p)[:, None] == np.arange(f)) & (not own)
    changes: dict[str, Any] = {
        "questions": pd.DataFrame({"fold": 0, "context": "A", "perturbation": [f"ko:{g}" for g in genes(f)[:p]]}),
        "given": control,
        "control": control,
        "usable": ~target,
        "targeted": target.any(axis=0),
        "features": genes(f),
        "units": "log1p_cp10k",
        "population": tuple(logs["p"]),
        "cells": tuple(logs["m"]),
        "controls": (logs["c"],) * p,
        "population_depth": tuple(predicted.sum(axis=2)),
        "cells_depth": tuple(measured.sum(axis=2)),
        "controls_depth": (controls.sum(axis=1),) * p,
    }
    return panel(logs["p"].mean(axis=1, dtype=float), logs["m"].mean(axis=1, dtype=float), **changes)
