"""A browser without a screen, which asks nobody for anything of its own."""

import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

NAMES = "chromium", "chromium-browser", "google-chrome"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def chromium():
    """A context with the browser that is installed, or the end of the program where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise SystemExit("Chromium is needed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()
