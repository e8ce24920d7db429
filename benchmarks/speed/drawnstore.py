"""A store of drawn records, as large as a suite of many runs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hashquant.records.record import Cost, Curve, EvalRecord, Score, TrainRecord
from hashquant.records.store import Store
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import RunSpec, comparability_key, run_id

SUITE = "drawn"
WORDS = {"opqn": 256, "dpq": 256, "gpq": 16, "pq": 256, "opq": 256}
METHODS = (*WORDS, "dcdh", "itq", "lsh", "random", "sshash")
BITS = (16, 24, 36, 48)
TARGETS = {"lfw": "seen", "lfw-unseen": "unseen", "olivetti-cross": "cross",
           "synthfaces-studio": "cross"}  # fmt: skip
PEOPLE, QUERIES, GALLERY = 158, 641, 2576
RANKS = tuple(sorted({round(1.15**i) for i in range(57)}))
CUTOFFS = (1, 5, 10, 50, 100)


def draw_store(root: Path, seeds: int) -> int:
    """Write the records of a suite and return how many there are."""
    store, count = Store(root), 0
    identity = np.repeat(np.arange(PEOPLE), -(-QUERIES // PEOPLE))[:QUERIES]
    for spec in specs(seeds):
        rng = np.random.default_rng([METHODS.index(spec.method), spec.bits, spec.seed])
        cell = store.cell(spec, run_id(spec, "v1"))
        cell.save_train(training(spec))
        for target in TARGETS:
            skill = 0.8 - 0.04 * METHODS.index(spec.method) + spec.bits / 400
            ap = np.clip(skill + 0.2 * rng.standard_normal(QUERIES), 0, 1)
            other = np.clip(ap - 0.02, 0, 1)
            arrays = {"ap": ap, "ap_sdc": other, "label": identity}
            cell.save_eval(examination(spec, target, arrays), arrays, {"codes": np.zeros(1)})
        count += 1 + len(TARGETS)
    return count


def specs(seeds: int) -> Iterator[RunSpec]:
    """Yield every run of the suite."""
    for method in METHODS:
        for bits in BITS:
            for seed in range(seeds):
                yield RunSpec(
                    suite=SUITE, method=method, dataset="lfw", bits=bits, seed=seed,
                    trunk="sphere20-narrow", image_size=32, resize=35, padding=0, flip=True,
                    mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), features=512, epochs=20,
                    batch_size=256, precision="fp32", recipe="common", schedule=Recipe(),
                    selection="last", device="cpu", settings={},
                )  # fmt: skip


def training(spec: RunSpec) -> TrainRecord:
    """Return the training record of a run that ended well."""
    return TrainRecord(
        run_id(spec, "v1"), "done", spec, started_at="2024-05-01T10:00:00", dataset_version="v1",
        split_digest="0" * 64, training_images=GALLERY, classes=PEOPLE, cost=cost(spec),
        losses=tuple({"margin": 20.0 / (epoch + 1)} for epoch in range(spec.epochs)),
        timing={"train_seconds": 60.0},
    )  # fmt: skip


def examination(spec: RunSpec, target: str, arrays: dict[str, np.ndarray]) -> EvalRecord:
    """Return an examination whose scores are those of its queries."""
    comparisons = ("adc", "sdc") if spec.method in WORDS else ("hamming",)
    scores = []
    for comparison in comparisons:
        value = float(arrays["ap_sdc" if comparison == "sdc" else "ap"].mean())
        scores += [
            Score("mAP", value + shift, 0, "relevant", ties, comparison)
            for ties, shift in (("expected", 0.0), ("best", 0.01), ("worst", -0.01))
        ]
        scores += [Score("precision", value, k, "k", "expected", comparison) for k in CUTOFFS]
        scores += [Score("recall", value, k, "relevant", "expected", comparison) for k in CUTOFFS]
    recall = 1 - np.exp(-np.array(RANKS) / 300)
    precision = float(arrays["ap"].mean()) * (1 - recall / 2)
    curves = tuple(
        Curve(comparison, RANKS, tuple(precision.tolist()), tuple(recall.tolist()))
        for comparison in comparisons
    )
    return EvalRecord(
        run_id(spec, "v1"), spec, target, TARGETS[target], "0" * 64,
        comparability_key(spec, "v1", "0" * 64, (target,)), QUERIES, 0, GALLERY, tuple(scores),
        curves, cost(spec), health={"distinct_codes": 500.0, "distinct_fraction": 0.2},
        timing={"search_ms_kernel": 0.1, "search_items": 2576.0}, started_at="2024-05-01T11:00:00",
    )  # fmt: skip


def cost(spec: RunSpec) -> Cost:
    """Return what a code of a run's family costs."""
    words = WORDS.get(spec.method, 0)
    form = "table" if words else "bits"
    return Cost(spec.bits, spec.bits // 8, words * 512, form, 2, words, 1_000_000, 10_000)
