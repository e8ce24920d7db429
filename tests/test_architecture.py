"""The laws of the house, read from the source: each must hold here and must catch a violation."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: A module imports only from the rows above its own. Packages count as one module.
LADDER = """errors types
reading threads hardware trunknames placeholders tally compiled rowfile
codes config statistics pixels faces seeds files shallow reference
metrics data images download checkpoint gallery literals
method trunks splits manifests decoding sampling record disjoint
imagecache network environment devicesearch
layouts epochs
folders
api registry encoding search selection
targets training normstats
preparation
evaluation planning
store checks comparisons outline
latency distributions shortlist
examination completion forecast
cell report verification
runner sheets
workers
cli
"""
RANKS = {name: rank for rank, row in enumerate(LADDER.split("\n")) for name in row.split()}
SKIP = ("methods", "datasets", "__version__")  # plug-in folders have a law of their own
REPORT_MAY = {"report", "record", "store", "statistics", "config", "errors", "files", "reference"}
NO_TORCH = ("errors", "config", "statistics", "record", "store", "registry", "report", "planning",
            "cli.parser", "cli.main", "cli.verbs", "cli.trace", "cli.report")  # fmt: skip
BLIND = {"training", "epochs", "selection", "sampling", "checkpoint", "method", "trunks"}
BORDERS = {"runner", "registry", "cell", "placeholders"}  # failures become records, or names
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
CODE = ("src", "methods", "datasets", "benchmarks", "run_bench.py")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|mnt|work|tmp)/\w[\w.-]")
LIMITS = {"README.md": 150, "CONTRIBUTING.md": 80, "docs/adr/*.md": 60, "run_bench.py": 20,
          "methods/*.py": 150, "datasets/*.py": 150, "src/**/*.py": 300, "tests/**/*.py": 300,
          "benchmarks/**/*.py": 300}  # fmt: skip

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


@law
def imports_point_one_way(root: Path) -> Found:
    for name, path in engine(root).items():
        own = name.partition(".")[0]
        if own and own not in (*RANKS, *SKIP):
            yield f"{name} has no rank: give it one in LADDER"
        if own and own not in RANKS:
            continue
        for target in imports(parse(path), deferred=True):
            other = target.partition(".")[2].partition(".")[0]
            if target.startswith("."):
                yield f"{name} imports {target}: write absolute imports"
            elif not target.startswith("hashquant.") or other in (own, *SKIP):
                continue
            elif not own or RANKS.get(other, 99) >= RANKS[own]:
                yield f"{name or 'hashquant'} may not import {other}"
            elif own == "report" and other not in REPORT_MAY:
                yield f"{name} may not import {other}: report reads records only"


@law
def only_registry_imports_plugins(root: Path) -> Found:
    for name, path in engine(root).items():
        if name == "registry":
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
        if name.partition(".")[0] not in BLIND:
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


@law
def readme_lists_the_methods(root: Path) -> Found:
    stems = {path.stem for path in (root / "methods").glob("*.py")}
    named, in_table = set[str](), False
    readme = root / "README.md"
    for line in readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else ():
        cell = line.strip().removeprefix("|").partition("|")[0].strip()
        in_table = line.startswith("|") and (in_table or cell.lower() == "method")
        if in_table and (code := re.search(r"`([^`\s]+)[^`]*`", cell)):
            named.add(code[1])
    for stem in sorted(stems ^ named):
        fault = "is missing in" if stem in stems else "is no file in methods/ but stands in"
        yield f"`{stem}` {fault} the README's table whose first column is 'Method'"


@law
def licence_is_mit(root: Path) -> Found:
    licence = root / "LICENSE"
    if not licence.is_file() or not licence.read_text(encoding="utf-8").startswith("MIT License"):
        yield "LICENSE must hold the MIT licence that pyproject.toml names"


@law
def lock_is_plain_and_complete(root: Path) -> Found:
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    yield from (
        f"{pin!r} is no name==version" for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)
    )
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["build-system"]["requires"], project["project"]["dependencies"]]
    groups += project["project"]["optional-dependencies"].values()
    wanted, pinned = (
        {re.split("[<>=!~ ]", name)[0].lower().replace("_", "-") for name in names}
        for names in ([name for group in groups for name in group], pins)
    )
    yield from (f"{name} is not in requirements.lock" for name in sorted(wanted - pinned))


@law
def text_names_no_machine(root: Path) -> Found:
    kinds = {".py", ".md", ".toml", ".yaml", ".lock", ""}
    places = [*root.glob("*"), root / ".ci" / "run"]
    places += [path for name in (*CODE[:-1], "tests", "docs") for path in (root / name).rglob("*")]
    for path in places:
        if not path.is_file() or path.suffix not in kinds or path.name.startswith("."):
            continue
        if found := MACHINE_PATH.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root)} names a path of one machine: {found[0]}…"


@pytest.mark.parametrize("name", LAWS)
def test_law_holds(name):
    assert list(LAWS[name](ROOT)) == []
