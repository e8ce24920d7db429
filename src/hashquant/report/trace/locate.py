"""A cell of the store as a user names it: a folder, a path below the results, or a run_id."""

import re
from dataclasses import dataclass
from pathlib import Path

from hashquant.errors import UsageError, nearest
from hashquant.machine.filenames import is_file
from hashquant.records.record import EvalRecord, RecordError, RecordType, TrainRecord, read_record
from hashquant.records.store import Store
from hashquant.records.vouching import EVAL, TRAIN
from hashquant.settings.suite import RunSpec

#: The most names an error lists.
LISTED = 12


@dataclass(frozen=True)
class StoredCell:
    """What is stored of one cell: its training, and the examinations asked for by folder.

    `train` is None where the record is missing or damaged; `damaged` says why, file by file.
    """

    folder: Path
    train: TrainRecord | None
    evals: tuple[tuple[Path, EvalRecord], ...]
    damaged: tuple[str, ...] = ()

    @property
    def spec(self) -> RunSpec | None:
        """The cell's specification, or None where no record can be read."""
        records = [record for _, record in self.evals]
        return self.train.spec if self.train else records[0].spec if records else None


def locate(store: Store, asked: str) -> StoredCell:
    """Read the cell that `asked` names, with the one examination that it names or with all.

    `asked` is a folder (of the cell or of a target), its path below the results folder, the
    beginning of one, or a run_id or the beginning of one.

    Raises:
        UsageError: if nothing is named so, offering the nearest, or several cells are.
    """
    cells = _cells(store.root)
    if not cells:
        raise UsageError(f"no cell is stored in {store.root}, so there is none named '{asked}'")
    for path in (Path(asked), store.root / asked):
        try:
            folder = (path.parent if is_file(path) else path).resolve()
        except (OSError, RuntimeError, ValueError):  # no path that can be followed: a run's name?
            continue
        for cell in cells.values():
            if folder == cell.resolve():
                return _read(cell)
            if folder.parent == cell.resolve() and (folder / EVAL).is_file():
                return _read(cell, folder.name)
    found = {name for name in cells if name.startswith(asked.strip("/"))}
    found = found or {name for name, cell in cells.items() if _is_run(cell, asked.lower())}
    if not found:
        guess = nearest(asked, [*cells, *map(_digits, cells.values())])
        hint = f": did you mean '{guess}'?" if guess else f" among {len(cells)} in {store.root}"
        raise UsageError(f"unknown cell '{asked}'{hint}")
    if len(found) > 1:
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        names = ", ".join(sorted(found)[:LISTED])
        raise UsageError(f"'{asked}' must name one cell, got {len(found)}: {names}{more}")
    return _read(cells[found.pop()])


def _cells(root: Path) -> dict[str, Path]:
    """Return every cell's folder by its path below the results."""
    folders = {path.parent for path in root.rglob(TRAIN)}
    folders |= {path.parent.parent for path in root.rglob(EVAL)}
    return {folder.relative_to(root).as_posix(): folder for folder in sorted(folders)}


def _is_run(cell: Path, asked: str) -> bool:
    """Tell whether a cell's run_id begins with `asked`; its folder's name tells six digits."""
    digits = _digits(cell)
    if not re.fullmatch(r"[0-9a-f]{1,12}", asked) or not digits.startswith(asked[: len(digits)]):
        return False
    stored = _read(cell)
    names = [record.run_id for _, record in stored.evals]
    names += [stored.train.run_id] if stored.train else []
    return any(name.startswith(asked) for name in names)


def _digits(cell: Path) -> str:
    return cell.name.rpartition("-")[2]


def _read(cell: Path, target: str = "") -> StoredCell:
    damaged: list[str] = []
    train = _record(TrainRecord, cell / TRAIN, damaged)
    paths = [path for path in sorted(cell.glob(f"*/{EVAL}")) if target in ("", path.parent.name)]
    evals = [(path.parent, _record(EvalRecord, path, damaged)) for path in paths]
    found = tuple((folder, record) for folder, record in evals if record is not None)
    return StoredCell(cell, train, found, tuple(damaged))


def _record(cls: type[RecordType], path: Path, damaged: list[str]) -> RecordType | None:
    try:
        return read_record(cls, path)
    except (OSError, RecordError) as error:
        damaged.append(f"{path} cannot be read: {error}")
        return None
