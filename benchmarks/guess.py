"""For how many of twenty screens, written as tools and laboratories write them, the right schema is suggested.

The screens are made by `tests/known_screens.py`. A suggestion is right where it states what the file says and nothing
else, asks for the rest, gives evidence for every line, and, once completed, reads the labels that were written.

Run: python benchmarks/guess.py
"""

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).parent / "results" / "guess.json"
BAR = 17


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from known_screens import SCREENS, wrong

    faults = {}
    for name in SCREENS:
        with tempfile.TemporaryDirectory() as folder:
            faults[name] = wrong(name, Path(folder))
    right = sum(not each for each in faults.values())
    bar = {"name": f"right schemas suggested, of {len(SCREENS)}", "value": right, "bar": BAR, "better": "higher"}
    body = {
        "command": "python benchmarks/guess.py",
        "screens": {name: each or "right" for name, each in faults.items()},
        "bars": [{**bar, "met": right >= BAR}],
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(right, "of", len(SCREENS), *(f"{name}: {each}" for name, each in faults.items() if each))


if __name__ == "__main__":
    main()
