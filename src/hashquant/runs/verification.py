"""Stored numbers found again: scores recomputed from codes, and names from what they stand for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, Shaped

from hashquant.errors import HashQuantError
from hashquant.records.gate import floor_from, judged_again
from hashquant.records.record import Curve, EvalRecord, RecordError, Score, TrainRecord, from_json
from hashquant.records.store import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    PER_QUERY,
    TRAIN,
    Store,
    read_arrays,
)
from hashquant.runs.targets import parse
from hashquant.search.comparisons import MissingCodesError, StoredCodes, evaluate_all
from hashquant.search.distributions import distributions
from hashquant.search.evaluation import Evaluation
from hashquant.settings.suite import RunSpec, comparability_key, run_id

#: How far a recomputed number may lie from the stored one.
TOLERANCE = 1e-9
#: What the stored values of queries are the mean of: metric and cutoff.
MEANS = {"ap": ("mAP", 0), "precision@1": ("precision", 1)}
FALLBACK = "the headline's mAP was recomputed from per-query values"

Array = Shaped[np.ndarray, "..."]
Arrays = Mapping[str, Array]


@dataclass
class Checked:
    """What was found of one examination, step by step.

    `source` is "codes" where its headline was recomputed from codes, "per-query" where the
    headline's mAP was from the stored values of queries, "" where neither could be. `differences`
    and `unreadable` are sentences that begin with a file; `notes` say what was not recomputed.
    """

    folder: Path
    source: str = ""
    differences: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, path: Path, name: str, stored: object, found: object) -> None:
        """Note a difference, of numbers where they are further apart than `TOLERANCE`."""
        if isinstance(stored, int | float) and isinstance(found, int | float):
            same = abs(stored - found) <= TOLERANCE
        else:
            same = stored == found
        if not same:
            what = "nothing of that name" if found is None else repr(found)
            self.differences.append(f"{path}: {name}: stored {stored!r}, found {what}")

    def expect_all(self, path: Path, name: str, stored: Array, found: Array) -> None:
        """Note where two arrays differ most, if they do; NaN equals NaN."""
        if stored.shape != found.shape:
            self.expect(path, f"shape of {name}", stored.shape, found.shape)
            return
        gap = np.abs(stored.astype(np.float64) - found)
        gap = np.where(np.isnan(stored) & np.isnan(found), 0.0, np.nan_to_num(gap, nan=np.inf))
        count = int((gap > TOLERANCE).sum())
        if count:
            at = int(gap.argmax())
            more = f" (and {count - 1} more differ)" if count > 1 else ""
            self.expect(path, f"{name} {at}{more}", stored[at].item(), found[at].item())


def verify_suite(store: Store, suite: str) -> Iterator[Checked]:
    """Check every examination of a suite, in path order."""
    for path in sorted((store.root / suite).rglob(EVAL)):
        try:
            record = from_json(EvalRecord, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, RecordError) as error:
            yield Checked(path.parent, unreadable=[f"{path}: {error}"])
        else:
            yield verify(store, record, path.parent)


def verify(store: Store, record: EvalRecord, folder: Path) -> Checked:
    """Recompute one examination as far as its files allow, and check what it is named by."""
    checked = Checked(folder)
    _check_names(checked, store, record)
    per_query = read_arrays(folder / PER_QUERY)
    if not _per_query_fits(per_query):
        problem = "must hold numbers, a label and an ap of each query"
        checked.unreadable.append(f"{folder / PER_QUERY}: {problem}")
        return checked
    named: tuple[Curve | Score, ...] = (*record.curves, *record.scores)
    headline = next((entry.comparison for entry in named), "")
    if not any(_place(score) == ("mAP", 0, "expected", headline) for score in record.scores):
        checked.differences.append(f"{folder / EVAL}: holds no mAP of its headline comparison")
    codes = _codes(checked, record, per_query["label"])
    found = {e.curve.comparison: e for e in _recomputed(checked, record, codes)}
    for comparison in dict.fromkeys(score.comparison for score in record.scores):
        key = "" if comparison == headline else f"_{comparison}"
        if comparison in found:
            evaluation = found[comparison]
            _check_scores(checked, record, evaluation)
            _check_queries(checked, per_query, evaluation, key)
        else:
            _check_means(checked, record, per_query, comparison, key)
            if found:
                checked.notes.append(f"no tables are stored to recompute {comparison}")
    checked.source = "codes" if headline in found else "per-query"
    if record.floor is not None:
        floor = floor_from(per_query, record.gallery)
        checked.expect(folder / EVAL, "floor", record.floor, floor)
    _check_distributions(checked, record, codes if headline in found else None, per_query)
    return checked


def _check_names(checked: Checked, store: Store, record: EvalRecord) -> None:
    """Check that spec, name and folder of an examination are those of its training."""
    path, own = checked.folder.parent / TRAIN, checked.folder / EVAL
    try:
        train = from_json(TrainRecord, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecordError) as error:
        checked.unreadable.append(f"{path}: {error}")
        return
    checked.expect(path, "status", train.status, "done")
    checked.expect(path, "run_id", train.run_id, run_id(train.spec, train.dataset_version))
    checked.expect(own, "run_id", record.run_id, train.run_id)
    for name in (f.name for f in fields(RunSpec)):
        checked.expect(own, f"spec: {name}", getattr(record.spec, name), getattr(train.spec, name))
    checked.expect(own, "cost", record.cost, train.cost or record.cost)
    key = comparability_key(
        record.spec, train.dataset_version, record.split_digest, _examined(record)
    )
    checked.expect(own, "comparability_key", record.comparability_key, key)
    right = store.cell(record.spec, record.run_id).target_folder(record.target)
    checked.expect(own, "folder", str(checked.folder), str(right))
    _check_gate(checked, store, train, record)


def _check_gate(checked: Checked, store: Store, train: TrainRecord, record: EvalRecord) -> None:
    """Judge anew whether a run trained, where its gate is stored and was told by `record`."""
    if train.gate is None or train.gate.judged_on != record.target:
        return
    found, path = judged_again(store, train), checked.folder.parent / TRAIN
    for name, value in vars(train.gate).items():
        checked.expect(path, f"gate: {name}", value, getattr(found, name, None))


def _examined(record: EvalRecord) -> tuple[str, ...]:
    """Return what decides an examination beside run and split (as `Examination.examined`)."""
    norm_stats = parse(record.target).norm_stats
    options = (record.target_version, record.adapter, norm_stats)
    return options if record.target_version or norm_stats != "source" else ()


def _codes(
    checked: Checked, record: EvalRecord, labels: Int64[np.ndarray, " q"]
) -> StoredCodes | None:
    """Return the stored codes; without them, say why."""
    path = checked.folder / CODES
    if not path.is_file():
        checked.notes.append(f"no codes are stored: {FALLBACK}")
        return None
    arrays = read_arrays(path)
    if not arrays:
        checked.unreadable.append(f"{path}: is no readable file of arrays")
        return None
    try:
        return StoredCodes.from_arrays(arrays, record.cost, torch.from_numpy(labels))
    except MissingCodesError as error:
        checked.notes.append(f"{error}: {FALLBACK}")
    except HashQuantError as error:
        checked.differences.append(f"{path}: {error}")
    return None


def _recomputed(
    checked: Checked, record: EvalRecord, codes: StoredCodes | None
) -> tuple[Evaluation, ...]:
    """Score the stored codes by every comparison they allow."""
    if codes is None:
        return ()
    try:
        found = evaluate_all(codes)
    except HashQuantError as error:
        checked.differences.append(f"{checked.folder / CODES}: {error}")
        return ()
    if not found:
        checked.notes.append(f"no tables are stored with the codes: {FALLBACK}")
    checked.expect(checked.folder / EVAL, "gallery", record.gallery, len(codes.gallery))
    return found


def _check_scores(checked: Checked, record: EvalRecord, found: Evaluation) -> None:
    """Compare what the record holds of one comparison with what its codes give."""
    path = checked.folder / EVAL
    checked.expect(path, "queries", record.queries, found.queries)
    checked.expect(path, "queries_excluded", record.queries_excluded, found.excluded)
    values = {replace(score, value=0.0): score.value for score in found.scores}
    for score in record.scores:
        if score.comparison == found.curve.comparison:
            checked.expect(path, _named(score), score.value, values.get(replace(score, value=0.0)))
    for curve in record.curves:
        if curve.comparison != found.curve.comparison:
            continue
        for part in ("ranks", "precision", "recall"):
            stored, right = (np.asarray(getattr(c, part)) for c in (curve, found.curve))
            checked.expect_all(path, f"curve {curve.comparison}: {part}, point", stored, right)


def _check_queries(checked: Checked, stored: Arrays, found: Evaluation, key: str) -> None:
    """Compare each query's stored values with what its codes give."""
    path = checked.folder / PER_QUERY
    right = found.per_query if not key else {f"ap{key}": found.per_query["ap"]}
    for name in right:
        if name in stored:
            checked.expect_all(path, f"{name} of query", stored[name], right[name])


