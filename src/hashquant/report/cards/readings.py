"""Published figures that are no mAP: what they are, and what of ours stands beside them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hashquant.records.record import Curve

#: Recall up to which a curve's plateau reaches.
PLATEAU = 0.25


def area(curve: Curve) -> float:
    """Return the area under precision over recall, level from recall 0 to the first rank.

    >>> area(Curve("adc", (1, 2), (1.0, 0.5), (0.5, 1.0)))
    0.875
    """
    recall, precision = _points(curve)
    return float(np.trapezoid(precision, recall))


def plateau(curve: Curve) -> float:
    """Return the median precision where recall is below a quarter.

    >>> plateau(Curve("adc", (1, 2), (1.0, 0.5), (0.5, 1.0)))
    1.0
    """
    recall, precision = _points(curve)
    return float(np.median(np.interp(np.linspace(0, PLATEAU, 101), recall, precision)))


def recall_at_half(curve: Curve) -> float:
    """Return the recall where precision last falls to one half, 0 where it never is as high.

    >>> recall_at_half(Curve("adc", (1, 2), (1.0, 0.25), (0.4, 1.0)))
    0.8
    """
    recall, precision = _points(curve)
    high = np.flatnonzero(precision >= 0.5)
    if not len(high) or high[-1] == len(recall) - 1:
        return float(recall[-1]) if len(high) else 0.0
    last = high[-1]
    fall = (precision[last] - 0.5) / (precision[last] - precision[last + 1])
    return float(recall[last] + fall * (recall[last + 1] - recall[last]))


@dataclass(frozen=True)
class Reading:
    """How a published figure was measured, and how it is read off a curve of ours.

    Without a `read` nothing here is measured like that: our mAP stands beside the figure, and
    `differs` says why the two are not compared.
    """

    text: str
    read: Callable[[Curve], float] | None = None
    differs: str = ""


#: by the name that a published number gives as its metric
READINGS: dict[str, Reading] = {
    "PR-area": Reading("area under the averaged precision-recall curve, no mAP", area),
    "PR-plateau": Reading("median precision of that curve at recall below 0.25", plateau),
    "PR-recall-at-half": Reading(
        "recall at which that curve falls to precision 0.5", recall_at_half
    ),
    # Of SUBIC, whose figures others quote beside mAP (utility.py, technicolor-research/subic).
    "interpolated AP": Reading(
        "mean over queries of the highest precision at or beyond each recall 0, 0.05 … 1; of one "
        "ranking it is above mAP where that is low and a little below where it is high; what was "
        "measured beside it is mAP",
        differs="average precision, not interpolated AP",
    ),
}


def _points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Return recall and precision from recall 0 on."""
    recall = np.concatenate([[0.0], curve.recall])
    return recall, np.concatenate([curve.precision[:1], curve.precision])
