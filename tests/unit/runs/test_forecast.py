import dataclasses

import numpy as np
import pytest

from hashquant.records.record import Cost, EvalRecord, Provenance, Score, TrainRecord
from hashquant.records.store import Store
from hashquant.records.vouching import EVAL
from hashquant.runs.forecast import Forecast
from hashquant.runs.planning import plan
from hashquant.settings.suite import Suite, base_spec, run_id

SUITE = Suite(datasets=("synthfaces-studio",), methods=("dcdh",), bits=(16, 24), epochs=10)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def cells(**changes):
    return plan("s", dataclasses.replace(SUITE, **changes), device="cpu")


def keep(store, spec, *, rate, images=100, cpu="this", version="v", targets=(), encoding=50.0):
    """Store a run that trained `rate` images a second."""
    made = Provenance("c", False, {}, "cpu", cpu, 2, True)
    name = run_id(spec, version)
    folder = store.cell(spec, name)
    folder.save_train(
        TrainRecord(name, "done", spec, dataset_version=version, training_images=images,
                    timing={"images_per_second": rate}, provenance=made)
    )  # fmt: skip
    for target in targets:
        record = EvalRecord(
            name, spec, target, "seen", "d", "k", 10, 0, 90, (Score("mAP", 0.5),), (),
            Cost(16, 2, 0, "bits", 0, 0, 1, 1),
            timing={"encode_images_per_second": encoding, "score_seconds": 3.0},
        )  # fmt: skip
        folder.save_eval(record, {"ap": np.full(10, 0.5), "label": np.arange(10)}, {})
    return folder


def told(store, *planned, **options):
    forecast = Forecast(store, "this")
    for cell in planned:
        forecast.add(cell, **options)
    return str(forecast)


STUDIO = ("synthfaces-studio",)


def test_a_cell_is_cached_when_its_settings_are_stored_and_all_targets_examined(store):
    first, second = cells(targets=("seen", "olivetti-cross"))
    folder = keep(store, first.spec, rate=1.0, targets=(*STUDIO, "olivetti-cross"))
    assert [Forecast(store, "this").is_cached(c) for c in (first, second)] == [True, False]
    [changed, _] = cells(targets=("seen", "olivetti-cross"), flip=False)
    assert not Forecast(store, "this").is_cached(changed)
    (folder.path / "olivetti-cross" / EVAL).unlink()
    assert not Forecast(store, "this").is_cached(first)


def test_one_of_several_versions_must_be_whole(store):
    [cell, _] = cells()
    keep(store, cell.spec, rate=1.0, version="old")
    assert not Forecast(store, "this").is_cached(cell)
    keep(store, cell.spec, rate=1.0, version="new", targets=STUDIO)
    assert Forecast(store, "this").is_cached(cell)


def test_the_time_is_that_of_images_times_epochs_and_of_examinations(store):
    first, second = cells()
    keep(store, first.spec, rate=20.0, targets=STUDIO)
    # 100 images x 10 epochs / 20 a second = 50 s; 100 encoded / 50 a second + 3 s = 5 s
    expected = "estimate: 0 min 55 s for 1 cell, from 1 record like these on this, 2 threads"
    assert told(store, second) == expected
    # trained already: examined only, unless by force
    assert told(store, first).startswith("estimate: 0 min 5 s for 1 cell,")
    assert told(store, first, fresh=True) == expected


def test_this_machine_comes_first_then_the_same_method(store):
    [cell, _] = cells()
    [other, _] = cells(methods=("opqn",))
    [variant, _] = cells(seeds=(7,))
    keep(store, variant.spec, rate=1000.0, cpu="other", targets=STUDIO)
    assert "0 min 6 s" in told(store, cell)  # 1 s + 5 s, for want of better
    assert told(store, cell).endswith("on other, 2 threads")
    keep(store, other.spec, rate=100.0, targets=STUDIO)
    assert "0 min 15 s" in told(store, cell)  # 10 s + 5 s
    keep(store, cells(seeds=(8,))[0].spec, rate=50.0, targets=STUDIO)
    assert "0 min 25 s" in told(store, cell)  # 20 s + 5 s


