"""Every law of test_architecture.py is shown a small tree that breaks it, and must say so."""

import pytest
from laws import LAWS

E = "src/hashquant/"
DOC = "'A room.'\n"
LONG = "x = 1\n" * 301

#: law, a file that breaks it, its text, what the law must say
PLANTS = [
    ("imports_point_one_way", E + "codes/a.py", "from hashquant.data import items", "may not"),
    ("imports_point_one_way", E + "codes/b.py", "def f():\n import hashquant.cli", "may not"),
    ("imports_point_one_way", E + "metrics/a.py", "import hashquant.plugins.method", "may not"),
    ("imports_point_one_way", E + "nook/a.py", "", "no rank"),
    ("imports_point_one_way", E + "data/a.py", "from .errors import DataError", "absolute"),
    ("imports_point_one_way", E + "report/a.py", "import hashquant.codes.adc", "records only"),
    ("imports_point_one_way", E + "errors.py", "from hashquant.api import Method", "may not"),
    ("no_circle_within_a_room", E + "data/items.py", "from hashquant.data import _drawn", "circle"),
    ("no_circle_within_a_room", E + "data/items.py", "def f():\n import hashquant.data._drawn",
     "data._drawn, data.items import each other"),
    ("rooms_are_rooms", E + "stray.py", "", "stray stands in the root"),
    ("rooms_are_rooms", E + "nook/a.py", "", "nook has no __init__"),
    ("rooms_are_rooms", E + "data/__init__.py", "x = 1", "must say"),
    ("rooms_are_rooms", E + "data/__init__.py", DOC + "import hashquant.errors", "line 2 does"),
    ("rooms_are_rooms", E + "data/__init__.py", DOC + "def f():\n pass", "line 2 does"),
    ("doors_are_named", E + "records/b.py", "from hashquant.data import _drawn", "does not name"),
    ("doors_are_named", E + "cli/b.py", "import hashquant.data.splits", "does not name"),
    ("doors_are_named", E + "data/__init__.py", "__all__ = ['items', 'x']", "names x, which no"),
    ("what_one_folder_uses_begins_with_an_underscore", E + "data/nook.py", "", "call it _nook"),
    ("unit_tests_mirror_the_tree", "tests/unit/test_a.py", "", "tests no room"),
    ("unit_tests_mirror_the_tree", "tests/unit/nook/test_a.py", "", "tests no room"),
    ("only_registry_imports_plugins", E + "cli/a.py", "from hashquant.methods import x", "cli.a"),
    ("only_registry_imports_plugins", E + "runs/b.py", "import hashquant.datasets.lfw", "runs.b"),
    ("only_registry_imports_plugins", E + "a.py", "from importlib import import_module", "import_"),
    ("plugins_import_only_the_api", "methods/x.py", "import hashquant.data.items", "may not"),
    ("plugins_import_only_the_api", "methods/x.py", "import torchvision", "torchvision"),
    ("plugins_import_only_the_api", "datasets/x.py", "def f():\n import scipy", "scipy"),
    ("plugins_import_only_the_api", "datasets/x.py", "import hashquant.apiary", "apiary"),
    ("plugin_folders_are_no_packages", "datasets/__init__.py", "", "shadow"),
    ("plugin_folders_are_no_packages", "methods/deep/__init__.py", "", "shadow"),
    ("reading_records_needs_no_torch", E + "records/store.py", "import torch", "store reaches"),
    ("reading_records_needs_no_torch", E + "report/a.py", "if x:\n import torch.nn", "report.a"),
    ("training_cannot_see_queries", E + "training/a.py", "def f(s):\n return s.query", "query"),
    ("training_cannot_see_queries", E + "plugins/method.py",
     "from hashquant.data.items import Split", "Split"),
    ("files_are_short", E + "a.py", LONG, "301 lines"),
    ("files_are_short", "methods/x.py", "x = 1\n" * 161, "161 lines"),
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
    ("readme_says_each_kind", "methods/good.py", 'class A:\n    kind = "pairs"', "of kind pairs"),
    ("licence_is_mit", "LICENSE", "All rights reserved", "LICENSE"),
    ("lock_is_plain_and_complete", "requirements.lock", "torch @ https://x.y/torch.whl", "no name"),
    ("lock_is_plain_and_complete", "requirements.lock", "numpy==2.0", "torch is not in"),
    ("the_map_names_what_is_there", "docs/architecture.md", "see `data/items.py`, `data/nook.py`",
     "names data/nook.py"),
    ("text_names_no_machine", "docs/x.md", "see /" + "home/ann/code", "names a path"),
]  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """A tree that breaks no law."""
    files = {
        "README.md": "| Method | 16 |\n|--|--|\n| `good` | 1 |\n| `good k=2` | 1 |\n\n| `lfw` |",
        "LICENSE": "MIT License",
        "docs/architecture.md": "`data/items.py`, `methods/good.py` and `__init__`",
        "requirements.lock": "# pins\ntorch==2.1\nhatchling==1.0\nRuff==0.9\n",
        "pyproject.toml": '[build-system]\nrequires = ["hatchling"]\n[project]\n'
        'dependencies = ["torch>=2"]\n[project.optional-dependencies]\ndev = ["ruff"]\n',
        "methods/good.py": "import hashquant.api as hq\nfrom hashquant.api import Method\n"
        "import torch.nn\n",
        "datasets/good.py": "from torchvision.datasets import CIFAR10\n",
        E + "__init__.py": "__version__ = '0'\n",
        E + "errors.py": "",
        E + "data/__init__.py": DOC + "__all__ = ['items']\n",
        E + "data/items.py": "from hashquant import errors\nimport torch\n",
        E + "data/_drawn.py": "from hashquant.data.items import A\n",
        E + "records/__init__.py": DOC + "__all__ = ['store']\n",
        E + "records/store.py": "from hashquant.errors import A\ndef f():\n    import torch\n",
        E + "runs/__init__.py": DOC + "__all__ = ['cell']\n",
        E + "runs/cell.py": "from hashquant.records.store import A\n"
        "import hashquant.data.items\ntry:\n f()\nexcept Exception:\n pass\n",
        E + "cli/__init__.py": DOC + "from hashquant.cli.main import main\n__all__ = ['main']\n",
        E + "cli/main.py": "print('x')\ndef f():\n from hashquant.runs import cell\n",
        "run_bench.py": "from hashquant.cli import main\n",
        "tests/unit/data/test_items.py": "",
        "tests/unit/methods/test_good.py": "",
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
    plant(tree, E + "records/record.py", "from hashquant.data.items import Items\n")
    assert "records.record reaches torch through data.items" in list(
        LAWS["reading_records_needs_no_torch"](tree)
    )


def test_a_docstring_does_not_lengthen_a_function(tree):
    plant(tree, E + "a.py", 'def f():\n    """X.\n' + "\n" * 40 + '    """\n' + "    x = 1\n" * 49)
    assert list(LAWS["functions_are_short"](tree)) == []
