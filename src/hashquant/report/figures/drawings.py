"""All figures of a report: those that changed are drawn, by several processes at a time."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from hashquant.report.blocks import row_families
from hashquant.report.figures import prgrid
from hashquant.report.figures.ablation import ablation_drawings
from hashquant.report.figures.budgets import budget_drawings
from hashquant.report.figures.codeuse import code_use_drawings
from hashquant.report.figures.criticaldifference import rank_drawings
from hashquant.report.figures.curves import block_drawings
from hashquant.report.figures.distances import distance_drawings
from hashquant.report.figures.files import (
    FORMATS,
    Drawing,
    present_files,
    usable_formats,
    write_files,
)
from hashquant.report.figures.heatmaps import matrix_drawings
from hashquant.report.figures.style import PRESETS, looks
from hashquant.report.findings import Findings
from hashquant.report.options import Options

#: A process takes seconds to start: none is started for fewer drawings than this.
FEWEST = 16


def drawn_figures(
    found: Findings, folder: Path, options: Options
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Bring all figures in `folder` up to date; return their files, and what was left out and why.

    Raises:
        StoreError: if a file cannot be written.
    """
    usable, notes = usable_formats(options.formats)
    return draw_all(drawings(found, folder, options), usable, options.workers), notes


def drawings(found: Findings, folder: Path, options: Options) -> Iterator[Drawing]:
    """Yield every figure of a report.

    What holds several panels is never narrower than a page's width.
    """
    records, extras, blocks = found.records, found.extras, found.blocks
    look, preset = looks(row_families(records)), PRESETS[options.preset]
    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    for table in found.asked:
        if not table.secondary:
            yield from block_drawings(table.block, table.cells, found.metric, look, folder, preset)
    for stem, page in prgrid.named_pages(blocks, wide):
        yield prgrid.page_drawing(page, look, folder / stem, wide)
    yield from matrix_drawings(extras.matrix, folder, wide)
    yield from budget_drawings(extras.budgets, blocks, look, folder, wide)
    yield from ablation_drawings(extras.ablation, blocks, folder, preset)
    yield from rank_drawings(extras.ranks, look, folder, preset)
    yield from distance_drawings(records, blocks, look, folder, wide)
    yield from code_use_drawings(records, blocks, look, folder, wide)


def draw_all(
    drawings: Iterable[Drawing], formats: Sequence[str] = FORMATS, workers: int = 1
) -> tuple[Path, ...]:
    """Draw what is not there yet in the given formats; return all files in the drawings' order.

    Raises:
        StoreError: if a file cannot be written.
    """
    tasks = list(drawings)
    found = [present_files(task, formats) for task in tasks]
    # The largest first: none is left for a single process at the end.
    missing = sorted(
        (place for place, paths in enumerate(found) if paths is None),
        key=lambda place: -len(tasks[place].frame),
    )
    written = _written([tasks[place] for place in missing], formats, workers)
    for place, paths in zip(missing, written, strict=True):
        found[place] = paths
    return tuple(path for paths in found for path in paths or ())


def _written(tasks: Sequence[Drawing], formats: Sequence[str], workers: int) -> list[list[Path]]:
    write = partial(write_files, formats=tuple(formats))
    workers = min(workers, len(tasks) // FEWEST)
    if workers < 2:
        return [write(task) for task in tasks]
    # Fresh processes: a fork of one that computes with threads may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(write, tasks))
