"""`aivc data`: which datasets there are, what is known about each, and whether a file is fit for use."""

import argparse
from pathlib import Path

from aivc.cli.console import DONE, REFUSED, Outcome, Reporter, table
from aivc.cli.grammar import Commands
from aivc.core.errors import IntegrityError, UnavailableError
from aivc.data import catalog
from aivc.data.io.check import check
from aivc.data.io.guess import guess
from aivc.data.io.schema import Schema


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.group(
        "data",
        "Datasets by name, and checks of your own files.",
        examples=("aivc data list", "aivc data check screen.h5ad --schema screen.toml"),
    )
    group.add("list", _list, "List every dataset of the catalog.")
    made = group.add("show", _show, "Say what is known about a dataset.", examples=("aivc data show papalexi2021",))
    made.add_argument("name", metavar="NAME", help="name from `aivc data list`")
    made = group.add("fetch", _fetch, "Fetch datasets and check them.", examples=("aivc data fetch papalexi2021",))
    made.add_argument("names", metavar="NAME", nargs="+", help="names from `aivc data list`")
    made = group.add(
        "check",
        _check,
        "Find every problem of a file before any work. Exit code 1 if there are any.",
        examples=("aivc data check screen.h5ad --schema screen.toml",),
    )
    made.add_argument("file", type=Path, metavar="FILE", help="h5ad, zarr, h5mu, 10x h5 or folder, or a table")
    made.add_argument("--schema", required=True, metavar="S.toml", help="says what the columns mean")
    made = group.add(
        "guess",
        _guess,
        "Suggest a schema for a file, with the evidence for every line. Confirm it: nothing uses it by itself.",
        examples=("aivc data guess screen.h5ad > screen.toml", "aivc data guess images/ > images.toml"),
    )
    made.add_argument(
        "file", type=Path, metavar="FILE", help="what `check` reads; a folder of images with its table, too"
    )


def _list(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    entries = [catalog.entry(name) for name in catalog.names()]
    body = [
        {
            "name": each.name,
            "title": each.title,
            "what": each.what,
            "species": each.species,
            "measurement": each.converter is not None,
            "bytes": sum(file.bytes for file in each.files),
        }
        for each in entries
    ]
    rows = [
        [each.name, "cells" if each.converter else "knowledge", _size(sum(f.bytes for f in each.files)), each.title]
        for each in entries
    ]
    return Outcome({"datasets": body}, [table(["name", "kind", "size", "title"], rows)])


def _show(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    each = catalog.entry(args.name)
    reporter(f"looking for {each.name}", 0, 0)
    files = [
        {
            "name": file.name,
            "local": file.local,
            "bytes": file.bytes,
            "sha256": file.sha256,
            "address": file.address or (file.original.address if file.original else None),
            **_here(each.name, file.name),
        }
        for file in each.files
    ]
    facts = {
        "name": each.name,
        "title": each.title,
        "what": each.what,
        "species": each.species,
        "measurement": each.converter is not None,
        "source": each.source,
        "licence": each.licence,
        "redistribute": each.redistribute,
        "citation": each.citation,
        "notes": list(each.notes),
    }
    lines = [f"{key}: {value}" for key, value in facts.items() if key not in ("name", "notes")]
    lines += [f"note: {note}" for note in each.notes]
    rows = [[file["local"], _size(int(str(file["bytes"]))), file["state"]] for file in files]
    return Outcome({**facts, "files": files}, ["\n".join(lines), table(["file", "size", "state"], rows)])


def _here(name: str, file: str) -> dict[str, str | None]:
    try:
        return {"state": "here", "path": str(catalog.path(name, file, offline=True))}
    except UnavailableError:
        return {"state": "not here", "path": None}
    except IntegrityError:
        return {"state": "damaged", "path": None}


def _fetch(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    entries = [catalog.entry(name) for name in args.names]
    fetched: dict[str, dict[str, str]] = {}
    for i, each in enumerate(entries):
        reporter(f"fetching {each.name}", i, len(entries))
        fetched[each.name] = {file.name: str(catalog.path(each.name, file.name)) for file in each.files}
    rows = [[name, path] for name, files in fetched.items() for path in files.values()]
    return Outcome({"fetched": fetched}, [table(["dataset", "file"], rows)])


def _check(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    reporter(f"checking {args.file.name}", 0, 0)
    found = check(args.file, Schema.from_toml(args.schema))
    count = len(found.problems)
    verdict = f"{count} problem{'s' * (count > 1)}." if count else "No problems."
    body = {"ok": not found.problems, "file": args.file, **found.to_json()}
    return Outcome(body, [str(found), verdict], REFUSED if found.problems else DONE)


def _guess(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    reporter(f"looking at {args.file.name}", 0, 0)
    found = guess(args.file)
    return Outcome(found.to_json(), [found.to_toml().rstrip()])


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"
