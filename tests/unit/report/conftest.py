"""Records to report on, made from plain rules."""

import math
from collections.abc import Callable

import pytest

from hashquant.config import Recipe, RunSpec, comparability_key, run_id
from hashquant.record import Cost, Curve, EvalRecord, Score, TrainRecord
from hashquant.store import SuiteRecords

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


@pytest.fixture
def make() -> Maker:
    return Maker()
