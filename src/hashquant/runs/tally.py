"""How the cells of a run ended, counted."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hashquant.errors import DataError
from hashquant.records.record import TrainRecord

OUTCOMES = ("done", "cached", "skipped", "failed")
#: Counted beside the outcomes: cells that ended well and are no better than a random order.
UNTRAINED = "untrained"


@dataclass(frozen=True)
class Ending:
    """How a cell ended: its status, why, how many of its units were told, and what it learned.

    `record` is that of its training, which may be of an earlier day and of other code; `kept` are
    the files that must be there when the whole run ends.
    """

    status: str
    reason: str = ""
    seen: int = 0
    untrained: bool = False
    record: TrainRecord | None = None
    kept: tuple[Path, ...] = ()

    @property
    def outcome(self) -> str:
        """What the tally counts: a status of its own, or a failure."""
        return self.status if self.status in OUTCOMES else "failed"


@dataclass
class Tally:
    """How the cells of a run ended; `exit_code` is the command's."""

    counts: Counter[str] = field(default_factory=Counter)
    data_missing: bool = False
    endings: list[Ending] = field(default_factory=list)

    def add(self, ending: Ending) -> None:
        """Count a cell, and beside its outcome whether it did not train."""
        self.counts[ending.outcome] += 1
        self.endings.append(ending)
        if ending.untrained:
            self.counts[UNTRAINED] += 1

    @property
    def records(self) -> list[TrainRecord]:
        """The records of the trainings that ended well, or had before."""
        return [ending.record for ending in self.endings if ending.record is not None]

    def lost(self) -> list[Path]:
        """Count cells as failed whose results are gone by now, and return what is missing.

        Somebody removed them while the run went on; of each cell the first such file is named.
        """
        gone = []
        for ending in self.endings:
            missing = next((path for path in ending.kept if not path.is_file()), None)
            if missing is not None and ending.outcome in ("done", "cached"):
                self.counts[ending.outcome] -= 1
                self.counts["failed"] += 1
                gone.append(missing)
        return gone

    @property
    def exit_code(self) -> int:
        """3 when images were missing or damaged, else 1 when a cell failed, else 0."""
        if self.data_missing:
            return DataError.exit_code
        return 1 if self.counts["failed"] else 0

    def __str__(self) -> str:
        names = (*OUTCOMES, UNTRAINED)
        return "summary: " + " ".join(f"{name}={self.counts[name]}" for name in names)
