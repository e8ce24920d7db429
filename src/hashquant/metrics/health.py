"""Health of stored codes: how many differ, how balanced their bits, how used their codewords."""

import numpy as np
import torch

from hashquant.codes.binary import code_words, signs
from hashquant.codes.family import CodeBudget
from hashquant.codes.product import pack_indices
from hashquant.errors import HashQuantError
from hashquant.types import Indices, PackedCodes

#: Codes unpacked at a time.
_BLOCK = 1 << 16


def binary_health(packed: PackedCodes, budget: CodeBudget) -> dict[str, float]:
    """Return named plain numbers about binary codes.

    `distinct_codes` and their fraction of the items; `bit_balance`, mean |p - ½| of the share p
    of ones (0 is balanced, ½ constant); `bit_correlation`, mean |ρ| over pairs of bits that
    both vary (0 where there is no such pair).

    Raises:
        HashQuantError: if there are no codes.
    """
    length = budget.bits
    total = torch.zeros(length, dtype=torch.float64)
    product = torch.zeros(length, length, dtype=torch.float64)
    for start in range(0, len(packed), _BLOCK):
        block = signs(packed[start : start + _BLOCK].cpu(), length)
        total += block.sum(dim=0)  # whole numbers below 2^24: exact in float32
        product += block.T @ block
    health = _distinct(packed)
    mean = total / len(packed)
    covariance = product / len(packed) - mean.outer(mean)
    spread = covariance.diagonal().clamp(min=0).sqrt()
    pairs = spread.outer(spread).triu(diagonal=1)
    varying = pairs > 0
    correlation = (covariance[varying] / pairs[varying]).abs()
    health["bit_balance"] = float(mean.abs().mean() / 2)
    health["bit_correlation"] = float(correlation.mean()) if len(correlation) else 0.0
    return health


def product_health(indices: Indices, budget: CodeBudget) -> dict[str, float]:
    """Return named plain numbers about product codes.

    `distinct_codes` and their fraction of the items; `codeword_use`, share of codewords that
    some item uses, and `perplexity` exp(-Σ p ln p) of their use, both as means over codebooks;
    `dead_codewords`, unused ones in all codebooks together.

    Raises:
        HashQuantError: if there are no codes, or an index does not fit the budget.
    """
    health = _distinct(pack_indices(indices, budget))
    counts = torch.stack(
        [torch.bincount(book, minlength=budget.codewords) for book in indices.cpu().unbind(1)]
    )
    share = counts.double() / len(indices)  # (m, k)
    entropy = -torch.xlogy(share, share).sum(dim=1)
    health["codeword_use"] = float((counts > 0).double().mean())
    health["perplexity"] = float(entropy.exp().mean())
    health["dead_codewords"] = float((counts == 0).sum())
    return health


def _distinct(packed: PackedCodes) -> dict[str, float]:
    if len(packed) == 0:
        raise HashQuantError("codes must hold at least one item, got none")
    words = code_words(packed.cpu().numpy())
    if len(words) == 1:
        ordered = np.sort(words[0])
        distinct = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    else:
        ordered = words[:, np.lexsort(words)]
        distinct = 1 + int(np.count_nonzero((ordered[:, 1:] != ordered[:, :-1]).any(axis=0)))
    return {"distinct_codes": float(distinct), "distinct_fraction": distinct / len(packed)}
