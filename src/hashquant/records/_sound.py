"""What no record can say: shares beyond 0 … 1, curves of uneven length, settings without end."""

from collections.abc import Iterable, Mapping
from typing import Any

#: How deep a setting may be nested.
DEEPEST = 8


def check_training(record: Any) -> None:  # Any: the schema asks this file
    """Refuse a training record that no run can have written.

    Raises:
        ValueError: naming the field.
    """
    _check_settings(record.spec)
    _check_files(record.files)
    _check_counts(record, ("training_images", "classes", "selected_epoch"))
    if record.selected_epoch > len(record.losses):
        raise ValueError(
            f"selected_epoch must be one of {len(record.losses)} with losses, got "
            f"{record.selected_epoch}"
        )
    _check_shares("validation", record.validation)
    if record.gate is not None:
        _check_shares("gate", (record.gate.score, record.gate.floor))


def check_examination(record: Any) -> None:  # Any: as above
    """Refuse an examination that no run can have written.

    Raises:
        ValueError: naming the field.
    """
    _check_settings(record.spec)
    _check_files(record.files)
    _check_counts(record, ("queries", "queries_excluded", "gallery"))
    _check_shares("scores", [score.value for score in record.scores])
    for curve in record.curves:
        if not len(curve.ranks) == len(curve.precision) == len(curve.recall):
            raise ValueError(f"curve {curve.comparison} must have as many values as ranks")
        _check_shares(f"curve {curve.comparison}", curve.precision)
        _check_shares(f"curve {curve.comparison}", curve.recall)
    if record.floor is not None:
        _check_shares("floor", [record.floor])


def _check_shares(name: str, values: Iterable[float]) -> None:
    values = list(values)
    if values and not (min(values) >= 0.0 and max(values) <= 1.0 + 1e-9):
        wrong = next(value for value in values if not 0.0 <= value <= 1.0 + 1e-9)
        raise ValueError(f"{name} must be in 0 … 1, got {wrong}")


def _check_counts(record: object, names: Iterable[str]) -> None:
    for name in names:
        if getattr(record, name) < 0:
            raise ValueError(f"{name} must be at least 0, got {getattr(record, name)}")


def _check_files(files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        if len(digest) != 64:
            raise ValueError(f"files: {name} must have a SHA-256, got {digest[:80]!r}")


def _check_settings(spec: object) -> None:
    for name in ("settings", "overrides", "base"):
        if _depth(getattr(spec, name)) > DEEPEST:
            raise ValueError(f"spec: {name} must be nested at most {DEEPEST} deep")


def _depth(value: object) -> int:
    """Return how deep mappings and lists are nested, as far as one more than `DEEPEST`."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner: list[object] = []
        for each in level:
            if isinstance(each, Mapping):
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
        level, depth = inner, depth + 1
    return depth
