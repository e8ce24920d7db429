"""Scores a reader can derive by hand, and full enumeration of every order of ties."""

import math
from fractions import Fraction
from itertools import permutations

import pytest
import torch

from hashquant.metrics._harmonic import harmonic_difference
from hashquant.metrics.averageprecision import average_precision
from hashquant.metrics.ranking import precision_at, rank_grid, recall_at
from hashquant.metrics.ties import groups_of_scores, relevant_in_top, tied_pairs


def ranking(scores, relevant):
    """Groups of one query; items are put in order so that the relevant ones are one slice."""
    order = sorted(range(len(scores)), key=lambda i: not relevant[i])
    held = torch.tensor([[float(scores[i]) for i in order]], dtype=torch.float64)
    return groups_of_scores(held, torch.tensor([[0, sum(relevant)]]))


def plain_ap(order, cutoff):
    """AP of one order of relevance flags as an exact fraction."""
    hits, total = 0, Fraction(0)
    for rank, flag in enumerate(order[:cutoff], start=1):
        hits += flag
        total += Fraction(flag * hits, rank)
    return total / min(cutoff, sum(order))


def orders(scores, relevant):
    """Relevance flags of every order of the items that respects the scores."""
    for order in permutations(range(len(scores))):
        ranked = [scores[i] for i in order]
        if ranked == sorted(ranked):
            yield [relevant[i] for i in order]


CASES = [
    ([0, 1, 2], [1, 0, 1]),
    ([0, 0, 0], [1, 0, 1]),
    ([0, 1, 1, 1, 2], [1, 0, 1, 0, 1]),
    ([0, 0, 1, 1, 1, 2], [0, 1, 1, 0, 1, 0]),
    ([3, 1, 1, 2, 2, 2, 2], [1, 1, 0, 1, 0, 0, 1]),
    ([5, 5, 5, 5, 5, 5, 5], [0, 1, 0, 0, 1, 1, 0]),
    ([0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1]),
]


def test_ap_of_a_miss_between_two_hits_is_five_sixths():
    assert average_precision(ranking([0, 1, 2], [1, 0, 1])).item() == pytest.approx(
        5 / 6, abs=1e-15
    )


def test_a_perfect_ranking_scores_one():
    groups = ranking(range(6), [1, 1, 1, 0, 0, 0])
    for ties in ("expected", "best", "worst"):
        assert average_precision(groups, ties=ties).item() == pytest.approx(1, abs=1e-15)
        assert average_precision(groups, 2, ties).item() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_one_relevant_item_of_n_tied_ones_scores_the_harmonic_mean_rank(n):
    groups = ranking([4] * n, [1] + [0] * (n - 1))
    harmonic = math.fsum(1 / j for j in range(1, n + 1))
    assert average_precision(groups).item() == pytest.approx(harmonic / n, abs=1e-15)
    assert average_precision(groups, ties="best").item() == 1
    assert average_precision(groups, ties="worst").item() == pytest.approx(1 / n, abs=1e-15)


@pytest.mark.parametrize(("scores", "relevant"), CASES)
@pytest.mark.parametrize("cutoff", range(8))
def test_average_precision_is_the_mean_over_every_order_of_ties(scores, relevant, cutoff):
    groups = ranking(scores, relevant)
    values = [plain_ap(o, cutoff or len(o)) for o in orders(scores, relevant)]
    wanted = {"expected": sum(values) / len(values), "best": max(values), "worst": min(values)}
    for ties, value in wanted.items():
        found = average_precision(groups, min(cutoff, len(scores)), ties).item()
        assert found == pytest.approx(float(value), abs=1e-12), ties


@pytest.mark.parametrize(("scores", "relevant"), CASES)
def test_precision_recall_and_curve_are_means_over_every_order_of_ties(scores, relevant):
    groups = ranking(scores, relevant)
    ranks = rank_grid(len(scores))
    every = list(orders(scores, relevant))
    for i, k in enumerate(ranks):
        found = float(Fraction(sum(sum(o[:k]) for o in every), len(every)))
        top, total = relevant_in_top(groups, ranks), sum(relevant)
        assert top[0, i].item() == pytest.approx(found, abs=1e-12)
        assert precision_at(top, ranks)[0, i].item() == pytest.approx(found / k, abs=1e-12)
        recall = recall_at(top, groups.total_relevant)
        assert recall[0, i].item() == pytest.approx(found / total, abs=1e-12)


def test_tied_pairs_are_those_that_the_order_of_ties_decides():
    # relevant at 0 and 1, irrelevant at 1, 1 and 2: two of six pairs tie
    assert tied_pairs(ranking([0, 1, 1, 1, 2], [1, 1, 0, 0, 0])).item() == pytest.approx(2 / 6)


@pytest.mark.parametrize("start", [0, 1, 5, 63, 64, 65, 1000, 10**6, 10**8])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 4096])
def test_harmonic_differences_are_exact_relative_to_their_size(start, count):
    wanted = math.fsum(1 / (start + j) for j in range(1, count + 1))
    found = harmonic_difference(torch.tensor([start]).double(), torch.tensor([count]).double())
    assert found.item() == pytest.approx(wanted, rel=1e-15, abs=0)


def test_a_small_group_far_down_a_huge_ranking_keeps_its_digits():
    # two relevant items tied at ranks 10^8 + 1 and + 2, none before: H/N + …, by fractions
    from hashquant.metrics.ties import TieGroups

    one = lambda *values: torch.tensor([values])  # noqa: E731
    n = 10**8
    groups = TieGroups(one(n), one(2), one(0), one(2), torch.tensor([2]), n + 2)
    wanted = (Fraction(1, n + 1) + Fraction(2, n + 2)) / 2
    assert average_precision(groups).item() == pytest.approx(float(wanted), rel=1e-7)
    assert abs(average_precision(groups).item() - float(wanted)) < 1e-15
