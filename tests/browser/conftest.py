"""The browser of these tests: what is missing fails them in one sentence, and skips nothing."""

import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser():
    """Return what starts playwright, and the path of a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("the marker 'browser' needs playwright: make setup installs it", pytrace=False)
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(
            f"the marker 'browser' needs one of {', '.join(BROWSERS)} on the path "
            "(Debian and Ubuntu: apt-get install chromium)",
            pytrace=False,
        )
    return sync_playwright, found


@pytest.fixture
def finder():
    return find_browser


@pytest.fixture(scope="module")
def browser():
    sync_playwright, found = find_browser()
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()
