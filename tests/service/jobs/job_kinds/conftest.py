"""A home with a small cell and its dataset, and benches at which jobs are done in this process."""

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from pydantic_core import SchemaValidator

from aivc.data.io.schema import Schema
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.hub.database import open_database
from aivc.service.job_forms import answer_forms
from aivc.service.job_models import JobStanding
from aivc.service.jobs.bench import Bench
from aivc.service.jobs.job import JobLimits
from aivc.service.jobs.job_kind import job_kind
from aivc.service.jobs.jobs import Jobs

ANSWERS = SchemaValidator(answer_forms(JobStanding))
SCHEMA = Schema(units="counts", perturbation="perturbation", control="control", context="context", species="none")


@pytest.fixture(scope="session")
def small_home(tmp_path_factory):
    """With the virtual cell ``small`` and the dataset ``few``; tests add to it and change nothing."""
    import json

    home = tmp_path_factory.mktemp("home")
    cells, _ = synthetic_screen(perturbations=8, features=40, cells=20, controls=60, seed=0)
    fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0)).save(home / "cells" / "small")
    folder = home / "datasets" / "few"
    folder.mkdir(parents=True)
    labels = {"perturbation": cells.perturbations.astype(str), "context": cells.contexts.astype(str)}
    table = AnnData(cells.values.astype(np.float32))
    table.var_names = list(map(str, cells.features))
    for name, values in labels.items():
        table.obs[name] = np.asarray(values)
    table.write_h5ad(folder / "few.h5ad")
    (folder / "schema.json").write_text(json.dumps(SCHEMA.to_json()))
    return home


class Desk:
    """Asks for jobs and does them here."""

    def __init__(self, home: Path, place: Path) -> None:
        self.engine = open_database(f"sqlite:///{place / 'aivc.db'}")
        self.jobs = Jobs.open(self.engine, home, "none", limits=JobLimits())
        self.table, self.hub = self.jobs._table, ""

    def bench(self, kind, user="ada", **params):
        """A job that was asked for and claimed."""
        job = self.jobs.submit(kind, params, user)
        assert self.table.claim(job.id, "me", 600.0)
        bench = Bench(self.table.find(job.id), self.table, "me", self.jobs._about.home, self.hub)
        bench.results.mkdir(parents=True)
        return bench

    def do(self, bench):
        """Do a job, and end it."""
        kind = job_kind(bench.job.kind)
        result = kind.work(kind.read(bench.job.params), bench)
        # The API describes just what is sent.
        assert kind.result.model_validate(result, strict=True).model_dump(exclude_unset=True) == result
        assert self.table.end(bench.job.id, "me", "done", result=result)
        assert ANSWERS.validate_python(self.jobs.get(bench.job.id).to_json()).result.files == result["files"]
        for name in result["files"]:
            assert self.jobs.file(self.jobs.get(bench.job.id), name).is_file()
        return result


@pytest.fixture
def desk(small_home, tmp_path):
    made = Desk(small_home, tmp_path)
    yield made
    made.jobs.stop()
    made.engine.dispose()
