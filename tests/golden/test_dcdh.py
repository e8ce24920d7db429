"""DCDH: the loss by its published formulas, pseudo-inverse and all."""

import math

import numpy as np
import pytest
import torch

from hashquant.data.items import Batch
from hashquant.methods.dcdh import DCDH, class_sign_mean

LABELS = [0, 1, 4, 4, 2, 0, 4]


def build(bits=6, classes=5, **settings):
    torch.manual_seed(0)
    config = DCDH.Config(**settings)
    return DCDH(config, DCDH.budget_for(config, bits), 8, classes)


def batch(labels):
    labels = torch.as_tensor(labels)
    return Batch(torch.empty(len(labels), 0), labels, labels >= 0, torch.arange(len(labels)))


def literal_loss(head, h, labels, epsilon):
    """Evaluate the three terms with loops; `epsilon` is the 1e-6 of the authors' code."""
    centres, rows, config = head.centers.tolist(), h.tolist(), head.config
    n, q, C = len(rows), head.budget.bits, head.num_classes

    def gauss(row, centre):
        square = sum((a - b) ** 2 for a, b in zip(row, centre, strict=True))
        return math.exp(-config.inverse_variance / 2 * square)

    likelihood = 0.0
    for row, label in zip(rows, labels, strict=True):
        total = sum(gauss(row, centre) for centre in centres) + epsilon
        likelihood -= math.log(gauss(row, centres[label]) / total + epsilon) / n

    pairwise = 0.0
    for a in range(C):
        for b in range(C):
            if a != b:
                dot = sum(x * y for x, y in zip(centres[a], centres[b], strict=True))
                cosine = dot / math.hypot(*centres[a]) / math.hypot(*centres[b])
                pairwise += math.log1p(math.exp(q / 2 * cosine)) / (C * (C - 1))

    H, Y = np.array(rows), np.eye(C)[labels]
    W = np.linalg.pinv(Y.T @ Y) @ Y.T @ np.sign(H)
    B = np.sign(Y @ W + config.regression_weight * H)
    regression = float(((H - B) ** 2).sum()) / n
    return {
        "center": likelihood,
        "pairwise": config.center_weight * pairwise,
        "regression": config.regression_weight * regression,
    }


@pytest.mark.parametrize("settings", [{}, {"inverse_variance": 0.5, "regression_weight": 0.3}])
@pytest.mark.parametrize(("epsilon", "tolerance"), [(0.0, 1e-12), (1e-6, 1e-4)])
def test_loss_equals_the_formulas(settings, epsilon, tolerance):
    head = build(**settings).double()
    h = head.centers.detach()[LABELS] + torch.randn(7, 6, dtype=torch.float64) / 4
    found = head.loss(h, batch(LABELS))
    for name, value in literal_loss(head, h, LABELS, epsilon).items():
        assert found[name].item() == pytest.approx(value, rel=tolerance), name


def test_float32_loss_equals_the_authors_form():
    head = build()
    h = head.centers.detach()[LABELS] + torch.randn(7, 6) / 4
    found = head.loss(h, batch(LABELS))
    for name, value in literal_loss(head, h, LABELS, 1e-6).items():
        assert found[name].item() == pytest.approx(value, abs=1e-5), name


def test_zero_filled_diagonal_of_the_authors_differs_by_a_constant():
    head = build().double()
    unit = torch.nn.functional.normalize(head.centers, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(0)
    theirs = torch.nn.functional.softplus(3 * cosine).sum() / 20
    ours = head.loss(torch.randn(7, 6).double(), batch(LABELS))["pairwise"] / 0.1
    assert theirs.item() - ours.item() == pytest.approx(math.log(2) / 4, rel=1e-12)


def test_loss_and_gradient_stay_finite_where_the_authors_form_underflows():
    head = build()
    h = (head.centers.detach()[LABELS] + 60).requires_grad_()
    terms = head.loss(h, batch(LABELS))
    assert literal_loss(head, h.detach(), LABELS, 1e-6)["center"] == pytest.approx(-math.log(1e-6))
    sum(terms.values()).backward()
    assert all(bool(term.isfinite()) for term in terms.values())
    assert bool(h.grad.isfinite().all())
    assert bool(head.centers.grad.isfinite().all())


def test_scatter_mean_equals_the_pseudo_inverse():
    h, labels = torch.randn(40, 6), torch.randint(0, 9, (40,))
    Y = np.eye(12)[labels]  # three classes are absent
    expected = Y @ np.linalg.pinv(Y.T @ Y) @ Y.T @ np.sign(h.numpy())
    np.testing.assert_allclose(class_sign_mean(h, labels, 12).numpy(), expected, atol=1e-6)


def test_binary_targets_carry_no_gradient():
    head = build(regression_weight=1.0).double()
    h = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    head.loss(h, batch(LABELS))["regression"].backward()
    mean = class_sign_mean(h.detach(), torch.tensor(LABELS), 5)
    bits = torch.where(mean + h.detach() > 0, 1.0, -1.0)
    torch.testing.assert_close(h.grad, 2 * (h.detach() - bits) / 7)


def test_embedding_is_linear_then_batch_norm():
    head = build().eval()
    features = torch.randn(3, 8)
    linear, norm = head.hash
    torch.testing.assert_close(head(features), norm(linear(features)))
    assert [type(layer).__name__ for layer in head.hash] == ["Linear", "BatchNorm1d"]


def test_one_training_class_is_finite():
    head = build(classes=1)
    terms = head.loss(torch.randn(3, 6), batch([0, 0, 0]))
    assert all(bool(term.isfinite()) for term in terms.values())


def test_unlabelled_rows_are_left_out():
    head = build()
    h = torch.randn(7, 6)
    whole = head.loss(torch.cat([h, torch.randn(3, 6)]), batch([*LABELS, -1, -1, -1]))
    for name, term in head.loss(h, batch(LABELS)).items():
        torch.testing.assert_close(whole[name], term)


def test_recipe_is_amsgrad():
    recipe = DCDH.recipe()
    assert (recipe.optimizer, recipe.amsgrad, recipe.lr, recipe.weight_decay) == (
        "adam", True, 5e-3, 1e-4,
    )  # fmt: skip
    assert [recipe.rate(e, 600) for e in (99, 100, 599)] == [5e-3, 2.5e-3, 5e-3 / 32]
