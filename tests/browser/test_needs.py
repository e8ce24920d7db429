"""What a run with `-m browser` says where playwright or a browser is missing: it fails, once each.

These tests need neither, and belong to the default tier.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).with_name("test_page.py")


def test_without_playwright_the_sentence_says_what_installs_it(finder, monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(pytest.fail.Exception) as told:
        finder()
    assert str(told.value) == "the marker 'browser' needs playwright: make setup installs it"


def test_without_a_browser_the_sentence_names_those_looked_for(finder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", FakePlaywright)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=r"needs one of chromium, chromium-browser, "):
        finder()


def test_the_first_browser_on_the_path_is_taken(finder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", FakePlaywright)
    for name in ("google-chrome", "chromium-browser"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert finder() == (FakePlaywright.sync_playwright, str(tmp_path / "chromium-browser"))


class FakePlaywright:
    """Stands for the module, which need not be installed here."""

    sync_playwright = staticmethod(lambda: None)


def test_a_run_without_a_browser_fails_and_skips_nothing(tmp_path):
    asked = ["-q", "-p", "no:cacheprovider", "-m", "browser", "-k", "prints", str(PAGE)]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *asked], cwd=PAGE.parents[2], capture_output=True,
        text=True, env={"PATH": str(tmp_path), "HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert ended.stdout.count("the marker 'browser' needs") >= 1
    assert "skipped" not in ended.stdout
    assert "Traceback" not in ended.stdout
