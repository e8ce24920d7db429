"""From tied groups to scores: the metrics of one examination, and each query's own."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from hashquant.errors import HashQuantError
from hashquant.machine.threads import workers
from hashquant.metrics.averageprecision import TIES, average_precisions
from hashquant.metrics.ranking import AtRanks, precision_at, rank_grid, recall_at, within_radius
from hashquant.metrics.ties import TieGroups, relevant_in_top, tied_pairs
from hashquant.records.record import Curve, Score

CUTOFFS = (100, 1000)
PRECISION_RANKS = (1, 5, 10, 50, 100)
RECALL_RANKS = (1, 10, 100)
#: Groups of a chunk beyond which nothing is searched while it is measured.
ALONE = 1 << 20


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One comparison's scores, precision-recall curve and per-query values.

    `per_query` holds, for every query in its order, "ap" (NaN where nothing is relevant),
    "relevant" items in the gallery and "precision@1". `queries` counts all queries, `excluded`
    those with nothing relevant in the gallery: they enter no mean.
    """

    scores: tuple[Score, ...]
    curve: Curve
    per_query: dict[str, Shaped[np.ndarray, " q"]]
    queries: int
    excluded: int


def evaluate(groups: Iterable[TieGroups], comparison: str) -> Evaluation:
    """Score the rankings of all queries; `comparison` names how codes were compared.

    Means run in float64 over all queries in their order, whatever the chunks were. A cutoff
    or rank beyond the gallery is left out.

    Raises:
        HashQuantError: if no query has a relevant item in the gallery.
    """
    chunks = iter(groups)
    first = next(chunks, None)
    if first is None:
        raise HashQuantError("an evaluation needs at least one query, got none")
    plan = _plan(first, comparison)
    grid = rank_grid(first.gallery_size)
    chunks = chain(iter([first]), chunks)  # an iterator: a chain keeps what it was given
    del first  # a chunk goes once it is measured
    parts = list(_measured(chunks, grid))
    *columns, found, hit_first, relevant = (list(column) for column in zip(*parts, strict=True))
    total = _joined(relevant)
    kept = total > 0
    if not kept.any():
        raise HashQuantError("no query has a relevant item in the gallery: labels must agree")
    per_query = {score: _joined(values) for score, values in zip(plan, columns, strict=True)}
    scores = tuple(_with_value(score, _mean(values[kept])) for score, values in per_query.items())
    return Evaluation(
        scores=scores,
        curve=_curve(_joined(found)[kept], total[kept], grid, comparison),
        per_query={
            "ap": np.where(kept, per_query[plan[0]], np.nan),
            "relevant": total,
            "precision@1": np.where(kept, _joined(hit_first), np.nan),
        },
        queries=len(total),
        excluded=int((~kept).sum()),
    )


def _measured(chunks: Iterable[TieGroups], grid: tuple[int, ...]) -> Iterator[list[Tensor]]:
    """Yield the columns of each chunk, taken by one thread while the next chunk is searched.

    Of large chunks no two are held at a time.
    """

    def measure(chunk: TieGroups) -> list[Tensor]:
        size = chunk.gallery_size
        asked = _upto(PRECISION_RANKS, size), _upto(RECALL_RANKS, size), grid
        found = relevant_in_top(chunk, tuple(chain(*asked)))
        first, second, curve = torch.split(found, [*map(len, asked)], dim=1)
        precision, recall = precision_at(first, asked[0]), recall_at(second, chunk.total_relevant)
        columns = _columns(chunk, torch.cat([precision, recall], dim=1))
        return [*columns, curve, curve[:, 0], chunk.total_relevant]

    with workers(1) as pool:
        before: list[Future[list[Tensor]]] = []
        for chunk in chunks:
            yield from (future.result() for future in before)
            before = [pool.submit(measure, chunk)]
            if chunk.ahead.numel() > ALONE:
                before[0].exception()  # waits, and leaves what was raised to the result
            del chunk
        yield from (future.result() for future in before)


def _plan(groups: TieGroups, comparison: str) -> list[Score]:
    """Return the scores to be taken, without values, in the order of `_columns`."""

    def named(metric: str, denominator: str, cutoff: int = 0, ties: str = "expected") -> Score:
        return Score(metric, 0.0, cutoff, denominator, ties, comparison)

    size = groups.gallery_size
    plan = [named("mAP", "relevant", ties=ties) for ties in TIES]
    plan += [named("mAP", "min(R,relevant)", k) for k in _upto(CUTOFFS, size)]
    plan += [named("precision", "k", k) for k in _upto(PRECISION_RANKS, size)]
    plan += [named("recall", "relevant", k) for k in _upto(RECALL_RANKS, size)]
    plan += [named("tied-pairs", "relevant*irrelevant")]
    if groups.within_radius is not None:
        plan += [named("precision-radius2", "retrieved"), named("recall-radius2", "relevant")]
        plan += [named("empty-ball-rate", "queries")]
    return plan


def _columns(groups: TieGroups, at_ranks: AtRanks) -> Iterator[Tensor]:
    """Yield each score of the plan for every query of a chunk; those at ranks as they are given."""
    size = groups.gallery_size
    cut = dict.fromkeys(_upto(CUTOFFS, size), ("expected",))
    yield from average_precisions(groups, {0: TIES, **cut})
    yield from at_ranks.unbind(1)
    yield tied_pairs(groups)
    if groups.within_radius is not None:
        precision, recall, empty = within_radius(groups)
        yield from (precision, recall, empty.double())


def _curve(
    found: Shaped[np.ndarray, "q r"],
    total: Shaped[np.ndarray, " q"],
    grid: tuple[int, ...],
    comparison: str,
) -> Curve:
    precision = (found / np.array(grid)).mean(axis=0)
    recall = (found / total[:, None]).mean(axis=0)
    return Curve(comparison, grid, tuple(precision.tolist()), tuple(recall.tolist()))


def _upto(ranks: tuple[int, ...], gallery_size: int) -> tuple[int, ...]:
    return tuple(rank for rank in ranks if rank <= gallery_size)


def _joined(parts: list[Tensor]) -> Shaped[np.ndarray, "..."]:
    array: Shaped[np.ndarray, ...] = torch.cat(parts).cpu().numpy()
    return array


def _mean(values: Shaped[np.ndarray, " q"]) -> float:
    return float(values.mean(dtype=np.float64))


def _with_value(score: Score, value: float) -> Score:
    return Score(score.metric, value, score.cutoff, score.denominator, score.ties, score.comparison)
