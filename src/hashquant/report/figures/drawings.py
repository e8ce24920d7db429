"""All figures of a report: those that changed are drawn, by several processes at a time."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hashquant.records.store import SuiteRecords
from hashquant.report.drawing.files import FORMATS, Drawing, present_files
from hashquant.report.drawing.painters import Painters
from hashquant.report.drawing.style import PRESETS, looks
from hashquant.report.figures import _prgrid as prgrid
from hashquant.report.figures._ablation import ablation_drawings
from hashquant.report.figures._budgets import budget_drawings
from hashquant.report.figures._codeuse import code_use_drawings
from hashquant.report.figures._criticaldifference import rank_drawings
from hashquant.report.figures._curves import KINDS, block_drawings
from hashquant.report.figures._distances import distance_drawings
from hashquant.report.figures._heatmaps import matrix_drawings
from hashquant.report.figures._learning import learning_drawings
from hashquant.report.figures._relative import relative_drawings
from hashquant.report.findings import Findings
from hashquant.report.naming import faded, named_looks
from hashquant.report.options import Options
from hashquant.report.rows import row_families


def expected_figures(records: SuiteRecords, folder: Path) -> int:
    """Return about how many figures will be drawn into `folder`, before they are known.

    Those of each code length are counted, the others are few; where as many lie there already,
    they are taken to be still what would be drawn.
    """
    lengths = {(r.spec.dataset, r.target, r.spec.bits) for r in records.evals if r.curves}
    count = len(KINDS) * len(lengths)
    return count if sum(1 for _ in folder.glob("*.csv")) < count else 0


def drawings(found: Findings, folder: Path, options: Options) -> Iterator[Drawing]:
    """Yield every figure of a report.

    What holds several panels is never narrower than a page's width.
    """
    records, extras, blocks = found.records, found.extras, found.blocks
    look = named_looks(looks(row_families(records)), found.names)
    preset = PRESETS[options.preset]
    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    for table in found.asked:
        if not table.secondary:
            shown = faded(look, [table.block])
            yield from block_drawings(table.block, table.cells, found.metric, shown, folder, preset)
    for stem, page in prgrid.named_pages(blocks, wide):
        yield prgrid.page_drawing(page, faded(look, blocks), folder / stem, wide)
    yield from matrix_drawings(extras.matrix, extras.families, folder, wide, found.names)
    yield from relative_drawings(extras.matrix, look, folder, wide, found.names)
    yield from rank_drawings(extras.ranks, look, folder, preset)
    for block in blocks:
        shown = faded(look, [block])
        yield from budget_drawings(extras.budgets, [block], shown, folder, wide)
        yield from learning_drawings(records, [block], shown, folder, preset)
        yield from ablation_drawings(extras.ablation, [block], folder, preset, shown)
        yield from distance_drawings(records, [block], shown, folder, wide)
        yield from code_use_drawings(records, [block], shown, folder, wide)


def draw_all(
    drawings: Iterable[Drawing], formats: Sequence[str] = FORMATS, workers: int = 1
) -> tuple[Path, ...]:
    """Draw what is not there yet in the given formats; return all files in the drawings' order.

    Raises:
        StoreError: if a file cannot be written.
    """
    with Painters(workers) as painters:
        return tuple(begin(drawings, formats, painters))


def begin(
    drawings: Iterable[Drawing], formats: Sequence[str], painters: Painters
) -> Iterator[Path]:
    """Hand what is not there yet to the painters; yield all files, waiting for the last one.

    Raises:
        StoreError: when asked for the files, if one cannot be written.
    """
    tasks = list(drawings)
    found = [present_files(task, formats) for task in tasks]
    # The largest first: none is left for a single process at the end.
    missing = sorted(
        (place for place, paths in enumerate(found) if paths is None),
        key=lambda place: -len(tasks[place].frame),
    )
    written = painters.draw([tasks[place] for place in missing], formats)
    return _all_files(found, zip(missing, written, strict=True))


def _all_files(
    found: list[list[Path] | None], written: Iterable[tuple[int, list[Path]]]
) -> Iterator[Path]:
    for place, paths in written:
        found[place] = paths
    yield from (path for paths in found for path in paths or ())
