"""The suites of the quantization field: one recipe with the hashes, and rows told apart."""

from dataclasses import asdict
from pathlib import Path

import pytest

from hashquant.plugins.naming import names
from hashquant.runs.planning import plan
from hashquant.settings.suite import read_suite

ROOT = Path(__file__).resolve().parents[3]
#: suite → bits of RaBitQ's codes, and those of them that are a scalar's
RABITQ = {
    "quantization-field": {(8 + 16, 16), (32 + 16, 16), (24, 0), (48, 0)},
    "stored-scalars": {(48 + 16, 16), (64, 0)},
    "one-bit-a-dimension": {(512 + 16, 16), (512 + 32, 32), (512, 0)},
}


def suite(name):
    return read_suite(ROOT / "benchmarks" / f"{name}.yaml")


@pytest.mark.parametrize("name", RABITQ)
def test_quantizers_have_the_recipe_of_the_hashes(name):
    ours, theirs = asdict(suite(name)), asdict(suite("hashing-field"))
    own = {"title", "methods", "variants", "settings", "bits", "datasets"}
    assert {k: v for k, v in ours.items() if k not in own} == {
        k: v for k, v in theirs.items() if k not in own
    }
    if name == "quantization-field":
        assert (ours["bits"], ours["datasets"]) == (theirs["bits"], theirs["datasets"])


@pytest.mark.parametrize("name", RABITQ)
def test_every_row_has_a_name_of_its_own_and_scalars_are_bits(name):
    cells = plan(name, suite(name), device="cpu")
    assert {cell.status for cell in cells} == {""}
    labels = {cell.spec.label for cell in cells}
    said = names({cell.spec.method for cell in cells}, ["lfw"])
    assert len({said.row(label) for label in labels}) == len(labels)
    found = {
        (cell.spec.bits, cell.spec.settings["scalar_bits"])
        for cell in cells
        if cell.spec.method == "rabitq"
    }
    assert found == RABITQ[name]
