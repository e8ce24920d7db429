"""Pairs of a step's images for losses over pairs: of one class, of two classes, never of itself."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from hashquant.data.items import Batch
from hashquant.errors import unknown_name
from hashquant.types import Labels, Scalar

#: How pairs may be weighed: all alike; those of one class by |S| / |S1|; and others by |S| / |S0|.
PAIR_WEIGHTS = ("none", "positives", "both")


@dataclass(frozen=True)
class Pairs:
    """Which rows and columns are of one class (`same`) and which of two (`other`).

    What is in neither is no pair: an image with itself, or one whose label is not known.
    """

    same: Bool[Tensor, "n m"]
    other: Bool[Tensor, "n m"]

    def mean(
        self, values: Float[Tensor, "n m"], weights: str = "none", *, per_weight: bool = False
    ) -> Scalar:
        """Return the mean of finite `values` over all pairs, weighed as PAIR_WEIGHTS say.

        With S1 pairs of one class and S0 of two, S together: the weighted sum over |S|, or over
        the sum of the weights (`per_weight`). With "both" the two classes of pairs count alike.
        Nothing is divided by 0: pairs that do not occur add nothing, no pair at all gives 0.

        >>> pairs = pairs_of(torch.tensor([0, 0, 1]))
        >>> cost = torch.tensor([[9.0, 3.0, 1.0], [3.0, 9.0, 1.0], [1.0, 1.0, 9.0]])
        >>> [round(pairs.mean(cost, how).item(), 3) for how in PAIR_WEIGHTS]
        [1.667, 3.667, 4.0]
        >>> pairs.mean(cost, "both", per_weight=True).item()
        2.0

        Raises:
            UsageError: if the weights are of no such kind.
        """
        if weights not in PAIR_WEIGHTS:
            raise unknown_name("weights of pairs", weights, PAIR_WEIGHTS)
        positives, negatives = (mask.sum().to(values.dtype) for mask in (self.same, self.other))
        pairs = positives + negatives
        one = torch.ones_like(pairs)
        above = one if weights == "none" else pairs / positives.clamp_min(1)
        below = pairs / negatives.clamp_min(1) if weights == "both" else one
        total = above * (values * self.same).sum() + below * (values * self.other).sum()
        share = above * positives + below * negatives if per_weight else pairs
        return total / share.clamp_min(1)


def pairs_of(
    labels: Labels,
    others: Int64[Tensor, " m"] | None = None,
    own: Bool[Tensor, "n m"] | None = None,
) -> Pairs:
    """Return the pairs of images by their labels, with one another or with `others`.

    `own` says which of `others` is the image itself; without `others` that is the diagonal. A
    label below 0 is not known.

    >>> pairs_of(torch.tensor([4, 4, -1, 2])).same.nonzero().tolist()
    [[0, 1], [1, 0]]
    >>> pairs_of(torch.tensor([4, 2]), torch.tensor([2, -1])).other.tolist()
    [[True, False], [False, False]]
    """
    if others is None:
        others, own = labels, torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike = labels[:, None] == others
    allowed = (labels >= 0)[:, None] & (others >= 0)
    if own is not None:
        allowed = allowed & ~own
    return Pairs(alike & allowed, ~alike & allowed)


def batch_pairs(batch: Batch) -> Pairs:
    """Return the pairs of a step's labelled images, its first `batch.known` rows.

    >>> labels = torch.tensor([1, 1, 0, -1])
    >>> batch_pairs(Batch(torch.empty(0), labels, labels >= 0, torch.arange(4))).same.shape
    torch.Size([3, 3])
    """
    return pairs_of(batch.labels[: batch.known])


def positive_rate(labels: Labels) -> float:
    """Return the share of pairs of one class among all pairs of images; 0 where there is none.

    >>> positive_rate(torch.tensor([0, 0, 1, 1]))  # 2 of 6
    0.3333333333333333
    """
    counts, rows = torch.unique(labels, return_counts=True)[1], len(labels)
    return float((counts * (counts - 1)).sum()) / max(rows * (rows - 1), 1)
