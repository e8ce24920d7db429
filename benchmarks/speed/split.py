"""Where the processor time of one scoring goes: seconds of each part, by timing its functions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from unittest.mock import patch

from hashquant.codes import adc, placing
from hashquant.codes.kernels import placers
from hashquant.machine.compiled import compiled
from hashquant.search import evaluation, exhaustive

#: Functions that do a part's work, of which none calls another.
PARTS: Mapping[str, tuple[tuple[object, str], ...]] = {
    "sums of all items": ((adc, "embedding_bag"),),
    "scores of relevant items, in order": ((placing, "places_of"), (adc.RankCounter, "prepare")),
    "counting": ((adc.RankCounter, "count"), (exhaustive, "distance_counts")),
    "groups": (
        (adc.RankCounter, "finish"), (exhaustive, "_stack"), (exhaustive, "_distance_groups"),
    ),
    "average precision": ((evaluation, "average_precisions"),),
    "precision and recall at ranks": (
        (evaluation, "relevant_in_top"), (evaluation, "precision_at"), (evaluation, "recall_at"),
    ),
    "tied pairs": ((evaluation, "tied_pairs"),),
}  # fmt: skip
Spent: TypeAlias = list[tuple[str, float]]

#: What a compiled kernel does.
KERNEL = "counting"


def split(work: Callable[[], object]) -> dict[str, float]:
    """Return the processor seconds of each part of a scoring, and of the rest."""
    spent: Spent = []

    def timed_kernel(*arguments: Any) -> Any:
        found = compiled(*arguments)
        return found and _timed(found, KERNEL, spent)

    def timed_placers(*arguments: Any) -> Any:
        found = placers(*arguments)
        return found and found._replace(count_places=_timed(found.count_places, KERNEL, spent))

    began = time.process_time()
    with (
        _wrapped(spent),
        patch.object(exhaustive, "compiled", timed_kernel),
        patch.object(exhaustive, "placers", timed_placers),
    ):
        work()
    found = {"the rest": time.process_time() - began - sum(seconds for _, seconds in spent)}
    for part, seconds in spent:
        found[part] = found.get(part, 0.0) + seconds
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def shares(seconds: Mapping[str, float]) -> str:
    """Say what share each part of a split has.

    >>> shares({"sort": 3.0, "the rest": 1.0})
    'sort 75 %, the rest 25 %'
    """
    total = sum(seconds.values())
    return ", ".join(f"{name} {part / total:.0%}".replace("%", " %")
                     for name, part in seconds.items())  # fmt: skip


@contextmanager
def _wrapped(spent: Spent) -> Iterator[None]:
    held = [(owner, name, getattr(owner, name), part)
            for part, functions in PARTS.items() for owner, name in functions]  # fmt: skip
    for owner, name, function, part in held:
        setattr(owner, name, _timed(function, part, spent))
    try:
        yield
    finally:
        for owner, name, function, _ in held:
            setattr(owner, name, function)


def _timed(function: Callable[..., Any], part: str, spent: Spent) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            spent.append((part, time.thread_time() - began))  # by several threads

    return run
