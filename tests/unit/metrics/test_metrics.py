"""Ranks, radii and health of codes, on small cases; bad arguments."""

import math

import pytest
import torch

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import check_indices, pack_indices
from hashquant.errors import HashQuantError
from hashquant.metrics import averageprecision
from hashquant.metrics.averageprecision import average_precision, average_precisions
from hashquant.metrics.health import binary_health, product_health
from hashquant.metrics.ranking import rank_grid, within_radius
from hashquant.metrics.ties import TieGroups, relevant_in_top


def groups(radius=None):
    one = torch.tensor([[0, 2]])
    return TieGroups(one, one + 1, one, one, torch.tensor([2]), 10, radius)


@pytest.mark.parametrize("size", [1, 2, 9, 10, 11, 12, 100, 5000, 10**8])
def test_rank_grid_rises_from_one_to_the_gallery(size):
    ranks = rank_grid(size)
    assert ranks[: min(10, size)] == tuple(range(1, min(10, size) + 1))
    assert ranks[-1] == size
    assert list(ranks) == sorted(set(ranks))
    assert len(ranks) <= 111


def test_radius_counts_empty_balls_as_zero_precision():
    chunk = TieGroups(
        *[torch.zeros(3, 0, dtype=torch.int64)] * 4,
        total_relevant=torch.tensor([4, 2, 0]),
        gallery_size=9,
        within_radius=torch.tensor([[5, 2], [0, 0], [1, 0]]),
    )
    precision, recall, empty = within_radius(chunk)
    assert precision.tolist() == [0.4, 0, 0]
    assert recall.tolist() == [0.5, 0, 0]
    assert empty.tolist() == [False, True, False]
    assert average_precision(chunk).tolist() == [0, 0, 0]
    assert relevant_in_top(chunk, (1, 9)).tolist() == [[0, 0]] * 3


def test_only_ties_tell_the_three_orders_apart():
    tied = TieGroups(  # one of two tied ones; then the ranking (1, 0, 1)
        ahead=torch.tensor([[0, 3], [0, 2]]),
        size=torch.tensor([[2, 0], [1, 1]]),
        ahead_relevant=torch.tensor([[0, 1], [0, 1]]),
        relevant=torch.tensor([[1, 0], [1, 1]]),
        total_relevant=torch.tensor([1, 2]),
        gallery_size=3,
    )
    expected, best, worst = average_precisions(tied)
    assert expected.tolist() == pytest.approx([3 / 4, 5 / 6], abs=1e-15)
    assert best.tolist() == pytest.approx([1, 5 / 6], abs=1e-15)
    assert worst.tolist() == pytest.approx([1 / 2, 5 / 6], abs=1e-15)
    assert average_precisions(tied, {1: ("worst",)})[0].tolist() == [0, 1]


def test_a_metric_does_not_depend_on_how_many_groups_are_taken_at_a_time(monkeypatch):
    size = torch.tensor([[2, 3, 1, 4], [1, 5, 2, 2]])
    relevant = torch.tensor([[1, 2, 1, 3], [1, 4, 0, 2]])
    tied = TieGroups(
        ahead=size.cumsum(1) - size,
        size=size,
        ahead_relevant=relevant.cumsum(1) - relevant,
        relevant=relevant,
        total_relevant=relevant.sum(dim=1),
        gallery_size=10,
    )
    wanted = {0: averageprecision.TIES, 4: ("expected",), 7: ("best", "worst")}
    whole = average_precisions(tied, wanted)
    assert len(whole) == 6
    for piece in (1, 2, 5):
        monkeypatch.setattr(averageprecision, "_PIECE", piece)
        assert all(map(torch.equal, average_precisions(tied, wanted), whole))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: average_precision(groups(), ties="mean"), "ties must be one of"),
        (lambda: average_precision(groups(), cutoff=-3), "cutoff must be 0"),
        (lambda: relevant_in_top(groups(), (0, 1)), "within 1 … 10"),
        (lambda: relevant_in_top(groups(), (11,)), "within 1 … 10"),
        (lambda: within_radius(groups()), "binary codes"),
        (lambda: rank_grid(0), "1 or more"),
        (lambda: check_indices(torch.tensor([[0, 4]]), CodeBudget(4, 2, 4)), "0 … 3, got 4"),
        (lambda: check_indices(torch.tensor([[-1, 0]]), CodeBudget(4, 2, 4)), "got -1"),
        (lambda: pack_indices(torch.tensor([[0]]), CodeBudget(4, 2, 4)), "2 columns"),
        (lambda: binary_health(torch.zeros(0, 1, dtype=torch.uint8), CodeBudget(8)), "got none"),
        (lambda: product_health(torch.zeros(0, 2).long(), CodeBudget(4, 2, 4)), "got none"),
    ],
)
def test_bad_arguments_are_refused(call, said):
    with pytest.raises(HashQuantError, match=said):
        call()


def test_health_of_binary_codes():
    bits = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]).bool()
    health = binary_health(pack_bits(bits), CodeBudget(4))
    assert health["distinct_codes"] == 3
    assert health["distinct_fraction"] == 0.75
    assert health["bit_balance"] == pytest.approx((0 + 0 + 0.5 + 0.25) / 4)
    # bits 0 and 1 agree (1); bit 3 with each: cov -1/2 of ±1 values, sd 1 and √¾; bit 2 is constant
    assert health["bit_correlation"] == pytest.approx((1 + 2 * 0.5 / math.sqrt(0.75)) / 3)


@pytest.mark.parametrize("length", [12, 64, 100])
def test_distinct_codes_of_any_length(length):
    bits = torch.rand(50, length, generator=torch.Generator().manual_seed(0)) > 0.5
    bits = torch.cat([bits, bits[:20]])
    health = binary_health(pack_bits(bits), CodeBudget(length))
    assert health["distinct_codes"] == 50


def test_health_of_constant_codes():
    health = binary_health(torch.zeros(5, 1, dtype=torch.uint8), CodeBudget(8))
    assert health == {
        "distinct_codes": 1, "distinct_fraction": 0.2, "bit_balance": 0.5, "bit_correlation": 0,
    }  # fmt: skip


def test_health_of_product_codes():
    indices = torch.tensor([[0, 3], [1, 3], [2, 3], [3, 3]])
    health = product_health(indices, CodeBudget(4, 2, 4))
    assert health["distinct_codes"] == 4
    assert health["codeword_use"] == (1 + 0.25) / 2
    assert health["perplexity"] == pytest.approx((4 + 1) / 2)
    assert health["dead_codewords"] == 3
