"""How the documentation is built: `make docs`. The reference pages are written here, from the code as it is."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import aivc
from aivc.cli.commands import parser
from aivc.core import registry
from aivc.data import catalog

HERE = Path(__file__).parent
PACKAGE = Path(aivc.__file__).parent
GENERATED = HERE / "reference" / "generated"

project = "aivc"
author = "The aivc authors"
copyright = author
version = release = version_of("aivc")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Notebooks are shown as they were run; a test runs their code.
nb_execution_mode = "off"
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"aivc {release}"
html_static_path = ["_static"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Fields of a dataclass stand in its docstring once; autodoc would otherwise list them a second time.
napoleon_use_ivar = True
# A decorated function of scipy has a signature that autodoc cannot read, and it is not ours to document.
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "exclude-members": "svds",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

ROOMS = ("core", "data", "nn", "training", "testing", "representations", "instruments", "uncertainty", "experiments",
         "evaluation", "interpretation",
         "reporting", "demo", "cli")  # fmt: skip
PARTS = (
    ("providers", "Providers: what is known of a molecule?"),
    ("encoders", "Encoders: what is it?"),
    ("manipulators", "Manipulators: what would become of it?"),
    ("decoders", "Decoders: what would we see?"),
    ("wrappers", "Wrappers: how sure is it?"),
)


def first_line(module: Path) -> str:
    """Return what a module says it is for."""
    return module.read_text(encoding="utf-8").split('"""')[1].splitlines()[0]


def modules(room: str) -> list[tuple[str, Path]]:
    """Dotted names and files of a room's modules, each with something to say; packages of data sets as one."""
    single = PACKAGE / f"{room}.py"
    files = [single] if single.is_file() else sorted((PACKAGE / room).rglob("*.py"))
    found = []
    for file in files:
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        named = ".".join(("aivc", *(part for part in parts if part != "__init__")))
        # Private modules are nobody's reference, and the package pages repeat their modules.
        if not any(part.startswith("_") and part != "__init__" for part in parts) and parts[-1] != "__main__":
            found.append((named, file))
    return found


def room_page(room: str) -> str:
    """One page that documents every module of a room."""
    listed = modules(room)
    lines = [f"# aivc.{room}", "", first_line(listed[0][1]), ""]
    for named, file in listed:
        if file.name == "__init__.py":
            continue
        lines += [f"## {named}", "", "```{eval-rst}", f".. automodule:: {named}", "```", ""]
    return "\n".join(lines)


def parts_page() -> str:
    """Every registered part and metric, by the sentence that its own code says about it."""
    lines = ["# Parts and metrics", "", "Registered names, as commands and `aivc.fit` take them. `aivc parts` lists "]
    lines += ["those of your own installation, with the packages they come from.", ""]
    for group, title in PARTS:
        door = registry.Registry(group)
        rows = [(name, door.load(name)) for name in door.names() if door.origin(name).startswith("aivc ")]
        lines += [f"## {title}", "", "| Name | What it does |", "|---|---|"]
        # A sentence with a formula in it may span lines of the docstring.
        lines += [f"| `{name}` | {_cell(sentence(part))} |" for name, part in rows] + [""]
    lines += ["## Metrics", "", "| Name | Formula | Better | Chance | Source |", "|---|---|---|---|---|"]
    for name in registry.METRICS.names():
        metric = registry.METRICS.load(name)
        better = {"up": "higher", "down": "lower"}.get(metric.direction, "near 0.9" if metric.best else "—")
        chance = "—" if metric.chance is None else f"{metric.chance:g}"
        lines.append(f"| `{name}` | {_cell(metric.formula)} | {better} | {chance} | {_cell(metric.source)} |")
    return "\n".join(lines) + "\n"


def sentence(part: Any) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join(str(part.__doc__).split("\n\n", maxsplit=1)[0].split())


def commands_page() -> str:
    """Every command of the shell, as its `--help` says it."""
    lines = ["# Commands", "", "What `aivc COMMAND --help` says, command by command. Each also takes `--json`.", ""]
    # Help is folded by the width of the terminal, which is not the reader's.
    os.environ["COLUMNS"] = "110"
    for name, made in sorted(_commands(parser()).items()):
        lines += [f"## aivc {name}", "", "```text", made.format_help().strip(), "```", ""]
    return "\n".join(lines)


def _commands(made: Any) -> dict[str, Any]:
    """Parsers by their names, those of groups such as `data check` one by one."""
    below = [action for action in made._actions if hasattr(action, "choices") and isinstance(action.choices, dict)]
    found = {}
    for name, one in (item for action in below for item in action.choices.items()):
        inner = _commands(one)
        found |= {f"{name} {each}": deeper for each, deeper in inner.items()} if inner else {name: one}
    return found


def catalog_page() -> str:
    """Every data set: what it is, whose it is, and what is known to be wrong with it."""
    lines = ["# The catalog, entry by entry", ""]
    for name in catalog.names():
        item = catalog.entry(name)
        use = "a measurement: `aivc.load`" if item.converter else "knowledge: `aivc.data.catalog.path`"
        address = "public, pinned" if all(file.address for file in item.files) else "no public address for this file"
        if any(file.original for file in item.files):
            address = "its original is public, pinned"
        if (PACKAGE / "data" / "packaged" / item.files[0].local).is_file():
            address = "inside the package"
        size = sum(file.bytes for file in item.files) / 1e6
        lines += [f"## {name}", "", item.what, ""]
        facts = {
            "Use": use, "Species": item.species, "Size": f"{size:.1f} MB", "Source": item.source, "File": address,
            "Licence": item.licence, "Citation": item.citation,
        }  # fmt: skip
        lines += ["| | |", "|---|---|", *(f"| {key} | {_cell(value)} |" for key, value in facts.items()), ""]
        lines += [*(f"- {note}" for note in item.notes), ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _write(name: str, text: str) -> None:
    path = GENERATED / f"{name}.md"
    # Unchanged pages keep their time, so that a second build is quick.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_reference(_: Any) -> None:
    """Write the generated pages before Sphinx looks for its sources."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file():
            _write(room, room_page(room))
    _write("parts", parts_page())
    _write("catalog", catalog_page())
    _write("commands", commands_page())


def setup(app: Any) -> None:
    """Hook the reference pages into the build."""
    sys.dont_write_bytecode = True
    app.connect("builder-inited", write_reference)