def _check_distributions(
    checked: Checked, record: EvalRecord, codes: StoredCodes | None, per_query: Arrays
) -> None:
    """Compare stored distributions with those of the codes; without codes, count their pairs."""
    path = checked.folder / DISTRIBUTIONS
    if not path.is_file():
        if codes is not None:
            checked.notes.append("no distributions are stored (--complete writes them)")
        return
    stored = read_arrays(path)
    counts = [stored.get(name) for name in ("same", "different")]
    if any(array is None or array.dtype != np.int64 for array in counts):
        checked.unreadable.append(f"{path}: must hold counts of same and of different pairs")
        return
    pairs, same = record.queries * record.gallery, int(stored["same"].sum())
    checked.expect(path, "pairs", same + int(stored["different"].sum()), pairs)
    if "relevant" in per_query:
        checked.expect(path, "pairs of one class", same, int(per_query["relevant"].sum()))
    for name, right in (distributions(codes) if codes is not None else {}).items():
        if name not in stored:
            checked.expect(path, name, None, "an array")
        elif right.ndim:
            checked.expect_all(path, f"{name}, place", stored[name].ravel(), right.ravel())
        else:
            checked.expect(path, name, stored[name].tolist(), right.tolist())


def _check_means(
    checked: Checked, record: EvalRecord, per_query: Arrays, comparison: str, key: str
) -> None:
    """Compare scores with the means of stored per-query values, where there are no codes."""
    path = checked.folder / EVAL
    if not key:
        ap = per_query["ap"]
        checked.expect(path, "queries", record.queries, len(ap))
        checked.expect(path, "queries_excluded", record.queries_excluded, int(np.isnan(ap).sum()))
    for name, (metric, cutoff) in MEANS.items():
        values = per_query.get(name + key)
        if values is None:
            continue
        kept = values[~np.isnan(values)]
        mean = float(kept.mean(dtype=np.float64)) if len(kept) else None
        for score in record.scores:
            if _place(score) == (metric, cutoff, "expected", comparison):
                checked.expect(path, _named(score), score.value, mean)


def _place(score: Score) -> tuple[str, int, str, str]:
    return score.metric, score.cutoff, score.ties, score.comparison


def _named(score: Score) -> str:
    """Return a score's name with its definition.

    >>> _named(Score("mAP", 0.5, 100, "min(R,relevant)", "expected", "adc"))
    'mAP@100 (adc, ties expected, over min(R,relevant))'
    """
    cutoff = f"@{score.cutoff}" if score.cutoff else ""
    how = f"{score.comparison}, ties {score.ties}, over {score.denominator}"
    return f"{score.metric}{cutoff} ({how})"


def _per_query_fits(arrays: Arrays) -> bool:
    labels, ap = arrays.get("label"), arrays.get("ap")
    return (
        labels is not None
        and ap is not None
        and labels.dtype == np.int64
        and labels.shape == ap.shape == (labels.size,)
        and all(np.issubdtype(array.dtype, np.number) for array in arrays.values())
    )
