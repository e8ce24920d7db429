"""What no vector may be: not finite, of length 0, or a query that stands in the gallery too."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int64

from hashquant.data.vectors._reading import Part
from hashquant.data.vectors.rows import VectorRows, rows_a_chunk, vector_digests
from hashquant.errors import DataError

Rows = Int64[np.ndarray, " _"]

#: Queries compared at once, and products of values beyond which near queries are not looked for:
#: some twenty seconds of two cores.
_QUERIES, MOST_PRODUCTS = 1024, 10**12


def digests(part: Part) -> list[str]:
    """Return the digest of each vector, once all are seen to be finite and to have a direction.

    Raises:
        DataError: for vectors with a NaN or an infinity, or of length 0, which no cosine is of.
    """
    found: list[str] = []
    broken, empty = _Faults(), _Faults()
    for chunk in VectorRows((part.vectors,)).chunks():
        finite = np.isfinite(chunk).all(axis=1)
        broken.add(np.logical_not(finite))
        empty.add(np.logical_not(chunk.any(axis=1)))
        found += vector_digests(chunk)
    rows = f"of {len(part.vectors):,} rows of {part.name}"
    if broken.count:
        raise DataError(
            f"{broken.count:,} {rows} hold a NaN or an infinity, the first is row {broken.first:,}"
        )
    if empty.count:
        raise DataError(
            f"{empty.count:,} {rows} are all zeros, which have no cosine, the first is row "
            f"{empty.first:,}"
        )
    return found


class _Faults:
    def __init__(self) -> None:
        self.count, self.first, self._seen = 0, -1, 0

    def add(self, bad: Bool[np.ndarray, " b"]) -> None:
        if bad.any():
            self.first = self._seen + int(bad.argmax()) if self.first < 0 else self.first
            self.count += int(bad.sum())
        self._seen += len(bad)


def near_rows(
    vectors: VectorRows, queries: Rows, others: Rows, tolerance: float
) -> tuple[Rows, Rows]:
    """Return the queries that are near one of the others, and which that is.

    Near is a distance of at most `tolerance` times the query's length. Candidates come from
    products in float32, and are measured again in float64.
    """
    step = rows_a_chunk(max(vectors.width, _QUERIES))
    near: list[tuple[int, int]] = []
    for asked in _split(queries, _QUERIES):
        q = vectors[asked]
        length = np.einsum("ij,ij->i", q, q, dtype=np.float64)
        best, place = np.full(len(asked), np.inf), np.zeros(len(asked), dtype=np.int64)
        for seen in _split(others, step):
            x = vectors[seen]
            squares = np.einsum("ij,ij->i", x, x) - 2 * (q @ x.T)  # (q, x), without the query's own
            nearest = squares.argmin(axis=1)
            found = squares[np.arange(len(q)), nearest].astype(np.float64)
            better = found < best
            best[better], place[better] = found[better], seen[nearest[better]]
        gap = ((q.astype(np.float64) - vectors[place]) ** 2).sum(axis=1)
        close = gap <= tolerance**2 * length
        near += zip(asked[close].tolist(), place[close].tolist(), strict=True)
    pairs = np.array(near, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _split(rows: Rows, step: int) -> Iterator[Rows]:
    yield from (rows[start : start + step] for start in range(0, len(rows), step))
