"""How often a file on its way through `aivc evaluate` and `aivc.fit` crosses a border between modules backwards.

A call goes backwards where the module called imports the caller's, directly or through others, and not the other way
round: the reader of the caller cannot know it. Each pair of modules counts once. The screen is a synthetic one.

Run: python benchmarks/walk.py [--source FOLDER_WITH_ANOTHER_AIVC]
"""

import ast
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
SOURCE = Path(sys.argv[sys.argv.index("--source") + 1]) if "--source" in sys.argv else HERE.parent / "src"
sys.path.insert(0, str(SOURCE))
RESULT = HERE / "results" / "walk.json"


def imports() -> dict[str, set[str]]:
    """Which modules of the package each of its modules imports."""
    paths = {".".join(p.relative_to(SOURCE).with_suffix("").parts): p for p in (SOURCE / "aivc").rglob("*.py")}
    names = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        said = {node.module or "" for node in nodes}
        said |= {f"{node.module}.{each.name}" for node in nodes for each in node.names}
        found[name] = (said & set(names)) - {name}
    return found


GRAPH = imports()


@cache
def reach(module: str) -> frozenset[str]:
    """All that a module imports, directly or through others."""
    found: set[str] = set()
    todo = [module]
    while todo:
        for each in GRAPH.get(todo.pop(), ()):
            if each not in found:
                found.add(each)
                todo.append(each)
    return frozenset(found)


def main() -> None:
    import anndata
    import pandas as pd

    import aivc
    from aivc import Recipe, Schema
    from aivc.cli import main as command
    from aivc.data.synthetic import synthetic_screen

    crossed: set[tuple[str, str]] = set()

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_back is not None:
            here, there = (each.f_globals.get("__name__", "") for each in (frame.f_back, frame))
            known = here in GRAPH and there in GRAPH and here != there
            if known and here in reach(there) and there not in reach(here):
                crossed.add((here, there))

    cells, _ = synthetic_screen(perturbations=6, features=40, cells=16, controls=40, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        file, schema = Path(folder) / "screen.h5ad", Path(folder) / "schema.toml"
        obs = cells.entities[["perturbation", "context", "batch"]].astype(str)
        anndata.AnnData(cells.values, obs=obs, var=pd.DataFrame(index=cells.features.astype(str))).write_h5ad(file)
        said = Schema(units="counts", perturbation="perturbation", control="control", context="context", species="none")
        said.to_toml(schema)
        measured = aivc.read(file, said)
        sys.setprofile(look)
        aivc.fit(measured, "effect.v2", recipe=Recipe(members=2, inner_folds=2))
        words = ["evaluate", str(file), "--schema", str(schema), "--split", "unseen-perturbation:2"]
        command([*words, "--methods", "effect.v2", "--out", str(Path(folder) / "scores")])
        sys.setprofile(None)
    body = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    which = "before" if "--source" in sys.argv else "after"
    body[which] = {"pairs": len(crossed), "crossed": sorted(map(" -> ".join, crossed))}
    if {"before", "after"} <= set(body):
        share = 1 - body["after"]["pairs"] / body["before"]["pairs"]
        name = "borders crossed backwards: share that is gone"
        body["bars"] = [
            {"name": name, "value": round(share, 3), "bar": 0.333, "better": "higher", "met": share >= 1 / 3}
        ]
    RESULT.write_text(json.dumps({"command": "python benchmarks/walk.py", **body}, indent=1) + "\n")
    print(which, len(crossed))


if __name__ == "__main__":
    main()
