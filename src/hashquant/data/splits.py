"""Splits drawn by rule: the same rows for the same file names, on every machine and version."""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

Rows = Int64[np.ndarray, " _"]  # any number: the rows of several roles are of no equal length


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Return names in an order that depends on `seed` and on the names alone.

    They are sorted by SHA-256 of `seed:name`, so that no generator's stream decides, and one name
    more leaves the order of the others as it was.

    >>> shuffled(["a", "b", "c"], 0) == shuffled(["c", "b", "a"], 0)
    True
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def draw_per_class(
    names: Sequence[str],
    labels: Int64[np.ndarray, " n"],
    counts: Sequence[int],
    seed: int,
) -> tuple[Rows, ...]:
    """Draw `counts` rows from each class, without overlap; the last result is what remains.

    Rows are sorted. A class with too few rows fills the first draws and leaves the others short.

    >>> first, rest = draw_per_class(["a", "b", "c", "d"], np.array([0, 0, 1, 1]), [1], 0)
    >>> len(first), len(rest)
    (2, 2)
    """
    place = {name: row for row, name in enumerate(names)}
    order = np.array([place[name] for name in shuffled(names, seed)], dtype=np.int64)
    bounds = np.cumsum(counts)
    drawn: list[list[Rows]] = [[] for _ in range(len(counts) + 1)]
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        for rows, part in zip(drawn, np.split(of_class, bounds), strict=True):
            rows.append(part)
    return tuple(np.sort(np.concatenate(rows)) for rows in drawn)


def draw_fraction(
    names: Sequence[str],
    labels: Int64[np.ndarray, " n"],
    fraction: float,
    seed: int,
) -> tuple[Rows, Rows]:
    """Draw `fraction` of each class as queries, at least 1, or 2 of 10 and more; return the rest.

    One row of each class is never a query, so that its queries find something.

    >>> query, rest = draw_fraction(["a", "b", "c"], np.array([0, 0, 0]), 0.2, seed=0)
    >>> len(query), len(rest)
    (1, 2)
    """
    place = {name: row for row, name in enumerate(names)}
    order = np.array([place[name] for name in shuffled(names, seed)], dtype=np.int64)
    query, rest = [], []
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        count = max(round(fraction * len(of_class)), 2 if len(of_class) >= 10 else 1)
        count = min(count, len(of_class) - 1)
        query.append(of_class[:count])
        rest.append(of_class[count:])
    return np.sort(np.concatenate(query)), np.sort(np.concatenate(rest))
