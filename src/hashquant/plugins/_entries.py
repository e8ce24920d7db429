"""Names of plug-ins and who may have them: files of the plug-in folders, and entry points."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from types import ModuleType

from hashquant.errors import PluginError, one_line
from hashquant.plugins._literals import names_in, summary_in
from hashquant.plugins.failures import calling

#: What a plug-in is called stands in commands, in names of folders and in tables.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: Words that mean something else where a name stands.
WORDS = {"all", "common", "cross", "none", "seen", "unseen"}
#: What an entry point names: a module, and a class in it.
VALUE = re.compile(r"\s*(?P<module>\w+(\.\w+)*)\s*(:\s*(?P<attribute>\w+(\.\w+)*))?\s*(\[.*\])?\s*")


@dataclass(frozen=True)
class Entry:
    """A name, its one-line summary, and the module that defines it.

    `attribute` is the class in it, dotted; "" where it is the module's only one. `origin` says who
    offers the name: a file of the plug-in folders, whose `path` it has, or a package.
    """

    name: str
    summary: str
    module: str
    attribute: str = ""
    origin: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Catalogue:
    """What can be named; what cannot, and why; `unread` are sentences on what has no name."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that cannot be used, a sentence each."""
        return (*self.refused.values(), *self.unread)


def files_of(package: ModuleType) -> list[Path]:
    """Return the plug-in files of the folders of a package, without private ones."""
    paths = [path for folder in package.__path__ for path in sorted(Path(folder).iterdir())]
    return [p for p in paths if p.suffix == ".py" and not p.stem.startswith("_")]


def method_files(package: ModuleType) -> list[Entry]:
    """Return the methods of the plug-in folders: each is named as its file."""
    return [_of_file(package, path, path.stem, summary_in(path)) for path in files_of(package)]


def dataset_files(package: ModuleType) -> tuple[list[Entry], list[str]]:
    """Return the data sets that the files declare, and sentences on files that declare none."""
    found: list[Entry] = []
    unread: list[str] = []
    for path in files_of(package):
        try:
            names = names_in(path, "NAMES")
        except PluginError as error:
            unread.append(str(error))
            continue
        if not names:
            why = summary_in(path)
            unread += [f"{_origin(package, path)} {why}"] * why.startswith("cannot be read")
        found += [_of_file(package, path, str(n), str(text)) for n, text in names.items()]
    return found, unread


def offered(group: str, find: Callable[..., Iterable[EntryPoint]]) -> tuple[list[Entry], list[str]]:
    """Return what packages offer by entry points, and sentences on those that cannot be read.

    `find` is `importlib.metadata.entry_points`. Where one package's metadata are damaged it gives
    nothing at all: then each package is asked on its own.
    """
    unread: list[str] = []
    try:
        with calling("the metadata of installed packages"):
            points = list(find(group=group))
    except PluginError:
        points = list(_package_by_package(group, unread))
    found: list[Entry] = []
    for point in points:
        parts = VALUE.fullmatch(str(point.value))
        who = _package(getattr(point, "dist", None))
        if parts is None:
            value = one_line(str(point.value))
            unread.append(f"{who} offers '{one_line(point.name)}' as '{value}', which must be "
                          "module:Class")  # fmt: skip
            continue
        said = f"from {one_line(point.value)} ({who})"
        found.append(Entry(point.name, said, parts["module"], parts["attribute"] or "", who))
    return found, unread


def catalogue(
    own: Iterable[Entry], foreign: Iterable[Entry], taken: Iterable[str], unread: Iterable[str]
) -> Catalogue:
    """Tell which names can be used: the plug-in folders' own before those of packages.

    `taken` are names of the other kind of plug-in, with which settings would be confused. A name
    that two offer is neither's; a package's that is taken here is not used.
    """
    by_name: dict[str, list[Entry]] = {}
    refused: dict[str, str] = {}
    known = {name.lower() for name in taken}
    for entry in own:
        _sort_in(entry, _fault(entry), by_name, refused)
    mine = {name: group[0] for name, group in by_name.items()}
    for entry in foreign:
        key = entry.name.lower()
        fault = _fault(entry)
        if key in mine:
            fault = f"the name is that of {mine[key].origin}"
        elif not fault and key in known:
            fault = "a method or data set here has that name"
        _sort_in(entry, fault, by_name, refused)
    entries = {}
    for name, group in by_name.items():
        if len({(e.module, e.attribute) for e in group}) > 1:
            who = " and ".join(dict.fromkeys(e.origin for e in group))
            refused[name] = f"'{name}' is offered more than once, by {who}: none of them is used"
        else:
            entries[group[0].name] = group[0]
    return Catalogue(entries, refused, tuple(unread))


def _sort_in(
    entry: Entry, fault: str, by_name: dict[str, list[Entry]], refused: dict[str, str]
) -> None:
    key = entry.name.lower()
    if not fault:
        by_name.setdefault(key, []).append(entry)
        return
    said = f"'{one_line(entry.name)}' of {entry.origin} is not used: {fault}"
    refused[key] = f"{refused[key]}; {said}" if key in refused else said


def _fault(entry: Entry) -> str:
    """Return why a name cannot be used, or nothing."""
    if entry.name in WORDS:
        return f"the word '{entry.name}' means something else in a command"
    if NAME.fullmatch(entry.name) is None:
        return "a name must be 1 to 64 of a-z, 0-9, - and _, a letter or digit first"
    return ""


def _of_file(package: ModuleType, path: Path, name: str, summary: str) -> Entry:
    module = f"{package.__name__}.{path.stem}"
    return Entry(name, summary, module, origin=_origin(package, path), path=path)


def _origin(package: ModuleType, path: Path) -> str:
    return f"{package.__name__.rpartition('.')[2]}/{one_line(repr(path.name)[1:-1])}"


def _package_by_package(group: str, unread: list[str]) -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for package in distributions():
        who = _package(package)
        try:
            with calling(f"{who}: reading its entry points"):
                points = list(package.entry_points.select(group=group))
        except PluginError as error:
            unread.append(str(error))
            continue
        name = who.rpartition(" ")[0]
        if name not in seen:
            seen.add(name)
            yield from points


def _package(package: Distribution | None) -> str:
    """Return a package's name and version, as far as its metadata say them."""
    try:
        with calling("the metadata"):
            said = [] if package is None else [package.metadata["Name"], package.version]
    except PluginError:
        said = [str(getattr(package, "_path", ""))]
    words = [one_line(str(word)) for word in said if word]
    return " ".join(["package", *words]) if words else "a package"
