"""Every law of test_architecture.py is shown a small tree that breaks it, and must say so."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAWS = runpy.run_path(str(Path(__file__).with_name("test_architecture.py")))["LAWS"]
E = "src/hashquant/"
LONG = "x = 1\n" * 301

#: law, a file that breaks it, its text, what the law must say
PLANTS = [
    ("imports_point_one_way", E + "codes/binary.py", "from hashquant.data import Items", "may not"),
    ("imports_point_one_way", E + "store.py", "def f():\n from hashquant import cli", "may not"),
    ("imports_point_one_way", E + "nook.py", "", "no rank"),
    ("imports_point_one_way", E + "data.py", "from .errors import DataError", "absolute"),
    ("imports_point_one_way", E + "report/a.py", "import hashquant.metrics.ties", "records only"),
    ("imports_point_one_way", E + "__init__.py", "from hashquant.api import Method", "may not"),
    ("only_registry_imports_plugins", E + "cli/a.py", "from hashquant.methods import x", "cli.a"),
    ("only_registry_imports_plugins", E + "runner.py", "import hashquant.datasets.lfw", "runner"),
    ("only_registry_imports_plugins", E + "a.py", "from importlib import import_module", "import_"),
    ("plugins_import_only_the_api", "methods/x.py", "from hashquant.data import Items", "may not"),
    ("plugins_import_only_the_api", "methods/x.py", "import torchvision", "torchvision"),
    ("plugins_import_only_the_api", "datasets/x.py", "def f():\n import scipy", "scipy"),
    ("plugins_import_only_the_api", "datasets/x.py", "import hashquant.apiary", "apiary"),
    ("plugin_folders_are_no_packages", "datasets/__init__.py", "", "shadow"),
    ("plugin_folders_are_no_packages", "methods/deep/__init__.py", "", "shadow"),
    ("reading_records_needs_no_torch", E + "store.py", "import torch", "store reaches"),
    ("reading_records_needs_no_torch", E + "report/a.py", "if x:\n import torch.nn", "report.a"),
    ("training_cannot_see_queries", E + "training.py", "def f(s):\n return s.query", "query"),
    ("training_cannot_see_queries", E + "sampling.py", "from hashquant.data import Split", "Split"),
    ("files_are_short", E + "a.py", LONG, "301 lines"),
    ("files_are_short", "methods/x.py", "x = 1\n" * 151, "151 lines"),
    ("files_are_short", "docs/adr/0001-x.md", "x\n" * 61, "61 lines"),
    ("functions_are_short", E + "a.py", "def f():\n" + " x = 1\n" * 50, "51 lines"),
    ("only_the_command_line_prints", E + "a.py", "def f():\n print(1)", "a.py:2"),
    ("failures_are_not_swallowed", E + "a.py", "try:\n f()\nexcept Exception:\n pass", "a.py:3"),
    ("failures_are_not_swallowed", "methods/x.py", "try:\n f()\nexcept:\n pass", "x.py:3"),
    ("nothing_is_left_undone", E + "a.py", "def f():\n raise NotImplementedError('x')", "stub"),
    ("nothing_is_left_undone", E + "a.py", "x = 1  # TO" + "DO: more", "promises"),
    ("checks_survive_optimised_python", E + "a.py", "assert x", "a.py:1"),
    ("annotations_are_values", E + "a.py", "from __future__ import annotations", "__future__"),
    ("names_say_what_is_inside", E + "image_utils.py", "", "image_utils"),
    ("names_say_what_is_inside", "tests/helpers/test_x.py", "", "helpers"),
    ("readme_lists_the_methods", "methods/x.py", "", "`x` is missing"),
    ("readme_lists_the_methods", "README.md", "| Method |\n|---|\n| `nope` |", "`nope` is no file"),
    ("licence_is_mit", "LICENSE", "All rights reserved", "LICENSE"),
    ("lock_is_plain_and_complete", "requirements.lock", "torch @ https://x.y/torch.whl", "no name"),
    ("lock_is_plain_and_complete", "requirements.lock", "numpy==2.0", "torch is not in"),
    ("text_names_no_machine", "docs/x.md", "see /" + "home/ann/code", "names a path"),
]  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """A tree that breaks no law."""
    files = {
        "README.md": "| Method | 16 |\n|--|--|\n| `good` | 1 |\n| `good k=2` | 1 |\n\n| `lfw` |",
        "LICENSE": "MIT License",
        "requirements.lock": "# pins\ntorch==2.1\nhatchling==1.0\nRuff==0.9\n",
        "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n[project]\n'
        'dependencies = ["torch>=2"]\n[project.optional-dependencies]\ndev = ["ruff"]\n',
        "methods/good.py": "import hashquant.api as hq\nfrom hashquant.api import Method\n"
        "import torch.nn\n",
        "datasets/good.py": "from torchvision.datasets import CIFAR10\n",
        E + "__init__.py": "__version__ = '0'\n",
        E + "errors.py": "",
        E + "data.py": "from hashquant import errors\nimport torch\n",
        E + "store.py": "from hashquant.errors import A\ndef f():\n    import torch\n",
        E + "cli/__init__.py": "print('x')\n",
        E + "runner.py": "from hashquant.store import A\ntry:\n f()\nexcept Exception:\n pass\n",
    }
    for name, text in files.items():
        plant(tmp_path, name, text)
    return tmp_path


def plant(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", LAWS)
def test_a_lawful_tree_passes(name, tree):
    assert list(LAWS[name](tree)) == []


@pytest.mark.parametrize(("name", "place", "text", "said"), PLANTS)
def test_a_violation_is_found(name, place, text, said, tree):
    plant(tree, place, text)
    found = list(LAWS[name](tree))
    assert found
    assert any(said in line for line in found), found


def test_every_law_is_shown_a_violation():
    assert {name for name, *_ in PLANTS} == set(LAWS)


def test_torch_is_found_through_another_module(tree):
    plant(tree, E + "record.py", "from hashquant.data import Items\n")
    assert "record reaches torch through data" in list(LAWS["reading_records_needs_no_torch"](tree))


def test_a_docstring_does_not_lengthen_a_function(tree):
    plant(tree, E + "a.py", 'def f():\n    """X.\n' + "\n" * 40 + '    """\n' + "    x = 1\n" * 49)
    assert list(LAWS["functions_are_short"](tree)) == []
