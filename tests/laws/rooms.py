"""The rooms of the engine: which stands on which, what each lets out, how full it may be."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from laws.source import PLUGINS, Found, engine, files, imports, law, parse, target_in

#: A room imports only from the rungs above its own.
LADDER = """errors types
settings machine statistics
codes data records
metrics plugins
api training report
search
checks runs
cli
"""
RANKS = {name: rank for rank, row in enumerate(LADDER.split("\n")) for name in row.split()}
ROOT_FILES = {"", "__main__", "api", "errors", "types"}
REPORT_MAY = {"report", "records", "statistics", "settings", "errors", "machine"}
MOST_FILES = 15
#: From where else a file may be used: these are rooms too, but no part of the engine.
USERS = ("benchmarks/speed", "run_bench.py")


@law
def imports_point_one_way(root: Path) -> Found:
    for name, path in engine(root).items():
        own = name.partition(".")[0]
        if own in ("", "__main__", *PLUGINS):
            continue
        if own not in RANKS:
            yield f"{name} has no rank: give its room one in LADDER"
            continue
        for target in imports(parse(path), deferred=True):
            other = target.partition(".")[2].partition(".")[0]
            if target.startswith("."):
                yield f"{name} imports {target}: write absolute imports"
            elif not target.startswith("hashquant.") or other in (own, "__version__", *PLUGINS):
                continue
            elif RANKS.get(other, 99) >= RANKS[own]:
                yield f"{name} may not import {other}"
            elif own == "report" and other not in REPORT_MAY:
                yield f"{name} may not import {other}: report reads records only"


@law
def no_circle_within_a_room(root: Path) -> Found:
    modules = engine(root)
    arrows = {}
    for name, path in modules.items():
        wanted = {target_in(t, modules) for t in imports(parse(path), deferred=True)}
        room = name.partition(".")[0]
        arrows[name] = {other for other in wanted if other.partition(".")[0] == room} - {name}
    while arrows:  # take away whatever imports nothing that is left
        free = {name for name, wanted in arrows.items() if not wanted & arrows.keys()}
        if not free:
            yield f"{', '.join(sorted(arrows))} import each other in a circle"
            return
        arrows = {name: wanted for name, wanted in arrows.items() if name not in free}


@law
def rooms_are_rooms(root: Path) -> Found:
    """The root holds five files; a folder holds few; its `__init__` says what it is for."""
    source = root / "src" / "hashquant"
    for name in sorted(engine(root)):
        if "." not in name and not (source / name).is_dir() and name not in ROOT_FILES:
            yield f"{name} stands in the root: it belongs into a room"
    for folder in sorted({path.parent for path in engine(root).values()} - {source}):
        place, count = folder.relative_to(source).as_posix(), len(list(folder.glob("*.py")))
        if place in PLUGINS:
            continue
        if count > MOST_FILES:
            yield f"{place} holds {count} files, the limit is {MOST_FILES}"
        if not (folder / "__init__.py").is_file():
            yield f"{place} has no __init__.py"
        else:
            yield from (f"{place}/__init__.py {fault}" for fault in _faults(folder, place))


def _faults(folder: Path, place: str) -> Found:
    tree = parse(folder / "__init__.py")
    if not ast.get_docstring(tree):
        yield "must say what the room is for"
    own = f"hashquant.{place.replace('/', '.')}."
    for node in tree.body[1:]:
        named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        inner = isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(own)
        if not (named or inner):
            yield f"line {node.lineno} does more than name what others may use"


@law
def doors_are_named(root: Path) -> Found:
    """From outside a folder only what its `__init__` names may be used, and it names no more."""
    modules = engine(root)
    open_to = {name: set(_names(parse(modules[name]))) for name in _folders(modules)}
    used: dict[str, set[str]] = {name: set() for name in open_to}
    for user, target in _uses(root, modules):
        for folder, word in _entered(target, user, open_to):
            used[folder].add(word)
            if word not in open_to[folder]:
                yield f"{user} uses {folder}.{word}, which {folder} does not name in __all__"
    for folder, words in open_to.items():
        own = {
            target.rpartition(".")[2] for target in imports(parse(modules[folder]), deferred=True)
        }
        for word in sorted(words - used[folder] - own):
            yield f"{folder} names {word}, which nobody outside uses"


@law
def what_one_folder_uses_begins_with_an_underscore(root: Path) -> Found:
    modules = engine(root)
    folders = _folders(modules)
    wanted = {
        target_in(target, modules)
        for user, target in _uses(root, modules)
        if _home(user, folders) != target_in(target, modules).rpartition(".")[0]
    }
    for name in sorted(modules):
        home, _, file = name.rpartition(".")
        if not home or home in PLUGINS or name in folders or file.startswith("_"):
            continue
        if name not in wanted:
            yield f"{name} is used by its own folder only: call it _{file}.py"


def _folders(modules: dict[str, Path]) -> list[str]:
    found = {name for name, path in modules.items() if path.name == "__init__.py"}
    return sorted(found - {"", *PLUGINS})


def _home(user: str, folders: list[str]) -> str:
    return user if user in folders else user.rpartition(".")[0]


def _uses(root: Path, modules: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Each module or script that uses the engine, with each name that it imports."""
    users = [(name, path) for name, path in modules.items() if not name.startswith(PLUGINS)]
    for user, path in [*users, *files(root, *USERS)]:
        yield from ((user, target) for target in imports(parse(path), deferred=True))


def _entered(target: str, user: str, folders: Iterable[str]) -> list[tuple[str, str]]:
    """Each folder that an import goes into from outside, and the word it asks there for."""
    parts = target.split(".")[1:] if target.startswith("hashquant.") else []
    heads = [(".".join(parts[:length]), parts[length]) for length in range(1, len(parts))]
    return [
        (folder, word)
        for folder, word in heads
        if folder in folders and not f"{user}.".startswith(f"{folder}.")
    ]


def _names(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


@law
def unit_tests_mirror_the_tree(root: Path) -> Found:
    unit = root / "tests" / "unit"
    for path in sorted(unit.rglob("test_*.py")):
        place = path.parent.relative_to(unit).as_posix()
        homes = (root / "src" / "hashquant" / place, root / place)
        if place == "." or not any(home.is_dir() for home in homes):
            yield f"{path.relative_to(root).as_posix()} tests no room: tests/unit mirrors the tree"
