"""How code is written: who may import what, how long things are, what is never done."""

import ast
import re
import sys
from pathlib import Path

from laws.source import CODE, Found, engine, files, imports, law, nodes, parse

NO_TORCH = ("errors", "settings", "statistics", "records.record", "records.store", "report",
            "plugins.registry", "plugins.naming", "plugins.versions", "runs.planning", "cli.main",
            "cli._parser", "cli._verbs", "cli._trace", "cli._report")  # fmt: skip
BLIND = ("training", "plugins.method")
#: Where failures become records, sentences or names: of a plug-in, a cell, a file, a report's part.
BORDERS = {"failures", "cell", "placeholders", "parts", "arrays"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
LIMITS = {"README.md": 150, "CONTRIBUTING.md": 80, "docs/*.md": 120, "docs/adr/*.md": 60,
          "run_bench.py": 20, "methods/*.py": 150, "datasets/*.py": 150, "src/**/*.py": 300,
          "tests/**/*.py": 300, "benchmarks/**/*.py": 300}  # fmt: skip


@law
def only_registry_imports_plugins(root: Path) -> Found:
    for name, path in engine(root).items():
        if name == "plugins.registry":
            continue
        for target in imports(parse(path), deferred=True):
            if re.match(r"hashquant\.(methods|datasets)\b|importlib\.import_module", target):
                yield f"{name} imports {target}"


@law
def plugins_import_only_the_api(root: Path) -> Found:
    free = {*sys.stdlib_module_names, "numpy", "torch"}
    for name, path in files(root, "methods", "datasets"):
        allowed = free | ({"torchvision"} if name.startswith("datasets") else set())
        for target in imports(parse(path), deferred=True):
            if not f"{target}.".startswith("hashquant.api.") and (
                target.partition(".")[0] not in allowed
            ):
                yield f"{name} may not import {target}"


@law
def plugin_folders_are_no_packages(root: Path) -> Found:
    for name, _ in files(root, "methods", "datasets"):
        if name.endswith("__init__.py"):
            yield f"{name} would shadow other packages of that name"


@law
def reading_records_needs_no_torch(root: Path) -> Found:
    modules = engine(root)
    for start in modules:
        if not any(start == name or start.startswith(f"{name}.") for name in NO_TORCH):
            continue
        reached, waiting = {"", start}, [start]
        while waiting:
            name = waiting.pop()
            for target in imports(parse(modules[name]), deferred=False):
                parts = target.split(".")
                if "torch" in parts or parts[0] == "torchvision":
                    yield f"{start} reaches torch through {name}"
                inner = [".".join(parts[1:stop]) for stop in range(2, len(parts) + 1)]
                fresh = [n for n in inner if parts[0] == "hashquant" and n in modules]
                waiting += [n for n in fresh if n not in reached]
                reached.update(fresh)


@law
def training_cannot_see_queries(root: Path) -> Found:
    for name, path in engine(root).items():
        if not f"{name}.".startswith(tuple(f"{place}." for place in BLIND)):
            continue
        seen = {n.attr for n in ast.walk(parse(path)) if isinstance(n, ast.Attribute)}
        seen |= {target.split(".")[-1] for target in imports(parse(path), deferred=True)}
        yield from (f"{name} uses {word}" for word in sorted(seen & {"Split", "query", "gallery"}))


@law
def files_are_short(root: Path) -> Found:
    for pattern, limit in LIMITS.items():
        for path in root.glob(pattern):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > limit:
                yield f"{path.relative_to(root)} has {lines} lines, the limit is {limit}"


@law
def functions_are_short(root: Path) -> Found:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for name, node in nodes(root, functions, *CODE, "tests"):
        first = node.body[0]
        docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
        lines = node.end_lineno - node.lineno + 1 - docstring
        if lines > 50:
            yield f"{name}: {node.name} has {lines} lines, the limit is 50"


@law
def only_the_command_line_prints(root: Path) -> Found:
    for name, node in nodes(root, ast.Call):
        if not name.startswith(("src/hashquant/cli", "benchmarks/speed/")) and (
            isinstance(node.func, ast.Name) and node.func.id == "print"
        ):
            yield f"{name}:{node.lineno} prints"


@law
def failures_are_not_swallowed(root: Path) -> Found:
    for name, node in nodes(root, ast.ExceptHandler):
        caught = "" if node.type is None else ast.unparse(node.type)
        if Path(name).stem not in BORDERS and caught in ("", "Exception", "BaseException"):
            yield f"{name}:{node.lineno} catches everything"


@law
def nothing_is_left_undone(root: Path) -> Found:
    for name, node in nodes(root, ast.Raise):
        if node.exc is not None and "NotImplementedError" in ast.unparse(node.exc):
            yield f"{name}:{node.lineno} is a stub"
    for name, path in files(root, *CODE):
        if re.search(r"#.*\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")):
            yield f"{name} promises work in a comment"


@law
def checks_survive_optimised_python(root: Path) -> Found:
    yield from (f"{name}:{node.lineno} asserts" for name, node in nodes(root, ast.Assert))


@law
def annotations_are_values(root: Path) -> Found:
    for name, node in nodes(root, ast.ImportFrom, *CODE, "tests"):
        if node.module == "__future__":
            yield f"{name} imports from __future__: jaxtyping reads annotations as values"


@law
def names_say_what_is_inside(root: Path) -> Found:
    for name, path in files(root, *CODE, "tests"):
        for part in (path.stem, path.parent.name):
            if VAGUE.intersection(part.split("_")):
                yield f"{name}: '{part}' says nothing"
