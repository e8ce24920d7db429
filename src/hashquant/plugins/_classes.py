"""From a name to the class behind it: imported, found, and held to what it must declare."""

import dataclasses
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from hashquant.errors import PluginError
from hashquant.plugins._entries import Entry
from hashquant.plugins._literals import PREFIX
from hashquant.plugins._source import remember
from hashquant.plugins.failures import calling
from hashquant.settings.names import KINDS

if TYPE_CHECKING:  # both import torch, which listing names must not
    from hashquant.plugins.method import Method

C = TypeVar("C")

#: Public names by which a method would offer codes of its own making.
_ENCODES = re.compile(r"^encode(_|$)|^(?!_).*gallery")
#: What only the family that is decoded may define: its codec.
_CODEC = ("encode", "decode")


def class_of(entry: Entry, base: type[C]) -> type[C]:
    """Import the class that an entry names; without a name the module's only subclass of `base`.

    Raises:
        PluginError: if the module cannot be imported, or has no such class.
    """
    module = _import(entry)
    if not entry.attribute:
        return _single_subclass(module, base)
    found: object = module
    for part in entry.attribute.split("."):
        with calling(f"'{entry.name}' of {entry.origin}"):
            found = getattr(found, part, None)
    if not (inspect.isclass(found) and issubclass(found, base)):
        kind = found.__qualname__ if inspect.isclass(found) else f"a {type(found).__name__}"
        got = "nothing" if found is None else kind
        raise PluginError(
            f"{entry.module}:{entry.attribute} must be a {base.__name__} subclass, got {got}"
        )
    return found


def check_method(entry: Entry, method: "type[Method]") -> None:
    """Hold a method to what a plan needs of it, before any of its code is called.

    Raises:
        PluginError: if its name is another, it is of no known kind, it lacks a family, a Config or
            a `forward`, it has prefixes where there are none, or would make codes of more than the
            image.
    """
    from hashquant.codes.family import Binary, Decoded, ProductQuantized, Real

    kind = getattr(method, "kind", None)
    name, family = getattr(method, "name", None), getattr(method, "family", None)
    config = getattr(method, "Config", None)
    missing = ", ".join(sorted(getattr(method, "__abstractmethods__", ())))
    for kept, rule in (
        (name == entry.name, f"name must be '{entry.name}', as it is called, got {name!r}"),
        (
            isinstance(family, Binary | ProductQuantized | Decoded | Real),
            "family must be a Binary(), a ProductQuantized(…), an Additive(), a Decoded() or a "
            f"Real(), got {family!r}",
        ),
        (
            inspect.isclass(config) and dataclasses.is_dataclass(config),
            f"Config must be a dataclass, got {config!r}",
        ),
        (kind in ("", *KINDS), f"kind must be one of {', '.join(KINDS)}, or empty, got {kind!r}"),
        (not missing, f"it must define {missing}"),
        *_prefixes_are_codes(method),
        *_codes_are_of_images(method),
    ):
        if not kept:
            raise PluginError(f"method '{entry.name}' cannot be used: {rule}"[:400])


def _prefixes_are_codes(method: "type[Method]") -> Iterator[tuple[bool, str]]:
    """Yield what holds a method to prefixes that its family has, and the sentences."""
    from hashquant.codes.family import Binary, ProductQuantized
    from hashquant.plugins.method import Method

    prefix, family = getattr(method, "prefix", False), getattr(method, "family", None)
    yield isinstance(prefix, bool), f"prefix must be True or False, got {prefix!r}"
    ordered = not prefix or isinstance(family, ProductQuantized | Binary)
    yield ordered, "prefix = True is of product, additive and binary codes alone"
    mapped = getattr(method, "query_embedding", None) is not Method.query_embedding
    rule = "prefix = True of a binary code needs queries as they are: no query_embedding"
    yield not (prefix and isinstance(family, Binary) and mapped), rule
    named = PREFIX in getattr(getattr(method, "Config", None), "__dataclass_fields__", {})
    yield not named, f"Config must have no field '{PREFIX}': that word says how it is trained"


def _codes_are_of_images(method: "type[Method]") -> Iterator[tuple[bool, str]]:
    """Yield what holds a method to codes that its `forward` makes of images, and the sentences.

    A gallery's codes that are made of labels (ADSH, FISH) are searched for labels, not images.
    Bytes that a method decodes it makes itself, by `encode`, of the embedding alone.
    """
    from hashquant.codes.family import Decoded
    from hashquant.plugins.method import Method

    own = {name for cls in method.__mro__ if cls not in Method.__mro__ for name in vars(cls)}
    decoded = isinstance(getattr(method, "family", None), Decoded)
    known = vars(Method).keys() - ({"encode"} if not decoded else set())
    hooks = ", ".join(sorted(filter(_ENCODES.search, own - known)))
    rule = "codes are made by forward and family alone, never of labels: it must not define"
    yield not hooks, f"{rule} {hooks} (a helper's name begins with _)"
    missing = ", ".join(name for name in _CODEC if decoded and name not in own)
    yield not missing, f"codes that are decoded are its own: it must define {missing}"
    codec = zip(_CODEC, ("embedding", "codes"), strict=True) if decoded else ()
    asked = ("query_embedding", "embedding"), ("query_table", "embedding")
    for name, given in (("forward", "features"), ("assign", "embedding"), *asked, *codec):
        more = ", ".join(_taken(getattr(method, name))[1:])
        yield not more, f"{name} must take the {given} alone, never labels or rows, got {more}"


def _taken(function: Any) -> list[str]:  # Any: whatever a plug-in has there
    """Return the named parameters after `self`; none where they cannot be told."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):  # no function, or a compiled one: its cell tells what is wrong
        return []
    return [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def gives(entry: Entry, cls: type) -> bool:
    """Tell whether an entry names a class, as far as its module is imported."""
    module = sys.modules.get(entry.module)
    if module is None:
        return False
    if not entry.attribute:
        return cls.__module__ == entry.module
    found: object = module
    for part in entry.attribute.split("."):
        found = getattr(found, part, None)
    return found is cls


def _import(entry: Entry) -> ModuleType:
    try:
        with calling(f"'{entry.name}'"):
            module = importlib.import_module(entry.module)
    except PluginError as error:
        reason = str(error).partition(" failed (")[2]
        raise PluginError(f"'{entry.name}' cannot be imported ({reason}") from error.__cause__
    remember(entry, module)
    return module


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
