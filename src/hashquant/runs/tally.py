"""How the cells of a run ended, counted."""

from collections import Counter
from dataclasses import dataclass, field

from hashquant.errors import DataError

OUTCOMES = ("done", "cached", "skipped", "failed")


@dataclass
class Tally:
    """How the cells of a run ended; `exit_code` is the command's."""

    counts: Counter[str] = field(default_factory=Counter)
    data_missing: bool = False

    @property
    def exit_code(self) -> int:
        """3 when images were missing or damaged, else 1 when a cell failed, else 0."""
        if self.data_missing:
            return DataError.exit_code
        return 1 if self.counts["failed"] else 0

    def __str__(self) -> str:
        return "summary: " + " ".join(f"{name}={self.counts[name]}" for name in OUTCOMES)
