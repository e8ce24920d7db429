"""The score of a random order: against all orders of small sets, and many of large ones."""

from itertools import combinations

import numpy as np
import pytest
import torch

from hashquant.errors import HashQuantError
from hashquant.metrics.averageprecision import average_precision
from hashquant.metrics.ties import TieGroups
from hashquant.statistics.chance import expected_random_ap, random_ap_variance


def ap_of(ranks):
    """Average precision of relevant items at these ranks (from 1): its textbook definition."""
    return np.mean([(found + 1) / rank for found, rank in enumerate(sorted(ranks))])


@pytest.mark.parametrize("gallery", range(1, 10))
def test_mean_and_variance_are_those_of_all_orders(gallery):
    for relevant in range(1, gallery + 1):
        all_orders = [ap_of(ranks) for ranks in combinations(range(1, gallery + 1), relevant)]
        asked = np.array([relevant])
        assert expected_random_ap(asked, gallery)[0] == pytest.approx(np.mean(all_orders))
        spread = pytest.approx(np.var(all_orders), abs=1e-12)
        assert random_ap_variance(asked, gallery)[0] == spread


@pytest.mark.parametrize(("relevant", "gallery"), [(1, 500), (20, 2500), (400, 1000)])
def test_mean_and_variance_are_those_of_drawn_orders(relevant, gallery):
    rng = np.random.default_rng(0)
    drawn = [ap_of(1 + rng.choice(gallery, relevant, replace=False)) for _ in range(4000)]
    asked = np.array([relevant])
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - expected_random_ap(asked, gallery)[0]) < 4 * error
    assert np.std(drawn) == pytest.approx(np.sqrt(random_ap_variance(asked, gallery)[0]), rel=0.15)


@pytest.mark.parametrize(("relevant", "gallery"), [(1, 1), (3, 40), (6000, 60_000)])
def test_it_is_the_engines_own_score_of_one_code_for_all(relevant, gallery):
    """Where all items are tied, the expectation over ties is that over all orders."""
    same = TieGroups(
        *(torch.tensor([[value]]) for value in (0, gallery, 0, relevant)),
        torch.tensor([relevant]), gallery,
    )  # fmt: skip
    found = average_precision(same)[0].item()
    assert expected_random_ap(np.array([relevant]), gallery)[0] == pytest.approx(found, rel=1e-12)


def test_a_query_with_nothing_relevant_is_excluded():
    relevant = np.array([0, 3])
    for score in (expected_random_ap, random_ap_variance):
        assert np.isnan(score(relevant, 10)).tolist() == [True, False]
        assert len(score(np.zeros(0, np.int64), 10)) == 0


@pytest.mark.parametrize("relevant", [-1, 11])
def test_what_no_gallery_holds_is_refused(relevant):
    with pytest.raises(HashQuantError, match="relevant must be 0 to 10"):
        expected_random_ap(np.array([relevant]), 10)
