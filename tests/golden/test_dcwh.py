"""DCWH: the loss by its formulas, as published and as released, and the refit of class means."""

import math

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

from hashquant.errors import UsageError
from hashquant.methods.dcwh import DCWH
from hashquant.settings.reading import check


def literal_loss(head, embedding, labels, epsilon=0.0):
    """Evaluate the three terms with loops; `epsilon` is the 1e-6 of the authors' code."""
    h, centres, config, n = embedding.tolist(), head.centers.tolist(), head.config, len(labels)

    def gauss(row, centre):
        square = sum((a - b) ** 2 for a, b in zip(row, centre, strict=True))
        return math.exp(-config.inverse_variance / 2 * square)

    center = cube = vertex = 0.0
    for row, label in zip(h, labels, strict=True):
        total = sum(gauss(row, centre) for centre in centres) + epsilon
        center -= math.log(gauss(row, centres[label]) / total + epsilon) / n
        for value in row:
            cube += (max(-1.1 - value, 0) + max(value - 1.1, 0)) / n
            vertex += (math.copysign(1, value) - value) ** 2 / n
    return {"center": center, "cube": config.cube_weight * cube,
            "vertex": config.vertex_weight * vertex}  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"inverse_variance": 0.5, "cube_weight": 10.0}])
def test_loss_equals_the_formulas(settings):
    head = build(DCWH, **settings)
    found = {name: term.item() for name, term in head.loss(rows(), batch()).items()}
    assert found == pytest.approx(literal_loss(head, rows(), LABELS), abs=1e-10)


def test_likelihood_near_its_centres_equals_the_released_one_at_12_bits():
    head = build(DCWH, bits=12)
    h = head.centers[LABELS] + 0.1
    expected = literal_loss(head, h, LABELS, 1e-6)["center"]
    assert head.loss(h, batch())["center"].item() == pytest.approx(expected, abs=1e-4)


def test_gradient_of_the_likelihood_is_where_the_centres_pull():
    head, h = build(DCWH, cube_weight=0.0, vertex_weight=0.0, inverse_variance=0.5), rows(grad=True)
    total(head.loss(h, batch())).backward()
    p = (-0.25 * torch.cdist(rows(), head.centers).square()).softmax(dim=1)
    expected = 0.5 * (p @ head.centers - head.centers[LABELS]) / 6
    torch.testing.assert_close(h.grad, expected, rtol=0, atol=1e-10)


def test_far_from_every_centre_the_released_form_underflows_and_ours_does_not():
    head = build(DCWH)
    far = (head.centers[LABELS] + 60).detach()
    assert literal_loss(head, far, LABELS, 1e-6)["center"] == pytest.approx(-math.log(1e-6))
    assert finite_with_gradient(head, far, batch())


def test_centres_become_means_of_their_classes_and_stay_without_an_image():
    head = build(DCWH)
    before = head.centers.clone()
    head.on_embeddings(rows(), torch.tensor([*LABELS[:5], -1]), 2)
    means = {0: rows()[0], 1: rows()[1], 2: rows()[4], 4: rows()[2:4].mean(dim=0), 3: before[3]}
    for label, mean in means.items():
        torch.testing.assert_close(head.centers[label], mean, atol=1e-6, rtol=0)


def test_centres_are_refitted_every_second_epoch_and_not_before_the_first():
    head = build(DCWH)
    assert [epoch for epoch in range(7) if head.wants_embeddings(epoch, 7)] == [2, 4, 6]


def test_learned_centres_are_trained_instead():
    head = build(DCWH, centers="learned")
    total(head.loss(rows(), batch())).backward()
    assert bool(head.centers.grad[:3].any(dim=1).all())
    assert not any(head.wants_embeddings(epoch, 7) for epoch in range(7))


@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5], [5]])
def test_loss_is_finite_with_one_class_and_with_one_image_a_class(labels):
    head = build(DCWH, classes=6)
    assert finite_with_gradient(head, rows()[: len(labels)], batch(labels))
    assert finite_with_gradient(build(DCWH, classes=1), rows(), batch([0] * 6))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(DCWH))


def test_unknown_settings_are_refused():
    for settings in ({"centers": "mean"}, {"refit_epochs": 0}):
        with pytest.raises(UsageError, match=next(iter(settings))):
            check(DCWH.Config(**settings), "")
