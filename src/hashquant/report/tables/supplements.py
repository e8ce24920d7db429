"""What goes beyond the tables of blocks: domains, families, budgets, ablations, code health."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.evidence.queries import Evidence
from hashquant.report.forms.typeset import typeset
from hashquant.report.naming import identifiers, named, spoken
from hashquant.report.tables._ablation import ablation_frame, ablation_sheet
from hashquant.report.tables._budgettable import budgets_sheet
from hashquant.report.tables._trainingtimes import training_times
from hashquant.report.tables.budgets import budgets_frame
from hashquant.report.tables.domains import has_matrix, matrix_frame, matrix_sheet
from hashquant.report.tables.families import families_frame, families_sheet
from hashquant.report.tables.health import health_cells, health_sheet
from hashquant.report.tables.maps import MapTable
from hashquant.report.tables.ranks import (
    RankStudy,
    rank_studies,
    ranks_frame,
    ranks_sheet,
)
from hashquant.settings.names import Names


@dataclass(frozen=True, eq=False)
class Supplements:
    """The frames of a suite's further tables.

    `matrix` is empty where no training set has several targets, `families` where one has no learned
    method, `ablation` without variants.
    """

    suite: str
    blocks: Sequence[Block]
    matrix: pd.DataFrame
    families: pd.DataFrame
    budgets: pd.DataFrame
    ablation: pd.DataFrame
    health: pd.DataFrame
    ranks: Sequence[RankStudy]
    names: Names = field(default_factory=Names)


def collect(
    records: SuiteRecords,
    blocks: Sequence[Block],
    studies: Sequence[Evidence],
    maps: Sequence[MapTable],
) -> Supplements:
    """Compute all further tables from a suite's blocks, their queries and training times."""
    return Supplements(
        records.suite, blocks, matrix_frame(studies if has_matrix(blocks) else []),
        families_frame(studies),
        budgets_frame(blocks, training_times(records.trains)),
        ablation_frame(studies), health_cells(blocks), rank_studies(maps),
        blocks[0].names if blocks else Names(),
    )  # fmt: skip


def table_texts(found: Supplements, digest: str) -> dict[str, str]:
    """Return the files (name → text) of the ranks, and of the further tables that have a line.

    The numbers of code health are not among them: `health.csv` has those of every record.
    """
    suite, blocks, ranks = found.suite, found.blocks, ranks_frame(found.ranks)
    shown = [
        (found.matrix, matrix_sheet(named(found.matrix, found.names, blocks), suite)),
        (found.families, families_sheet(named(found.families, found.names, blocks), suite)),
        (found.budgets, budgets_sheet(found.budgets, blocks, suite)),
        (found.ablation, ablation_sheet(found.ablation, blocks, suite)),
        (found.health, health_sheet(found.health, blocks, suite)),
    ]
    # Where ranks have no meaning, a sentence says so.
    kept = [pair for pair in shown if len(pair[0])] + [(ranks, ranks_sheet(_ranked(found), suite))]
    texts: dict[str, str] = {}
    for frame, sheet in kept:
        texts |= typeset(sheet, digest)
        if frame is not found.health:
            texts[f"{sheet.name}.csv"] = f"# records: {digest}\n{frame.to_csv(index=False)}"
    return texts


def _ranked(found: Supplements) -> list[RankStudy]:
    """Return the ranks with names in place of identifiers."""
    known = identifiers(found.blocks)
    return [
        replace(
            study, lines=named(study.lines, found.names), left_out=spoken(study.left_out, known)
        )
        for study in found.ranks
    ]
