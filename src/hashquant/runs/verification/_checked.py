"""What was found of one examination, or of one training's weights, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

#: How far a recomputed number may lie from the stored one.
TOLERANCE = 1e-9
#: Said of records of before there were seals.
UNSEALED = "the record has no seal: losses and times are not checked (--complete seals it)"

Array = Shaped[np.ndarray, "..."]
Arrays = Mapping[str, Array]


@dataclass
class Checked:
    """What was found of one examination, step by step.

    `source` is "codes" where its headline was recomputed from codes, "per-query" where the
    headline's mAP was from the stored values of queries, "" where neither could be. `differences`
    and `unreadable` are sentences that begin with a file; `notes` say what was not recomputed.
    """

    folder: Path
    source: str = ""
    differences: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, path: Path, name: str, stored: object, found: object) -> None:
        """Note a difference, of numbers where they are further apart than `TOLERANCE`."""
        if isinstance(stored, int | float) and isinstance(found, int | float):
            same = abs(stored - found) <= TOLERANCE
        else:
            same = stored == found
        if not same:
            what = "nothing of that name" if found is None else repr(found)
            self.differences.append(f"{path}: {name}: stored {stored!r}, found {what}")

    def expect_all(self, path: Path, name: str, stored: Array, found: Array) -> None:
        """Note where two arrays differ most, if they do; NaN equals NaN."""
        if stored.shape != found.shape:
            self.expect(path, f"shape of {name}", stored.shape, found.shape)
            return
        gap = np.abs(stored.astype(np.float64) - found)
        gap = np.where(np.isnan(stored) & np.isnan(found), 0.0, np.nan_to_num(gap, nan=np.inf))
        count = int((gap > TOLERANCE).sum())
        if count:
            at = int(gap.argmax())
            more = f" (and {count - 1} more differ)" if count > 1 else ""
            self.expect(path, f"{name} {at}{more}", stored[at].item(), found[at].item())
