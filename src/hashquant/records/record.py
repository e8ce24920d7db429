"""Result records: the schema of `train.json` and `eval.json`, read and written strictly."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hashquant.errors import HashQuantError, UsageError
from hashquant.machine.files import opened
from hashquant.machine.seals import BROKEN, seal_holds, sealed_json
from hashquant.machine.strictjson import parse_json
from hashquant.records._plain import plain
from hashquant.records._sound import check_examination, check_training
from hashquant.settings.reading import build
from hashquant.settings.suite import RunSpec

#: Seconds of a head's training in which its base embedded the training images: a key of `timing`.
EMBEDDING_SECONDS = "embedding_seconds"
SCHEMA_VERSION = 4
#: Records from this schema on end in a seal over all that stands before it (ADR 0019).
SEALED_FROM = 4
#: Older records whose missing fields take their defaults.
READABLE = (1, 2, 3, 4)
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
    codebook_bytes: int  #: shared by all items: codewords, or what decodes (ADR 0020)
    #: "bits" (binary code), "table" (M·K values a query, of a product code), "additive" (such a
    #: table of full-length words), "decoded" (the embedding, items decoded), "float" (no code)
    query_form: str
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
    #: plug-in file or package → digest of the source that trained it; empty in older records
    code: Mapping[str, str] = field(default_factory=dict)
    #: share of one class among pairs of a step's labelled images; None: sampling is not balanced
    positive_rate: float | None = None
    gate: Gate | None = None  #: None: cannot be told, or not yet (`records.gate` tells it then)
    files: Mapping[str, str] = field(default_factory=dict)  #: SHA-256 of the weights, by file name
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
    files: Mapping[str, str] = field(default_factory=dict)  #: SHA-256 of the arrays, by file name
    schema_version: int = SCHEMA_VERSION


def to_json(record: TrainRecord | EvalRecord) -> str:
    """Return the record as indented JSON, keys in the order of the schema, the seal last.

    That of a failure can always be written: what JSON cannot hold is replaced, and the reason says
    so.

    Raises:
        ValueError: if any other holds a number that is not finite, or one beyond 64 bits.
        TypeError: if any other holds what is no plain value.
    """
    lost: list[str] = []
    failed = isinstance(record, TrainRecord) and record.status != "done"
    found: Any = plain(record, lost if failed else None)  # Any: of the schema
    if lost:
        found["reason"] += f" (its record cannot hold {', '.join(lost[:5])})"
    text = json.dumps(found, indent=1, allow_nan=False)
    return sealed_json(text) if record.schema_version >= SEALED_FROM else text + "\n"


def from_json(cls: type[RecordType], text: str) -> RecordType:
    """Read a record, refusing what the schema does not know, and a seal that is not its own.

    Raises:
        RecordError: if the text is damaged or of another schema version, or holds what cannot be.
    """
    try:
        raw: Any = parse_json(text)  # Any: parsed JSON
        version = raw["schema_version"]
        if version not in READABLE:
            known = " or ".join(map(str, READABLE))
            raise RecordError(f"schema_version must be {known}, got {str(version)[:40]}")
        if "seal" in raw or version >= SEALED_FROM:
            _check_seal(raw, text)
        record = build(cls, raw, cls.__name__, stored=True)
        if isinstance(record, TrainRecord):
            check_training(record)
        else:
            check_examination(record)
        return record
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
            UsageError) as error:  # fmt: skip
        said = f"{type(error).__name__} {error}" if isinstance(error, KeyError) else str(error)
        raise RecordError(f"not a valid {cls.__name__}: {said}") from error


def _check_seal(raw: dict[str, Any], text: str) -> None:  # Any: parsed JSON
    if raw.pop("seal", None) is None:
        raise RecordError("it has no seal: its end is missing")
    if not seal_holds(text):
        raise RecordError(BROKEN)


def read_record(cls: type[RecordType], path: Path) -> RecordType:
    """Read a stored record, whatever stands at its place.

    Raises:
        FileNotFoundError: if nothing stands there.
        RecordError: if it cannot be read, with the reason.
    """
    try:
        with opened(path) as handle:
            data = handle.read()
        return from_json(cls, data.decode().replace("\r\n", "\n"))
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise RecordError(f"not a valid {cls.__name__}: it is not UTF-8") from error
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError
        said = error.strerror if isinstance(error, OSError) else None
        raise RecordError(f"it cannot be read: {said or error}") from error
