"""All figures of a report, drawn one after another or by several processes at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from hashquant.report.blocks import row_families
from hashquant.report.figures import prgrid
from hashquant.report.figures.ablation import write_ablations
from hashquant.report.figures.budgets import write_budgets
from hashquant.report.figures.canvas import FORMATS, saved_as, usable_formats
from hashquant.report.figures.codeuse import write_code_use
from hashquant.report.figures.criticaldifference import write_ranks
from hashquant.report.figures.curves import write_block
from hashquant.report.figures.distances import write_distances
from hashquant.report.figures.heatmaps import write_matrices
from hashquant.report.figures.style import PRESETS, looks
from hashquant.report.findings import Findings
from hashquant.report.options import Options

#: Writes some figures and returns their files; a `partial` of a module's function.
Drawing = Callable[[], Sequence[Path]]

#: A process takes seconds to start: none is started for fewer drawings than this.
FEWEST = 4


def drawn_figures(
    found: Findings, folder: Path, options: Options
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Draw all figures into `folder`; return their files, and which formats could not be written.

    Raises:
        StoreError: if a file cannot be written.
    """
    usable, notes = usable_formats(options.formats)
    return draw_all(drawings(found, folder, options), usable, options.workers), notes


def drawings(found: Findings, folder: Path, options: Options) -> list[Drawing]:
    """Return what draws the figures, each writing its files when called.

    What holds several panels is never narrower than a page's width.
    """
    records, extras, digest = found.records, found.extras, found.digest
    look, preset = looks(row_families(records)), PRESETS[options.preset]
    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    return [
        *(partial(write_block, table.block, table.cells, found.metric, look, folder, digest, preset)
          for table in found.asked if not table.secondary),
        *(partial(prgrid.write_page, page, look, folder / stem, digest, wide)
          for stem, page in prgrid.named_pages(found.blocks, wide)),
        partial(write_matrices, extras.matrix, folder, digest, wide),
        *(partial(write_budgets, extras.budgets, [block], look, folder, digest, wide)
          for block in found.blocks),
        partial(write_ablations, extras.ablation, found.blocks, folder, digest, preset),
        partial(write_ranks, extras.ranks, look, folder, digest, preset),
        *(partial(write, records, [block], look, folder, digest, wide)
          for block in found.blocks for write in (write_distances, write_code_use)),
    ]  # fmt: skip


def draw_all(
    drawings: Sequence[Drawing], formats: Sequence[str] = FORMATS, workers: int = 1
) -> tuple[Path, ...]:
    """Draw all figures in the given formats; return their files in the order of the drawings.

    Raises:
        StoreError: if a file cannot be written.
    """
    draw = partial(_draw, formats=tuple(formats))
    workers = min(workers, len(drawings) // FEWEST)
    if workers < 2:
        found = [draw(drawing) for drawing in drawings]
    else:
        # Fresh processes: a fork of one that computes with threads may hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(draw, drawings))
    return tuple(path for paths in found for path in paths)


def _draw(drawing: Drawing, formats: tuple[str, ...]) -> list[Path]:
    with saved_as(formats):
        return list(drawing())
