"""What tests of vectors share: a small set in files."""

import numpy as np
import pytest


@pytest.fixture
def drawn():
    """Return a function that draws vectors of four classes, with their labels."""

    def draw(count, width=8, seed=0):
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 4
        centres = np.random.default_rng(9).normal(size=(4, width)) * 3
        return (centres[labels] + rng.normal(size=(count, width))).astype(np.float32), labels

    return draw


@pytest.fixture
def arrays(drawn):
    """Return the arrays of a set by name."""
    found = {}
    for seed, (name, count) in enumerate({"train": 40, "query": 8, "gallery": 24}.items()):
        found[name], found[f"{name}_labels"] = drawn(count, seed=seed)
    return found


@pytest.fixture
def folder(tmp_path, arrays):
    """Return a folder of the set's .npy files."""
    place = tmp_path / "emb"
    place.mkdir()
    for name, array in arrays.items():
        np.save(place / f"{name}.npy", array)
    return place
