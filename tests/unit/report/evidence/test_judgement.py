"""What a table can tell agrees with what it tells, shrinks with seeds, and is said in a line."""

import dataclasses
import math

import numpy as np
import pytest

from hashquant.report.evidence.judgement import Told, told
from hashquant.report.evidence.queries import ALPHA, HEADLINE
from hashquant.report.tables.maps import map_tables
from hashquant.statistics import Spread, least_difference

LINE = Told(2, 641, 14, 2, 0.0781, covered=True, planned=5, then=0.0624, hours=12.3)


def test_a_line_says_what_can_be_told_and_what_more_seeds_would():
    assert LINE.sentence() == (
        "With 2 seeds and 641 queries, differences above 0.078 can be told; 5 seeds would tell "
        "0.062 (about 12 more hours of training here)."
    )
    soon = dataclasses.replace(LINE, hours=0.5)
    assert "(about 30 more minutes of training here)" in soon.sentence()
    assert "training here" not in dataclasses.replace(LINE, hours=math.nan).sentence()
    assert "no difference can be told" in dataclasses.replace(LINE, least=1.2).sentence()


def test_one_seed_says_that_another_training_is_unknown():
    alone = dataclasses.replace(LINE, seeds=1, covered=False, then=math.nan)
    assert alone.sentence() == (
        "1 seed: the spread between trainings is unknown. Of these trained networks, with 641 "
        "queries, differences above 0.078 can be told."
    )


def test_marks_are_shown_up_to_half():
    assert dataclasses.replace(LINE, undecided=7).marked
    most = dataclasses.replace(LINE, undecided=8)
    assert not most.marked
    assert most.sentence().endswith(
        "8 of 14 comparisons with the best are undecided, so no cell is marked."
    )


@pytest.fixture
def suite(make, exams, people, middling):
    """Six rows of three seeds, 0.05 apart, and how long each trained."""
    rng = np.random.default_rng(0)
    methods, trains = ("opqn", "gpq", "dpq", "dcdh", "csq", "greedy"), []
    for place, method in enumerate(methods):
        for seed in range(3):
            moved = middling - 0.05 * place + rng.normal(0, 0.01)
            exams.add(moved, people, method=method, seed=seed)
            trains.append(make.training(method=method, seed=seed))
    return exams.records(trains)


def test_what_is_told_agrees_with_the_marks(suite):
    (table,) = map_tables(suite, HEADLINE)
    found = table.told
    best = ("opqn", 16, False)
    assert found.comparisons == 5
    for cell in table.cells[table.cells["compared"]].to_dict("records"):
        lead = table.evidence.mean(best) - cell["mean"]
        p = table.evidence.difference((cell["label"], 16, False), best).p_value
        if lead > 1.3 * found.least:
            assert p <= ALPHA / 5
            assert not cell["undecided"]
        if lead < 0.7 * found.least:
            assert p > ALPHA / 5


def test_more_seeds_tell_less_and_take_the_time_of_those_stored(suite):
    (table,) = map_tables(suite, HEADLINE)
    found = table.told
    assert (found.seeds, found.planned, found.covered) == (3, 5, True)
    assert found.then < found.least
    # Six rows of 12 seconds each, twice more.
    assert found.hours == pytest.approx(2 * 6 * 12 / 3600)
    unknown = dataclasses.replace(table.evidence, seed_hours=math.nan)
    assert math.isnan(told(table.cells, unknown).hours)


def test_one_seed_covers_people_only(exams, people, middling):
    exams.add(middling, people, method="opqn")
    exams.add(middling[::-1] - 0.1, people, method="dcdh")
    (table,) = map_tables(exams.records(), HEADLINE)
    assert not table.told.covered
    assert table.evidence.spread(("opqn", 16, False)) is None
    assert 0 < table.told.least < 0.1


def test_a_cell_of_one_seed_borrows_from_the_suite(suite, exams, people, middling):
    exams.add(middling - 0.3, people, method="itq")
    (table,) = map_tables(exams.records(), HEADLINE)
    key = ("itq", 16, False)
    borrowed = table.evidence.spread(key)
    assert borrowed.variance > 0
    assert np.std(table.evidence.draws(key)) > np.std(table.evidence.people(key))


def test_what_did_not_train_takes_no_part_in_the_prior(suite, monkeypatch):
    (table,) = map_tables(suite, HEADLINE)
    evidence = table.evidence
    key = ("dpq", 16, False)
    alone = dataclasses.replace(evidence.block, untrained={key[:2]: "did not train"})
    spread = dataclasses.replace(evidence, block=alone).spread(key)
    assert spread == Spread(evidence.cells[key].scatter(), 2.0)


def test_the_least_difference_is_students_where_only_seeds_vary():
    still = np.zeros(40_000)
    found = least_difference(still, [Spread(0.5, 8.0), Spread(0.5, 8.0)], 0.05)
    assert found == pytest.approx(2.306, rel=0.03)  # t of 8 degrees of freedom, 97.5 %
    assert least_difference(still, [Spread(1.0, math.inf)]) == pytest.approx(1.96, rel=0.02)
    assert least_difference(still, []) == 0.0
