"""How long the demo takes, and how much memory, in a process of its own.

Run: python benchmarks/demo.py
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "demo.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("aivc")), "demo", "--out", folder, "--json"]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    answer.pop("report")
    about = {
        "command": "python benchmarks/demo.py",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy", "scipy", "pandas", "anndata", "matplotlib")},
    }
    RESULT.write_text(json.dumps({**about, **answer}, indent=1) + "\n")
    print(json.dumps({key: answer[key] for key in ("data", "seconds", "peak_mb", "coverage90")}))


if __name__ == "__main__":
    main()
