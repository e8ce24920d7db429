"""Binary centres of classes: Hadamard rows, random words, or words of a code far from each other.

One centre of q bits a class, as signs. What tells kinds of centres apart is the distance between
the nearest two: random words of 24 bits coincide long before there are 2,787 of them.
"""

import functools
import math

import numpy as np
import torch
from jaxtyping import Float32, UInt64
from torch import Tensor

from hashquant.errors import UsageError, unknown_name

KINDS = ("hadamard", "bernoulli", "code")
#: The generator polynomial of the binary Golay code of 23 bits.
_GOLAY = 0b101011100011
#: Words tried, together with every word of the code so far, for one more dimension.
_TRIES, _BATCH = 1 << 17, 1 << 9


def draw_centers(kind: str, classes: int, bits: int, seed: int = 0) -> Float32[Tensor, "c q"]:
    """Return a centre of ±1 for each class, drawn from `seed` alone.

    `hadamard`: rows of a Hadamard matrix and their negatives, bits / 2 apart, as CSQ (Yuan et al.,
    CVPR 2020) takes them; where there is no such matrix or it has too few rows, words with as many
    +1 as -1 drawn at random, as CSQ does too. `bernoulli`: every bit by a coin, as OrthoHash and
    DPN. `code`: words of a linear code whose least distance is searched to be as large as can be.

    >>> least_distance(draw_centers("hadamard", 48, 24))
    12

    Raises:
        UsageError: for an unknown kind, or bits that cannot tell the classes apart by a code.
    """
    if kind not in KINDS:
        raise unknown_name("kind of centres", kind, KINDS)
    return torch.from_numpy(_drawn(kind, classes, bits, seed)).clone()


def center_distances(centers: Float32[Tensor, "c q"]) -> dict[str, float]:
    """Return the least and the mean Hamming distance of all pairs of centres, in bits.

    Nothing for fewer than two.
    """
    count, bits = centers.shape
    if count < 2:
        return {}
    total = ((count * count * bits) - float(centers.double().sum(0).square().sum())) / 2
    return {
        "center_distance_min": float(least_distance(centers)),
        "center_distance_mean": total / (count * (count - 1)),
    }


def least_distance(centers: Float32[Tensor, "c q"]) -> int:
    """Return the Hamming distance of the nearest two centres."""
    least, bits = centers.shape[1], centers.shape[1]
    for start in range(0, len(centers), 1024):
        block = centers[start : start + 1024]
        distance = (bits - block @ centers.T) / 2
        rows = torch.arange(len(block), device=centers.device)
        distance[rows, start + rows] = bits
        least = min(least, int(distance.min()))
    return least


