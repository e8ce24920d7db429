"""Pairs of a step: which they are, how they are weighed, and that nothing is divided by 0."""

import pytest
import torch

from hashquant.data.items import Batch
from hashquant.errors import UsageError
from hashquant.plugins.pairs import PAIR_WEIGHTS, batch_pairs, pairs_of, positive_rate


def test_unlabelled_rows_and_the_diagonal_are_no_pairs():
    labels = torch.tensor([5, 2, 5, -1, -1])
    pairs = pairs_of(labels)
    assert pairs.same.nonzero().tolist() == [[0, 2], [2, 0]]
    assert pairs.other.nonzero().tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    batch = Batch(torch.empty(0), labels, labels >= 0, torch.arange(5))
    assert torch.equal(batch_pairs(batch).same, pairs.same[:3, :3])
    assert torch.equal(batch_pairs(batch).other, pairs.other[:3, :3])


def test_with_others_only_ones_own_is_left_out():
    own = torch.tensor([[True, False, False], [False, False, True]])
    pairs = pairs_of(torch.tensor([1, 2]), torch.tensor([1, 1, 2]), own)
    assert pairs.same.nonzero().tolist() == [[0, 1]]
    assert pairs.other.nonzero().tolist() == [[0, 2], [1, 0], [1, 1]]


@pytest.mark.parametrize("per_weight", [False, True])
@pytest.mark.parametrize("kind", PAIR_WEIGHTS)
def test_mean_equals_its_definition(kind, per_weight):
    labels = torch.tensor([0, 0, 0, 1, 2])
    values = torch.rand(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    above = 1.0 if kind == "none" else 20 / 6
    below = 20 / 14 if kind == "both" else 1.0
    total = share = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                weight = above if labels[i] == labels[j] else below
                total += weight * values[i, j].item()
                share += weight if per_weight else 1
    found = pairs_of(labels).mean(values, kind, per_weight=per_weight)
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(total / share, rel=1e-12)


@pytest.mark.parametrize("kind", PAIR_WEIGHTS)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0], [-1, -1], []])
def test_what_does_not_occur_adds_nothing(kind, labels):
    labels = torch.tensor(labels, dtype=torch.int64)
    values = torch.ones(len(labels), len(labels), requires_grad=True)
    for per_weight in (False, True):
        found = pairs_of(labels).mean(values, kind, per_weight=per_weight)
        assert found.item() == (1 if len(labels) == 3 else 0)
        found.backward()
    assert bool(values.grad.isfinite().all())


def test_unknown_weights_are_refused():
    with pytest.raises(UsageError, match="weights of pairs"):
        pairs_of(torch.tensor([0, 1])).mean(torch.ones(2, 2), "bth")


def test_positive_rate_counts_pairs():
    assert positive_rate(torch.tensor([3, 3, 3, 7])) == 0.5
    assert positive_rate(torch.tensor([3])) == 0
