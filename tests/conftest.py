"""What every test may ask for: the real data where they are, and one thread per process."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import tiny_parts
from aivc.core import registry
from aivc.core.measurement import Measurement
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names import genes
from aivc.data.names.gene_files import GeneNames
from aivc.testing import sample_measurement

# One thread per process: tests run side by side. What tests start inherits it.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Of fixtures that outlive a test.
os.environ.setdefault("AIVC_PULLED", f"{tempfile.gettempdir()}/aivc-tests-{os.getpid()}/pulled_terms.json")

# Machines differ in speed; a slow one is no bug.
settings.register_profile("aivc", deadline=None, max_examples=60)
settings.load_profile("aivc")


@pytest.fixture(autouse=True)
def nothing_pulled(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test fetches from a hub binds no other test, and is not noted in the home of whoever tests."""
    monkeypatch.setenv("AIVC_PULLED", str(tmp_path_factory.getbasetemp() / "pulled" / f"{uuid.uuid4()}.json"))


@pytest.fixture(scope="session")
def aivc_data() -> Path:
    """Folder of the real data, where AIVC_DATA names one."""
    named = os.environ.get("AIVC_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("AIVC_DATA names no folder, so the real data are not here; set it to test on them")
    return Path(named)


@pytest.fixture
def cells() -> Measurement:
    """A small screen of counts."""
    return sample_measurement()


@pytest.fixture
def states(cells: Measurement) -> UR:
    """The small screen, encoded."""
    return tiny_parts.TinyEncoder.fit(cells, dim=4, seed=0).encode(cells)


@pytest.fixture
def known_genes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Iterable[str]]], None]:
    """Say which human genes there are in one test: ``known_genes({"NEW": ["OLD"]})``, each with its other names."""

    def say(names: Mapping[str, Iterable[str]]) -> None:
        previous: dict[str, set[str]] = {}
        for symbol, others in names.items():
            for other in others:
                previous.setdefault(other, set()).add(symbol)
        meant = {other: frozenset(symbols) for other, symbols in previous.items()}
        table = GeneNames("human", frozenset(names), meant, {}, {})
        monkeypatch.setattr(genes, "gene_table", lambda species: table)

    return say


@pytest.fixture
def control(cells: Measurement) -> Measurement:
    """Unperturbed cells of one context."""
    return cells.take(np.flatnonzero((cells.perturbations == "control") & (cells.contexts == "A")))


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register entry points for one test: ``register(EntryPoint(name, value, group), …)`` replaces all others."""

    def use(*points: EntryPoint) -> None:
        def found(*, group: str) -> list[EntryPoint]:
            return [point for point in points if point.group == group]

        monkeypatch.setattr(registry, "entry_points", found)
        registry._points.cache_clear()

    yield use
    monkeypatch.undo()
    registry._points.cache_clear()


@pytest.fixture
def tiny_cell(cells: Measurement, register: Callable[..., None]) -> VirtualCell:
    """A virtual cell of the tiny parts, which are registered for the test."""
    register(*tiny_parts.POINTS)
    return tiny_parts.fit_cell(cells)
