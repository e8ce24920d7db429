"""What is cut out of a source can change no result, and what is left is still the program."""

import ast
from pathlib import Path

import pytest

from hashquant.plugins._essence import SEEN_ONLY, essence

METHODS = sorted((Path(__file__).resolve().parents[3] / "methods").glob("*.py"))
SOURCE = '''"""Größe."""  # first
import math  # α

class M:
    """A
    longer one."""

    kind = "pairs"
    reference: str = call(
        "x", url="#no comment",
    )
    text = "# no comment"; kind = "x"

    def f(self):
        "Ümlaut."; return 1
'''


def test_what_is_left():
    assert essence(SOURCE.encode()).decode().splitlines() == [
        "import math", "class M:", '    text = "# no comment";', "    def f(self):",
        "        ; return 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("# α", "# β", True), ("Größe", "Maß", True), ('"pairs"', '"lists"', True),
     ('"# no comment"', '"# one"', False), ("return 1", "return 2", False)],
)  # fmt: skip
def test_what_counts(old, new, same):
    assert (essence(SOURCE.encode()) == essence(SOURCE.replace(old, new).encode())) is same


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\f\n"])
def test_lines_are_counted_as_python_counts_them(end):
    source = f'x = 1{end}def f():{end}    "Far."{end}    return 2  # two{end}'
    assert essence(source.encode()) == b"x = 1\ndef f():\n    return 2"


@pytest.mark.parametrize("source", [b"\xff", b"def", b"x = (\n", b"\0"])
def test_what_is_no_python_counts_as_it_is(source):
    assert essence(source) == source


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_of_a_method_everything_else_is_left(path):
    """The statements that are left are those of the file, but for the ones that are cut."""
    kept = essence(path.read_bytes()).decode()
    names = {n.id for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Name)}
    assert {name for name in names if name not in kept} <= set(SEEN_ONLY)
    assert '"""' not in kept
