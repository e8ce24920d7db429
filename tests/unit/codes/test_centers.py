"""Centres of classes: how far apart each kind puts them, and that a code keeps its promise."""

import numpy as np
import pytest
import torch

from hashquant.codes.centers import (
    KINDS,
    center_distances,
    draw_centers,
    hadamard,
    least_distance,
)
from hashquant.errors import UsageError

#: Identities of the VGGFace2 split that OPQN's authors train on.
IDENTITIES = 2787


@pytest.mark.parametrize("order", [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 48, 60, 64, 96, 128])
def test_hadamard_rows_are_orthogonal(order):
    matrix = hadamard(order)
    assert np.array_equal(matrix @ matrix.T, order * np.eye(order))
    assert set(np.unique(matrix)) <= {-1, 1}


@pytest.mark.parametrize("order", [3, 6, 18, 34])
def test_there_is_no_hadamard_matrix_of_an_order_that_four_does_not_divide(order):
    assert hadamard(order) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("classes", "bits"), [(1, 8), (10, 12), (10, 48), (100, 18), (530, 16)])
def test_centres_are_signs_and_come_from_the_seed(kind, classes, bits):
    centers = draw_centers(kind, classes, bits, seed=3)
    assert centers.shape == (classes, bits)
    assert torch.equal(centers.abs(), torch.ones(classes, bits))
    assert torch.equal(centers, draw_centers(kind, classes, bits, seed=3))


def test_a_caller_that_changes_its_centres_changes_nobody_else_s():
    first = draw_centers("code", 10, 16)
    kept = first.clone()
    first.neg_()
    assert torch.equal(draw_centers("code", 10, 16), kept)


def test_at_24_bits_random_centres_of_2787_identities_coincide_and_a_code_s_are_8_apart():
    random = [
        [least_distance(draw_centers(kind, IDENTITIES, 24, seed)) for seed in range(8)]
        for kind in ("hadamard", "bernoulli")
    ]
    assert [min(row) for row in random] == [0, 0]
    assert max(map(max, random)) <= 2
    assert least_distance(draw_centers("code", IDENTITIES, 24)) == 8


@pytest.mark.parametrize(
    ("classes", "bits", "guaranteed"),
    # Gilbert-Varshamov's bound, and what is far above it where a known code was taken
    [(10, 24, 12), (64, 32, 16), (530, 24, 8), (530, 36, 10), (530, 48, 15), (100, 128, 64)],
)
def test_a_code_is_at_least_as_far_apart_as_the_bound_promises(classes, bits, guaranteed):
    assert least_distance(draw_centers("code", classes, bits)) >= guaranteed


def test_distances_are_those_of_all_pairs():
    centers = draw_centers("bernoulli", 30, 20, seed=1)
    pairs = [
        int((a != b).sum()) for i, a in enumerate(centers) for b in centers[i + 1 :]
    ]  # one by one
    found = center_distances(centers)
    assert found["center_distance_min"] == min(pairs)
    assert found["center_distance_mean"] == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
    assert center_distances(centers[:1]) == {}


def test_more_classes_than_words_and_unknown_kinds_are_refused():
    with pytest.raises(UsageError, match="5 classes cannot have a centre each of 2 bits"):
        draw_centers("code", 5, 2)
    with pytest.raises(UsageError, match="did you mean 'hadamard'"):
        draw_centers("hadamrd", 5, 2)
