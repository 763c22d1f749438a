"""A home with a fitted and scored cell, made once, and a copy of it for each test."""

import shutil

import pytest

import journey_files
from page.page_server import fit_through, served, skip_without_browser


@pytest.fixture(scope="session")
def fitted_home(tmp_path_factory):
    skip_without_browser()
    home = tmp_path_factory.mktemp("page") / "home"
    file = home.parent / "crispr.h5ad"
    journey_files.crispr_file(file)
    with served(home) as service:
        fit_through(service, file, "Interferon")
    return home


@pytest.fixture
def service(fitted_home, tmp_path):
    shutil.copytree(fitted_home, tmp_path / "home")
    with served(tmp_path / "home") as running:
        yield running
