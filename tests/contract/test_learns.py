"""Every method that learns does so end to end, by one recipe: on drawn faces, on real images."""

import os

import pytest

from hashquant.cli import main
from hashquant.plugins import registry
from hashquant.records.store import Store

DATA = os.environ.get("HASHQUANT_DATA", "")
LEARNED = sorted(n for n in registry.methods() if not registry.load_method(n).closed_form)
#: How far from a random order's mAP (0) to the best there is (1) a method must come.
LEAST = {"synthfaces-studio": 0.25, "lfw": 0.03, "cifar10": 0.1, "fashion-mnist": 0.3}
COMMON = ["--set", "recipe=common", "--set", "common.optimizer=adam", "--set", "common.lr=0.001",
          "--set", "common.decay=cosine", "--set", "common.epochs=40",
          "--set", "common.group_rates=false", "--targets", "seen", "--no-figures", "--quiet",
          "--device", "cpu"]  # fmt: skip
#: 80 steps: 40 epochs of 96 images, 16 each of 6 people, 48 a step.
DRAWN = ["--datasets", "synthfaces-studio", "--set", "synthfaces.identities=6", "--set",
         "synthfaces.images=20", "--set", "image_size=16", "--set", "resize=18",
         "--batch-size", "48", "--epochs", "40", "--bits", "16"]  # fmt: skip
#: Steps of 64 images: 400 on LFW, 160 on each of the others.
REAL = {"lfw": "10", "cifar10": "2", "fashion-mnist": "2"}


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Return the folder in which drawn faces are kept, so that they are drawn once."""
    return tmp_path_factory.mktemp("drawn")


def gain(tmp_path, method, *flags):
    """Train, encode and score one method; return its mAP, 0 at a random order's and 1 at most."""
    results = tmp_path / "results"
    places = ["--results-dir", str(results), "--reports-dir", str(tmp_path / "reports")]
    assert main(["--methods", method, *COMMON, *flags, *places]) == 0
    # One that stands on another's embedding is stored beside it.
    [record] = [train for train in Store(results).read("quick").trains
                if train.spec.method == method]  # fmt: skip
    gate = record.gate
    assert gate.trained, gate
    return (gate.score - gate.floor) / (1 - gate.floor)


@pytest.mark.parametrize("method", LEARNED)
def test_it_learns_drawn_faces(method, tmp_path, images):
    found = gain(tmp_path, method, *DRAWN, "--data-dir", str(images))
    assert found >= LEAST["synthfaces-studio"]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="HASHQUANT_DATA must name the folder of the sets")
@pytest.mark.parametrize("dataset", REAL)
@pytest.mark.parametrize("method", LEARNED)
def test_it_learns_real_images(method, dataset, tmp_path):
    flags = ["--datasets", dataset, "--epochs", REAL[dataset], "--bits", "24", "--data-dir", DATA]
    assert gain(tmp_path, method, *flags) >= LEAST[dataset]
