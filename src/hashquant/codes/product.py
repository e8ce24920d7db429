"""Product codes: codeword indices as a bit stream, and scores by look-up table."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn.functional import pad

from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.errors import HashQuantError
from hashquant.types import Indices, PackedCodes, QueryTable


def check_indices(indices: Indices, budget: CodeBudget) -> None:
    """Refuse codeword indices that a budget cannot hold.

    Raises:
        HashQuantError: if there are not M indices an item, or one is outside 0 … K - 1.
    """
    if indices.shape[1] != budget.subspaces:
        raise HashQuantError(
            f"indices must have {budget.subspaces} columns, one a subspace, got {indices.shape[1]}"
        )
    if len(indices) == 0:
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= budget.codewords:
        raise HashQuantError(
            f"indices must be within 0 … {budget.codewords - 1}, got {low if low < 0 else high}"
        )


def pack_indices(indices: Indices, budget: CodeBudget) -> PackedCodes:
    """Pack M indices of log2 K bits each as one bit stream, the highest bit first.

    >>> pack_indices(torch.tensor([[1, 2, 3]]), CodeBudget(12, 3, 16))
    tensor([[18, 48]], dtype=torch.uint8)

    Raises:
        HashQuantError: if an index does not fit the budget.
    """
    check_indices(indices, budget)
    if budget.bits_per_subspace == 8:
        return indices.to(torch.uint8)
    width = budget.bits_per_subspace
    shifts = torch.arange(width - 1, -1, -1, device=indices.device)
    bits = (indices.long().unsqueeze(2) >> shifts) & 1  # (n, m, log2 k)
    return pack_bits(bits.flatten(1).bool())


def unpack_indices(packed: PackedCodes, budget: CodeBudget) -> Int64[Tensor, "n m"]:
    """Return the M codeword indices of each packed code.

    >>> unpack_indices(torch.tensor([[18, 48]], dtype=torch.uint8), CodeBudget(12, 3, 16))
    tensor([[1, 2, 3]])
    """
    width = budget.bits_per_subspace
    if width == 8:
        return packed.long()
    begin = torch.arange(budget.subspaces, device=packed.device) * width  # in bits
    span = (width + 14) // 8  # bytes that an index may touch
    padded = pad(packed, (0, span))
    windows = torch.zeros(len(packed), budget.subspaces, dtype=torch.int64, device=packed.device)
    for i in range(span):
        windows.bitwise_left_shift_(8).bitwise_or_(padded[:, begin // 8 + i])
    return windows.bitwise_right_shift_(8 * span - width - begin % 8).bitwise_and_(2**width - 1)


def table_scores(tables: QueryTable, indices: Indices) -> Float64[Tensor, "q n"]:
    """Return each item's score under each query's table: Σ_m T[m, i_m] (ADC).

    The sum runs in float64 over m = 0 … M - 1 in this order, so that equal codes have equal
    scores to the bit, on every device.

    >>> table_scores(torch.tensor([[[1.0, 2.0], [10.0, 20.0]]]), torch.tensor([[0, 1]]))
    tensor([[21.]], dtype=torch.float64)
    """
    tables = tables.double()
    scores = tables[:, 0].index_select(1, indices[:, 0])
    for m in range(1, tables.shape[1]):
        scores += tables[:, m].index_select(1, indices[:, m])
    return scores
