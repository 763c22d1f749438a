"""Panels small enough to score by hand."""

import numpy as np
import pandas as pd

from aivc.evaluation.metrics.panel import Panel


def panel(predicted, truth, **changes):
    predicted, truth = np.array(predicted, dtype=float), np.array(truth, dtype=float)
    p, f = truth.shape
    table = pd.DataFrame({"fold": 0, "context": "A", "perturbation": [f"ko:G{i}" for i in range(p)]})
    fields = {
        "features": np.array([f"F{i}" for i in range(f)]),
        "units": "log1p_cp100",
        "questions": table,
        "predicted": predicted,
        "given": np.zeros((p, f)),
        "truth": truth,
        "control": np.zeros((p, f)),
        "perturbed_mean": np.zeros((p, f)),
        "usable": np.ones((p, f), dtype=bool),
        "targeted": np.zeros(f, dtype=bool),
        "truth_noise": np.zeros((p, f)),
        "predicted_noise": np.zeros((p, f)),
        "low": np.full((p, f), np.nan),
        "high": np.full((p, f), np.nan),
        "population": (None,) * p,
        "cells": (None,) * p,
        "controls": (None,) * p,
        "population_depth": (None,) * p,
        "cells_depth": (None,) * p,
        "controls_depth": (None,) * p,
    }
    return Panel(**{**fields, **changes})
