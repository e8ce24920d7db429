"""One examination found again: scores recomputed from codes, names from what they stand for."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from hashquant.errors import HashQuantError
from hashquant.records.arrays import DamagedError, read_arrays
from hashquant.records.gate import floor_from, judged_again
from hashquant.records.record import (
    SEALED_FROM,
    Curve,
    EvalRecord,
    RecordError,
    Score,
    TrainRecord,
    read_record,
)
from hashquant.records.store import Store
from hashquant.records.vouching import (
    CODES,
    DISTRIBUTIONS,
    EVAL,
    PER_QUERY,
    TRAIN,
    per_query_fault,
)
from hashquant.runs.targets import parse
from hashquant.runs.verification._checked import UNSEALED, Arrays, Checked
from hashquant.runs.verification._prefix import check_prefix
from hashquant.search.comparisons import MissingCodesError, StoredCodes, evaluate_all
from hashquant.search.distributions import distributions
from hashquant.search.evaluation import Evaluation
from hashquant.settings.suite import RunSpec, comparability_key, run_id

#: What the stored values of queries are the mean of: metric and cutoff.
MEANS = {"ap": ("mAP", 0), "precision@1": ("precision", 1)}
FALLBACK = "the headline's mAP was recomputed from per-query values"


def verify(store: Store, record: EvalRecord, folder: Path) -> Checked:
    """Recompute one examination as far as its files allow, and check what it is named by."""
    checked = Checked(folder)
    train = _check_names(checked, store, record)
    if record.schema_version < SEALED_FROM:
        checked.notes.append(UNSEALED)
    per_query = _arrays(checked, record, PER_QUERY)
    if per_query is None:
        return checked
    if problem := per_query_fault(per_query):
        checked.unreadable.append(f"{folder / PER_QUERY}: {problem}")
        return checked
    if train is not None:
        _check_gate(checked, store, train, record)
    named: tuple[Curve | Score, ...] = (*record.curves, *record.scores)
    headline = next((entry.comparison for entry in named), "")
    if not any(_place(score) == ("mAP", 0, "expected", headline) for score in record.scores):
        checked.differences.append(f"{folder / EVAL}: holds no mAP of its headline comparison")
    codes = _codes(checked, record, per_query["label"])
    check_prefix(checked, store, record, train, codes)
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


def _arrays(checked: Checked, record: EvalRecord, name: str) -> Arrays | None:
    """Return the arrays of a file, empty where it is absent; None, noted, where it is damaged."""
    path = checked.folder / name
    try:
        return read_arrays(path, record.files.get(name, ""))
    except DamagedError as error:
        checked.unreadable.append(f"{path}: {error}")
        return None


def _check_names(checked: Checked, store: Store, record: EvalRecord) -> TrainRecord | None:
    """Check that spec, name and folder of an examination are those of its training; return that."""
    path, own = checked.folder.parent / TRAIN, checked.folder / EVAL
    try:
        train = read_record(TrainRecord, path)
    except (OSError, RecordError) as error:
        checked.unreadable.append(f"{path}: {error}")
        return None
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
    return train


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
    arrays = _arrays(checked, record, CODES)
    if not arrays:
        if arrays is not None:
            checked.notes.append(f"no codes are stored: {FALLBACK}")
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
    stored = _arrays(checked, record, DISTRIBUTIONS)
    if not stored:
        if stored is not None and codes is not None:
            checked.notes.append("no distributions are stored (--complete writes them)")
        return
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
