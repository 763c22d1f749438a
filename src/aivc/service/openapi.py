"""The description of the API as a file, from which the typed client of the page is made.

Run: python -m aivc.service.openapi FILE
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from aivc.service.app import create_app
from aivc.service.settings import Settings


def openapi() -> dict[str, Any]:
    """What the API takes and answers, as OpenAPI 3.1."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(home=Path(folder)))
        made: dict[str, Any] = app.openapi()
        app.state.service.engine.dispose()
    return made


def written() -> str:
    """The text of the file."""
    return json.dumps(openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
