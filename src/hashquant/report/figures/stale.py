"""Figures that a report no longer has: their files go, unless somebody has changed them."""

import re
from collections.abc import Iterable
from pathlib import Path

from hashquant.machine.files import guarded
from hashquant.report.drawing.files import former_files
from hashquant.report.drawing.identity import short_digest
from hashquant.report.figures._curves import BY_BITS, bits_stem
from hashquant.report.figures.retrieval import STEM
from hashquant.report.frame import Metric

#: The first line of a figure's CSV.
DRAWN = re.compile(rb"# numbers=(\w{16}) figure=\w{16}(?: [-.][\w.-]+=\w{16})+")


def remove_stale(folder: Path, written: Iterable[Path], metric: Metric) -> None:
    """Remove the figures in `folder` that are not among the `written` files of a report.

    Retrieval sheets stay, which are written when asked for, and so do figures of other metrics.

    Raises:
        StoreError: if a file cannot be removed.
    """
    kept = {path.name for path in written}
    for sheet in sorted(folder.glob("*.csv")):
        if sheet.name in kept or _of_others(sheet.name, metric):
            continue
        try:
            first, _, numbers = sheet.read_bytes().partition(b"\n")
        except OSError:  # what cannot be read is not known to be ours
            continue
        drawn = DRAWN.fullmatch(first)
        if drawn is None:
            continue
        gone = list(former_files(sheet.with_suffix(""), kept))
        if short_digest(numbers).encode() == drawn[1]:
            gone.append(sheet)
        for path in gone:
            with guarded(path):
                path.unlink()


def _of_others(name: str, metric: Metric) -> bool:
    return name.startswith(STEM) or (BY_BITS in name and not name.startswith(bits_stem(metric)))
