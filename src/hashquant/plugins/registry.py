"""What can be named on the command line: methods, data sets, trunks and suites.

Names and their one-line summaries are read from the files' text, without importing them; a
plug-in is imported when it is used. Third parties add theirs by the entry-point groups
`hashquant.methods` and `hashquant.datasets`.
"""

import fnmatch
import functools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import hashquant.datasets
import hashquant.methods
from hashquant.errors import HashQuantError, PluginError, UsageError, unknown_name
from hashquant.plugins._classes import check_method, class_of, gives
from hashquant.plugins._entries import (
    Catalogue,
    Entry,
    catalogue,
    dataset_files,
    method_files,
    offered,
)
from hashquant.plugins._literals import PREFIX, is_true_in, reference_in, text_in
from hashquant.plugins.failures import calling
from hashquant.settings.reference import Reference, Sources, read_claims
from hashquant.settings.trunkcards import pretrained_names, trunk_card
from hashquant.settings.trunknames import TRUNKS

if TYPE_CHECKING:  # both import torch, which listing names must not
    from hashquant.data.items import Dataset
    from hashquant.plugins.method import Method

#: Data sets that are nothing without a path: `all` does not mean them.
_OF_A_PATH = ("folder", "embeddings")
#: What a name is asked for as → the kind of plug-in.
_KINDS = {"method": "methods", "dataset": "datasets", "target": "datasets"}


def methods() -> dict[str, Entry]:
    """Return every method by name."""
    return dict(_catalogues()["methods"].entries)


def with_prefixes() -> tuple[str, ...]:
    """Return the methods whose files say that a code begins with shorter codes."""
    files = {name: entry.path for name, entry in methods().items()}
    return tuple(sorted(name for name, path in files.items() if path and has_prefixes(path)))


def has_prefixes(path: Path) -> bool:
    """Tell whether a method's file says that its codes begin with shorter codes."""
    return is_true_in(path, PREFIX)


def datasets() -> dict[str, Entry]:
    """Return every data set by name: one file may offer several protocols."""
    return dict(_catalogues()["datasets"].entries)


def refused(what: str = "") -> tuple[str, ...]:
    """Return a sentence for each method or data set that is offered and not used, and why.

    `what` is "methods", "datasets", or "" for both.
    """
    found = _catalogues()
    return tuple(said for kind in found if what in ("", kind) for said in found[kind].sentences)


def entry(kind: str, reference: str) -> Entry:
    """Return what is known of a "method" or "dataset" by its name.

    Raises:
        UsageError: if there is no such name, or it cannot be used.
    """
    known = methods() if kind == "method" else datasets()
    return _lookup(kind, reference.partition(":")[0], known)


def trunks() -> dict[str, Entry]:
    """Return every trunk by name."""
    cards = [card for name in pretrained_names() if (card := trunk_card(name)) is not None]
    lines = {card.name: f"{card.pretrained_on} weights ({card.source}), {card.width} values from "
             f"{card.image_size} pixels" for card in cards}  # fmt: skip
    return {
        name: Entry(name, line, "hashquant.training.trunks")
        for name, line in {**TRUNKS, **lines}.items()
    }


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
            hits = [n for n in hits if n not in _OF_A_PATH]
        if not hits:
            raise _unknown(kind, head, names)
        found |= dict.fromkeys(f"{hit}{colon}{argument}" for hit in hits)
    return tuple(found)


def method_file(name: str) -> Path | None:
    """Return the file of a method in the plug-in folders, or None for a third party's.

    Raises:
        UsageError: if there is no such method.
    """
    return entry("method", name).path


def dataset_file(reference: str) -> Path | None:
    """Return the file of a data set in the plug-in folders, or None for a third party's.

    Raises:
        UsageError: if there is no such data set.
    """
    return entry("dataset", reference).path


def load_method(name: str) -> "type[Method]":
    """Import a method by name.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it cannot be imported, or does not declare what a method must.
    """
    found = entry("method", name)
    method = declared_method(name)
    check_method(found, method)
    return method


def declared_method(name: str) -> "type[Method]":
    """Import a method for what it declares, whether or not it can be run.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it cannot be imported, or its module defines no method or several.
    """
    from hashquant.plugins.method import Method

    return class_of(entry("method", name), Method)  # type: ignore[type-abstract]  # a base to search for


def offers_of(method: "type[Method]") -> tuple[str, ...]:
    """Return the names of the entry points that give a class; none where no package offers it.

    Only modules that are imported already are looked at.
    """
    theirs, _ = _offered("hashquant.methods", tuple(sys.path))
    return tuple(offer.name for offer in theirs if gives(offer, method))


def make_dataset(reference: str, options: Mapping[str, str] | None = None) -> "Dataset":
    """Build a data set from `name` or `name:argument`.

    Raises:
        UsageError: if there is no such data set.
        PluginError: if it cannot be imported or built, or its module defines none or several.
    """
    name, _, argument = reference.partition(":")
    found = entry("dataset", name)
    made = dataset_class(reference)
    with calling(f"data set '{found.name}'"):
        return made(found.name, argument, options)


def dataset_class(reference: str) -> "type[Dataset]":
    """Import the class of a data set, for what it declares.

    Raises:
        UsageError: if there is no such data set.
        PluginError: if its file cannot be imported, or defines no data set or several.
    """
    from hashquant.data.items import Dataset

    return class_of(entry("dataset", reference), Dataset)  # type: ignore[type-abstract]  # a base to search for


def dataset_stem(reference: str) -> str:
    """Return the file stem that options of a data set are named by (`synthfaces`, `lfw`)."""
    return entry("dataset", reference).module.rpartition(".")[2]


def reference(name: str) -> Reference:
    """Return a method's paper and all numbers published of it.

    They are read from its file's text; a reference that is no literal, and one of a third party,
    costs the import of the method.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it cannot be imported, or has no reference.
        ClaimsError: if its file of published numbers is damaged.
    """
    path = entry("method", name).path
    paper = reference_in(path) if path else None
    if paper is None:
        paper = getattr(declared_method(name), "reference", None)
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
    path = entry("dataset", name).path
    found = text_in(path, "citation") if path else None
    return str(dataset_class(name).citation) if found is None else found


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
        raise _unknown(kind, name, known)
    return by_lower[name.lower()]


def _unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Say why a name that is offered cannot be used, or offer the nearest one."""
    why = _catalogues()[_KINDS[kind]].refused.get(name.lower()) if kind in _KINDS else None
    return unknown_name(kind, name, known) if why is None else UsageError(f"{kind} {why}")


def _catalogues() -> dict[str, Catalogue]:
    """Return what can be named of both kinds: a plan asks dozens of times."""
    own = method_files(hashquant.methods)
    sets, unread = dataset_files(hashquant.datasets)
    path = tuple(sys.path)
    theirs, faults = _offered("hashquant.methods", path)
    their_sets, set_faults = _offered("hashquant.datasets", path)
    taken = {entry.name for entry in sets} | {e.module.rpartition(".")[2] for e in sets}
    return {
        "methods": catalogue(own, theirs, taken, faults),
        "datasets": catalogue(sets, their_sets, {e.name for e in own}, (*unread, *set_faults)),
    }


@functools.cache  # it reads what every installed package offers
def _offered(group: str, path: tuple[str, ...]) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    found, unread = offered(group, entry_points)
    return tuple(found), tuple(unread)
