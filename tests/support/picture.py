"""Takes the picture of the page at / for the README: `PYTHONPATH=tests python tests/support/picture.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

import primecore
from support.serving import serving

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/explorer.png"


def main() -> None:
    """Takes it, of the team of examples/."""
    with primecore.open(":memory:") as prime:
        prime.ingest(str(ROOT / "examples/team.jsonl"))
        with serving(prime) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            context = browser.new_context(
                viewport={"width": 1120, "height": 640}, reduced_motion="reduce", color_scheme="light", locale="en-GB"
            )
            page = context.new_page()
            page.goto(f"{served.url}/#id=node:project:auth&at=18")
            page.wait_for_selector("body[data-ready]")
            page.get_by_role("tab", name="History").click()
            page.wait_for_selector(".history")
            page.locator("#graph").focus()
            page.screenshot(path=PICTURE)
            browser.close()


if __name__ == "__main__":
    main()
