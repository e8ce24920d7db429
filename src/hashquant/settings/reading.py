"""Plain values (YAML, JSON, a flag's text) to frozen dataclasses, read strictly.

What is asked for is held to its declaration (`settings.ranges`) here and nowhere else: by `coerce`
as it is read, by `check` where it was made in code. What is `stored` need only fit its type: a
record of yesterday's range can be read today.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypeVar

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.ranges import OneOf, described, fault, shown, unwrapped
from hashquant.settings.words import cut

T = TypeVar("T")
_Shape: TypeAlias = tuple[Any, tuple[Any, ...], Any, tuple[Any, ...], bool]  # Any: types

#: How the name of a field begins that a flag `--set` gives.
FLAG = "--set "

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
#: What a type may say of a value that it does not take.
_REFUSALS = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


def build(cls: type[T], raw: object, where: str, *, stored: bool = False) -> T:
    """Build the frozen dataclass `cls` from plain values, refusing what it does not know.

    `where` is what sentences call it: "quick.yaml", or with its end "--set opqn.".

    Raises:
        UsageError: for an unknown key (nearest name offered), a value of the wrong type or, unless
            it is `stored`, out of its range.
    """
    if not isinstance(raw, Mapping):
        raise refusal(where.rstrip(". "), "a mapping of keys to values", raw)
    hints = _fields(cls, stored)  # type: ignore[arg-type]  # every class is hashable
    for key in raw:
        if key not in hints:
            owner = where.removeprefix(FLAG).rstrip(". ") or FLAG.strip()
            raise unknown_name(f"key in {owner}", _text(key), hints)
    values = dict(raw)
    for key, value in raw.items():
        if not stored or type(value) is not hints[key]:  # few of a record's
            values[key] = coerce(value, hints[key], _named(where, key), stored=stored)
    try:
        return cls(**values)
    except UsageError as error:
        raise UsageError(_sentence(where, str(error))) from error
    except _REFUSALS as error:
        raise UsageError(f"{where.removeprefix(FLAG).rstrip('. ')}: {error}") from error


def coerce(
    value: Any, hint: Any, where: str, *, stored: bool = False
) -> Any:  # Any: values come from YAML or a flag
    """Return `value` as the type `hint`, from YAML values or a flag's text.

    >>> coerce("0.5", float, "margin"), coerce("yes", bool, "flip")
    (0.5, True)

    Raises:
        UsageError: if the value does not fit, or is `not stored` and out of its range, naming
            `where`, what it should be and the value.
    """
    base, rules, origin, args, is_dataclass = _shape(hint)
    if is_dataclass:
        return value if isinstance(value, base) else build(base, value, f"{where}.", stored=stored)
    if origin is tuple:
        found = _coerce_tuple(value, args, where, stored)
    elif origin in (typing.Union, types.UnionType):
        found = _coerce_union(value, args, where, stored)
    elif origin in (Mapping, list):
        found = _coerce_container(value, origin, args, where, stored)
    elif origin is Literal:
        found = _one_of(value, {str(a): a for a in args}, where)
    elif origin is not None or base is Any:
        found = value
    else:
        found = _coerce_scalar(value, base, hint, where)
    if stored:
        return found
    for one in rules:
        if isinstance(one, OneOf):
            _one_of(found, {word: word for word in one.words}, where)
    _require(found, hint, where, value)
    return found


def check(value: Any, where: str) -> None:  # Any: a dataclass of settings
    """Hold a frozen dataclass that code has made to its declarations, and to its own `agree()`.

    `agree` is where a class of settings says what its fields must agree on; it raises UsageError.

    Raises:
        UsageError: as `build` does.
    """
    for key, hint in declared(type(value)).items():
        found, where_it_is = getattr(value, key), _named(where, key)
        if dataclasses.is_dataclass(found):
            check(found, f"{where_it_is}.")
        else:
            _require(found, hint, where_it_is, found)
    if agree := getattr(value, "agree", None):
        try:
            agree()
        except UsageError as error:
            raise UsageError(_sentence(where, str(error))) from error


def refusal(where: str, wanted: str, value: object) -> UsageError:
    """Return the error that says what was expected, what came, and by which flag it is given.

    >>> str(refusal("--set opqn.margin", "a number of at least 0", "nan"))
    'opqn.margin must be a number of at least 0, got nan (--set opqn.margin=…)'
    """
    return UsageError(_sentence("", f"{where} must be {wanted}, got {shown(value)}"))


def declared(cls: type) -> Mapping[str, Any]:  # Any: types
    """Return the type of every field of a dataclass of settings, with its range, by name."""
    return _fields(cls, False)


@functools.cache  # a store holds thousands of records of few classes
def _fields(cls: type, stored: bool) -> dict[str, Any]:  # Any: types
    """Return the type of every field of a dataclass; its range only where it is not stored."""
    hints = typing.get_type_hints(cls, include_extras=not stored)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _shape(hint: Any) -> _Shape:  # Any: a type
    """Return a type, its rules, its origin and arguments, and whether it is a dataclass."""
    try:
        return _shapes(hint)
    except TypeError:  # somebody's own declaration that cannot be hashed
        return _shapes.__wrapped__(hint)


@functools.cache
def _shapes(hint: Any) -> _Shape:  # Any: a type
    base, rules = unwrapped(hint)
    is_dataclass = dataclasses.is_dataclass(base) and isinstance(base, type)
    return base, rules, typing.get_origin(base), typing.get_args(base), is_dataclass


def _named(where: str, key: str) -> str:
    return f"{where}{key}" if where.endswith((".", " ")) or not where else f"{where}: {key}"


def _sentence(where: str, text: str) -> str:
    """Return a refusal that begins with a field's name, with its place, and its flag at the end."""
    said = _named(where, text)
    if not said.startswith(FLAG):
        return said
    name = said.removeprefix(FLAG)
    return f"{name} ({FLAG}{name.partition(' ')[0]}=…)"


