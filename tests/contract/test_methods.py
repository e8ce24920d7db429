"""Every method file keeps the contract: a new file in `methods/` is found and judged here."""

import importlib
from pathlib import Path

import pytest

import hashquant.methods
from hashquant.checks import yield_checks
from hashquant.plugins.method import Method

STEMS = sorted(
    path.stem
    for folder in hashquant.methods.__path__
    for path in Path(folder).glob("*.py")
    if not path.stem.startswith("_")
)


def method_in(stem):
    """Return the one Method subclass that the file defines."""
    module = importlib.import_module(f"hashquant.methods.{stem}")
    found = [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, Method)
        and member.__module__ == module.__name__
    ]
    assert len(found) == 1, f"{stem} must define one method, defines {len(found)}"
    return found[0]


def cases():
    for stem in STEMS:
        method = method_in(stem)
        for name, check in yield_checks(method):
            reason = method.known_failures.get(name)
            marks = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
            yield pytest.param(check, id=f"{stem}-{name}", marks=marks)


@pytest.mark.parametrize("check", list(cases()))
def test_method_keeps_the_contract(check):
    check()


def test_the_first_four_methods_are_found():
    assert {"opqn", "dcdh", "gpq", "dpq"} <= set(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_known_failures_name_checks(stem):
    method = method_in(stem)
    assert set(method.known_failures) <= {name for name, _ in yield_checks(method)}


@pytest.mark.parametrize("stem", [stem for stem in STEMS if not method_in(stem).closed_form])
def test_recipe_is_the_papers_own(stem):
    recipe = method_in(stem).recipe()
    assert recipe.lr > 0
    assert recipe.epochs > recipe.step_epochs > 0
