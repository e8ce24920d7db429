"""The first results of some queries, as stored codes rank them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Shaped

from hashquant.codes.decoded import inner_scores, vector_scales
from hashquant.codes.product import table_scores
from hashquant.codes.real import cosine_scores, unpack_real
from hashquant.machine.seeds import generator
from hashquant.search._gallery import Gallery
from hashquant.search.comparisons import MissingCodesError, StoredCodes

Rows = Int64[np.ndarray, " q"]
Array = Shaped[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The nearest gallery items of some queries, a row a query, by the headline comparison.

    `items` are positions in the split's gallery; `scores` are in the comparison's own units;
    `right` says that an item is of the query's class, `tied` that chance decided its place: an
    item with the same score stands before or after it.
    """

    items: Int64[np.ndarray, "q r"]
    scores: Float64[np.ndarray, "q r"]
    right: Bool[np.ndarray, "q r"]
    tied: Bool[np.ndarray, "q r"]


def shortlist(codes: StoredCodes, queries: Rows, count: int) -> Shortlist:
    """Return the first `count` results of the queries at these places, or the whole gallery's.

    Items of equal score stand in one random order, the same for every query and every method.

    Raises:
        MissingCodesError: if the queries' look-up tables or the decoded items are not stored.
        HashQuantError: if the parts do not fit each other.
    """
    scores, sign = _scores(codes, queries)
    drawn = torch.randperm(len(codes.gallery), generator=generator(0, "ties")).numpy()
    mixed = scores[:, drawn] * sign
    order = np.argsort(mixed, axis=1, kind="stable")
    ranked = np.take_along_axis(mixed, order, axis=1)
    same = ranked[:, 1:] == ranked[:, :-1]
    edge = np.zeros((len(queries), 1), dtype=np.bool_)
    tied = np.concatenate([edge, same], axis=1) | np.concatenate([same, edge], axis=1)
    items = drawn[order[:, :count]]
    wanted = codes.query_labels.numpy()[queries]
    return Shortlist(
        items=items,
        scores=np.take_along_axis(scores, items, axis=1),
        right=codes.gallery_labels.numpy()[items] == wanted[:, None],
        tied=tied[:, :count],
    )


def _scores(codes: StoredCodes, queries: Rows) -> tuple[Float64[np.ndarray, "q n"], int]:
    """Return the scores of all items, and the sign that makes smaller ones nearer."""
    gallery = Gallery(codes.gallery, torch.zeros(len(codes.gallery)).long(), codes.budget)
    if codes.form == "bits":
        items = codes.gallery.numpy()
        rows = [
            np.bitwise_count(items ^ query).sum(axis=1) for query in codes.query.numpy()[queries]
        ]
        return np.stack(rows).astype(np.float64), 1
    if codes.form == "float":
        embeddings = unpack_real(codes.query[queries]), unpack_real(codes.gallery)
        cosines: Float64[np.ndarray, "q n"] = cosine_scores(*embeddings).numpy()
        return cosines, -1
    if codes.form == "decoded":
        if codes.gallery_decoded is None or codes.query_embedding is None:
            raise MissingCodesError("no decoded items are stored with the codes")
        scale = float(vector_scales(codes.gallery_decoded).amax())
        asked = codes.query_embedding[queries]
        return inner_scores(asked, codes.gallery_decoded, scale).numpy(), -1
    if codes.query_table is None:
        raise MissingCodesError("no query_table is stored with the codes")
    tables = codes.query_table[queries]
    found: Float64[np.ndarray, "q n"] = table_scores(tables, gallery.indices().int()).numpy()
    return found, -1 if codes.larger_is_closer else 1


def spread_queries(ap: Float64[np.ndarray, " all"], count: int) -> Rows:
    """Return places of queries at even steps of their average precision, the lowest first.

    They are the middles of `count` equal parts of all queries in order of AP; equal ones stand in
    the split's order, queries with nothing relevant (NaN) are left out.

    >>> spread_queries(np.array([0.9, 0.1, np.nan, 0.5, 0.7]), 2).tolist()
    [3, 0]
    """
    order = np.argsort(ap, kind="stable")[: int(np.isfinite(ap).sum())]
    count = min(count, len(order))
    chosen: Rows = order[((np.arange(count) + 0.5) * len(order) / max(count, 1)).astype(np.int64)]
    return chosen
