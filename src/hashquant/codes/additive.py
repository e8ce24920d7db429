"""Additive codes: sums of codewords of full length, and the words that a vector is the sum of."""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize

from hashquant.codes.decoded import vector_scales
from hashquant.errors import HashQuantError
from hashquant.machine.threads import one_thread
from hashquant.types import Codebooks, Embedding, Indices

#: How many times as long as the longest word a vector may be for exact costs.
_LONGER = 8
#: What each word would cost beside a sum's others, of the sums that are settled at a time: bytes.
_PULL_BYTES = 64 << 20


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
    words, left = _on_grid(vectors, books, width)
    return _beams(words, left, width)[:, 0]


def settled_codes(
    vectors: Embedding, books: Codebooks, width: int, sweeps: int
) -> Int64[Tensor, "n m"]:
    """Return the nearest sum that coordinate descent reaches from those of a beam of `width`.

    In a sweep each book in turn takes the word that brings the sum nearest, the others as they
    are, until nothing changes or `sweeps` are done. Of sums equally near that wins which the beam
    had first. Exact and independent of company as `beam_codes` is. Beside the beam it takes
    M·K·e operations a vector, and M²·K of addition for each sum.

    Raises:
        HashQuantError: if words and vectors differ in length, or there is no width.
    """
    words, whole = _on_grid(vectors, books, width)
    found = [vectors.new_zeros(0, len(books), dtype=torch.int64)]
    flat = words.flatten(0, 1)
    alike = (flat @ flat.T).mul_(2)
    step = max(1, _PULL_BYTES // (8 * width * len(flat)))
    for part in torch.split(whole, step):
        starts = _beams(words, part, width)  # (n, beam, m)
        alone = flat.square().sum(1) - 2 * (part @ flat.T)  # cost of each word alone, (n, mk)
        codes = _descended(starts, alone.view(len(part), *words.shape[:2]), alike, sweeps)
        sums = sum_words(codes.flatten(0, 1), words).view(*codes.shape[:2], words.shape[2])
        best = _lowest((sums - part.unsqueeze(1)).square().sum(2), 1)
        found.append(codes.take_along_dim(best.unsqueeze(2), 1)[:, 0])
    return torch.cat(found)


def solve_words(
    vectors: Embedding, codes: Indices, books: Codebooks, ridge: int | float
) -> Codebooks:
    """Return the words whose sums are nearest to vectors at given codes, all books together.

    C = (BᵀB + ridge·I)⁻¹ BᵀX in float64 on one CPU thread, or on the device of X; B marks each
    code's words. Words that no code has are those of `books`. It takes (M·K)³ / 3 operations.
    """
    (m, k, _), x = books.shape, vectors.double()
    chosen = codes.long() + k * torch.arange(m, device=x.device)  # places among all words
    with one_thread():
        pairs = chosen.unsqueeze(2) * (m * k) + chosen.unsqueeze(1)  # (n, m, m)
        counts = torch.bincount(pairs.flatten(), minlength=(m * k) ** 2).view(m * k, m * k)
        sums = x.new_zeros(m * k, x.shape[1])
        for places in chosen.T:
            sums.index_add_(0, places, x)
        eye = torch.eye(m * k, dtype=x.dtype, device=x.device)
        found = torch.cholesky_solve(sums, torch.linalg.cholesky(counts + ridge * eye))
    used = counts.diagonal().unsqueeze(1) > 0
    return torch.where(used, found, books.flatten(0, 1).double()).to(books.dtype).view_as(books)


def _on_grid(
    vectors: Embedding, books: Codebooks, width: int
) -> tuple[Float64[Tensor, "m k e"], Float64[Tensor, "n e"]]:
    """Return words and vectors as whole multiples of one unit."""
    if books.shape[2] != vectors.shape[1] or width < 1:
        raise HashQuantError(
            f"additive words must be as long as the vectors ({vectors.shape[1]}), in a beam of at "
            f"least 1, got {books.shape[2]} and {width}"
        )
    reach = math.ceil(math.log2(_LONGER + len(books) + 1))  # lengths of what is left, plus a word
    unit = float(vector_scales(books.flatten(0, 1)).amax()) * 2.0 ** -(26 - reach)
    return (books.double() / unit).round(), (vectors.double() / unit).round()


def _beams(
    words: Float64[Tensor, "m k e"], vectors: Float64[Tensor, "n e"], width: int
) -> Int64[Tensor, "n w m"]:
    """Return the codes that a beam search keeps to its end, the nearest first."""
    left = vectors.unsqueeze(1)  # not yet explained, (n, beam, e)
    codes = torch.zeros(len(vectors), 1, 0, dtype=torch.int64, device=vectors.device)
    for book in words:
        energy = left.square().sum(2, keepdim=True) + book.square().sum(1)  # (n, beam, k)
        costs = energy.flatten(0, 1).addmm_(left.flatten(0, 1), book.T, alpha=-2)
        best = _lowest(costs.view_as(energy).flatten(1), width)
        parent, chosen = best // len(book), best % len(book)
        left = left.take_along_dim(parent.unsqueeze(2), 1) - book[chosen]
        before = codes.take_along_dim(parent.unsqueeze(2), 1)
        codes = torch.cat([before, chosen.unsqueeze(2)], dim=2)
    return codes


def _descended(
    codes: Int64[Tensor, "n w m"],
    alone: Float64[Tensor, "n m k"],
    alike: Float64[Tensor, "mk mk"],
    sweeps: int,
) -> Int64[Tensor, "n w m"]:
    """Return the codes that no change of one word brings nearer, or those of the last sweep.

    `alone` is |c|² - 2⟨x, c⟩ of each word, `alike` 2⟨c, c'⟩ of each two. What a word would cost
    beside the others is kept for all words of all books, and changed where a code changes.
    """
    beams, (books, words) = codes.shape[1], alone.shape[1:]
    codes = codes.flatten(0, 1).clone()
    own = torch.arange(books, device=codes.device) * words  # where a book's words begin
    pull = alone.flatten(1).repeat_interleave(beams, 0)
    for m in range(books):
        pull += alike[own[m] + codes[:, m]]
    for _ in range(sweeps):
        before = codes.clone()
        for m in range(books):
            mine = slice(int(own[m]), int(own[m]) + words)
            held = codes[:, m]
            costs = pull[:, mine] - alike[mine, mine][held]  # beside the other books' words
            chosen = costs.argmin(1)
            moved = costs.gather(1, chosen[:, None]) < costs.gather(1, held[:, None])
            rows = moved[:, 0].nonzero()[:, 0]
            pull[rows] += alike[own[m] + chosen[rows]] - alike[own[m] + held[rows]]
            codes[rows, m] = chosen[rows]
        if torch.equal(codes, before):
            break
    return codes.view(len(alone), beams, books)


def _lowest(costs: Float64[Tensor, "n c"], width: int) -> Int64[Tensor, "n w"]:
    """Return the places of the lowest costs of each row in their order; `costs` is used up.

    Of equal ones the first place comes first, which neither `topk` nor a plain sort promises.
    """
    found = []
    for _ in range(min(width, costs.shape[1])):
        found.append(costs.argmin(dim=1, keepdim=True))
        costs.scatter_(1, found[-1], torch.inf)
    return torch.cat(found, dim=1)
