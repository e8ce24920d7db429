import numpy as np
import pytest

from hashquant.data.splits import draw_fraction, draw_per_class, shuffled

NAMES = [f"{c}/{i}" for c in "abc" for i in range(12)]
LABELS = np.repeat(np.arange(3), 12)


def test_order_depends_on_the_names_and_the_seed_alone():
    assert shuffled(NAMES, 0) == shuffled(NAMES[::-1], 0)
    assert shuffled(NAMES, 0) != shuffled(NAMES, 1)
    assert sorted(shuffled(NAMES, 0)) == sorted(NAMES)


def test_one_name_more_leaves_the_others_in_order():
    more = shuffled([*NAMES, "new"], 0)
    assert [n for n in more if n != "new"] == shuffled(NAMES, 0)


def test_the_order_is_that_of_sha256():
    # SHA-256 of 0:d begins 7d98, of 0:a 9df3, of 0:c be08, of 0:b e021 (sha256sum of coreutils)
    assert shuffled(["a", "b", "c", "d"], 0) == ["d", "a", "c", "b"]


def test_draws_are_per_class_and_disjoint():
    first, second, rest = draw_per_class(NAMES, LABELS, [2, 3], seed=0)
    assert np.bincount(LABELS[first]).tolist() == [2, 2, 2]
    assert np.bincount(LABELS[second]).tolist() == [3, 3, 3]
    assert np.array_equal(np.sort(np.concatenate([first, second, rest])), np.arange(36))
    assert np.array_equal(first, np.sort(first))


def test_rows_follow_their_names():
    order = np.random.default_rng(0).permutation(36)
    names = [NAMES[i] for i in order]
    there = draw_per_class(names, LABELS[order], [2], seed=0)[0]
    here = draw_per_class(NAMES, LABELS, [2], seed=0)[0]
    assert {names[i] for i in there} == {NAMES[i] for i in here}


def test_a_short_class_leaves_later_draws_short():
    first, rest = draw_per_class(["a", "b"], np.array([0, 1]), [3], seed=0)
    assert (len(first), len(rest)) == (2, 0)


@pytest.mark.parametrize(("images", "queries"), [(2, 1), (5, 1), (8, 2), (9, 2), (10, 2), (50, 10)])
def test_a_fifth_at_least_one_and_two_of_ten(images, queries):
    names = [str(i) for i in range(images)]
    query, rest = draw_fraction(names, np.zeros(images, dtype=np.int64), 0.2, seed=0)
    assert (len(query), len(rest)) == (queries, images - queries)


def test_something_is_left_to_be_found():
    query, rest = draw_fraction(["a", "b"], np.array([0, 0]), 0.99, seed=0)
    assert (len(query), len(rest)) == (1, 1)
