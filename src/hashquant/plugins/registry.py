"""What can be named on the command line: methods, data sets, trunks and suites.

Names and their one-line summaries are read from the files' text, without importing them; a
plug-in is imported when it is used. Third parties add theirs by the entry-point groups
`hashquant.methods` and `hashquant.datasets`.
"""

import fnmatch
import functools
import importlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import hashquant.datasets
import hashquant.methods
from hashquant.errors import HashQuantError, unknown_name
from hashquant.plugins._literals import names_in, reference_in, summary_in, text_in
from hashquant.settings.reference import Reference, Sources, read_claims
from hashquant.settings.trunknames import TRUNKS

if TYPE_CHECKING:  # both import torch, which listing names must not
    from hashquant.data.items import Dataset
    from hashquant.plugins.method import Method

C = TypeVar("C")


class PluginError(HashQuantError):
    """A plug-in file that cannot be imported or does not define what it must."""


@dataclass(frozen=True)
class Entry:
    """A name, its one-line summary, and the module that defines it."""

    name: str
    summary: str
    module: str


def methods() -> dict[str, Entry]:
    """Return every method by name."""
    return _files(hashquant.methods) | _third_party("hashquant.methods")


def datasets() -> dict[str, Entry]:
    """Return every data set by name: one file may offer several protocols."""
    found: dict[str, Entry] = {}
    for entry in _files(hashquant.datasets).values():
        names = names_in(_source(hashquant.datasets, entry.name), "NAMES")
        for name, summary in names.items():
            found[str(name)] = Entry(str(name), str(summary), entry.module)
    return found | _third_party("hashquant.datasets")


def trunks() -> dict[str, Entry]:
    """Return every trunk by name."""
    return {name: Entry(name, line, "hashquant.training.trunks") for name, line in TRUNKS.items()}


def suites() -> dict[str, Path]:
    """Return every suite file by name."""
    here = Path(hashquant.__file__).resolve()
    for folder in (here.parents[2] / "benchmarks", here.parent / "benchmarks"):
        if folder.is_dir():
            return {p.stem: p for p in sorted(folder.glob("*.yaml"))}
    return {}


