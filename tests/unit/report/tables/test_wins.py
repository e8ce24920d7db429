"""Wins are counted over tables and code lengths; references do not compete."""

from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.maps import map_tables
from hashquant.report.tables.wins import WIDEST, standings, wins_frame, wins_sheet


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


def test_many_rows_say_how_many_rivals_they_are_ahead_of(make):
    methods = [f"m{i:02}" for i in range(WIDEST + 1)]
    frame, _ = won(make.full(methods))
    lines = standings(frame).set_index("row")
    # Each method scores less than the one before it, at both lengths.
    assert list(lines.loc["m00", ["ahead", "behind"]]) == [WIDEST, 0]
    assert list(lines.loc["m03", ["ahead", "behind"]]) == [WIDEST - 3, 3]
    assert set(lines["rivals"]) == {WIDEST}
    assert set(lines["better"]) == set(lines["worse"]) == {0}
    text = markdown(wins_sheet(frame, "demo"), "d")
    assert "| m03 " in text
    assert "ahead of |" in text
    assert "better ↓ than →" not in text


def test_significant_differences_count_for_both_rivals(exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(middling - 0.1, people, method="dcdh")
    frame, _ = won(exams.records())
    lines = standings(frame).set_index("row")
    assert list(lines.loc["opqn", ["better", "worse"]]) == [1, 0]
    assert list(lines.loc["dcdh", ["better", "worse"]]) == [0, 1]
