"""Pictures of a report for the documentation: a wide window, a phone, and A4 paper.

Run: python docs/screenshots.py out/demo/report.html --gene STAT1 [--browser /usr/bin/chromium]

It needs playwright and pillow from PyPI, chromium, and pdftoppm (poppler-utils); reading a report needs none of them.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent / "_static"
MOST_BYTES = 300_000
WIDTHS = {"report-1280.png": (1280, 2300), "report-400.png": (400, 2300)}
PAPER = "report-a4.png"


def main() -> None:
    """Take all three."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("page", type=Path)
    words.add_argument("--gene", default="", help="look this one up")
    words.add_argument("--browser", default="/usr/bin/chromium")
    args = words.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=args.browser, args=["--no-sandbox"])
        for name, (width, height) in WIDTHS.items():
            window = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
            window.goto(args.page.resolve().as_uri())
            window.fill("#gene", args.gene)
            window.screenshot(path=HERE / name)
            window.close()
        window = browser.new_page(color_scheme="light")
        window.goto(args.page.resolve().as_uri())
        _paper(window)
        browser.close()
    for name in (*WIDTHS, PAPER):
        _shrink(HERE / name)


def _paper(window: Page) -> None:
    """The first four sheets, side by side."""
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "report.pdf"
        window.pdf(path=printed, format="A4", prefer_css_page_size=True)
        subprocess.run(["pdftoppm", "-r", "55", "-l", "4", "-png", printed, printed.with_suffix("")], check=True)
        sheets = [Image.open(path).convert("RGB") for path in sorted(Path(folder).glob("*.png"))]
        width, height = sheets[0].size
        whole = Image.new("RGB", ((width + 12) * len(sheets) - 12, height), "#9aa1ab")
        for i, sheet in enumerate(sheets):
            whole.paste(sheet, (i * (width + 12), 0))
        whole.save(HERE / PAPER)


def _shrink(path: Path) -> None:
    Image.open(path).convert("RGB").save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} is {size:,} bytes, more than {MOST_BYTES:,}. Make the window smaller.")
    print(path, f"{size:,} bytes")


if __name__ == "__main__":
    main()
