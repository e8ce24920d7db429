"""Examples in the docstrings of plug-ins, which lie outside `src/` and so outside its doctests."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    f"hashquant.{folder}.{path.stem}"
    for folder in ("methods", "datasets")
    for path in (ROOT / folder).glob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_plugins_are_found():
    assert "hashquant.methods.opqn" in MODULES
