"""All that a report shows, computed once: tables, statistics, budgets, ranks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block, records_digest, select_blocks
from hashquant.report.cards.lines import cards_frame
from hashquant.report.evidence import claims
from hashquant.report.evidence.queries import HEADLINE, Evidence, gather
from hashquant.report.frame import Metric, check_metric
from hashquant.report.options import Options
from hashquant.report.parts import Parts, called
from hashquant.report.tables import intervals, maps, supplements, wins
from hashquant.report.tables.maps import MapTable
from hashquant.report.tables.supplements import Supplements
from hashquant.settings.names import IDENTITIES, Names
from hashquant.settings.reference import Sources


@dataclass(frozen=True, eq=False)
class Findings:
    """What the records say, and `digest`, which names them.

    `asked` are the tables of the metric asked for, `headline` those of mAP, of which intervals,
    wins and claims are. What could not be computed is empty, and `parts` tells of it.
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
    parts: Parts = field(default_factory=lambda: Parts(strict=True))

    @property
    def noun(self) -> str:
        """What the classes of the data are: identities, classes, or both."""
        return noun_of(self.blocks)

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks of the suite, in the tables' order."""
        return self.extras.blocks


def find(records: SuiteRecords, options: Options, parts: Parts | None = None) -> Findings:
    """Compute all that a report of these records shows.

    What cannot be computed is left empty and told to `parts`; without them, it raises.

    Raises:
        UsageError: if no record holds the metric.
    """
    metric = Metric.parse(options.metric)
    check_metric(metric, records)
    parts = parts or Parts(strict=True)
    blocks = select_blocks(records, options.like, options.names)
    unread = replace(records, folders={})
    studies = parts.attempt(
        "the tests of significance", lambda: gather(records, blocks), lambda: gather(unread, blocks)
    )
    asked = _tables(studies, metric, options.spread, parts)
    headline = asked
    if metric != HEADLINE:
        headline = _tables(studies, HEADLINE, options.spread, parts)
    noun, sources = noun_of(blocks), options.sources
    primary = [table for table in headline if not table.secondary]
    return Findings(
        records, metric, asked, headline, studies,
        supplements.collect(records, blocks, studies, headline, parts),
        parts.table("intervals", lambda: intervals.intervals_frame(headline), intervals.COLUMNS),
        parts.table("wins", lambda: wins.wins_frame(primary), wins.COLUMNS),
        parts.attempt(
            called("claims"), lambda: claims.claims_frame(studies, noun),
            lambda: claims.claims_frame([], noun).assign(needs="an answer, which failed here"),
        ),
        records_digest(records),
        parts.attempt(
            called("cards"), lambda: cards_frame(studies, sources, records.trains), lambda: None
        ) if sources else None,
        sources, options.names, parts,
    )  # fmt: skip


def _tables(
    studies: Sequence[Evidence], metric: Metric, spread: str, parts: Parts
) -> list[MapTable]:
    """Return the tables of all blocks: one whose tests fail without them, rather than none."""
    found: list[MapTable] = []
    for study in studies:
        name = f"{study.block.identifier}, {metric}"

        def made(evidence: Evidence) -> list[MapTable]:
            return maps.block_tables([evidence], metric, spread)

        def untested(study: Evidence = study, name: str = name) -> list[MapTable]:
            alone = replace(study, cells={})
            return parts.attempt(f"the tables of {name}", partial(made, alone), list)

        found += parts.attempt(f"the tests of {name}", partial(made, study), untested)
    return found


def noun_of(blocks: Sequence[Block]) -> str:
    """Return what the classes of blocks are called: "identities", "classes", or both."""
    found = dict.fromkeys(block.names.classes_of(block.dataset) for block in blocks)
    return " or ".join(sorted(found, reverse=True)) or IDENTITIES
