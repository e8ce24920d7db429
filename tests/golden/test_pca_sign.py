"""PCA-sign is the signs of the main axes in one random rotation, whatever ITQ would make of it."""

import pytest
import torch
from torch.nn.functional import normalize

from hashquant.errors import BudgetError
from hashquant.plugins.registry import load_method

COUNT, WIDTH, BITS = 200, 24, 8


def fitted(features, seed=0, name="pca_sign", bits=BITS, **settings):
    cls = load_method(name)
    config = cls.Config(**settings)
    head = cls(config, cls.budget_for(config, bits), features.shape[1], 3).eval()
    torch.manual_seed(seed)
    head.fit(features, torch.zeros(len(features), dtype=torch.int64))
    return head


@pytest.fixture(scope="module")
def features():
    spread = torch.linspace(3, 0.1, WIDTH)
    return torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(1)) * spread + 0.3


def test_it_spans_the_main_axes_of_unit_vectors_and_turns_them(features):
    head, unit = fitted(features), normalize(features, dim=1).double()
    mean = unit.mean(dim=0)
    main = torch.linalg.svd(unit - mean, full_matrices=False).Vh[:BITS].T  # (d, bits)
    w = head.projection.double()
    assert torch.allclose(head.mean.double(), mean, atol=1e-6)
    assert torch.allclose(w.T @ w, torch.eye(BITS).double(), atol=1e-5)  # orthonormal columns
    assert torch.allclose(w @ w.T, main @ main.T, atol=1e-4)  # the same subspace
    turn = main.T @ w
    assert (turn.abs().max(dim=0).values < 0.99).all()  # in other axes than the main ones
    assert torch.allclose(head(3 * features), ((unit - mean) @ w).float(), atol=1e-5)


def test_the_seed_decides_the_rotation_alone(features):
    first, again, other = (fitted(features, seed) for seed in (0, 0, 1))
    assert torch.equal(first.projection, again.projection)
    assert not torch.allclose(first.projection, other.projection, atol=0.1)
    spans = [h.projection @ h.projection.T for h in (first, other)]
    assert torch.allclose(*spans, atol=1e-4)


def test_it_is_where_itq_starts(features):
    start = fitted(features, name="itq", rounds=0)
    assert torch.equal(fitted(features).projection, start.projection)


def test_more_bits_than_values_are_refused(features):
    with pytest.raises(BudgetError, match="at most the embedding's size"):
        fitted(features, bits=WIDTH + 8)
