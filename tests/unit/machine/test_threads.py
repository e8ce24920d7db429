"""Threads: results in order, made ahead of their use, and no further."""

import threading

import pytest

from hashquant.machine.threads import ahead


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_results_come_in_the_order_of_their_items(threads, count):
    assert list(ahead(lambda x: x * x, range(count), threads)) == [x * x for x in range(count)]


def test_the_next_is_made_while_one_is_used_and_no_more_than_is_held():
    made = [threading.Event() for _ in range(8)]

    def work(item):
        made[item].set()
        return item

    found = ahead(work, range(8), 2)
    assert next(found) == 0
    assert made[1].wait(20)
    assert made[2].wait(20)  # nothing asked for them yet
    assert not made[3].is_set()
    assert list(found) == [1, 2, 3, 4, 5, 6, 7]


def test_a_failure_comes_at_its_place():
    found = ahead(lambda x: 1 // x, [1, 0], 1)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
