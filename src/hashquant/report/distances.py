"""Stored counts as frames: distances within and between classes, codeword use, balance of bits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hashquant.records.store import SuiteRecords
from hashquant.report.blocks import Block

DISTANCES = ["label", "bits", "seed", "comparison", "larger_is_closer", "low", "high", "same",
             "different", "same_share", "different_share", "same_median", "different_median",
             "overlap"]  # fmt: skip
CODEWORDS = ["label", "bits", "seed", "book", "rank", "items", "even_shares", "perplexity", "dead"]
ONES = ["label", "bits", "seed", "bit", "ones", "share", "balance"]
#: What a file of distributions must hold: name → kind and number of axes.
KINDS = {"same": ("i", 1), "different": ("i", 1), "edges": ("f", 1), "comparison": ("U", 0),
         "larger_is_closer": ("b", 0)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class CellCounts:
    """What is stored of one cell: the arrays of its lowest seed that has them."""

    label: str
    bits: int
    seed: int
    gallery: int
    arrays: Mapping[str, np.ndarray]

    @property
    def _named(self) -> dict[str, str | int]:
        return {"label": self.label, "bits": self.bits, "seed": self.seed}


def counted_blocks(
    records: SuiteRecords, blocks: Sequence[Block]
) -> Iterator[tuple[Block, int, list[CellCounts], list[str]]]:
    """Yield each block and code length with its `cell_counts`, where there are any."""
    for block in blocks:
        for bits in block.bits:
            cells, missing = cell_counts(records, block, bits)
            if cells:
                yield block, bits, cells, missing


def cell_counts(
    records: SuiteRecords, block: Block, bits: int
) -> tuple[list[CellCounts], list[str]]:
    """Return a block's cells of one code length in reading order, and the rows without counts."""
    found: dict[str, CellCounts] = {}
    missing: dict[str, None] = {}
    mine = [record for record in block.evals if record.spec.bits == bits]
    for record in sorted(mine, key=lambda r: r.spec.seed):
        label, arrays = record.spec.label, records.distributions(record)
        if label not in found and _whole(arrays):
            found[label] = CellCounts(label, bits, record.spec.seed, record.gallery, arrays)
        missing[label] = None

    cells = [found[label] for label in sorted(found, key=block.order)]
    return cells, sorted(set(missing) - set(found), key=block.order)


def _whole(arrays: Mapping[str, np.ndarray]) -> bool:
    if not all(
        name in arrays and (arrays[name].dtype.kind, arrays[name].ndim) == kind
        for name, kind in KINDS.items()
    ):
        return False
    bins = len(arrays["same"])
    fits = len(arrays["different"]) == bins == len(arrays["edges"]) - 1
    return fits and bool(arrays["same"].any() and arrays["different"].any())


def distances_frame(cells: Sequence[CellCounts]) -> pd.DataFrame:
    """Return a line per cell and bin of distance, in the order of `edges`.

    Shares are of all pairs of one kind; `overlap` is the share that both distributions have in
    common (0 apart, 1 the same).
    """
    parts = [_distances(cell) for cell in cells]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=DISTANCES)


def _distances(cell: CellCounts) -> pd.DataFrame:
    edges, same, different = (cell.arrays[name] for name in ("edges", "same", "different"))
    shares = same / same.sum(), different / different.sum()
    whole = str(cell.arrays["comparison"]) == "hamming"
    medians = [median(edges, share, whole=whole) for share in shares]
    columns = cell._named | {
        "comparison": str(cell.arrays["comparison"]),
        "larger_is_closer": bool(cell.arrays["larger_is_closer"]),
        "low": edges[:-1], "high": edges[1:], "same": same, "different": different,
        "same_share": shares[0].round(8), "different_share": shares[1].round(8),
        "same_median": medians[0], "different_median": medians[1],
        "overlap": np.minimum(*shares).sum(),
    }  # fmt: skip
    return pd.DataFrame(columns, columns=DISTANCES)


def median(edges: np.ndarray, share: np.ndarray, *, whole: bool) -> float:
    """Return the median of counted values: of whole numbers exactly, else as spread over a bin.

    >>> edges = np.array([-0.5, 0.5, 1.5, 2.5])
    >>> median(edges, np.array([0.2, 0.6, 0.2]), whole=True)
    1.0
    >>> median(edges, np.array([0.25, 0.75, 0.0]), whole=False)
    0.833...
    """
    before = np.concatenate([[0.0], np.cumsum(share)])
    place = int(np.searchsorted(before[1:], 0.5))
    low, high = float(edges[place]), float(edges[place + 1])
    if whole:
        return (low + high) / 2
    return low + (high - low) * float((0.5 - before[place]) / share[place])


def codewords_frame(cells: Sequence[CellCounts]) -> pd.DataFrame:
    """Return a line per codeword of the cells that have some, the most used of a book first.

    `even_shares` is the use in units of an even share, items / K; `perplexity` (mean over books,
    at most K) and `dead` (unused codewords of all books) are those of the whole cell.
    """
    parts = [_codewords(c) for c in cells if c.arrays.get("codeword_use", np.empty(0)).ndim == 2]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=CODEWORDS)


def _codewords(cell: CellCounts) -> pd.DataFrame:
    use = -np.sort(-cell.arrays["codeword_use"], axis=1)  # (m, k)
    books, words = use.shape
    share = use / use.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    columns = cell._named | {
        "book": np.repeat(np.arange(books), words), "rank": np.tile(np.arange(words), books),
        "items": use.ravel(), "even_shares": (share * words).ravel().round(4),
        "perplexity": np.exp(entropy).mean().round(4), "dead": int((use == 0).sum()),
    }  # fmt: skip
    return pd.DataFrame(columns, columns=CODEWORDS)


def ones_frame(cells: Sequence[CellCounts]) -> pd.DataFrame:
    """Return a line per bit of the cells with binary codes: the share of items where it is 1.

    `balance` is the mean over bits of |share - ½|: 0 is balanced, ½ constant.
    """
    parts = [_ones(cell) for cell in cells if cell.arrays.get("ones", np.empty((0, 0))).ndim == 1]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=ONES)


def _ones(cell: CellCounts) -> pd.DataFrame:
    ones = cell.arrays["ones"]
    share = ones / cell.gallery
    columns = cell._named | {
        "bit": np.arange(len(ones)), "ones": ones, "share": share.round(8),
        "balance": np.abs(share - 0.5).mean().round(8),
    }  # fmt: skip
    return pd.DataFrame(columns, columns=ONES)
