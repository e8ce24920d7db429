"""H2Q: reflections multiplied out, distances kept, and less lost to signs."""

import math

import numpy as np
import pytest
import torch

from hashquant.errors import BudgetError, UsageError
from hashquant.methods.h2q import H2Q, rotation
from hashquant.settings.reading import check


def fitted(features, bits=6, **settings):
    torch.manual_seed(0)
    config = H2Q.Config(**settings)
    head = H2Q(config, H2Q.budget_for(config, bits), features.shape[1], 4)
    with torch.no_grad():
        head.fit(features, torch.zeros(len(features), dtype=torch.int64))
    return head.eval()


def cube_corners(size):
    """Return noisy corners of a cube that was turned: some rotation brings them to ±1."""
    torch.manual_seed(1)
    turn = torch.linalg.qr(torch.randn(size, size)).Q
    return (torch.randn(400, size).sign() + 0.1 * torch.randn(400, size)) @ turn


def test_rotation_is_the_product_of_reflections():
    torch.manual_seed(0)
    vectors = torch.randn(5, 5, dtype=torch.float64)
    expected = np.eye(5)
    for v in vectors.T.numpy():
        expected = expected @ (np.eye(5) - 2 * np.outer(v, v) / (v @ v))
    np.testing.assert_allclose(rotation(vectors).numpy(), expected, atol=1e-12)


def test_an_embedding_of_as_many_values_as_bits_is_only_turned():
    x = cube_corners(6)
    head = fitted(x, epochs=20)
    turned = head(x)
    torch.testing.assert_close(turned @ turned.T, x @ x.T, rtol=1e-4, atol=1e-4)
    assert not head.mean.any()


@pytest.mark.parametrize("error", ["variance", "l2", "l1", "least"])
def test_less_is_lost_than_before(error):
    x = cube_corners(6)
    found, start = (fitted(x, error=error, epochs=epochs) for epochs in (300, 0))
    assert found.error(found(x)) < start.error(start(x))
    assert (found(x).abs() - 1).square().mean() < (start(x).abs() - 1).square().mean()


def test_errors_equal_their_formulas():
    z = torch.tensor([[0.3, -1.2], [-0.4, 2.0]], dtype=torch.float64)
    values = [0.3, -1.2, -0.4, 2.0]
    sigma = [1 / (1 + math.exp(-v)) for v in values]
    expected = {
        "variance": sum(s * (1 - s) for s in sigma) / 4,
        "l2": sum((v - math.copysign(1, v)) ** 2 for v in values) / 4,
        "l1": sum(abs(v - math.copysign(1, v)) for v in values) / 4,
        "least": -(0.3 + 0.4) / 2,
    }
    for name, value in expected.items():
        found = fitted(torch.randn(9, 6), error=name, epochs=0).error(z)
        assert found.item() == pytest.approx(value, abs=1e-12), name


def test_longer_embeddings_are_cut_to_their_first_axes():
    x = torch.nn.functional.normalize(cube_corners(6) @ torch.randn(6, 20), dim=1)
    head = fitted(x, epochs=0)
    centred = x - x.mean(dim=0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:6]
    expected = centred @ axes.T @ axes @ centred.T
    torch.testing.assert_close(head(x) @ head(x).T, expected, rtol=1e-3, atol=1e-3)


def test_batches_may_be_small():
    x = cube_corners(6)
    found, start = fitted(x, batch=128, epochs=100), fitted(x, epochs=0)
    assert found.error(found(x)) < start.error(start(x))


def test_equal_rows_are_finite():
    assert bool(fitted(torch.ones(5, 12), epochs=3)(torch.ones(2, 12)).isfinite().all())
    assert bool(fitted(torch.zeros(5, 6), epochs=3)(torch.ones(2, 6)).isfinite().all())


def test_wrong_settings_are_refused():
    with pytest.raises(BudgetError, match="at most the embedding's size"):
        fitted(torch.randn(9, 6), bits=8)
    with pytest.raises(UsageError, match="error"):
        check(H2Q.Config(error="none"), "")
