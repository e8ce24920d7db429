"""Angular ADSH: the margin softmax and the spread of class weights by their formulas."""

import itertools
import math

import numpy as np
import pytest
from golden.sixrows import (
    LABELS,
    ROWS,
    batch,
    build,
    finite_with_gradient,
    rows,
    same_with_unlabelled_rows,
    total,
)

from hashquant.methods.adshangular import ADSHAngular


def literal_loss(head, on):
    weight = head.class_weight.detach().numpy()
    weight = [w / np.linalg.norm(w) for w in weight]
    margin = 0.0
    for row, label in zip(ROWS, LABELS, strict=True):
        cosines = [float(np.dot(row, w) / np.linalg.norm(row)) for w in weight]
        if on == "cosine":
            cosines[label] -= 0.2
        else:
            cosines[label] = math.cos(math.acos(cosines[label]) + 0.2)
        logits = [10 * c for c in cosines]
        margin -= (logits[label] - math.log(sum(map(math.exp, logits)))) / 6
    distances = [
        (8 - float(np.tanh(a) @ np.tanh(b))) / 2 for a, b in itertools.permutations(weight, 2)
    ]
    return {"margin": margin, "distance": -np.mean(distances), "evenness": np.var(distances)}


@pytest.mark.parametrize("on", ["cosine", "angle"])
def test_loss_equals_the_formulas(on):
    head = build(ADSHAngular, margin_on=on)
    found, expected = head.loss(rows(), batch()), literal_loss(head, on)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value, abs=1e-10), name


def test_the_spread_does_not_grow_with_the_classes():
    few, many = (build(ADSHAngular, classes=c).loss(rows(), batch()) for c in (10, 1000))
    assert few["distance"].item() == pytest.approx(many["distance"].item(), abs=0.2)
    assert few["evenness"].item() == pytest.approx(many["evenness"].item(), abs=0.05)


@pytest.mark.parametrize("on", ["cosine", "angle"])
@pytest.mark.parametrize("labels", [[2] * 6, [0, 1, 2, 3, 4, 5], [0, -1, -1, -1, -1, -1]])
def test_one_class_and_one_image_a_class_are_finite(on, labels):
    head = build(ADSHAngular, classes=6, margin_on=on)
    assert finite_with_gradient(head, rows(), batch(labels))


def test_one_training_class_has_no_distances():
    head = build(ADSHAngular, classes=1)
    terms = head.loss(rows(), batch([0] * 6))
    assert terms["distance"].item() == terms["evenness"].item() == 0
    total(terms).backward()
    assert bool(head.class_weight.grad.isfinite().all())


def test_the_angle_has_a_slope_at_its_class_weight():
    head = build(ADSHAngular, margin_on="angle")
    at = head.class_weight.detach()[LABELS]
    assert finite_with_gradient(head, at, batch())


def test_unlabelled_rows_are_left_out():
    assert same_with_unlabelled_rows(build(ADSHAngular))
