"""What goes beyond the tables of single blocks: domain matrix, budgets, ablations, code health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hashquant.files import write_atomic
from hashquant.report.ablation import ablation_frame, ablation_markdown
from hashquant.report.blocks import Block
from hashquant.report.budgets import budgets_frame
from hashquant.report.budgettable import budgets_markdown
from hashquant.report.domains import has_matrix, matrix_frame, matrix_markdown
from hashquant.report.evidence import Evidence
from hashquant.report.figures.style import PRESETS, Look, Preset
from hashquant.report.health import health_cells, health_markdown
from hashquant.report.trainingtimes import TrainingTime

if TYPE_CHECKING:
    from hashquant.report.figures.drawings import Drawing


@dataclass(frozen=True, eq=False)
class Supplements:
    """The frames of a suite's further tables.

    `matrix` is empty where no training set has several targets, `ablation` without variants.
    """

    suite: str
    blocks: Sequence[Block]
    matrix: pd.DataFrame
    budgets: pd.DataFrame
    ablation: pd.DataFrame
    health: pd.DataFrame


def collect(
    suite: str,
    blocks: Sequence[Block],
    studies: Sequence[Evidence],
    trained: Mapping[str, TrainingTime],
) -> Supplements:
    """Compute all further tables from a suite's blocks, their queries and training times."""
    matrix = matrix_frame(studies if has_matrix(blocks) else [])
    budgets = budgets_frame(blocks, trained)
    return Supplements(
        suite, blocks, matrix, budgets, ablation_frame(studies), health_cells(blocks)
    )


def write_tables(found: Supplements, folder: Path, digest: str) -> tuple[Path, ...]:
    """Write the further tables that have a line as CSV and Markdown; of code health the latter.

    Raises:
        StoreError: if a file cannot be written.
    """
    suite, blocks = found.suite, found.blocks
    head, comment = f"# records: {digest}\n", f"<!-- records: {digest} -->\n\n"
    texts: dict[str, str] = {}
    if len(found.matrix):
        texts["domain_matrix.csv"] = head + found.matrix.to_csv(index=False)
        texts["domain_matrix.md"] = comment + matrix_markdown(found.matrix, suite)
    if len(found.budgets):
        texts["budgets.csv"] = head + found.budgets.to_csv(index=False)
        texts["budgets.md"] = comment + budgets_markdown(found.budgets, blocks, suite)
    if len(found.ablation):
        texts["ablation.csv"] = head + found.ablation.to_csv(index=False)
        texts["ablation.md"] = comment + ablation_markdown(found.ablation, blocks, suite)
    if len(found.health):
        texts["health.md"] = comment + health_markdown(found.health, blocks, suite)
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    return tuple(folder / name for name in texts)


def drawings(
    found: Supplements, look: Mapping[str, Look], folder: Path, digest: str, preset: Preset
) -> "list[Drawing]":
    """Return what draws the further tables, each writing its files when called.

    What holds several panels is never narrower than a page's width.
    """
    # Matplotlib takes a second to import: only a report with figures pays for it.
    from hashquant.report.figures import prgrid
    from hashquant.report.figures.ablation import write_ablations
    from hashquant.report.figures.budgets import write_budgets
    from hashquant.report.figures.heatmaps import write_matrices

    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    pages = prgrid.pages(found.blocks, wide)
    stems = [f"pr_grid_{place}" if len(pages) > 1 else "pr_grid" for place in range(1, 99)]
    return [
        *(partial(prgrid.write_page, page, look, folder / stem, digest, wide)
          for page, stem in zip(pages, stems, strict=False)),
        partial(write_matrices, found.matrix, folder, digest, wide),
        *(partial(write_budgets, found.budgets, [block], look, folder, digest, wide)
          for block in found.blocks),
        partial(write_ablations, found.ablation, found.blocks, folder, digest, preset),
    ]  # fmt: skip
