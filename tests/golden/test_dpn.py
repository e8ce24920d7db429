"""DPN: the hinge of each bit by its formula, and targets that follow the codes."""

import pytest
import torch
from golden.sixrows import (
    LABELS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

from hashquant.methods.dpn import DPN


def literal_hinges(head, embedding, labels):
    """Return the hinge of each bit of each image, by loops."""
    return [
        [max(head.config.margin - x * t, 0.0) for x, t in zip(row, target, strict=True)]
        for row, target in zip(embedding.tolist(), head.centers[labels].tolist(), strict=True)
    ]


@pytest.mark.parametrize("centers", ["hadamard", "bernoulli", "code"])
@pytest.mark.parametrize(("bit_mean", "margin"), [(False, 1.0), (True, 0.3)])
def test_loss_equals_the_formula(centers, bit_mean, margin):
    head = build(DPN, centers=centers, bit_mean=bit_mean, margin=margin, size_weight=0.1)
    found = head.loss(rows(), batch())
    images = [sum(row) for row in literal_hinges(head, rows(), LABELS)]
    expected = sum(images) / 6 / (8 if bit_mean else 1)
    size = sum(x * x for row in rows().tolist() for x in row) / 48
    assert found["polarization"].item() == pytest.approx(expected, abs=1e-10)
    assert found["size"].item() == pytest.approx(0.1 * size, abs=1e-10)
    assert list(build(DPN).loss(rows(), batch())) == ["polarization"]


def test_gradient_is_the_target_where_a_bit_is_short_of_the_margin():
    head, h = build(DPN), rows(grad=True)
    total(head.loss(h, batch())).backward()
    short = torch.tensor(literal_hinges(head, rows(), LABELS)) > 0
    torch.testing.assert_close(h.grad, -head.centers[LABELS] * short / 6, rtol=0, atol=1e-10)


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5]])
def test_loss_is_finite_of_one_class_and_of_one_image_a_class(labels):
    assert finite_with_gradient(build(DPN, classes=6), rows(), batch(labels))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(DPN, size_weight=0.1))


def test_new_targets_are_the_majority_of_each_class_and_absent_classes_keep_theirs():
    head = build(DPN, update_epochs=2)
    before = head.centers.tolist()
    assert [e for e in range(7) if head.wants_embeddings(e, 7)] == [2, 4, 6]
    head.on_embeddings(torch.cat([rows(), 9 - rows()]), torch.tensor([*LABELS, *[-1] * 6]), 2)
    for c in range(5):
        for k in range(8):
            votes = sum(
                1 if row[k] > 0 else -1
                for row, label in zip(rows().tolist(), LABELS, strict=True)
                if label == c
            )
            expected = before[c][k] if votes == 0 else (1.0 if votes > 0 else -1.0)
            assert head.hash_centers[c, k].item() == expected
    assert head.hash_centers[3].tolist() == before[3]


def test_targets_stay_by_default():
    assert not any(build(DPN).wants_embeddings(epoch, 9) for epoch in range(9))