def _require(found: object, hint: Any, where: str, given: object) -> None:  # Any: a type
    try:
        wanted = fault(found, hint)
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deep") from error
    if wanted:
        raise refusal(where, wanted, given)


def _one_of(value: Any, words: Mapping[str, Any], where: str) -> Any:  # Any: a literal
    if str(value) not in words:
        place, _, name = where.removeprefix(FLAG).rpartition(" ")
        raise UsageError(f"{place} {unknown_name(name, _text(value), words)}".lstrip())
    return words[str(value)]


def _text(value: object) -> str:
    return value[:60] if isinstance(value, str) else shown(value)


def _coerce_scalar(value: Any, base: Any, hint: Any, where: str) -> Any:  # Any: see coerce
    try:
        return _scalar(value, base)
    except _REFUSALS as error:
        raise refusal(where, described(hint), value) from error


def _scalar(value: Any, hint: Any) -> Any:  # Any: see coerce
    if hint is bool:
        return value if isinstance(value, bool) else _WORDS[str(value).lower()]
    if isinstance(value, bool) or (hint is int and isinstance(value, float)):
        raise TypeError
    if hint is str and (value is None or isinstance(value, Mapping | list | tuple | set | bytes)):
        raise TypeError
    return hint(value)


def _coerce_union(
    value: Any, args: tuple[Any, ...], where: str, stored: bool
) -> Any:  # Any: see coerce
    """Return the value as the first of the types that takes it, which none does by its name."""
    inner = [a for a in args if a is not type(None)]
    if len(inner) < len(args) and value in (None, "none", "None"):
        return None
    for one in inner[:-1]:
        try:
            return coerce(value, one, where, stored=stored)
        except UsageError:
            continue
    return coerce(value, inner[-1], where, stored=stored)


def _coerce_tuple(
    value: Any, args: tuple[Any, ...], where: str, stored: bool
) -> tuple[Any, ...]:  # Any: YAML
    values = cut(value, ", \t\n") if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        values = [values]
    if len(args) == 2 and args[1] is Ellipsis:
        if stored and args[0] in (int, float) and all(type(v) is args[0] for v in values):
            return tuple(values)  # as records hold them: long curves
        return tuple(coerce(v, args[0], where, stored=stored) for v in values)
    if len(values) != len(args):
        raise UsageError(f"{where} must have {len(args)} values, got {len(values)}")
    return tuple(coerce(v, a, where, stored=stored) for v, a in zip(values, args, strict=True))


def _coerce_container(
    value: Any, origin: Any, args: tuple[Any, ...], where: str, stored: bool
) -> Any:  # Any: YAML
    if origin is Mapping and isinstance(value, Mapping):
        if stored and (args[1] is Any or all(type(v) is args[1] for v in value.values())):
            return dict(value)  # as records hold them: the losses of every epoch
        return {
            coerce(k, args[0], where, stored=stored): coerce(
                v, args[1], f"{where}.{_text(k)}", stored=stored
            )
            for k, v in value.items()
        }
    if origin is list and isinstance(value, list | tuple):
        return [coerce(v, args[0], where, stored=stored) for v in value]
    raise refusal(where, "a mapping of keys to values" if origin is Mapping else "a list", value)
