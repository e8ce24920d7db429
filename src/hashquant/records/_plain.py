"""What JSON can hold of a record; of a failure's record, whatever is in it."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from hashquant.errors import legible
from hashquant.settings.ranges import MOST_WHOLE, shown

#: Fields that hold values of any kind: a word may stand there for a number.
_LOOSE = {"settings", "overrides", "base"}
#: As deep as settings may be nested (`records._sound`), below the fields that hold them.
_DEEPEST = 8


def plain(value: object, lost: list[str] | None = None) -> object:
    """Return a value as JSON can hold it, text legible.

    What it cannot hold is refused or, given a list `lost`, named there and replaced: by 0 where a
    number must stand, by a word for it within settings.

    Raises:
        ValueError: without `lost`, for a number that is not finite or beyond 64 bits.
        TypeError: without `lost`, for what is no plain value.
    """
    return _plain(value, _Place(lost))


@dataclass(frozen=True)
class _Place:
    """Where a value stands: below which fields, and whether a word may stand for it."""

    lost: list[str] | None
    name: str = ""
    loose: bool = False
    depth: int = 0

    def inside(self, key: str = "") -> "_Place":
        name = f"{self.name}.{key}" if self.name and key else self.name or key
        return _Place(self.lost, name, self.loose or key in _LOOSE, self.depth + 1)


def _plain(value: object, place: _Place) -> object:
    found: object
    if isinstance(value, str):
        found = legible(value, len(value)) if place.lost is None else legible(value)
    elif value is None or isinstance(value, bool) or _is_held(value):
        found = value
    elif place.depth > _DEEPEST:
        found = _stand_in(value, place)
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        found = {name: _plain(getattr(value, name), place.inside(name)) for name in names}
    elif isinstance(value, Mapping):
        inner = {str(key): value[key] for key in value}
        found = {legible(key): _plain(each, place.inside(key)) for key, each in inner.items()}
    elif isinstance(value, list | tuple):
        found = [_plain(each, place.inside()) for each in value]
    else:
        found = _stand_in(value, place)
    return found


def _is_held(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) <= MOST_WHOLE


def _stand_in(value: object, place: _Place) -> object:
    number = isinstance(value, int | float)
    said = shown(value) if number else f"a {type(value).__name__}"
    if place.lost is None:
        kind = "a finite number of at most 64 bits" if number else "a number, text or a list"
        raise (ValueError if number else TypeError)(f"{place.name} must be {kind}, got {said}")
    place.lost.append(f"{place.name} = {said}")
    return 0 if number and not place.loose else said
