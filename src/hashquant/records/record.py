"""Result records: the schema of `train.json` and `eval.json`, read and written strictly."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hashquant.errors import HashQuantError, UsageError
from hashquant.machine.strictjson import parse_json
from hashquant.settings.reading import build
from hashquant.settings.suite import RunSpec

SCHEMA_VERSION = 3
#: Older records whose missing fields take their defaults.
READABLE = (1, 2, 3)
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
    query_form: str  #: "bits" (binary code), "table" (M·K values a query) or "float" (no code)
    subspaces: int
    codewords: int
    trunk_parameters: int
    head_parameters: int


@dataclass(frozen=True)
class Score:
    """One number with its whole definition.

    `cutoff` is R or k (0: the full ranking); `denominator` "relevant", "min(R,relevant)", "k";
    `ties` "expected", "best", "worst"; `comparison` "hamming", "asymmetric-hamming", "adc", "sdc"
    or "cosine".
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
class Gate:
    """Whether a run trained, and the mAP that tells (ADR 0017; judged in `records.gate`).

    `score` is the mAP of queries held out from the run's own training classes, `floor` that of a
    random order of the same galleries, `margin` how far above it the score must lie.
    """

    trained: bool
    score: float
    floor: float
    margin: float
    judged_on: str  #: the target's name, or "validation"
    reason: str = ""  #: one sentence that says why it did not train; "" where it did


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
    selected_epoch: int = 0  #: the epoch (from 1) whose weights are examined; 0: no epoch was run
    validation: tuple[float, ...] = ()  #: mAP on validation queries after each epoch
    base_run: str = ""  #: run_id of the training whose embedding this one was fitted on
    timing: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance | None = None
    #: share of one class among pairs of a step's labelled images; None: sampling is not balanced
    positive_rate: float | None = None
    gate: Gate | None = None  #: None: cannot be told, or not yet (`records.gate` tells it then)
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class EvalRecord:
    """One examination of a trained run on one target.

    Identity and spec are those of its run; `target` is the examined set with its options
    ("olivetti", "olivetti+norm_stats=target"); `health` and `timing` are named plain numbers.
    The first curve and the scores of its comparison are the headline.
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
    target_version: str = ""  #: digest of the target's data set, where it is another one
    adapter: str = ""  #: what was done to the target's images to fit the training set ("gray")
    floor: float | None = None  #: mAP of a random order; None: made before it was stored
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
        raw: Any = parse_json(text)  # Any: parsed JSON
        version = raw["schema_version"]
        if version not in READABLE:
            known = " or ".join(map(str, READABLE))
            raise RecordError(f"schema_version must be {known}, got {version}")
        return build(cls, raw, cls.__name__)
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise RecordError(f"not a valid {cls.__name__}: {error}") from error
