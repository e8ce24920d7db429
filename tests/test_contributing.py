"""The method that CONTRIBUTING.md shows is whole: it keeps the contract as it stands there."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from hashquant.checks import yield_checks
from hashquant.plugins.method import Method

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    text = GUIDE.read_text(encoding="utf-8")
    [name] = re.findall(r"This is all of `methods/(\w+)\.py`", text)
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    path = tmp_path_factory.mktemp("methods") / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"guide.{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    [method] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Method)
    ]
    yield method
    del sys.modules[module.__name__]


@pytest.mark.parametrize("check", [name for name, _ in yield_checks(Method)])
def test_the_example_keeps_the_contract(check, example):
    dict(yield_checks(example))[check]()
