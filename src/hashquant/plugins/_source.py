"""Which source a plug-in is: a digest of its file, or of its whole package and its version."""

import hashlib
import importlib.util
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from weakref import WeakKeyDictionary

from hashquant.errors import PluginError
from hashquant.plugins._entries import Entry
from hashquant.plugins._essence import essence
from hashquant.plugins.failures import calling

#: Of a larger package only the plug-in's own module counts.
MOST_FILES, MOST_BYTES = 300, 8 << 20

_AT_IMPORT: WeakKeyDictionary[ModuleType, tuple[str, str]] = WeakKeyDictionary()


def source_now(entry: Entry) -> tuple[str, str]:
    """Return what holds a plug-in's source, and a digest of that as it is stored now.

    The digest is 12 hex digits of a SHA-256 of what can change a result, with the version of a
    package behind it; "" where nothing can be read. No plug-in is imported.
    """
    if entry.path is not None:
        return entry.origin, _digest([(entry.path.name, entry.path)])
    name, version = _named(entry)
    found = _digest(list(_files(entry.module)))
    return name, f"{found} {version}".strip() if found else ""


def source_used(entry: Entry) -> tuple[str, str]:
    """Return the same of the code in memory: as it was when it was first imported for its name."""
    for module, known in _AT_IMPORT.items():
        if module.__name__ == entry.module:
            return known
    return source_now(entry)


def remember(entry: Entry, module: ModuleType) -> None:
    """Keep the source of a module that was just imported: its file may change while it runs."""
    if module not in _AT_IMPORT:
        _AT_IMPORT[module] = source_now(entry)


def _named(entry: Entry) -> tuple[str, str]:
    """Return a package's name without its version, and the version."""
    kind, _, rest = entry.origin.partition(" ")
    name, _, version = rest.rpartition(" ")
    return (f"{kind} {name}", version) if name else (f"{kind} {rest or entry.module}", "")


def _digest(files: list[tuple[str, Path]]) -> str:
    whole = hashlib.sha256()
    try:
        for name, path in files:
            inner = hashlib.sha256(essence(path.read_bytes())).hexdigest()
            whole.update(f"{name}\t{inner}\n".encode(errors="backslashreplace"))
    except OSError:
        return ""
    return whole.hexdigest()[:12] if files else ""


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """Yield the Python files of a module's whole package, by their names below it, in order."""
    top, *inner = module.split(".")
    try:
        with calling(f"package {top}"):  # finders of others
            spec = importlib.util.find_spec(top)
    except PluginError:
        return
    if spec is None:
        return
    folders = list(spec.submodule_search_locations or ())
    if not folders:
        yield from [(f"{top}.py", Path(spec.origin))] if spec.origin else []
        return
    found = [(path.relative_to(folder).as_posix(), path) for folder in map(Path, folders)
             for path in islice(folder.rglob("*.py"), MOST_FILES + 1)]  # fmt: skip
    if len(found) <= MOST_FILES and sum(_size(path) for _, path in found) <= MOST_BYTES:
        yield from sorted(found)
        return
    for folder in map(Path, folders):
        own = folder.joinpath(*inner)
        for path in (own.with_suffix(".py"), own / "__init__.py"):
            if path.is_file():
                yield ".".join(inner), path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
