"""The plain side of every ratio: textbook code, one query after the other, a full sort each."""

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from hashquant.types import Labels


def hamming_by_comparing(
    query: Int64[Tensor, "q l"],
    query_labels: Labels,
    gallery: Int64[Tensor, "n l"],
    labels: Labels,
) -> list[float]:
    """Return each query's AP as the field's repositories do: compare all bits, add, sort."""
    found = []
    for code, label in zip(query, query_labels, strict=True):
        order = torch.sum(code != gallery, dim=1).sort().indices
        found.append(_average_precision(labels[order] == label))
    return found


def hamming_by_products(
    query: Float32[Tensor, "q l"],
    query_labels: Labels,
    gallery: Float32[Tensor, "n l"],
    labels: Labels,
) -> list[float]:
    """Return each query's AP by a stronger loop: ±1 dot products, a stable sort."""
    length = query.shape[1]
    found = []
    for code, label in zip(query, query_labels, strict=True):
        distance = 0.5 * (length - gallery @ code)
        order = torch.argsort(distance, stable=True)
        found.append(_average_precision(labels[order] == label))
    return found


def tables_by_gathering(
    tables: Float[Tensor, "q m k"],
    query_labels: Labels,
    indices: Int64[Tensor, "n m"],
    labels: Labels,
) -> list[float]:
    """Return each query's AP: one gather a book, a sort of all scores (larger is closer)."""
    found = []
    for table, label in zip(tables, query_labels, strict=True):
        score = torch.zeros(len(indices), dtype=table.dtype)
        for book, column in zip(table, indices.T, strict=True):
            score += book[column]
        order = score.sort(descending=True).indices
        found.append(_average_precision(labels[order] == label))
    return found


def _average_precision(relevant: Tensor) -> float:
    """Return the mean precision at the ranks of the relevant items."""
    precision = relevant.cumsum(0) / torch.arange(1, len(relevant) + 1)
    return float((precision * relevant).sum() / relevant.sum())
