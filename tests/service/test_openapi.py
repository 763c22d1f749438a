import json
from pathlib import Path

from aivc.service.openapi import written

FILE = Path(__file__).parents[2] / "web" / "openapi.json"


def test_the_committed_file_is_the_one_of_the_app():
    text = written()
    assert FILE.read_text(encoding="utf-8") == text, "run python -m aivc.service.openapi web/openapi.json"
    made = json.loads(text)
    operations = [each for path in made["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert all(each["tags"] for each in operations)
