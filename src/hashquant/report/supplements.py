"""What goes beyond the tables of single blocks: domain matrix, budgets, ablations, code health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hashquant.files import write_atomic
from hashquant.report.ablation import ablation_frame, ablation_sheet
from hashquant.report.blocks import Block
from hashquant.report.budgets import budgets_frame, budgets_sheet
from hashquant.report.criticaldifference import (
    RankStudy,
    rank_studies,
    ranks_frame,
    ranks_sheet,
)
from hashquant.report.domains import has_matrix, matrix_frame, matrix_sheet
from hashquant.report.evidence import Evidence
from hashquant.report.figures.style import PRESETS, Look, Preset
from hashquant.report.health import health_cells, health_sheet
from hashquant.report.tables import MapTable
from hashquant.report.typeset import typeset


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
    ranks: Sequence[RankStudy]


def collect(
    suite: str, blocks: Sequence[Block], studies: Sequence[Evidence], maps: Sequence[MapTable]
) -> Supplements:
    """Compute all further tables from the blocks of a suite and what their queries say."""
    matrix = matrix_frame(studies if has_matrix(blocks) else [])
    return Supplements(
        suite,
        blocks,
        matrix,
        budgets_frame(blocks),
        ablation_frame(studies),
        health_cells(blocks),
        rank_studies(maps),
    )


def write_tables(found: Supplements, folder: Path, digest: str) -> tuple[Path, ...]:
    """Write the ranks, and the further tables that have a line, as CSV, Markdown and LaTeX.

    The numbers of code health are not among them: `health.csv` has those of every record.

    Raises:
        StoreError: if a file cannot be written.
    """
    suite, blocks, ranks = found.suite, found.blocks, ranks_frame(found.ranks)
    shown = [
        (found.matrix, matrix_sheet(found.matrix, suite)),
        (found.budgets, budgets_sheet(found.budgets, blocks, suite)),
        (found.ablation, ablation_sheet(found.ablation, blocks, suite)),
        (found.health, health_sheet(found.health, blocks, suite)),
    ]
    # Where ranks have no meaning, a sentence says so.
    kept = [pair for pair in shown if len(pair[0])] + [(ranks, ranks_sheet(found.ranks, suite))]
    texts: dict[str, str] = {}
    for frame, sheet in kept:
        texts |= typeset(sheet, digest)
        if frame is not found.health:
            texts[f"{sheet.name}.csv"] = f"# records: {digest}\n{frame.to_csv(index=False)}"
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    return tuple(folder / name for name in texts)


def write_figures(
    found: Supplements, look: Mapping[str, Look], folder: Path, digest: str, preset: Preset
) -> tuple[Path, ...]:
    """Draw the further tables; what holds several panels is never narrower than a page's width.

    Raises:
        StoreError: if a file cannot be written.
    """
    # Matplotlib takes a second to import: only a report with figures pays for it.
    from hashquant.report.figures.ablation import write_ablations
    from hashquant.report.figures.budgets import write_budgets
    from hashquant.report.figures.criticaldifference import write_ranks
    from hashquant.report.figures.heatmaps import write_matrices

    wide = max(preset, PRESETS["double"], key=lambda preset: preset.width)
    return (
        *write_matrices(found.matrix, folder, digest, wide),
        *write_budgets(found.budgets, found.blocks, look, folder, digest, wide),
        *write_ablations(found.ablation, found.blocks, folder, digest, preset),
        *write_ranks(found.ranks, look, folder, digest, preset),
    )
