"""Time the search of additive codes against product codes of the same bits, interleaved.

Usage: python benchmarks/speed/additive.py [--items 1000000] [--bits 24 64] [--markdown FILE]
"""

import argparse
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import torch  # noqa: E402
from machine import described  # noqa: E402
from sections import IN_SHORT, leave, verdict  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import Tensor  # noqa: E402

from hashquant.codes.additive import sum_tables  # noqa: E402
from hashquant.codes.family import Additive, CodeBudget  # noqa: E402
from hashquant.codes.product import pack_indices  # noqa: E402
from hashquant.machine.environment import utc_now  # noqa: E402
from hashquant.machine.threads import one_thread  # noqa: E402
from hashquant.search.comparisons import StoredCodes  # noqa: E402
from hashquant.search.latency import faiss_search  # noqa: E402

FAMILIES = ("table", "additive")
GOAL = 1.05  #: "no slower": what the clock of one machine tells apart
SIZE, CLASSES, TOP = 512, 1000, 100


@dataclass(frozen=True)
class Row:
    """One code length: seconds of each part by family, both families of each repeat in turn."""

    bits: int
    seconds: dict[str, dict[str, list[float]]]  #: part → family → seconds a query

    def median(self, part: str, family: str) -> float:
        """Return milliseconds a query."""
        return 1000 * statistics.median(self.seconds[part][family])

    @property
    def ratios(self) -> list[float]:
        """Additive over product time of table and search, repeat by repeat, the least first."""
        both = [
            [made + searched for made, searched in zip(
                self.seconds["table"][family], self.seconds["search"][family], strict=True)]
            for family in FAMILIES
        ]  # fmt: skip
        return sorted(additive / product for product, additive in zip(*both, strict=True))


def words_of(family: str, budget: CodeBudget) -> Tensor:
    """Return drawn codebooks: of a product code words of a subspace, else of full length."""
    size = SIZE if family == "additive" else SIZE // budget.subspaces
    draws = torch.Generator().manual_seed(1)
    return torch.randn(budget.subspaces, budget.codewords, size, generator=draws)


def table_of(family: str, books: Tensor, vectors: Tensor) -> Tensor:
    """Return the inner products of queries with words, as the family's default makes them."""
    if family == "additive":
        return sum_tables(vectors, books).float()
    return torch.einsum("qms,mks->qmk", vectors.view(len(vectors), len(books), -1), books)


def parts(
    family: str, budget: CodeBudget, items: int, queries: int
) -> dict[str, Callable[[], object]]:
    """Return what is timed of a family: the exact ranking, faiss's search, and making tables.

    Both families have the same drawn indices, hence the same bytes.
    """
    draws = torch.Generator().manual_seed(0)
    indices = torch.randint(budget.codewords, (items, budget.subspaces), generator=draws)
    vectors = torch.randn(queries, SIZE, generator=draws)
    books, packed = words_of(family, budget), pack_indices(indices, budget)
    codes = StoredCodes(
        family, budget, packed, (torch.arange(items) * CLASSES) // items, packed[:queries],
        torch.arange(queries) % CLASSES, query_table=table_of(family, books, vectors),
        larger_is_closer=True,
    )  # fmt: skip
    nearest = faiss_search(codes, books, vectors)
    if nearest is None:
        raise SystemExit(f"faiss must be able to search {budget}")
    return {
        "search": lambda: deque(next(codes.rankings())[1], maxlen=0),
        "faiss": lambda: nearest(TOP),
        "table": lambda: table_of(family, books, vectors),
    }


def race(bits: int, items: int, queries: int, repeats: int) -> Row:
    """Time both families in turn, after one round that is not counted."""
    budget = Additive().budget(bits)
    calls = {family: parts(family, budget, items, queries) for family in FAMILIES}
    seconds: dict[str, dict[str, list[float]]] = {
        part: {family: [] for family in FAMILIES} for part in calls["table"]
    }
    for repeat in range(repeats + 1):
        for part, found in seconds.items():
            for family in FAMILIES[:: 1 if repeat % 2 else -1]:
                began = time.process_time()
                calls[family][part]()
                if repeat:
                    found[family].append((time.process_time() - began) / queries)
    return Row(bits, seconds)


def section(rows: list[Row], items: int, queries: int) -> str:
    """Return the table, and what it says in short."""
    cells = []
    for row in rows:
        ratios = row.ratios
        middle = statistics.median(ratios)
        times = [f"{row.median(p, f):.2f}" for p in ("search", "faiss", "table") for f in FAMILIES]
        cells.append([row.bits, *times[:2], f"{middle:.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})",
                      verdict(middle <= GOAL), *times[2:]])  # fmt: skip
    heads = ["bits", "product, ms", "additive, ms", "ratio (min - max)", f"goal {GOAL:g}",
             "faiss, product", "faiss, additive", "table, product", "table, additive"]  # fmt: skip
    known = described(1)
    where = ", ".join(f"{name} {known[name]}" for name in ("cpu", "torch", "numba"))
    worst = max(statistics.median(row.ratios) for row in rows)
    repeats = len(rows[0].ratios)
    return "\n".join([
        "## Additive codes beside product codes", "",
        f"`python benchmarks/speed/additive.py`, {utc_now()[:10]}: {where}, one thread. "
        f"{items:,} drawn items, the same indices in both families, {queries} queries of {SIZE} "
        f"values; processor milliseconds a query, medians of {repeats} "
        "interleaved repeats after one to warm up. *product, additive*: the exact ranking of all "
        "items by tables at hand; "
        f"*faiss*: the {TOP} nearest by IndexPQ and by IndexResidualQuantizer's look-up tables; "
        "*table*: making a query's table, of words M times as long where codes are additive. A "
        "ratio is of table and ranking together.",
        "", tabulate(cells, heads, tablefmt="github", disable_numparse=True), "",
        f"{IN_SHORT}ranking {items:,} additive codes takes at most {worst:.2f} times what product "
        f"codes of the same bits take (goal {GOAL:g}, {verdict(worst <= GOAL)}).",
    ])  # fmt: skip


def main() -> None:
    """Time all code lengths, and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=32)
    parser.add_argument("--bits", type=int, nargs="+", default=[24, 48, 64])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    with one_thread():
        rows = [race(b, options.items, options.queries, options.repeats) for b in options.bits]
    leave(section(rows, options.items, options.queries), options.markdown)


if __name__ == "__main__":
    main()
