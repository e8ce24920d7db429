"""Plain values (YAML, JSON, a flag's text) to frozen dataclasses, read strictly."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.words import cut

T = TypeVar("T")

#: Field names whose values are one of a few words.
CHOICES = {
    "precision": ("auto", "bf16", "fp32"),
    "trunk_mode": ("eager", "compiled", "graphs"),
    "recipe": ("paper", "common"),
    "selection": ("last", "train-loss", "validation"),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop"),
    "decay": ("step", "milestones", "cosine"),
}

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def build(cls: type[T], raw: object, where: str) -> T:
    """Build the frozen dataclass `cls` from plain values, refusing what it does not know.

    Raises:
        UsageError: for an unknown key (nearest name offered) or a value of the wrong type.
    """
    if not isinstance(raw, Mapping):
        raise UsageError(f"{where} must be a mapping of keys to values, got {type(raw).__name__}")
    hints = _fields(cls)  # type: ignore[arg-type]  # every class is hashable
    for key in raw:
        if key not in hints:
            raise unknown_name(f"key in {where}", str(key), hints)
    values = dict(raw)
    for key, value in raw.items():
        if type(value) is not hints[key] or key in CHOICES:  # few of a record's
            values[key] = coerce(value, hints[key], f"{where}: {key}")
    return cls(**values)


def coerce(value: Any, hint: Any, where: str) -> Any:  # Any: values come from YAML or a flag
    """Return `value` as the type `hint`, from YAML values or a flag's text.

    >>> coerce("0.5", float, "margin"), coerce("yes", bool, "flip")
    (0.5, True)

    Raises:
        UsageError: if the value does not fit, naming `where`, the type and the value.
    """
    origin, args, is_dataclass = _shape(hint)
    if is_dataclass:
        return value if isinstance(value, hint) else build(hint, value, where)
    if origin is tuple:
        return _coerce_tuple(value, args, where)
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in args if a is not type(None)]
        return None if value in (None, "none", "None") else coerce(value, inner[0], where)
    if origin in (Mapping, list):
        return _coerce_container(value, origin, args, where)
    if origin is not None or hint is Any:
        return value
    try:
        found = _scalar(value, hint)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{where} must be {_kind(hint)}, got {value!r}") from error
    name = where.rsplit(" ", 1)[-1]
    if hint is str and name in CHOICES and found not in CHOICES[name]:
        raise unknown_name(name, str(found), CHOICES[name])
    return found


@functools.cache  # a store holds thousands of records of few classes
def _fields(cls: type) -> dict[str, Any]:  # Any: types
    """Return the type of every field of a dataclass, by name."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


@functools.cache
def _shape(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:  # Any: types
    """Return the origin of a type, its arguments, and whether it is a dataclass."""
    is_dataclass = dataclasses.is_dataclass(hint) and isinstance(hint, type)
    return typing.get_origin(hint), typing.get_args(hint), is_dataclass


def _scalar(value: Any, hint: Any) -> Any:  # Any: see coerce
    if hint is bool:
        return value if isinstance(value, bool) else _WORDS[str(value).lower()]
    if isinstance(value, bool):
        raise TypeError
    if hint is int and isinstance(value, float):
        raise TypeError
    return hint(value)


def _coerce_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:  # Any: YAML
    values = cut(value, ", \t\n") if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        values = [values]
    if len(args) == 2 and args[1] is Ellipsis:
        if args[0] in (int, float) and all(type(v) is args[0] for v in values):
            return tuple(values)  # as records hold them: long curves
        return tuple(coerce(v, args[0], where) for v in values)
    if len(values) != len(args):
        raise UsageError(f"{where} must have {len(args)} values, got {len(values)}")
    return tuple(coerce(v, a, where) for v, a in zip(values, args, strict=True))


def _coerce_container(
    value: Any, origin: Any, args: tuple[Any, ...], where: str
) -> Any:  # Any: YAML
    if origin is Mapping and isinstance(value, Mapping):
        if args[1] is float and all(type(v) is float for v in value.values()):
            return dict(value)  # as records hold them: the losses of every epoch
        return {k: coerce(v, args[1], f"{where}.{k}") for k, v in value.items()}
    if origin is list and isinstance(value, list | tuple):
        return [coerce(v, args[0], where) for v in value]
    kind = "a mapping of keys to values" if origin is Mapping else "a list"
    raise UsageError(f"{where} must be {kind}, got {value!r}")


def _kind(hint: Any) -> str:  # Any: a type
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(hint, "text")
