"""What a plug-in's text says of it, read without running it: summary, names, paper, citation."""

import ast
import functools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from hashquant.errors import PluginError, one_line
from hashquant.settings.names import Name
from hashquant.settings.reference import Claim, Reference

#: Calls that a literal may hold, by the last part of their name (`hq.Reference`).
CALLS = {"Reference": Reference, "Claim": Claim, "Name": Name}

#: The attribute of a method whose codes begin with shorter codes, and the setting that uses it.
PREFIX = "prefix"
#: What reading a file and parsing it raises, whatever its bytes are.
UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)

T = TypeVar("T")


def _remembered(read: Callable[..., T]) -> Callable[..., T]:
    """Read a file once, and again when it changes: a plan asks for the same names many times."""

    @functools.cache
    def kept(stamp: tuple[int, int], path: Path, *names: str) -> T:
        return read(path, *names)

    @functools.wraps(read)
    def current(path: Path, *names: str) -> T:
        try:
            state = path.stat()
        except OSError:
            return read(path, *names)
        return kept((state.st_mtime_ns, state.st_size), path, *names)

    return current


@_remembered
def summary_in(path: Path) -> str:
    """Return the first line of a file's docstring, or why the file cannot be read."""
    try:
        text = ast.get_docstring(_tree(path)) or ""
    except UNREADABLE as error:
        return f"cannot be read: {one_line(str(error)) or type(error).__name__}"
    return one_line(text.partition("\n")[0])


@_remembered
def names_in(path: Path, name: str) -> dict[Any, Any]:  # Any: a literal of the file
    """Return the mapping assigned to `name`; empty without one, or where the file is no Python.

    Raises:
        PluginError: if it is no literal mapping.
    """
    value = _assigned(path, name)
    try:
        return dict(ast.literal_eval(value)) if value is not None else {}
    except (*UNREADABLE, TypeError) as error:
        raise PluginError(
            f"{path.parent.name}/{path.name}: {name} must be a mapping written as a literal"
        ) from error


def reference_in(path: Path) -> Reference | None:
    """Return the literal `reference = Reference(...)`, or None where it is absent or no literal."""
    value = _assigned(path, "reference")
    try:
        found = _built(value) if value is not None else None
    except (*UNREADABLE, TypeError):
        return None
    return found if isinstance(found, Reference) else None


def display_in(path: Path) -> Name | None:
    """Return the literal `display = Name(...)`: an empty one without, None for no literal."""
    value = _assigned(path, "display")
    try:
        found = Name("") if value is None else _built(value)
    except (*UNREADABLE, TypeError):
        return None
    return found if isinstance(found, Name) else None


def text_in(path: Path, name: str) -> str | None:
    """Return the literal text assigned to `name`: "" without one, None where it is no literal."""
    value = _assigned(path, name)
    try:
        found = "" if value is None else ast.literal_eval(value)
    except UNREADABLE:
        return None
    return found if isinstance(found, str) else None


def is_true_in(path: Path, name: str) -> bool:
    """Tell whether a literal True is assigned to `name`."""
    value = _assigned(path, name)
    return isinstance(value, ast.Constant) and value.value is True


def _built(node: ast.expr) -> object:
    """Evaluate literals, tuples of them, and the calls in `CALLS`.

    Raises:
        ValueError: for anything else.
        TypeError: if a call lacks an argument or has one too many.
    """
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_built(element) for element in node.elts)
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = ast.unparse(node.func).rpartition(".")[2]
    keywords = {word.arg: _built(word.value) for word in node.keywords if word.arg is not None}
    if name not in CALLS or len(keywords) != len(node.keywords):
        raise ValueError(f"{name} is no literal")
    arguments: Any = [_built(argument) for argument in node.args]  # Any: checked by the call
    made: object = CALLS[name](*arguments, **keywords)
    return made


def _assigned(path: Path, name: str) -> ast.expr | None:
    """Return the value first assigned to `name`, at any depth of the file."""
    try:
        tree = _tree(path)
    except UNREADABLE:
        return None
    return next((value for target, value in _assignments(tree) if target == name), None)


@_remembered
def _tree(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its escapes: they are told when it is imported
        return ast.parse(path.read_text(encoding="utf-8"))


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    target: ast.expr
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            target, value = node.target, node.value
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        else:
            continue
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value
