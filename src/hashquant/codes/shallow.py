"""Codes learned in closed form from embeddings: PQ, OPQ, RQ, LSQ by faiss, ITQ by its few lines.

All is learned on one CPU thread, so that a seed gives the same result whatever the machine's
number of cores. Embeddings may be on any device; results are float32 on the CPU.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor
from torch.nn.functional import pad

from hashquant.errors import BudgetError
from hashquant.machine.threads import one_thread
from hashquant.types import Codebooks, Embedding

#: Steps of k-means: of PQ and after OPQ's last rotation, before its first, between two of them.
LAST_STEPS, FIRST_STEPS, STEPS = 25, 10, 4

Array = Float32[np.ndarray, "n d"]


def padded_size(size: int, subspaces: int) -> int:
    """Return the size that sub-vectors of equal length need.

    >>> padded_size(512, 6)
    516
    """
    return math.ceil(size / subspaces) * subspaces


def pad_columns(x: Embedding, subspaces: int) -> Float[Tensor, "n p"]:
    """Return `x` with zero columns at its end, until it splits into equal sub-vectors."""
    return pad(x, (0, padded_size(x.shape[1], subspaces) - x.shape[1]))


def learn_pq(x: Embedding, subspaces: int, codewords: int, seed: int) -> Codebooks:
    """Return k-means codebooks of each contiguous sub-vector of `x`, "m k s".

    A size that M does not divide is padded with zero columns (512 becomes 516 for six books).
    At most 256 images a codeword are clustered, drawn from the seed.

    Raises:
        BudgetError: if there are fewer images than codewords, or K is no power of two.
    """
    _check_codewords(len(x), codewords)
    with one_thread():
        quantizer = _quantizer(padded_size(x.shape[1], subspaces), subspaces, codewords, seed)
        quantizer.train(_array(pad_columns(x, subspaces)))
        return _centroids(quantizer)


def learn_opq(
    x: Embedding, subspaces: int, codewords: int, seed: int, *, rounds: int = 10
) -> tuple[Float32[Tensor, "d p"], Codebooks]:
    """Return a rotation and the codebooks of the rotated vectors, "m k s".

    `x @ rotation` has M sub-vectors of equal length: where M does not divide d, zero columns are
    thought at the end of `x`, and the rotation holds the rows that meet its values (512 becomes
    516 for six books). It starts from principal axes dealt out to the books with balanced
    variance; `rounds` of 4 k-means steps (at first 10) and a Procrustes problem follow, and 25
    steps more of the same codewords.

    Raises:
        BudgetError: if there are fewer images than codewords, or K is no power of two.
    """
    import faiss

    _check_codewords(len(x), codewords)
    with one_thread():
        array = _array(pad_columns(x, subspaces))
        size, mean = array.shape[1], array.mean(axis=0, dtype=np.float64).astype("f4")
        array = array - mean  # as faiss does in its rounds: codewords are then those of one origin
        quantizer = _quantizer(size, subspaces, codewords, seed)
        opq = faiss.OPQMatrix(size, subspaces, size)
        opq.pq = quantizer
        opq.niter, opq.niter_pq, opq.niter_pq_0 = rounds, STEPS, FIRST_STEPS
        start = balanced_axes(torch.from_numpy(array).double(), subspaces).T.float()
        faiss.copy_array_to_vector(_array(start).ravel(), opq.A)
        # faiss writes a d x d product where n x d values have room: rows are repeated until n >= d.
        opq.train(np.tile(array, (-(-size // len(array)), 1)))
        rotation = faiss.vector_to_array(opq.A).reshape(size, size).T
        quantizer.train_type = faiss.ProductQuantizer.Train_hot_start
        quantizer.cp.niter = LAST_STEPS
        quantizer.train(np.ascontiguousarray(array @ rotation))
        origin = torch.from_numpy(mean @ rotation).view(subspaces, 1, -1)  # (m, 1, s)
        turned = torch.from_numpy(rotation[: x.shape[1]].copy())
        return turned, _centroids(quantizer) + origin


def learn_rq(x: Embedding, books: int, codewords: int, seed: int, *, beam: int = 5) -> Codebooks:
    """Return codebooks of full length, each learned on what those before it leave of `x`, "m k e".

    k-means in growing dimensions (of fewer images than values in all of them from the start),
    along a beam of the `beam` best partial sums. The words are not solved for again by least
    squares: of less than a few images a codeword it spoils them.

    Raises:
        BudgetError: if there are fewer images than codewords, or K is no power of two.
    """
    import faiss

    _check_codewords(len(x), codewords)
    with one_thread():
        quantizer = faiss.ResidualQuantizer(x.shape[1], books, (codewords - 1).bit_length())
        quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed, 1
        quantizer.max_beam_size = beam
        quantizer.train_type = faiss.ResidualQuantizer.Train_progressive_dim
        if len(x) < x.shape[1]:  # it begins with principal axes, which fewer images do not have
            quantizer.train_type = faiss.ResidualQuantizer.Train_default
        quantizer.train(_array(x))
        return _words(quantizer)


def learn_lsq(
    x: Embedding, books: int, codewords: int, seed: int, *, rounds: int = 25
) -> Codebooks:
    """Return codebooks of full length whose words are solved for together, "m k e".

    LSQ++: each of `rounds` solves least squares for all words at given codes, disturbs them ever
    less, and looks for better codes by perturbed coordinate descent. faiss's own codes of the same
    words change with the order of rows: codes are another matter (`codes.additive`).

    Raises:
        BudgetError: if there are fewer images than codewords, or K is no power of two.
    """
    import faiss

    _check_codewords(len(x), codewords)
    with one_thread():
        quantizer = faiss.LocalSearchQuantizer(x.shape[1], books, (codewords - 1).bit_length())
        quantizer.random_seed, quantizer.train_iters = seed, rounds
        quantizer.train(_array(x))
        return _words(quantizer)


def learn_itq(
    x: Embedding, bits: int, seed: int, *, rounds: int = 50
) -> tuple[Float32[Tensor, " d"], Float32[Tensor, "d bits"]]:
    """Return the mean of `x`, and its principal axes in the rotation that ITQ finds.

    A code is the sign of `(x - mean) @ projection`, whose columns are orthonormal. Each round
    takes the signs B of the rotated values VR, and the rotation that brings V nearest to B.

    Raises:
        BudgetError: if there are more bits than dimensions, or fewer images than bits.
    """
    if bits > x.shape[1]:
        raise BudgetError(f"bits must be at most the embedding's size ({x.shape[1]}), got {bits}")
    if len(x) < bits:
        raise BudgetError(f"needs at least {bits} training images, one a bit, got {len(x)}")
    draws = torch.Generator().manual_seed(seed)
    start = torch.randn(bits, bits, generator=draws, dtype=torch.float64)
    with one_thread():
        vectors = x.detach().cpu().double()
        mean, axes = vectors.mean(dim=0), principal_axes(vectors)[1][:, :bits]
        projected = (vectors - mean) @ axes  # (n, bits)
        rotation = torch.linalg.qr(start).Q
        # Not by faiss: its ITQMatrix (1.15) takes U·V for U·Vᵀ of the SVD, and does not converge.
        for _ in range(rounds):
            signs = torch.where(projected @ rotation > 0, 1.0, -1.0).double()
            u, _, vt = torch.linalg.svd(projected.T @ signs)
            rotation = u @ vt
        return mean.float(), (axes @ rotation).float()


def principal_axes(
    x: Float64[Tensor, "n d"],
) -> tuple[Float64[Tensor, " d"], Float64[Tensor, "d d"]]:
    """Return variances and orthonormal axes (as columns), the largest variance first.

    >>> principal_axes(torch.tensor([[0.0, 2], [0, -2], [1, 0], [-1, 0]]).double())[0]
    tensor([2.0000, 0.5000], dtype=torch.float64)
    """
    centred = x - x.mean(dim=0)
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(x))
    return variances.flip(0), axes.flip(1)


def balanced_axes(x: Float64[Tensor, "n d"], subspaces: int) -> Float64[Tensor, "d d"]:
    """Return the principal axes in an order that gives each book the same product of variances.

    The eigenvalue allocation of OPQ (Ge et al., 2013): from the largest on, a variance goes to
    the book whose product is the smallest among those with room.
    """
    variances, axes = principal_axes(x)
    floor = max(float(variances[-1]), 1e-12 * float(variances[0]), 1e-300)
    gains = (variances.clamp_min(floor) / floor).log()  # not negative: a product only grows
    room = axes.shape[1] // subspaces
    books: list[list[int]] = [[] for _ in range(subspaces)]
    products = [0.0] * subspaces
    for axis, gain in enumerate(gains.tolist()):
        book = min((m for m in range(subspaces) if len(books[m]) < room), key=products.__getitem__)
        books[book].append(axis)
        products[book] += gain
    return axes[:, [axis for book in books for axis in book]]


def _quantizer(size: int, subspaces: int, codewords: int, seed: int) -> Any:  # Any: faiss's
    import faiss

    quantizer = faiss.ProductQuantizer(size, subspaces, (codewords - 1).bit_length())
    quantizer.cp.seed = seed
    quantizer.cp.niter = LAST_STEPS
    quantizer.cp.min_points_per_centroid = 1  # only whether faiss warns
    return quantizer


def _centroids(quantizer: Any) -> Codebooks:  # Any: faiss's
    import faiss

    shape = quantizer.M, quantizer.ksub, quantizer.dsub
    return torch.from_numpy(faiss.vector_to_array(quantizer.centroids).reshape(shape).copy())


def _words(quantizer: Any) -> Codebooks:  # Any: faiss's
    import faiss

    words = faiss.vector_to_array(quantizer.codebooks)
    return torch.from_numpy(words.reshape(quantizer.M, -1, quantizer.d).copy())


def _array(x: Tensor) -> Array:
    array: Array = x.detach().cpu().float().contiguous().numpy()
    return array


def _check_codewords(images: int, codewords: int) -> None:
    if codewords < 2 or codewords & (codewords - 1):
        raise BudgetError(f"codewords must be a power of two, got {codewords}")
    if images < codewords:
        raise BudgetError(
            f"needs at least {codewords} training images, one a codeword, got {images}"
        )
