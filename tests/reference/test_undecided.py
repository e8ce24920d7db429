"""On the stored records of two seeds, what is far below the best is said to be below."""

from pathlib import Path

import pytest

from hashquant.records.store import Store
from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.tables.maps import map_tables

pytestmark = pytest.mark.slow
RESULTS = Path(__file__).parents[2] / "results"


def test_no_row_far_below_the_best_is_undecided_on_people_that_were_trained_on():
    tables = map_tables(Store(RESULTS).read("cross-domain"), HEADLINE)
    (seen,) = [t for t in tables if t.block.target == t.block.dataset == "lfw" and not t.secondary]
    for _, part in seen.cells[seen.cells["competes"]].groupby("bits"):
        far = part[part["mean"] < part["mean"].max() - 0.15]
        assert len(far) > 2
        assert not far["undecided"].any()


def test_most_of_two_seeds_is_decided():
    tables = map_tables(Store(RESULTS).read("cross-domain"), HEADLINE)
    cells = [table.cells for table in tables if not table.secondary]
    compared = sum(int(found["compared"].sum()) for found in cells)
    undecided = sum(int(found["undecided"].sum()) for found in cells)
    assert compared == 182
    assert undecided < compared / 3
