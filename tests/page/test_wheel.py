"""What is installed holds what the service needs beside its code: the built page, and the steps of its databases."""

import subprocess
import sys
import zipfile

import pytest

from page.page_server import PAGE, ROOT

pytestmark = pytest.mark.slow


def test_the_wheel_holds_the_page_and_the_migrations(tmp_path):
    if not PAGE.is_file():
        pytest.skip("the page is not built: make page")
    if subprocess.run([sys.executable, "-c", "import hatchling"], capture_output=True, check=False).returncode:
        pytest.skip("hatchling is not installed: pip install hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    page = {f"aivc/service/page/{path.relative_to(PAGE.parent)}" for path in PAGE.parent.rglob("*") if path.is_file()}
    assert page <= names
    folders = list((ROOT / "src/aivc").rglob("migrations/versions/*.py"))
    steps = {str(path.relative_to(ROOT / "src")) for path in folders}
    assert len({step.split("/versions/")[0] for step in steps}) == 3
    assert steps <= names
    assert not [name for name in names if "node_modules" in name]
