"""All figures of a report: those that changed are drawn, by several processes at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.drawing.files import FORMATS, Drawing, present_files
from hashquant.report.drawing.kinds import in_parts
from hashquant.report.drawing.painters import Painters
from hashquant.report.drawing.style import PRESETS, Look, Preset, looks
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
from hashquant.report.parts import Broken, Parts, tried
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
    """Yield every figure of a report; a kind that cannot be prepared is told to its `parts`.

    What holds several panels is never narrower than a page's width.
    """
    for name, make in _kinds(found, folder, options):
        ready: list[Drawing] = []  # also what was prepared before one failed
        found.parts.attempt(
            f"the figures of {name}", partial(ready.extend, _each(make)), lambda: None, deed="drawn"
        )
        yield from ready


Kind = tuple[str, Callable[[], Iterable[Drawing]]]


def _each(make: Callable[[], Iterable[Drawing]]) -> Iterator[Drawing]:
    yield from make()


def _kinds(found: Findings, folder: Path, options: Options) -> Iterator[Kind]:
    """Yield the kinds of figures in their order: what each is called, and what makes them."""
    records, extras, blocks, names = found.records, found.extras, found.blocks, found.names
    look = in_parts(named_looks(looks(row_families(records)), names), names)
    preset = PRESETS[options.preset]
    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    for table in found.asked:
        if not table.secondary:
            shown = faded(look, [table.block])
            given = table.block, table.cells, found.metric, shown, folder, preset
            yield f"curves, {table.block.identifier}", partial(block_drawings, *given)
    yield "all curves", partial(_pages, blocks, faded(look, blocks), folder, wide)
    matrix = extras.matrix
    yield (
        "the domain matrix",
        partial(matrix_drawings, matrix, extras.families, folder, wide, names, look),
    )
    yield "what codes keep", partial(relative_drawings, matrix, look, folder, wide, names)
    yield "ranks", partial(rank_drawings, extras.ranks, look, folder, preset)
    for block in blocks:
        shown, one = faded(look, [block]), [block]
        kinds: dict[str, Callable[[], Iterable[Drawing]]] = {
            "budgets": partial(budget_drawings, extras.budgets, one, shown, folder, wide),
            "learning": partial(learning_drawings, records, one, shown, folder, preset),
            "ablations": partial(ablation_drawings, extras.ablation, one, folder, preset, shown),
            "distances": partial(distance_drawings, records, one, shown, folder, wide),
            "the use of codes": partial(code_use_drawings, records, one, shown, folder, wide),
        }
        yield from ((f"{kind}, {block.identifier}", make) for kind, make in kinds.items())


def _pages(
    blocks: Sequence[Block], look: Mapping[str, Look], folder: Path, preset: Preset
) -> Iterator[Drawing]:
    for stem, page in prgrid.named_pages(blocks, preset):
        yield prgrid.page_drawing(page, look, folder / stem, preset)


def draw_all(
    drawings: Iterable[Drawing], formats: Sequence[str] = FORMATS, workers: int = 1
) -> tuple[Path, ...]:
    """Draw what is not there yet in the given formats; return all files in the drawings' order.

    Raises:
        StoreError: if a figure cannot be drawn or written.
    """
    with Painters(workers) as painters:
        return tuple(begin(drawings, formats, painters, Parts(strict=True)))


def begin(
    drawings: Iterable[Drawing], formats: Sequence[str], painters: Painters, parts: Parts
) -> Iterator[Path]:
    """Hand what is not there yet to the painters; yield all files, waiting for the last one.

    A figure that cannot be drawn is told to `parts` when the files are asked for.
    """
    tasks = list(drawings)
    found = [tried(present_files, task, formats) for task in tasks]
    # The largest first: none is left for a single process at the end.
    missing = sorted(
        (place for place, paths in enumerate(found) if paths is None),
        key=lambda place: -len(tasks[place].frame),
    )
    written = painters.draw([tasks[place] for place in missing], formats)
    return _all_files(tasks, found, zip(missing, written, strict=True), parts)


def _all_files(
    tasks: Sequence[Drawing],
    found: list[list[Path] | Broken | None],
    written: Iterable[tuple[int, list[Path] | Broken]],
    parts: Parts,
) -> Iterator[Path]:
    for place, paths in written:
        found[place] = paths
    for task, ready in zip(tasks, found, strict=True):
        if isinstance(ready, Broken):
            parts.fail(f"the figure {task.stem.name}", ready, deed="drawn")
        else:
            yield from ready or ()
