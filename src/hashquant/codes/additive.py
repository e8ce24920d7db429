"""Additive codes: sums of codewords of full length, and the words that a vector is the sum of."""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize

from hashquant.codes.decoded import vector_scales
from hashquant.errors import HashQuantError
from hashquant.types import Codebooks, Embedding, Indices

#: How many times as long as the longest word a vector may be for exact costs.
_LONGER = 8


def sum_words(indices: Indices, books: Codebooks) -> Embedding:
    """Return Σ_m c_m[b_m] of each code, in the books' precision, in the order m = 0 … M - 1.

    >>> sum_words(torch.tensor([[0, 1]]), torch.tensor([[[1.0, 2], [3, 4]], [[0, 0], [5, 7]]]))
    tensor([[6., 9.]])
    """
    total = books[0].index_select(0, indices[:, 0].long())
    for m in range(1, len(books)):
        total = total + books[m].index_select(0, indices[:, m].long())
    return total


def sum_tables(vectors: Embedding, books: Codebooks) -> Float64[Tensor, "q m k"]:
    """Return ⟨x, c_mk⟩ of each vector and codeword, in float64: table scores are ⟨x, x̂⟩.

    Of vectors that are themselves decoded codes it is their symmetric table. No table of codeword
    against codeword can serve there: each word of a query meets those of every book.
    """
    found = vectors.double() @ books.double().flatten(0, 1).T
    return found.view(len(vectors), *books.shape[:2])


def level_sums(
    vectors: Embedding, books: Codebooks, codes: Indices, scale: float
) -> tuple[Float[Tensor, "n m e"], Float[Tensor, "n m e"]]:
    """Return the soft and the hard sum of words after every level, of a code made level by level.

    The hard one is Σ_{m' ≤ m} c_m'[b_m'], what the first m words of the code stand for. In the
    soft one each level adds Σ_k p_k c_mk, p = softmax(`scale` · cos(r, c_mk)), r what the hard sum
    before it leaves of the vector (progressive quantization, Gao et al., IJCAI 2019).
    """
    chosen = books[torch.arange(len(books), device=books.device), codes]  # (n, m, e)
    hard = chosen.cumsum(dim=1)
    left = normalize(vectors[:, None] - hard + chosen, dim=2)
    lengths = books.norm(dim=2).clamp_min(torch.finfo(books.dtype).tiny)
    p = (scale * torch.einsum("nme,mke->nmk", left, books) / lengths).softmax(dim=2)
    return torch.einsum("nmk,mke->nme", p, books).cumsum(dim=1), hard


def beam_codes(vectors: Embedding, books: Codebooks, width: int) -> Int64[Tensor, "n m"]:
    """Return the code that a beam search finds nearest to each vector, book after book.

    Of each book the `width` best partial sums are kept (1: greedy); of equal ones that which
    continues the better one goes first, then that of the lower index. Words and vectors are
    rounded to whole multiples of about 2^-21 of the longest word, so that costs are whole numbers
    below 2^53: as long as no vector is 8 times as long as that word, a code is the same bits on
    any device, whatever is encoded beside it. It takes 2·M·width·K·e operations a vector.

    Raises:
        HashQuantError: if words and vectors differ in length, or there is no width.
    """
    if books.shape[2] != vectors.shape[1] or width < 1:
        raise HashQuantError(
            f"additive words must be as long as the vectors ({vectors.shape[1]}), in a beam of at "
            f"least 1, got {books.shape[2]} and {width}"
        )
    reach = math.ceil(math.log2(_LONGER + len(books) + 1))  # lengths of what is left, plus a word
    unit = float(vector_scales(books.flatten(0, 1)).amax()) * 2.0 ** -(26 - reach)
    left = (vectors.double() / unit).round().unsqueeze(1)  # not yet explained, (n, beam, e)
    codes = torch.zeros(len(vectors), 1, 0, dtype=torch.int64, device=vectors.device)
    for book in (books.double() / unit).round():
        energy = left.square().sum(2, keepdim=True) + book.square().sum(1)  # (n, beam, k)
        costs = energy.view(-1, len(book)).addmm_(left.flatten(0, 1), book.T, alpha=-2)
        best = _lowest(costs.view(len(vectors), -1), width)
        parent, chosen = best // len(book), best % len(book)
        left = left.take_along_dim(parent.unsqueeze(2), 1) - book[chosen]
        before = codes.take_along_dim(parent.unsqueeze(2), 1)
        codes = torch.cat([before, chosen.unsqueeze(2)], dim=2)
    return codes[:, 0]


def _lowest(costs: Float64[Tensor, "n c"], width: int) -> Int64[Tensor, "n w"]:
    """Return the places of the lowest costs of each row in their order; `costs` is used up.

    Of equal ones the first place comes first, which neither `topk` nor a plain sort promises.
    """
    found = []
    for _ in range(min(width, costs.shape[1])):
        found.append(costs.argmin(dim=1, keepdim=True))
        costs.scatter_(1, found[-1], torch.inf)
    return torch.cat(found, dim=1)
