"""Damaged copies of bytes, and of the values of a JSON or YAML file, from a seed."""

import copy
import json
import random
from collections.abc import Callable, Iterator

RAW = "@@raw@@"
#: what is put in the place of a value, as JSON has it and beyond
VALUES = (
    "NaN", "-Infinity", "1e400", "[" * 5000, '"\\ud800"', "7" * 400, "null", "-1", '"x"', "{}",
    ".inf", "*x", "!!python/name:os.system", "1e300", "true", '[[["deep"]]]', '"' + "é" * 300 + '"',
)  # fmt: skip


def flip(data: bytes, seeded: random.Random) -> bytes:
    return _put(
        data, place := seeded.randrange(len(data)), [data[place] ^ 1 << seeded.randrange(8)]
    )


def flip_many(data: bytes, seeded: random.Random) -> bytes:
    for _ in range(20):
        data = flip(data, seeded)
    return data


def truncate(data: bytes, seeded: random.Random) -> bytes:
    return data[: seeded.randrange(len(data))]


def zero(data: bytes, seeded: random.Random) -> bytes:
    start, size = _block(data, seeded)
    return _put(data, start, bytes(size))


def noise(data: bytes, seeded: random.Random) -> bytes:
    start, size = _block(data, seeded)
    return _put(data, start, seeded.randbytes(size))


def duplicate(data: bytes, seeded: random.Random) -> bytes:
    start, size = _block(data, seeded)
    return data[: start + size] + data[start:]


def swap(data: bytes, seeded: random.Random) -> bytes:
    size = max(1, len(data) // 16)
    one, two = sorted(seeded.randrange(max(1, len(data) - size)) for _ in range(2))
    two = min(max(two, one + size), len(data))
    first, second = data[one : one + size], data[two : two + size]
    return data[:one] + second + data[one + size : two] + first + data[two + size :]


def insert(data: bytes, seeded: random.Random) -> bytes:
    place = seeded.randrange(len(data))
    return data[:place] + seeded.randbytes(seeded.randrange(1, 40)) + data[place:]


def empty(data: bytes, seeded: random.Random) -> bytes:
    return b""


OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, truncate, zero, flip, noise, duplicate, flip_many, swap, insert, flip, empty,
)  # fmt: skip


def replace_value(raw: object, seeded: random.Random) -> bytes:
    holder, key = _place(raw, seeded)
    holder[key] = RAW
    return json.dumps(raw).replace(f'"{RAW}"', seeded.choice(VALUES)).encode()


def rename_key(raw: object, seeded: random.Random) -> bytes:
    holder, key = _place(raw, seeded, kinds=(dict,))
    holder[f"{key}s"] = holder.pop(key)
    return json.dumps(raw).encode()


def remove(raw: object, seeded: random.Random) -> bytes:
    holder, key = _place(raw, seeded)
    del holder[key]
    return json.dumps(raw).encode()


def empty_list(raw: object, seeded: random.Random) -> bytes:
    holder, key = _place(raw, seeded, wanted=(list, dict))
    holder[key] = type(holder[key])()
    return json.dumps(raw).encode()


def another_number(raw: object, seeded: random.Random) -> bytes:
    holder, key = _place(raw, seeded, wanted=(int, float, str))
    value = holder[key]
    holder[key] = f"{value}x" if isinstance(value, str) else value + seeded.choice((-1, 1, 0.25))
    return json.dumps(raw).encode()


OF_VALUES: tuple[Callable[[object, random.Random], bytes], ...] = (
    replace_value, remove, another_number, rename_key, replace_value, empty_list,
)  # fmt: skip


def mutations(
    data: bytes, count: int, seed: str, value: object = None
) -> Iterator[tuple[str, bytes]]:
    """Yield `count` damaged copies of a file by turns, each with the name of what was done.

    `value` is what a JSON or YAML file holds: every second copy then changes that.
    """
    for number in range(count):
        seeded = random.Random(f"{seed}/{number}")
        if value is not None and number % 2:
            change = OF_VALUES[number // 2 % len(OF_VALUES)]
            yield change.__name__, change(copy.deepcopy(value), seeded)
        else:
            step = number // (2 if value is not None else 1)
            act = OF_BYTES[step % len(OF_BYTES)]
            yield act.__name__, act(data, seeded)


def _put(data: bytes, start: int, new: object) -> bytes:
    changed = bytearray(data)
    changed[start : start + len(new)] = new
    return bytes(changed)


def _block(data: bytes, seeded: random.Random) -> tuple[int, int]:
    size = seeded.randrange(1, max(2, min(512, len(data) // 4)))
    return seeded.randrange(max(1, len(data) - size)), size


def _place(raw, seeded, kinds=(dict, list), wanted=(object,)):
    """Return a mapping or list of a value, and a key of it, by chance."""
    found, waiting = [], [raw]
    while waiting:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in pairs:
            if isinstance(holder, kinds) and isinstance(value, wanted):
                found.append((holder, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return seeded.choice(found)
