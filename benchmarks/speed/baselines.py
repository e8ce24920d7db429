"""The plain side of every ratio: textbook code, one query after the other, a full sort each."""

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from hashquant.types import Labels


def hamming_by_sorting(
    query: Float32[Tensor, "q l"],
    query_labels: Labels,
    gallery: Float32[Tensor, "n l"],
    labels: Labels,
) -> list[float]:
    """Return each query's AP: ±1 dot products, a stable sort, a mask of the relevant."""
    length = query.shape[1]
    found = []
    for code, label in zip(query, query_labels, strict=True):
        distance = 0.5 * (length - gallery @ code)
        order = torch.argsort(distance, stable=True)
        found.append(_average_precision(labels[order] == label))
    return found


def adc_by_sorting(
    tables: Float[Tensor, "q m k"],
    query_labels: Labels,
    indices: Int64[Tensor, "n m"],
    labels: Labels,
) -> list[float]:
    """Return each query's AP: one gather a book, a stable sort of all scores (larger is closer)."""
    found = []
    for table, label in zip(tables, query_labels, strict=True):
        score = torch.zeros(len(indices), dtype=table.dtype)
        for book, column in zip(table, indices.T, strict=True):
            score += book[column]
        order = torch.argsort(score, descending=True, stable=True)
        found.append(_average_precision(labels[order] == label))
    return found


def _average_precision(relevant: Tensor) -> float:
    """Return the mean precision at the ranks of the relevant items."""
    ranks = relevant.nonzero().flatten().double() + 1
    hits = torch.arange(1, len(ranks) + 1, dtype=torch.float64)
    return float((hits / ranks).mean())
