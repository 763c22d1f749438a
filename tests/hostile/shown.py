"""Names that would steer a terminal, a page or a spreadsheet, and encodings of tomorrow."""

import io
import json
import unicodedata

import h5py
import pandas as pd
from rich.console import Console

from aivc.cli.console import json_text, table
from aivc.core.shown_text import visible
from aivc.data.io.check import check
from aivc.data.io.guess import guess
from aivc.data.io.read import read
from aivc.data.io.written import as_written, write_table
from aivc.reporting.html import Section, Table, write_report
from hostile.case import WORKS, Case, RefusalError, command
from hostile.made import SCHEMA, h5ad

ESCAPES, SHEETS, NEWER = "names that steer", "cells that spreadsheets run", "newer encodings"
NAMES = {
    "escape": "\x1b[31mRED\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "C1": "\x9b31mRED",
    "bidi": "abc\u202edcba",
    "isolate": "\u2066x\u2069",
    "return": "harmless\rERROR",
    "bell": "\x07\x08\x08",
    "zero width": "TP\u200b53",
    "line separator": "a\u2028b",
    "tag": "x\U000e0041y",
    "del": "a\x7fb",
}


def _clean(said, what):
    odd = [c for c in said if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\t"]
    assert not odd, f"{what} holds {odd[:3]}"


def _table(name):
    def act(folder):
        out = io.StringIO()
        Console(file=out, width=200).print(table(["a", "b"], [[name, 1.0]]))
        _clean(out.getvalue(), "the table")

    return act


def _message(name):
    def act(folder):
        try:
            command("parts", name)
        except RefusalError as error:
            _clean(str(error), "the message")
        try:
            command("predict", folder / "no-cell", name, "--json")
        except RefusalError as error:
            _clean(str(error), "the JSON")
            json.loads(str(error))

    return act


def _json(name):
    def act(folder):
        said = json_text({name: [name]})
        _clean(said, "the JSON")
        assert json.loads(said) == {name: [name]}

    return act


def _guessed(name):
    def act(folder):
        import tomllib

        path = folder / "x.csv"
        odd = name.replace("\r", "\n")
        pd.DataFrame({"perturbation": ["control", odd] * 3, "G1": range(6)}).to_csv(path, index=False)
        said = command("data", "guess", path)
        _clean(said, "the suggestion")
        tomllib.loads(visible(guess(path).to_toml()))

    return act


def _checked(name):
    def act(folder):
        path = folder / "x.csv"
        pd.DataFrame({"perturbation": ["control", "ko:" + name] * 3, "G1": range(6)}).to_csv(path, index=False)
        SCHEMA.to_toml(folder / "s.toml")
        try:
            command("data", "check", path, "--schema", folder / "s.toml")
        except RefusalError as error:
            _clean(str(error), "the report")

    return act


def _page(name):
    def act(folder):
        path = folder / "r.html"
        made = Table(("a", name), ((name, 1),), name)
        write_report(path, title=name, lead=name, sections=[Section(name, name, tables=(made,))])
        _clean(path.read_text(encoding="utf-8"), "the page")

    return act


CELLS = ("=1+1", "+cmd|' /C calc'!A0", "-MYC", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1")


def _sheet(cell):
    def act(folder):
        made = pd.DataFrame({"name": [cell, "TP53"], cell: ["x", "y"], "n": [-1.5, 2.0]})
        write_table(made, folder / "x.csv")
        raw = pd.read_csv(folder / "x.csv", keep_default_na=False)
        for text in [*raw, *raw["name"]]:
            assert not text.startswith(("=", "+", "-", "@", "\t", "\r")), text
        assert as_written(raw).to_dict("list") == made.to_dict("list")

    return act


def _encoded(place, encoding):
    def act(folder):
        path = h5ad(folder)
        with h5py.File(path, "r+") as file:
            file[place].attrs["encoding-type"] = encoding
        found = check(path, SCHEMA)
        assert any(encoding in problem for problem in found.problems) or found.problems
        read(path, SCHEMA)

    return act


CASES = [
    *(
        Case(ESCAPES, f"{what}: {name}", act(text), WORKS)
        for what, act in (
            ("table", _table),
            ("message", _message),
            ("JSON", _json),
            ("suggestion", _guessed),
            ("check", _checked),
            ("page", _page),
        )
        for name, text in NAMES.items()
    ),
    *(Case(SHEETS, repr(cell), _sheet(cell), WORKS) for cell in CELLS),
    *(
        Case(NEWER, f"{place} as {encoding}", _encoded(place, encoding))
        for place, encoding in (
            ("obs/perturbation", "categorical-v9"),
            ("obs/depth", "quantum-array"),
            ("obs", "dataframe-2"),
            ("var", "lazy-dataframe"),
            ("X", "sparse_array"),
            ("X", "coo_matrix"),
            ("X", "awkward-array"),
        )
    ),
]