def hadamard(order: int) -> np.ndarray | None:
    """Return a Hadamard matrix of ±1 by Sylvester's and Paley's constructions, or None.

    >>> h = hadamard(36)
    >>> bool((h @ h.T == 36 * np.eye(36)).all())
    True
    """
    if order in (1, 2):
        return np.array([[1, 1], [1, -1]])[:order, :order]
    if order % 4:
        return None
    if _is_prime(order - 1):
        return _paley(order - 1, symmetric=False)
    half = hadamard(order // 2)
    if half is not None:
        return np.kron(np.array([[1, 1], [1, -1]]), half)
    return _paley(order // 2 - 1, symmetric=True) if _is_prime(order // 2 - 1) else None


def _paley(prime: int, *, symmetric: bool) -> np.ndarray:
    """Return Paley's matrix of order p + 1 (p = 3 mod 4), or 2 (p + 1) (p = 1 mod 4)."""
    residue = np.full(prime, -1)
    residue[np.arange(1, prime) ** 2 % prime] = 1
    residue[0] = 0
    core = np.zeros((prime + 1, prime + 1), dtype=int)
    core[0, 1:], core[1:, 0] = 1, 1 if symmetric else -1
    core[1:, 1:] = residue[np.subtract.outer(np.arange(prime), np.arange(prime)) % prime]
    one = np.eye(prime + 1, dtype=int)
    if not symmetric:
        return core + one
    return np.kron(core, np.array([[1, 1], [1, -1]])) + np.kron(one, np.array([[1, -1], [-1, -1]]))


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % d for d in range(2, math.isqrt(number) + 1))


@functools.cache  # a network is built more than once, and a code takes seconds to find
def _drawn(kind: str, classes: int, bits: int, seed: int) -> Float32[np.ndarray, "c q"]:
    generator = np.random.default_rng([seed, classes, bits])
    if kind == "bernoulli":
        found = generator.choice([-1.0, 1.0], (classes, bits))
    elif kind == "hadamard":
        found = _hadamard_rows(classes, bits, generator)
    else:
        found = _code_words(classes, bits, generator)
    return np.ascontiguousarray(found, dtype=np.float32)


def _hadamard_rows(classes: int, bits: int, generator: np.random.Generator) -> np.ndarray:
    rows = hadamard(bits)
    if rows is not None and classes <= 2 * bits:
        return np.concatenate([rows, -rows])[:classes]
    balanced = np.where(np.arange(bits) < bits // 2, -1.0, 1.0)
    return generator.permuted(np.tile(balanced, (classes, 1)), axis=1)


def _code_words(classes: int, bits: int, generator: np.random.Generator) -> np.ndarray:
    """Return words of a linear code, or the rows of a Hadamard matrix where they lie as far."""
    if classes > 2**bits:
        raise UsageError(f"{classes} classes cannot have a centre each of {bits} bits")
    if classes <= 2 * bits and hadamard(bits) is not None:
        return _hadamard_rows(classes, bits, generator)
    dimension = max(1, math.ceil(math.log2(classes)))
    blocks = math.ceil(bits / 64)
    if blocks > 1:  # each block a code of its own: distances add up
        lengths = [bits // blocks + (i < bits % blocks) for i in range(blocks)]
        parts = [_code_words(classes, length, generator) for length in lengths]
        return np.concatenate(parts, axis=1)
    golay = bits == 24 and dimension <= 12
    words = _golay() if golay else _searched(dimension, bits, generator)
    chosen = generator.permutation(len(words))[:classes]
    return 1.0 - 2.0 * ((words[chosen, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1))


def _golay() -> UInt64[np.ndarray, " n"]:
    """Return the extended Golay code: 4,096 words of 24 bits at distance 8."""
    words = np.zeros(1, dtype=np.uint64)
    for shift in range(12):
        word = _GOLAY << shift
        word |= (word.bit_count() & 1) << 23
        words = np.concatenate([words, words ^ np.uint64(word)])
    return words


def _searched(
    dimension: int, bits: int, generator: np.random.Generator
) -> UInt64[np.ndarray, " n"]:
    """Return a linear code of the largest distance at which a random search finds one.

    A word is added to the basis if it lies far enough from every word so far: the code's least
    distance is then kept, for the distance of two words of a linear code is the weight of a third.
    """
    for distance in range(bits // 2, 0, -1):
        words = np.zeros(1, dtype=np.uint64)
        for _ in range(dimension):
            added = _farther(words, bits, distance, generator)
            if added is None:
                break
            words = np.concatenate([words, words ^ added])
        if len(words) == 2**dimension:
            return words
    raise UsageError(f"no code of {bits} bits holds {2**dimension} words")


def _farther(
    words: UInt64[np.ndarray, " n"], bits: int, distance: int, generator: np.random.Generator
) -> np.uint64 | None:
    """Return a word at `distance` or more from all `words`, or None where none was found."""
    even = np.uint64(distance % 2 == 0)
    limit = np.uint64(2**bits - 1) if bits < 64 else np.uint64(2**64 - 1)
    tried = 0
    while tried < _TRIES:
        drawn = generator.integers(0, 2**64, _BATCH, dtype=np.uint64) & limit
        drawn ^= even * (np.bitwise_count(drawn) & np.uint8(1)).astype(np.uint64)
        weight = np.bitwise_count(drawn[:, None] ^ words).min(axis=1)
        if weight.max() >= distance:
            found: np.uint64 = drawn[weight.argmax()]
            return found
        tried += _BATCH
    return None
