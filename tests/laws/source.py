"""What the laws read: the files of a tree, their syntax, what they import."""

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

CODE = ("src", "methods", "datasets", "benchmarks", "run_bench.py")
PLUGINS = ("methods", "datasets")  # their folders have a law of their own

Found = Iterator[str]
Law = Callable[[Path], Found]
LAWS: dict[str, Law] = {}


def law(check: Law) -> Law:
    LAWS[check.__name__] = check
    return check


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def files(root: Path, *places: str) -> Iterator[tuple[str, Path]]:
    for place in places:
        found = [root / place] if place.endswith(".py") else sorted((root / place).rglob("*.py"))
        yield from ((p.relative_to(root).as_posix(), p) for p in found if p.is_file())


def nodes(root: Path, kind: type, *places: str) -> Iterator[tuple[str, ast.AST]]:
    for name, path in files(root, *(places or CODE)):
        yield from ((name, node) for node in ast.walk(parse(path)) if isinstance(node, kind))


def engine(root: Path) -> dict[str, Path]:
    """Every engine module by its name below `hashquant`; packages by their own name."""
    source = root / "src" / "hashquant"
    found = {p.relative_to(source).with_suffix(""): p for p in source.rglob("*.py")}
    return {".".join(k.parts).removesuffix("__init__").rstrip("."): p for k, p in found.items()}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = "." * node.level + (node.module or "")
        return [f"{start}.{alias.name}" for alias in node.names]
    return []


def imports(tree: ast.AST, *, deferred: bool) -> Iterator[str]:
    """Names that a module imports; without `deferred`, only what importing it executes."""
    for node in ast.iter_child_nodes(tree):
        yield from imported(node)
        checking = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if deferred or not (checking or function):
            yield from imports(node, deferred=deferred)


def target_in(name: str, modules: dict[str, Path]) -> str:
    """The engine module that an imported name stands for or lies in, below `hashquant`."""
    parts = name.split(".")[1:] if name.startswith("hashquant.") else []
    while parts and ".".join(parts) not in modules:
        parts.pop()
    return ".".join(parts)
