"""The laws of the house hold here; test_laws_can_fail.py shows that each catches a violation."""

from pathlib import Path

import pytest
from laws import LAWS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", LAWS)
def test_law_holds(name):
    assert list(LAWS[name](ROOT)) == []
