"""CE hashing: the loss as a sum over images and classes."""

import pytest
import torch
from golden.classified import cross_entropy
from golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

from hashquant.methods.cehash import CEHash


def test_loss_equals_the_formula():
    head, u = build(CEHash), rows(grad=True)
    found = head.loss(u, batch())
    total(found).backward()
    loss, slope = cross_entropy(head.classify, rows().tolist(), LABELS)
    assert {name: term.item() for name, term in found.items()} == pytest.approx(
        {"class": loss}, abs=1e-10
    )
    torch.testing.assert_close(u.grad, torch.tensor(slope, dtype=u.dtype), rtol=0, atol=1e-10)


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(CEHash, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(CEHash))


def test_standardised_bits_are_cut_at_the_batch_mean():
    plain, head = build(CEHash).float(), build(CEHash, std=True).float()
    features = rows().float() + 3
    u = plain(features)
    mean, variance = u.mean(dim=0), u.var(dim=0, unbiased=False)
    torch.testing.assert_close(head(features), (u - mean) / (variance + 1e-5).sqrt())
    assert len(list(head.parameters())) == len(list(plain.parameters()))
