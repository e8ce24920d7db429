"""Result records: the schema of `train.json` and `eval.json`, read and written strictly."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hashquant.config import RunSpec, build
from hashquant.errors import HashQuantError, UsageError

SCHEMA_VERSION = 1
STATUSES = ("done", "skipped", "failed", "diverged", "oom", "timeout", "interrupted")

RecordType = TypeVar("RecordType", "TrainRecord", "EvalRecord")


class RecordError(HashQuantError):
    """A stored record that cannot be read: damaged, or of another schema."""


@dataclass(frozen=True)
class Provenance:
    """Where a record was made: enough to repeat it and to doubt it."""

    commit: str
    dirty: bool
    versions: Mapping[str, str]
    device: str
    cpu: str
    threads: int
    deterministic: bool


@dataclass(frozen=True)
class Cost:
    """What a code costs to keep and to compare."""

    code_bits: int
    code_bytes: int
    codebook_bytes: int
    query_form: str  #: "bits" (symmetric) or "table" (M·K values a query)
    subspaces: int
    codewords: int
    trunk_parameters: int
    head_parameters: int


@dataclass(frozen=True)
class Score:
    """One number with its whole definition.

    `cutoff` is R or k (0: the full ranking); `denominator` "relevant", "min(R,relevant)", "k";
    `ties` "expected", "best", "worst"; `comparison` "hamming", "asymmetric-hamming", "adc", "sdc".
    """

    metric: str
    value: float
    cutoff: int = 0
    denominator: str = ""
    ties: str = "expected"
    comparison: str = ""


@dataclass(frozen=True)
class Curve:
    """Macro-averaged precision and recall after each rank of a fixed grid."""

    comparison: str
    ranks: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


@dataclass(frozen=True)
class TrainRecord:
    """One training run: what was asked, how it ended, what it cost."""

    run_id: str
    status: str
    spec: RunSpec
    reason: str = ""
    started_at: str = ""  #: UTC, ISO 8601
    dataset_version: str = ""
    split_digest: str = ""
    training_images: int = 0
    classes: int = 0
    notes: tuple[str, ...] = ()
    cost: Cost | None = None
    losses: tuple[Mapping[str, float], ...] = ()  #: one mapping of named terms per epoch
    timing: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class EvalRecord:
    """One examination of a trained run on one target.

    Identity and spec are those of its run; `health` and `timing` are named plain numbers.
    """

    run_id: str
    spec: RunSpec
    target: str
    protocol: str
    split_digest: str
    comparability_key: str
    queries: int
    queries_excluded: int  #: with nothing relevant in the gallery
    gallery: int
    scores: tuple[Score, ...]
    curves: tuple[Curve, ...]
    cost: Cost
    notes: tuple[str, ...] = ()
    health: Mapping[str, float] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance | None = None
    started_at: str = ""
    schema_version: int = SCHEMA_VERSION


def to_json(record: TrainRecord | EvalRecord) -> str:
    """Return the record as indented JSON, keys in the order of the schema."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False) + "\n"


def from_json(cls: type[RecordType], text: str) -> RecordType:
    """Read a record, refusing what the schema does not know.

    Raises:
        RecordError: if the text is damaged or of another schema version.
    """
    try:
        raw: Any = json.loads(text)  # Any: parsed JSON
        version = raw["schema_version"]
        if version != SCHEMA_VERSION:
            raise RecordError(f"schema_version must be {SCHEMA_VERSION}, got {version}")
        return build(cls, raw, cls.__name__)
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise RecordError(f"not a valid {cls.__name__}: {error}") from error
