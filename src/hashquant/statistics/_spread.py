"""How much a mean moves from seed to seed, learnt from several cells of one method."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from hashquant.errors import HashQuantError


@dataclass(frozen=True)
class Spread:
    """A variance between training seeds, and the degrees of freedom it is known with."""

    variance: float
    freedom: int


def pooled_spread(cells: Sequence[Float64[np.ndarray, "_ _"]]) -> Spread:
    """Return the mean variance between seeds of some cells, each (s, q) with NaN for no value.

    Right where the cells come from trainings of their own and vary alike: the code lengths of one
    method on one target. A cell of one seed tells nothing.

    >>> pooled_spread([np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])])
    Spread(variance=1.0, freedom=2)

    Raises:
        HashQuantError: if no cell has two seeds.
    """
    several = [np.nanmean(ap, axis=1) for ap in cells if len(ap) > 1]
    freedom = sum(len(means) - 1 for means in several)
    if not freedom:
        raise HashQuantError("a spread needs a cell of two seeds or more, got none")
    squares = sum(float(np.square(means - means.mean()).sum()) for means in several)
    return Spread(squares / freedom, freedom)
