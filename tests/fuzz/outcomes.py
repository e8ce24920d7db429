"""What a reader made of a damaged file: the same, another thing that was named, or a fault."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.mutations import mutations
from hashquant.errors import HashQuantError
from hashquant.records import vouching

#: What a reader returns: what it read, comparable, and the sentences that it said.
Look = Callable[[], tuple[object, str]]


@dataclass(frozen=True)
class Kind:
    """A kind of stored file, the readers of it by the verb that uses them, and what it holds.

    A reader in `judges` must name each change of what `content` decodes, also where it returns the
    same. `value` is what a file of text holds, to change values in it. A `wish` is written by hand:
    whatever can be read there is asked for.
    """

    name: str
    path: Path
    readers: dict[str, Look]
    content: Callable[[Path], object] | None = None
    judges: tuple[str, ...] = ()
    value: object = None
    wish: bool = False


@dataclass
class Counts:
    """How many mutations of a kind ended how; the gravest reader counts."""

    kind: str
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ends = [self.ends[end] for end in ENDS]
        return f"{self.kind:<20}{sum(ends):>10}" + "".join(f"{count:>12}" for count in ends)


#: What in a reader's words tells that a file was seen to be damaged, beside its name.
SIGNS = (".corrupt", "made again")
ENDS = ("equal", "named", "silent", "traceback")
HEAD = f"{'kind':<20}{'mutations':>10}" + "".join(f"{end:>12}" for end in ENDS)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.heard = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


class Bench:
    """A folder that is made whole again before each damage."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.whole = {
            path: (path.read_bytes() if path.is_file() else None)
            for path in sorted(root.rglob("*"))
        }

    def restore(self) -> None:
        """Put everything back that a reader moved, removed or made."""
        for path in sorted(self.root.rglob("*"), reverse=True):
            if path not in self.whole:
                path.rmdir() if path.is_dir() else path.unlink()
        for path, data in self.whole.items():
            if data is None:
                path.mkdir(exist_ok=True)
            elif not path.is_file() or path.read_bytes() != data:
                path.write_bytes(data)

    def try_out(self, kind: Kind, count: int) -> Counts:
        """Damage a kind of file `count` times and judge what each reader makes of it."""
        good, counts = kind.path.read_bytes(), Counts(kind.name)
        right = {verb: self._read(kind, verb, good)[0] for verb in kind.readers}
        content = self._decoded(kind, good)
        for how, data in mutations(good, count, kind.name, kind.value):
            ends = Counter()
            for verb, value in right.items():
                found, said, fault = self._read(kind, verb, data)
                same = found == value
                if same and verb in kind.judges:
                    same = self._decoded(kind, data) == content
                end = "traceback" if fault else _end(kind, same, said)
                ends[end] += 1
                if end in ("silent", "traceback"):
                    counts.faults.append(f"{kind.name}: {how}: {verb}: {end} {fault or ''}".strip())
            counts.ends[next(end for end in reversed(ENDS) if ends[end])] += 1
        self.restore()
        return counts

    def _read(self, kind: Kind, verb: str, data: bytes) -> tuple[object, str, str | None]:
        """Return what a reader returned and said, and the traceback it ended with, in short."""
        self.restore()
        kind.path.write_bytes(data)
        vouching._tell.cache_clear()  # a file is named once a process
        before, ear = set(self.root.rglob("*")), _Ear()
        logging.getLogger("hashquant").addHandler(ear)
        found, said, fault = None, "", None
        try:
            with warnings.catch_warnings(record=True):
                warnings.simplefilter("always")
                found, said = kind.readers[verb]()
        except HashQuantError as error:
            said = f"{kind.path.name}: {error}"
        except Exception as error:  # what a user would see as a traceback
            fault = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        finally:
            logging.getLogger("hashquant").removeHandler(ear)
        aside = [p.name for p in set(self.root.rglob("*")) - before if ".corrupt" in p.name]
        return found, "\n".join([said, *ear.heard, *aside]), fault

    def _decoded(self, kind: Kind, data: bytes) -> object:
        """Return what the bytes of a file hold, or the name of the error that says: not all."""
        if kind.content is None:
            return None
        path = self.root.with_name("decoded")
        path.write_bytes(data)
        try:
            return kind.content(path)
        except Exception as error:  # whatever it is, it is not the whole content
            return type(error).__name__


def _end(kind: Kind, same: bool, said: str) -> str:
    if any(word in said for word in (kind.path.name, kind.path.parent.name, *SIGNS)):
        return "named"
    return "equal" if same or kind.wish else "silent"
