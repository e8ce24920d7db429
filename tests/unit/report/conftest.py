"""Records to report on, made from plain rules."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from hashquant.records.record import Cost, Curve, EvalRecord, Score, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.records.vouching import PER_QUERY
from hashquant.report import terminal_table
from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.tables.maps import map_tables
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import RunSpec, comparability_key, run_id

SPLIT = "0123456789abcdef" * 4
RANKS = tuple(sorted({round(1.3**i) for i in range(30)}))
WORDS = {"opqn": 256, "dpq": 256, "gpq": 16, "pq": 256}


def spec(method="opqn", bits=16, seed=0, dataset="lfw", **changes) -> RunSpec:
    fields = {
        "suite": "demo", "method": method, "dataset": dataset, "bits": bits, "seed": seed,
        "trunk": "sphere20-narrow", "image_size": 32, "resize": 35, "padding": 0, "flip": True,
        "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "features": 512, "epochs": 20,
        "batch_size": 256, "precision": "bf16", "recipe": "paper", "schedule": Recipe(),
        "selection": "last", "device": "cpu", "settings": {},
    }  # fmt: skip
    return RunSpec(**(fields | changes))


def cost(method: str, bits: int) -> Cost:
    words = WORDS.get(method, 0)
    return Cost(bits, (bits + 7) // 8, words * 4, "table" if words else "bits", 2, words, 9, 3)


def evaluation(value=0.5, target="", extra=(), split=SPLIT, started="2024-05-01T10:00:00", **asked):
    cell = spec(**asked)
    product = cell.method in WORDS
    comparison = "adc" if product else "hamming"
    scores = (
        Score("mAP", value, 0, "relevant", "expected", comparison),
        Score("mAP", value - 0.1, 0, "relevant", "worst", comparison),
        Score("mAP", value / 2, 1000, "relevant", "expected", comparison),
        Score("mAP", value / 4, 1000, "min(R,relevant)", "expected", comparison),
        *extra,
    )
    recall = tuple(1 - math.exp(-rank / 300) for rank in RANKS)
    precision = tuple(value * (1 - r / 2) for r in recall)
    return EvalRecord(
        run_id(cell, "v1"), cell, target or cell.dataset, "seen", split,
        comparability_key(cell, "v1", split), 1680, 3, 7000, scores,
        (Curve(comparison, RANKS, precision, recall),), cost(cell.method, cell.bits),
        health={"distinct_codes": 500.0}, timing={"score_seconds": 1.5}, started_at=started,
    )  # fmt: skip


def training(status="done", reason="", started="2024-05-01T10:00:00", **asked) -> TrainRecord:
    cell = spec(**asked)
    return TrainRecord(
        run_id(cell, "v1"), status, cell, reason, started, "v1", SPLIT, 100, 10,
        cost=cost(cell.method, cell.bits) if status == "done" else None,
        timing={"train_seconds": 12.0},
    )  # fmt: skip


class Maker:
    """What the tests build records with."""

    split = SPLIT
    ranks = RANKS
    spec = staticmethod(spec)
    evaluation = staticmethod(evaluation)
    training = staticmethod(training)

    @staticmethod
    def without_code(record):
        """The same record of a method that keeps float embeddings."""
        return dataclasses.replace(
            record, cost=dataclasses.replace(record.cost, query_form="float")
        )

    @staticmethod
    def records(evals=(), trains=(), damaged=()) -> SuiteRecords:
        return SuiteRecords("demo", tuple(trains), tuple(evals), tuple(damaged))

    @staticmethod
    def full(methods, bits=(16, 24), seeds=(0, 1), value: Callable[..., float] | None = None):
        evals = [
            evaluation(
                (value or (lambda m, b, s: 0.9 - 0.05 * methods.index(m) + b / 1000 + s / 100))(
                    m, b, s
                ),
                method=m, bits=b, seed=s,
            )
            for m in methods for b in bits for s in seeds
        ]  # fmt: skip
        trains = [training(method=m, bits=b, seed=s) for m in methods for b in bits for s in seeds]
        return SuiteRecords("demo", tuple(trains), tuple(evals), ())


class Exams:
    """Examinations with the values of their queries, in a folder of their own each."""

    def __init__(self, root) -> None:
        self.root, self.evals, self.folders = root, [], {}

    def add(
        self, ap, label, protocol="seen", secondary=None, value=None, relevant=70, **asked
    ) -> EvalRecord:
        """Store one examination: `ap` and `label` (q,), the record's mAP their mean.

        `relevant` items of the gallery match each query.
        """
        extra = ()
        arrays = {"ap": np.asarray(ap, dtype=float), "label": np.asarray(label),
                  "relevant": np.full(len(label), relevant)}  # fmt: skip
        if secondary is not None:
            arrays["ap_sdc"] = np.asarray(secondary, dtype=float)
            other = float(np.nanmean(secondary))
            extra = (Score("mAP", other, 0, "relevant", "expected", "sdc"),)
        mean = float(np.nanmean(ap)) if value is None else value
        record = evaluation(mean, extra=extra, **asked)
        excluded = int(np.isnan(arrays["ap"]).sum())
        record = dataclasses.replace(
            record, protocol=protocol, queries=len(label), queries_excluded=excluded
        )
        folder = self.root / record.run_id / record.target.replace("=", "-")
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / PER_QUERY, **arrays)
        self.evals.append(record)
        self.folders[record.run_id, record.target] = folder
        return record

    def records(self, trains=(), evals=()) -> SuiteRecords:
        return SuiteRecords("demo", tuple(trains), (*self.evals, *evals), (), self.folders)


@pytest.fixture
def shown():
    """What a terminal shows of records."""

    def shown(records, **asked):
        return terminal_table(records, map_tables(records, HEADLINE, **asked))

    return shown


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def exams(tmp_path) -> Exams:
    return Exams(tmp_path / "exams")


#: 40 identities of 3 queries each, and what a middling method scores on them.
PEOPLE = np.repeat(np.arange(40), 3)
MIDDLING = 0.4 + 0.2 * np.random.default_rng(5).random(len(PEOPLE))


@pytest.fixture
def people():
    return PEOPLE


@pytest.fixture
def middling():
    return MIDDLING
