"""Whose code a record was made by: digests of its plug-ins' sources, against those of now."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from hashquant.errors import HashQuantError
from hashquant.plugins import registry
from hashquant.plugins._entries import Entry
from hashquant.plugins._source import source_now, source_used
from hashquant.records.record import TrainRecord
from hashquant.settings.suite import RunSpec


def code_used(spec: RunSpec) -> dict[str, str]:
    """Return what a record keeps: each source's name → its digest when it was imported.

    They are those of the method, of the one that it is fitted on, and of the data set.
    """
    return _sources(spec, source_used)


class Code:
    """The plug-ins' sources as they are stored now, each read once."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, ...], Mapping[str, str]] = {}

    def changed(self, record: TrainRecord) -> tuple[str, ...]:
        """Return the sources that are others than those that made a record; none for older ones."""
        if not record.code:
            return ()
        key = (*_methods(record.spec), record.spec.dataset)
        if key not in self._now:
            self._now[key] = _sources(record.spec, source_now)
        now = self._now[key]
        return tuple(name for name, found in record.code.items() if now.get(name, found) != found)

    def notes(self, records: Iterable[TrainRecord]) -> list[str]:
        """Return a sentence for each method with records that were trained by other code."""
        found: Counter[str] = Counter()
        names: dict[str, dict[str, None]] = {}
        for record in records:
            if changed := self.changed(record):
                found[record.spec.method] += 1
                names.setdefault(record.spec.method, {}).update(dict.fromkeys(changed))
        return [said(method, count, names[method]) for method, count in found.items()]


def said(method: str, cells: int, changed: Iterable[str]) -> str:
    """Return the sentence on cells of a method that other code trained.

    >>> said("pq", 2, ["methods/pq.py"])
    'pq: 2 cells trained by other code than now (methods/pq.py changed); --force makes them anew'
    """
    noun, them = ("cell", "it") if cells == 1 else ("cells", "them")
    what = ", ".join(changed)
    return (
        f"{method}: {cells} {noun} trained by other code than now ({what} changed); "
        f"--force makes {them} anew"
    )


def _sources(spec: RunSpec, read: Callable[[Entry], tuple[str, str]]) -> dict[str, str]:
    return {name: found for name, found in map(read, _entries(spec)) if found}


def _methods(spec: RunSpec) -> Iterator[str]:
    """Yield a run's method, then the ones whose embeddings it stands on."""
    yield spec.method
    base = spec.base
    while base:
        yield str(base["method"])
        base = base.get("base", {})


def _entries(spec: RunSpec) -> Iterator[Entry]:
    named = [("method", name) for name in _methods(spec)]
    for kind, name in (*named, ("dataset", spec.dataset)):
        try:
            yield registry.entry(kind, name)
        except HashQuantError:
            continue  # a plug-in that is no longer there is not another one