def test_the_median_of_equally_near_runs_counts(store):
    [cell, _] = cells()
    for seed, rate in enumerate((10.0, 20.0, 1000.0), start=1):
        keep(store, cells(seeds=(seed,))[0].spec, rate=rate, targets=STUDIO)
    assert "0 min 55 s" in told(store, cell)


@pytest.mark.parametrize(
    "changes",
    [{"trunk": "resnet18"}, {"image_size": 30}, {"precision": "bf16"}, {"targets": ("lfw",)},
     {"settings": {"synthfaces": {"images": "9"}}}, {"datasets": ("cifar10",)}],
)  # fmt: skip
def test_nothing_like_it_is_unknown(store, changes):
    keep(store, cells(precision="fp32")[0].spec, rate=20.0, targets=STUDIO)
    unknown = cells(**{"precision": "fp32", **changes})
    assert told(store, *unknown) == (
        "estimate: 2 cells unknown: nothing like them is stored here; --measure times a few "
        "steps of each kind"
    )


def test_a_manifest_counts_images_that_no_run_did(store):
    keep(store, cells()[0].spec, rate=257.6, targets=("lfw",))
    [cell, _] = cells(datasets=("lfw",))
    # 2,576 images of lfw-seen.json x 10 epochs / 257.6 a second = 100 s; examined: 5 s
    assert told(store, cell).startswith("estimate: 1 min 45 s for 1 cell,")


def test_a_base_is_trained_once(store):
    first, second = cells(methods=("itq",))
    [like] = cells(methods=("float",), seeds=(5,), bits=(16,))
    keep(store, like.spec, rate=20.0, targets=STUDIO)
    [fitted, _] = cells(methods=("itq",), seeds=(5,))
    keep(store, fitted.spec, rate=100.0, targets=STUDIO)
    # the base 50 s, once; each fit 100 images / 100 a second = 1 s; each examination 5 s
    assert "estimate: 1 min 2 s for 2 cells," in told(store, first, second)
    keep(store, base_spec(first.spec), rate=20.0)
    assert "estimate: 0 min 12 s for 2 cells," in told(store, first, second)


def test_nothing_to_run_is_said(store):
    assert told(store) == "estimate: nothing is to be run"


@pytest.mark.parametrize(
    "text",
    [
        "", "[" * 100_000, "[]", "3", '{"gallery": "many"}', '{"gallery": NaN}', "{}",
        '{"gallery": 9, "queries": 1, "timing": []}',
        '{"gallery": 9, "queries": 1, "timing": {"encode_images_per_second": 0}}',
        '{"gallery": 9, "queries": 1, "timing": {"encode_images_per_second": 1e-320}}',
        '{"gallery": 9, "queries": 1, "timing": {"encode_images_per_second": -1}}',
        '{"gallery": 9, "queries": 1, "timing": {"encode_images_per_second": null}}',
    ],
)  # fmt: skip
def test_a_damaged_examination_says_nothing_of_times(store, text):
    first, second = cells()
    folder = keep(store, first.spec, rate=20.0, targets=STUDIO)
    (folder.path / STUDIO[0] / EVAL).write_text(text)
    assert told(store, second).startswith("estimate: 1 cell unknown")


@pytest.mark.parametrize("text", ["[" * 100_000, "3", '{"counts": 3}', '{"counts": {}}', "\xff"])
def test_a_damaged_manifest_says_nothing_of_counts(store, tmp_path, monkeypatch, text):
    [cell, _] = cells(datasets=("olivetti",))
    keep(store, cells()[0].spec, rate=20.0, targets=("olivetti",))
    path = tmp_path / "olivetti-seen.json"
    path.write_bytes(text.encode("latin-1"))
    monkeypatch.setattr("hashquant.plugins.registry.manifests", lambda: (path,))
    assert "unknown" in told(store, cell)