def expand(kind: str, patterns: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the names that `patterns` mean: any case, wildcards, `all`; each name once.

    >>> expand("method", ["GP*", "opqn"], ["gpq", "opqn", "dcdh"])
    ('gpq', 'opqn')

    Raises:
        UsageError: if a pattern matches nothing, offering the nearest name.
    """
    names = list(known)
    found: dict[str, None] = {}
    for pattern in patterns:
        head, colon, argument = pattern.partition(":")
        wanted = "*" if head.lower() == "all" else head.lower()
        hits = [n for n in names if fnmatch.fnmatchcase(n.lower(), wanted)]
        if wanted == "*":
            hits = [n for n in hits if n != "folder"]
        if not hits:
            raise unknown_name(kind, head, names)
        found |= dict.fromkeys(f"{hit}{colon}{argument}" for hit in hits)
    return tuple(found)


def method_file(name: str) -> Path | None:
    """Return the file of a method in the plug-in folders, or None for a third party's.

    Raises:
        UsageError: if there is no such method.
    """
    return _own_source(hashquant.methods, _lookup("method", name, methods()))


def dataset_file(reference: str) -> Path | None:
    """Return the file of a data set in the plug-in folders, or None for a third party's.

    Raises:
        UsageError: if there is no such data set.
    """
    entry = _lookup("dataset", reference.partition(":")[0], datasets())
    return _own_source(hashquant.datasets, entry)


def load_method(name: str) -> "type[Method]":
    """Import a method by name.

    Raises:
        UsageError: if there is no such method.
        PluginError: if its file cannot be imported, or defines no method or several.
    """
    from hashquant.plugins.method import Method

    entry = _lookup("method", name, methods())
    return _single_subclass(_import(entry), Method)  # type: ignore[type-abstract]  # a base to search for


def make_dataset(reference: str, options: Mapping[str, str] | None = None) -> "Dataset":
    """Build a data set from `name` or `name:argument`.

    Raises:
        UsageError: if there is no such data set.
        PluginError: if its file cannot be imported, or defines no data set or several.
    """
    name, _, argument = reference.partition(":")
    entry = _lookup("dataset", name, datasets())
    return dataset_class(reference)(entry.name, argument, options)


def dataset_class(reference: str) -> "type[Dataset]":
    """Import the class of a data set, for what it declares.

    Raises:
        UsageError: if there is no such data set.
        PluginError: if its file cannot be imported, or defines no data set or several.
    """
    from hashquant.data.items import Dataset

    entry = _lookup("dataset", reference.partition(":")[0], datasets())
    return _single_subclass(_import(entry), Dataset)  # type: ignore[type-abstract]  # a base to search for


def dataset_stem(reference: str) -> str:
    """Return the file stem that options of a data set are named by (`synthfaces`, `lfw`)."""
    name = reference.partition(":")[0]
    return _lookup("dataset", name, datasets()).module.rpartition(".")[2]


def reference(name: str) -> Reference:
    """Return a method's paper and all numbers published of it.

    They are read from its file's text; a reference that is no literal, and one of a third party,
    costs the import of the method.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it cannot be imported, or has no reference.
        ClaimsError: if its file of published numbers is damaged.
    """
    entry = _lookup("method", name, methods())
    path = _own_source(hashquant.methods, entry)
    paper = reference_in(path) if path else None
    if paper is None:
        paper = getattr(load_method(entry.name), "reference", None)
    if not isinstance(paper, Reference):
        raise PluginError(f"method '{name}' must have a Reference, got {type(paper).__name__}")
    if path is None:
        return paper
    more = read_claims(path.parent / "published" / f"{path.stem}.yaml")
    return replace(paper, claims=(*paper.claims, *more))


def citation(name: str) -> str:
    """Return the BibTeX that a data set asks to cite, or "" where it has none.

    Raises:
        UsageError: if there is no such data set.
        PluginError: if it must be imported for this, and cannot be.
    """
    entry = _lookup("dataset", name.partition(":")[0], datasets())
    path = _own_source(hashquant.datasets, entry)
    found = text_in(path, "citation") if path else None
    return dataset_class(entry.name).citation if found is None else found


def sources(methods: Iterable[str], datasets: Iterable[str]) -> Sources:
    """Return what must be cited for these methods and data sets, each name once."""
    papers: dict[str, Reference] = {}
    entries: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in sorted(set(methods)):
        try:
            papers[name] = reference(name)
        except HashQuantError as error:
            missing[name] = str(error)
    for name in sorted(set(datasets)):
        try:
            entries[name] = citation(name)
        except HashQuantError as error:
            missing[name] = str(error)
    return Sources(papers, entries, missing)


def manifests() -> tuple[Path, ...]:
    """Return the files of all splits that are written down beside the data sets."""
    folders = [Path(folder) / "manifests" for folder in hashquant.datasets.__path__]
    return tuple(path for folder in folders for path in sorted(folder.glob("*.json")))


def _lookup(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    by_lower = {n.lower(): entry for n, entry in known.items()}
    if name.lower() not in by_lower:
        raise unknown_name(kind, name, known)
    return by_lower[name.lower()]


def _files(package: ModuleType) -> dict[str, Entry]:
    found = {}
    for folder in package.__path__:
        for path in sorted(Path(folder).iterdir()):  # a plan asks dozens of times: no pattern
            if path.suffix == ".py" and not path.stem.startswith("_"):
                module = f"{package.__name__}.{path.stem}"
                found[path.stem] = Entry(path.stem, summary_in(path), module)
    return found


def _source(package: ModuleType, stem: str) -> Path:
    paths = [Path(folder) / f"{stem}.py" for folder in package.__path__]
    return next(path for path in paths if path.is_file())


def _own_source(package: ModuleType, entry: Entry) -> Path | None:
    """Return the file of a plug-in in the plug-in folders, or None for a third party's."""
    home, _, stem = entry.module.rpartition(".")
    return _source(package, stem) if home == package.__name__ else None


def _third_party(group: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in _offered(group, tuple(sys.path))}


@functools.cache  # it reads what every installed package offers
def _offered(group: str, path: tuple[str, ...]) -> tuple[Entry, ...]:
    return tuple(
        Entry(point.name, f"from {point.value}", point.value.partition(":")[0])
        for point in entry_points(group=group)
    )


def _import(entry: Entry) -> ModuleType:
    try:
        return importlib.import_module(entry.module)
    except Exception as error:  # a plug-in may fail in any way; the others still run
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"'{entry.name}' cannot be imported ({reason})") from error


def _single_subclass(module: ModuleType, base: type[C]) -> type[C]:
    found = [
        member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, base)
        and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise PluginError(
            f"{module.__name__} must define one {base.__name__} subclass, got {len(found)}"
        )
    return found[0]
