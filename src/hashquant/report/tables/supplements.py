"""What goes beyond the tables of blocks: domains, families, budgets, ablations, codes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block
from hashquant.report.evidence.queries import Evidence
from hashquant.report.forms.display import Sheet
from hashquant.report.forms.spreadsheet import csv_text
from hashquant.report.forms.typeset import typeset
from hashquant.report.naming import identifiers, named, spoken
from hashquant.report.parts import Parts, called
from hashquant.report.tables import _ablation as ablation
from hashquant.report.tables import budgets, domains, families
from hashquant.report.tables._ablation import ablation_frame, ablation_sheet
from hashquant.report.tables._budgettable import budgets_sheet
from hashquant.report.tables._trainingtimes import training_times
from hashquant.report.tables.budgets import budgets_frame
from hashquant.report.tables.codes import health, radius
from hashquant.report.tables.codes.health import health_cells, health_sheet
from hashquant.report.tables.codes.radius import radius_frame, radius_sheet
from hashquant.report.tables.domains import has_matrix, matrix_frame, matrix_sheet
from hashquant.report.tables.families import families_frame, families_sheet
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
    method, `ablation` without variants, `radius` without Hamming codes.
    """

    suite: str
    blocks: Sequence[Block]
    matrix: pd.DataFrame
    families: pd.DataFrame
    budgets: pd.DataFrame
    ablation: pd.DataFrame
    health: pd.DataFrame
    radius: pd.DataFrame
    ranks: Sequence[RankStudy]
    names: Names = field(default_factory=Names)


def collect(
    records: SuiteRecords,
    blocks: Sequence[Block],
    studies: Sequence[Evidence],
    maps: Sequence[MapTable],
    parts: Parts,
) -> Supplements:
    """Compute all further tables from a suite's blocks, their queries and training times.

    One that cannot be computed is empty, and `parts` tells why.
    """
    within = studies if has_matrix(blocks) else []
    return Supplements(
        records.suite, blocks,
        parts.table("domain_matrix", partial(matrix_frame, within), domains.COLUMNS),
        parts.table("families", partial(families_frame, studies), families.COLUMNS),
        parts.table(
            "budgets", lambda: budgets_frame(blocks, training_times(records.trains)),
            budgets.COLUMNS,
        ),
        parts.table("ablation", partial(ablation_frame, studies), ablation.COLUMNS),
        parts.table("health", partial(health_cells, blocks), health.COLUMNS),
        parts.table("radius", partial(radius_frame, blocks), radius.COLUMNS),
        parts.attempt(called("ranks"), partial(rank_studies, maps), list),
        blocks[0].names if blocks else Names(),
    )  # fmt: skip


def table_texts(found: Supplements, digest: str) -> dict[str, Callable[[], dict[str, str]]]:
    """Return by table what makes its files (name → text): none of one without a line.

    The numbers of code health are not among them: `health.csv` has those of every record.
    """
    suite, blocks, names = found.suite, found.blocks, found.names
    sheets: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[], Sheet]]] = {
        "domain_matrix": (
            lambda: found.matrix, lambda: matrix_sheet(named(found.matrix, names, blocks), suite)
        ),
        "families": (
            lambda: found.families,
            lambda: families_sheet(named(found.families, names, blocks), suite),
        ),
        "budgets": (lambda: found.budgets, lambda: budgets_sheet(found.budgets, blocks, suite)),
        "ablation": (lambda: found.ablation, lambda: ablation_sheet(found.ablation, blocks, suite)),
        "health": (lambda: found.health, lambda: health_sheet(found.health, blocks, suite)),
        "radius": (lambda: found.radius, lambda: radius_sheet(found.radius, blocks, suite)),
        "ranks": (lambda: ranks_frame(found.ranks), lambda: ranks_sheet(_ranked(found), suite)),
    }  # fmt: skip
    return {name: partial(_files, name, digest, *sheet) for name, sheet in sheets.items()}


def _files(
    name: str, digest: str, lines: Callable[[], pd.DataFrame], sheet: Callable[[], Sheet]
) -> dict[str, str]:
    frame = lines()
    if frame.empty and name != "ranks":  # where ranks have no meaning, a sentence says so
        return {}
    texts = typeset(sheet(), digest)
    return texts if name == "health" else texts | {f"{name}.csv": csv_text(frame, digest)}


def _ranked(found: Supplements) -> list[RankStudy]:
    """Return the ranks with names in place of identifiers."""
    known = identifiers(found.blocks)
    return [
        replace(
            study, lines=named(study.lines, found.names), left_out=spoken(study.left_out, known)
        )
        for study in found.ranks
    ]
