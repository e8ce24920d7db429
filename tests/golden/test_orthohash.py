"""OrthoHash: the margin loss by its formula, with either margin, and the terms it may add."""

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
from hashquant.methods.orthohash import OrthoHash
from hashquant.settings.reading import check


def cosine_of(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def literal_loss(head, embedding, labels, scale=8.0):
    """Evaluate the softmax of cosines with loops over images and classes."""
    margin, on, loss = head.config.margin, head.config.margin_on, 0.0
    for row, label in zip(embedding.tolist(), labels, strict=True):
        logits = []
        for c, centre in enumerate(head.centers.tolist()):
            cosine = cosine_of(row, centre)
            if c == label:
                turned = math.cos(math.acos(cosine) + margin)
                cosine = cosine - margin if on == "cosine" else turned
            logits.append(scale * cosine)
        loss -= logits[label] - math.log(sum(map(math.exp, logits)))
    return loss / len(labels)


@pytest.mark.parametrize("centers", ["hadamard", "bernoulli", "code"])
@pytest.mark.parametrize("on", ["cosine", "angle"])
def test_loss_equals_the_formula(centers, on):
    head = build(OrthoHash, centers=centers, margin_on=on)
    found = head.loss(rows(), batch())
    assert list(found) == ["margin"]
    assert found["margin"].item() == pytest.approx(literal_loss(head, rows(), LABELS), abs=1e-10)


def test_scale_may_follow_the_number_of_classes():
    head = build(OrthoHash, scale=0.0)
    expected = literal_loss(head, rows(), LABELS, scale=math.sqrt(2) * math.log(4))
    assert head.loss(rows(), batch())["margin"].item() == pytest.approx(expected, abs=1e-10)
    assert build(OrthoHash, scale=0.0, classes=1).scale > 0


@pytest.mark.parametrize("kind", ["cosine", "l1", "l2"])
def test_quantization_is_measured_from_the_signs(kind):
    found = build(OrthoHash, quantization=kind, quantization_weight=0.5).loss(rows(), batch())
    signs = [[1.0 if x > 0 else -1.0 for x in row] for row in rows().tolist()]
    pairs = list(zip(rows().tolist(), signs, strict=True))
    flat = [abs(x - s) for a, b in pairs for x, s in zip(a, b, strict=True)]
    expected = {
        "cosine": sum(1 - cosine_of(a, b) for a, b in pairs) / 6,
        "l1": sum(flat) / 48,
        "l2": sum(x * x for x in flat) / 48,
    }
    assert found["quantization"].item() == pytest.approx(0.5 * expected[kind], abs=1e-10)


def test_gradient_is_that_of_finite_differences():
    head, given = build(OrthoHash, margin_on="angle"), batch()
    assert torch.autograd.gradcheck(lambda v: total(head.loss(v, given)), rows(grad=True))


@pytest.mark.parametrize("on", ["cosine", "angle"])
@pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 2, 3, 4, 5]])
def test_loss_is_finite_of_one_class_and_of_one_image_a_class(on, labels):
    assert finite_with_gradient(build(OrthoHash, classes=6, margin_on=on), rows(), batch(labels))


@pytest.mark.parametrize("on", ["cosine", "angle"])
def test_loss_is_finite_on_a_centre_and_at_nought(on):
    head = build(OrthoHash, margin_on=on).float()
    assert finite_with_gradient(head, head.centers[LABELS], batch())
    assert finite_with_gradient(head, torch.zeros(6, 8), batch())
    only = build(OrthoHash, margin_on=on, classes=1)
    assert finite_with_gradient(only, rows(), batch([0] * 6))


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(OrthoHash, quantization="l2"))


def test_unknown_choices_are_refused():
    with pytest.raises(UsageError, match="margin_on must be one of"):
        check(OrthoHash.Config(margin_on="arc"), "")
    with pytest.raises(UsageError, match="kind of centres"):
        build(OrthoHash, centers="codes")


def test_the_head_is_linear_without_bias_then_batch_norm():
    head = build(OrthoHash, trunk_rate=0.1)
    assert list(dict(head.named_parameters())) == ["hash.0.weight", "hash.1.weight", "hash.1.bias"]
    assert head.hash_centers.abs().eq(1).all()
    assert (head.rate_factors, build(OrthoHash).rate_factors) == ({"trunk": 0.1}, {})
