"""Rows of vectors that lie in one or several arrays, read when they are asked for."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from hashquant.data.images import CONTENT_BYTES

Stored = Shaped[np.ndarray, "_ d"]  # as a file has them: float16, int8 and so on

#: Values that are turned to float32 at once: 16 MiB of them.
CHUNK_VALUES = 1 << 22


@dataclass(frozen=True, eq=False)
class VectorRows:
    """The vectors of a set, in the place of images: what is asked for comes as float32.

    `parts` are arrays or read-only memory maps of any type of number, one below the other; they
    are never copied whole.
    """

    parts: tuple[Stored, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def width(self) -> int:
        """How many values a vector has."""
        return int(self.parts[0].shape[1])

    def __getitem__(self, rows: Int64[np.ndarray, " b"]) -> Float32[np.ndarray, "b d"]:
        """Return the vectors of these rows, read in the files' order."""
        found = np.empty((len(rows), self.width), dtype=np.float32)
        start = 0
        for part in self.parts:
            here = np.flatnonzero((rows >= start) & (rows < start + len(part)))
            if len(here):
                here = here[np.argsort(rows[here], kind="stable")]
                found[here] = part[rows[here] - start]
            start += len(part)
        return found

    def chunks(self) -> Iterator[Float32[np.ndarray, "b d"]]:
        """Yield all vectors in their order, a few thousand at a time."""
        step = rows_a_chunk(self.width)
        for part in self.parts:
            for start in range(0, len(part), step):
                with np.errstate(over="ignore"):  # to an infinity, which is looked for
                    found = part[start : start + step].astype(np.float32)
                yield found


def rows_a_chunk(width: int) -> int:
    """Return how many vectors are worked on at once.

    >>> rows_a_chunk(512)
    8192
    """
    return max(CHUNK_VALUES // max(width, 1), 1)


def vector_digests(vectors: Float32[np.ndarray, "b d"]) -> tuple[str, ...]:
    """Return one digest per vector: equal values, equal digest, whatever type a file has.

    >>> a, b = vector_digests(np.array([[0.0], [-0.0]], dtype=np.float32))
    >>> a == b, len(a)
    (True, 32)
    """
    plain = np.ascontiguousarray(vectors + np.float32(0))  # -0 becomes 0
    return tuple(hashlib.blake2b(row, digest_size=CONTENT_BYTES).hexdigest() for row in plain)


def vectors_version(files: Sequence[str], content: Sequence[str], classes: Sequence[str]) -> str:
    """Return the digest of names, vectors and labels: what a set of vectors *is*."""
    whole = hashlib.sha256()
    for line in zip(files, content, classes, strict=True):
        whole.update("\t".join(line).encode() + b"\n")
    return whole.hexdigest()[:16]
