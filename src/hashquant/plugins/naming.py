"""What plug-ins say readers call them: read from their text, or by importing a third party's."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from hashquant.errors import HashQuantError, PluginError
from hashquant.plugins import registry
from hashquant.plugins._literals import display_in, names_in, text_in
from hashquant.plugins.failures import calling
from hashquant.settings.names import IDENTITIES, KINDS, TARGET_OPTIONS, Name, Names
from hashquant.settings.trunknames import DISPLAY


def names(methods: Iterable[str], datasets: Iterable[str]) -> Names:
    """Return what readers call these methods and data sets, all trunks and options of targets.

    Whatever cannot be read, or says no name, keeps its identifier.
    """
    called: dict[str, Name] = {}
    kinds: dict[str, str] = {}
    for name in sorted(set(methods)):
        with suppress(HashQuantError):
            if (found := display(name)).text:
                called[name] = found
        with suppress(HashQuantError):
            if (word := kind(name)) in KINDS:
                kinds[name] = word
    sets: dict[str, str] = {}
    classes: dict[str, str] = {}
    for name in sorted({name.partition(":")[0] for name in datasets}):
        with suppress(HashQuantError):
            sets[name], classes[name] = _dataset(name)
    return Names(called, _distinct(sets), classes, TARGET_OPTIONS, DISPLAY, kinds)


def display(name: str) -> Name:
    """Return what readers call a method and its settings; its text is "" where it does not say.

    A name that is no literal, and one of a third party, costs the import of the method.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it must be imported for this, and cannot be, or it is no name.
    """
    path = registry.method_file(name)
    found = display_in(path) if path else None
    said: object = registry.declared_method(name).display if found is None else found
    words = getattr(said, "words", None)
    if not isinstance(said, Name) or not isinstance(words, Mapping):
        raise PluginError(f"method '{name}': display must be a Name, got {said!r}"[:200])
    if not all(isinstance(text, str) for text in (said.text, said.short, *words, *words.values())):
        raise PluginError(f"method '{name}': display must hold texts, got {said!r}"[:200])
    return said


def kind(name: str) -> str:
    """Return the kind that a method says it is of; one of a third party is imported for it.

    Raises:
        UsageError: if there is no such method.
        PluginError: if it must be imported for this, and cannot be.
    """
    path = registry.method_file(name)
    found = text_in(path, "kind") if path else None
    return str(registry.declared_method(name).kind) if found is None else found


def _dataset(name: str) -> tuple[str, str]:
    """Return what readers call a data set, "" where it does not say, and what its classes are."""
    path = registry.dataset_file(name)
    noun = text_in(path, "class_noun") if path else None
    if path is None or noun is None:
        found = registry.dataset_class(name)
        with calling(f"data set '{name}'"):
            return str(found.DISPLAY.get(name, "")), str(found.class_noun)
    return str(names_in(path, "DISPLAY").get(name, "")), noun or IDENTITIES


def _distinct(said: Mapping[str, str]) -> dict[str, str]:
    """Leave out what has no name; tell what is called alike apart by its identifier."""
    times = Counter(said.values())
    return {k: f"{v} ({k})" if times[v] > 1 else v for k, v in said.items() if v}
