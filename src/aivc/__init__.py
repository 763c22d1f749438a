"""The open AI Virtual Cell (Bunne et al. 2024): fit a learned simulator of cells, ask it, and score it honestly."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aivc.core.measurement import Measurement
    from aivc.core.perturbation import Agent, Perturbation
    from aivc.core.prediction import Prediction
    from aivc.core.registry import names
    from aivc.core.scale import Scale
    from aivc.core.schedule import Schedule
    from aivc.core.space import Space
    from aivc.core.ur import UR
    from aivc.core.virtual_cell import VirtualCell
    from aivc.data.catalog import load
    from aivc.data.io.check import check
    from aivc.data.io.guess import guess
    from aivc.data.io.read import read
    from aivc.data.io.schema import Schema
    from aivc.data.priors.gene_priors import gene_priors
    from aivc.data.splits.split import Split
    from aivc.evaluation.consistency.suite import consistency
    from aivc.evaluation.protocol.evaluate import evaluate
    from aivc.experiments.atlas.embed import embed
    from aivc.experiments.fate import fate
    from aivc.experiments.fitting.fit import fit
    from aivc.experiments.fitting.shared_fit import Recipe
    from aivc.experiments.predict import predict
    from aivc.experiments.propose import propose
    from aivc.experiments.screen import Response, screen
    from aivc.experiments.search import search
    from aivc.experiments.simulate import simulate
    from aivc.interpretation.explain import explain
    from aivc.interpretation.neighbor_effects import neighbor_effects
    from aivc.reporting.report import report

__version__ = version("aivc")

# One page, loaded as it is used, so that `import aivc` stays light.
_WHERE = {
    "Agent": "core.perturbation",
    "Measurement": "core.measurement",
    "Perturbation": "core.perturbation",
    "Prediction": "core.prediction",
    "Recipe": "experiments.fitting.shared_fit",
    "Response": "experiments.screen",
    "Scale": "core.scale",
    "Schedule": "core.schedule",
    "Schema": "data.io.schema",
    "Space": "core.space",
    "Split": "data.splits.split",
    "UR": "core.ur",
    "VirtualCell": "core.virtual_cell",
    "check": "data.io.check",
    "consistency": "evaluation.consistency.suite",
    "embed": "experiments.atlas.embed",
    "evaluate": "evaluation.protocol.evaluate",
    "explain": "interpretation.explain",
    "fate": "experiments.fate",
    "fit": "experiments.fitting.fit",
    "gene_priors": "data.priors.gene_priors",
    "guess": "data.io.guess",
    "load": "data.catalog",
    "names": "core.registry",
    "neighbor_effects": "interpretation.neighbor_effects",
    "predict": "experiments.predict",
    "propose": "experiments.propose",
    "read": "data.io.read",
    "report": "reporting.report",
    "screen": "experiments.screen",
    "search": "experiments.search",
    "simulate": "experiments.simulate",
}

__all__ = [
    "UR",
    "Agent",
    "Measurement",
    "Perturbation",
    "Prediction",
    "Recipe",
    "Response",
    "Scale",
    "Schedule",
    "Schema",
    "Space",
    "Split",
    "VirtualCell",
    "check",
    "consistency",
    "embed",
    "evaluate",
    "explain",
    "fate",
    "fit",
    "gene_priors",
    "guess",
    "load",
    "names",
    "neighbor_effects",
    "predict",
    "propose",
    "read",
    "report",
    "screen",
    "search",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'aivc' has no attribute {name!r}")
    return getattr(import_module(f"aivc.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
