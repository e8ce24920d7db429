"""Which methods rank best over all training sets, targets and code lengths, and which tie."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from hashquant.errors import HashQuantError
from hashquant.report.captions import counted
from hashquant.report.evidence.queries import ALPHA
from hashquant.report.forms.display import Display, Sheet
from hashquant.report.numerals import chance, number
from hashquant.report.tables.maps import MapTable
from hashquant.statistics.ranks import FEWEST_BLOCKS, FEWEST_ROWS, RankTest, rank_test

COLUMNS = ["blocks", "row", "family", "mean_rank", "groups", "n", "p_value", "critical_difference"]
LIMITS = (
    "Blocks that share a training set, a target or trained runs are not independent, so the test "
    "is surer of itself than it should be: it describes these blocks, and proves nothing of others."
)


@dataclass(frozen=True, eq=False)
class RankStudy:
    """The mean ranks of rows over blocks of one kind, best first, or why there are none.

    `lines` has the columns `COLUMNS`; `groups` holds letters: rows that share one cannot be told
    apart. `left_out` says what some block has no score of.
    """

    kind: str
    lines: pd.DataFrame
    test: RankTest | None
    reason: str = ""
    left_out: str = ""

    @property
    def caption(self) -> str:
        """How the ranks came about."""
        if self.test is None:
            return f"{self.reason} {self.left_out}".strip()
        verdict = (
            f"critical difference {number(self.test.critical_difference, 2)} (Nemenyi)"
            if self.test.p_value <= ALPHA
            else "so no two rows are told apart"
        )
        said = (
            f"Mean rank by mAP over {counted(self.test.blocks, 'block')} (training set × target × "
            f"bits), 1 is best; Friedman's test p {_equal(self.test.p_value)}, {verdict}, 5 %."
        )
        return f"{said} {self.left_out}".strip()


def _equal(p_value: float) -> str:
    text = chance(p_value)
    return text if text.startswith("<") else f"= {text}"


def rank_studies(tables: Sequence[MapTable]) -> list[RankStudy]:
    """Rank the rows over all blocks, and over those of a single domain and across domains alone.

    A block is a training set, a target and a code length. References do not compete; targets with
    statistics of their own are the same queries again and do not count.
    """
    plain = [t for t in tables if not t.secondary and t.block.evals and not t.block.option]
    home = [table for table in plain if table.block.single_domain]
    away = [table for table in plain if table.block.cross_domain]
    kinds = {"all blocks": plain}
    if home and away:
        kinds |= {"single-domain": home, "cross-domain": away}
    return [_study(kind, chosen) for kind, chosen in kinds.items()]


def _study(kind: str, tables: Sequence[MapTable]) -> RankStudy:
    families: dict[str, str] = {}
    for table in tables:
        families |= dict(table.block.families)
    scores, left_out = complete(_scores(tables))
    try:
        test = rank_test(scores.to_numpy(dtype=float), ALPHA)
    except HashQuantError:
        reason = (
            f"Not enough blocks or rows for a test of ranks: {counted(len(scores), 'block')} with "
            f"{counted(len(scores.columns), 'row')}, it takes {FEWEST_BLOCKS} and {FEWEST_ROWS}."
        )
        return RankStudy(kind, pd.DataFrame(columns=COLUMNS), None, reason, left_out)
    letters = ["" for _ in scores.columns]
    for letter, group in zip("abcdefghijklmnopqrstuvwxyz", test.groups, strict=False):
        for place in group:
            letters[place] += letter
    lines = pd.DataFrame(
        {"blocks": kind, "row": list(scores.columns),
         "family": [families[label] for label in scores.columns],
         "mean_rank": test.mean_ranks, "groups": letters, "n": test.blocks,
         "p_value": test.p_value, "critical_difference": test.critical_difference},
        columns=COLUMNS,
    )  # fmt: skip
    return RankStudy(kind, lines.sort_values("mean_rank", kind="stable"), test, "", left_out)


def _scores(tables: Sequence[MapTable]) -> pd.DataFrame:
    """Return the mean mAP of every rival, a line a block and a column a row of the tables."""
    parts = []
    for table in tables:
        rivals = table.cells[table.cells["competes"]]
        wide = rivals.pivot_table(index="bits", columns="label", values="mean", aggfunc="first")
        wide.index = pd.Index([(table.block.dataset, table.block.target, b) for b in wide.index])
        parts.append(wide)
    places = {x: table.block.order(x) for table in tables for x in table.block.families}
    joined = pd.concat(parts) if parts else pd.DataFrame()
    labels = [str(label) for label in joined.columns]
    return joined[sorted(labels, key=lambda label: places[str(label)])]


def complete(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Leave out rows and blocks until every row has a score in every block, and say which.

    What misses the largest share goes first, a row before a block.
    """
    rows: list[str] = []
    blocks = 0
    while scores.isna().any(axis=None):
        by_row, by_block = scores.isna().mean(axis=0), scores.isna().mean(axis=1)
        if by_row.max() >= by_block.max():
            rows.append(str(by_row.idxmax()))
            scores = scores.drop(columns=rows[-1])
        else:
            blocks += 1
            scores = scores.drop(index=[by_block.idxmax()])
    said = [f"rows {', '.join(rows)}"] if rows else []
    said += [counted(blocks, "block")] if blocks else []
    return scores, f"Left out for missing scores: {' and '.join(said)}." if said else ""


def ranks_frame(studies: Sequence[RankStudy]) -> pd.DataFrame:
    """Return the lines of all studies that could be made."""
    found = [study.lines for study in studies if len(study.lines)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


def ranks_sheet(studies: Sequence[RankStudy], suite: str) -> Sheet:
    """Return the ranks as a reader sees them: a table for each kind of blocks."""
    shown = [
        Display(
            study.kind,
            pd.DataFrame(
                {"row": study.lines["row"], "mean rank": study.lines["mean_rank"].map(_rank),
                 "not told apart": study.lines["groups"]}, dtype=object,
            ),
            "lrl",
            lines=[study.caption],
        )
        for study in studies
    ]  # fmt: skip
    intro = f"Rows that share a letter cannot be told apart. {LIMITS}"
    return Sheet("ranks", suite, f"Ranks, suite {suite}", intro, shown)


def _rank(value: float) -> str:
    return number(value, 2)
