"""Wins are counted over tables and code lengths; references do not compete."""

from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.maps import map_tables
from hashquant.report.tables.wins import wins_frame, wins_sheet


def won(records):
    tables = [table for table in map_tables(records, HEADLINE) if not table.secondary]
    frame = wins_frame(tables)
    return frame, {
        (row["row"], row["rival"]): (row["better"], row["significantly_better"], row["compared"])
        for row in frame.to_dict("records")
    }


def test_counts_over_targets_and_code_lengths(exams, people, middling):
    for target, protocol in (("", "seen"), ("olivetti", "cross")):
        for bits in (16, 24):
            where = {"bits": bits, "target": target, "protocol": protocol}
            exams.add(middling, people, method="opqn", **where)
            exams.add(middling - 0.1, people, method="dcdh", **where)
    # At one length the other is ahead, by less than the queries can tell.
    noise = middling - 0.5
    exams.add(middling, people, method="opqn", bits=36)
    exams.add(middling[::-1] + 0.0001 * noise, people, method="dcdh", bits=36)
    _, found = won(exams.records())
    ahead = float((middling[::-1] + 0.0001 * noise).mean() > middling.mean())
    assert found["opqn", "dcdh"] == (5 - ahead, 4, 5)
    assert found["dcdh", "opqn"] == (ahead, 0, 5)


def test_identical_rows_win_nothing_and_references_do_not_compete(exams, people, middling):
    for method in ("opqn", "dcdh", "float"):
        exams.add(middling, people, method=method)
    frame, found = won(exams.records())
    assert found == {("opqn", "dcdh"): (0, 0, 1), ("dcdh", "opqn"): (0, 0, 1)}
    assert "| opqn " in markdown(wins_sheet(frame, "demo"), "d")


def test_rows_that_never_meet_are_not_compared(make):
    records = make.records(
        [make.evaluation(method="opqn"), make.evaluation(method="dcdh", bits=24)]
    )
    frame, found = won(records)
    assert found == {}
    assert markdown(wins_sheet(frame, "demo"), "d").endswith("No two rows can be compared.\n")


def test_without_queries_means_are_counted_and_said_to_be_untested(make):
    frame, found = won(make.full(["opqn", "dcdh"]))
    assert found["opqn", "dcdh"] == (2, 0, 2)
    assert set(frame["tested"]) == {0}
    assert "2 comparisons could not be tested" in markdown(wins_sheet(frame, "demo"), "d")
