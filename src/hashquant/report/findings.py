"""All that a report shows, computed once: tables, statistics, budgets, ranks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block, records_digest, select_blocks
from hashquant.report.cards.lines import cards_frame
from hashquant.report.evidence import claims
from hashquant.report.evidence.queries import HEADLINE, Evidence, gather
from hashquant.report.frame import Metric, check_metric
from hashquant.report.options import Options
from hashquant.report.tables import intervals, maps, supplements, wins
from hashquant.report.tables.maps import MapTable
from hashquant.report.tables.supplements import Supplements
from hashquant.settings.names import Names
from hashquant.settings.reference import Sources


@dataclass(frozen=True, eq=False)
class Findings:
    """What the records say, and `digest`, which names them.

    `asked` are the tables of the metric asked for, `headline` those of mAP, of which intervals,
    wins and claims are.
    """

    records: SuiteRecords
    metric: Metric
    asked: Sequence[MapTable]
    headline: Sequence[MapTable]
    studies: Sequence[Evidence]
    extras: Supplements
    intervals: pd.DataFrame
    wins: pd.DataFrame
    claims: pd.DataFrame
    digest: str
    cards: pd.DataFrame | None = None  #: published beside measured numbers, given sources
    sources: Sources | None = None
    names: Names = field(default_factory=Names)

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks of the suite, in the tables' order."""
        return self.extras.blocks


def find(records: SuiteRecords, options: Options) -> Findings:
    """Compute all that a report of these records shows.

    Raises:
        UsageError: if no record holds the metric.
    """
    metric = Metric.parse(options.metric)
    check_metric(metric, records)
    blocks = select_blocks(records, options.like, options.names)
    studies = gather(records, blocks)
    asked = maps.block_tables(studies, metric, options.spread)
    headline = asked
    if metric != HEADLINE:
        headline = maps.block_tables(studies, spread=options.spread)
    return Findings(
        records, metric, asked, headline, studies,
        supplements.collect(records, blocks, studies, headline),
        intervals.intervals_frame(headline),
        wins.wins_frame([table for table in headline if not table.secondary]),
        claims.claims_frame(studies), records_digest(records),
        cards_frame(studies, options.sources, records.trains) if options.sources else None,
        options.sources, options.names,
    )  # fmt: skip
