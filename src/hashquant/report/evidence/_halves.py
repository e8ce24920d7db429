"""Best against best without looking: chosen on half of the identities, compared on the rest.

The best of several rows is partly the luckiest. Each half of the identities chooses for the other
one (cross-fitting), so that no query is used to choose and to compare.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hashquant.report.evidence.queries import Evidence, Key

#: Fewest identities that can be halved: each half needs two.
FEWEST = 4

#: A mean over some queries (q,), and its bootstrap replicates (b,).
Over = tuple[float, np.ndarray]


def halves(identity: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two halves of the queries as masks (q,), whole identities in each, or None for few.

    Identities go to the half with fewer queries, those with most queries first; among equals a
    fixed random order decides.

    >>> halves(np.array([1, 1, 2, 3, 4, 4])) is None, halves(np.array([1, 2, 3]))
    (False, None)
    """
    people, held = np.unique(identity, return_counts=True)
    if len(people) < FEWEST:
        return None
    shuffled = np.random.default_rng(0).permutation(len(people))
    first: list[int] = []
    sizes = [0, 0]
    for place in sorted(shuffled, key=lambda place: -int(held[place])):
        half = int(sizes[1] < sizes[0])
        sizes[half] += int(held[place])
        first += [] if half else [int(people[place])]
    mask = np.isin(identity, first)
    return mask, ~mask


def crossed(evidence: Evidence) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield (chosen on, compared on, weight) twice; nothing where the identities are too few.

    The weight is the share of the queries that are compared on.
    """
    found = halves(evidence.identity)
    counted = np.isfinite(next(iter(evidence.cells.values())).ap[0]) if evidence.cells else []
    for chooses, compares in ((found[0], found[1]), (found[1], found[0])) if found else ():
        yield chooses, compares, float(np.mean(compares[counted]))


def over_lengths(evidence: Evidence, keys: Sequence[Key], chosen: np.ndarray) -> Over:
    """Return the mean of several cells over some queries, with its replicates."""
    found = [evidence.over(key, chosen) for key in keys]
    return float(np.mean([mean for mean, _ in found])), np.mean([drawn for _, drawn in found], 0)


def named(chosen: Sequence[str]) -> str:
    """Name the rows that the halves chose, each once.

    >>> named(["opqn", "opqn"]), named(["gpq", "opqn"])
    ('opqn', 'gpq or opqn')
    """
    return " or ".join(sorted(set(chosen)))
