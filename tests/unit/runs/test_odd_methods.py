"""Somebody's method whose numbers are none, or whose failures cannot be told: the others run."""

import pytest
import torch

import hashquant.methods
from hashquant.errors import UsageError
from hashquant.records.store import Store
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import plan
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.settings.adapted import override
from hashquant.settings.suite import Suite

TEXT = '''"""Somebody's own."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch
from torch import nn

import hashquant.api as hq


class Unsaid(Exception):
    def __str__(self):
        raise RuntimeError("no message")


class Own(hq.Method):
    name = "own"
    family = hq.Binary()

    @dataclass(frozen=True)
    class Config:
        weight: float = 1.0

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)

    def forward(self, features):
        return self.hash(features.float())

    def loss(self, embedding, batch):
        return {"mean": embedding.mean()}
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a function that plans cells of a method with other text, and of one in order."""
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])

    def planned(number, old, new, *assignments):
        assert TEXT.count(old) == 1
        name = f"own{number}{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(TEXT.replace(old, new).replace('"own"', f'"{name}"'))
        suite = Suite(
            methods=(name, "lsh"), bits=(8,), epochs=1, batch_size=8, image_size=16, resize=0,
            features=16, precision="fp32", trunk="alexnet" if number < 0 else "sphere20-narrow",
            settings={"synthfaces": {"identities": 2, "images": 4, "size": 16},
                      "float": {"size": 16}},
        )  # fmt: skip
        asked = [assignment.replace("own", name, 1) for assignment in assignments]
        return plan("s", override(suite, asked), device="cpu")

    return planned


WEIGHT = "weight: float = 1.0"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (WEIGHT, 'weight: float = float("nan")', "Config.weight must be a finite number, got nan"),
        (WEIGHT, "weight: hq.Positive = 0.0", "Config.weight must be a number above 0, got 0.0"),
        (WEIGHT, 'weight: Path = Path("x")', "Config.weight must be a number, text, true or"),
        (WEIGHT, "weight: torch.dtype = torch.float32", "Config.weight must be a number, text"),
        (WEIGHT, "weight: float", "its Config or recipe cannot be made: missing"),
        ("    family", "    paper_batch = 0\n    family", "paper_batch must be a whole number of"),
        ("    def forward", "    @classmethod\n    def recipe(cls):\n"
         "        return hq.Recipe(lr=1e999)\n\n    def forward", "recipe.lr must be a finite"),
        ("    def forward", "    @classmethod\n    def recipe(cls):\n"
         "        return {}\n\n    def forward", "recipe must be a Recipe, got {}"),
        ("    def forward", "    @classmethod\n    def feature_size(cls, *_):\n"
         "        return float('nan')\n\n    def forward", "its features must be a whole number"),
    ],
)  # fmt: skip
def test_a_method_that_declares_no_number_fails_alone(own, old, new, said):
    cells = own(0, old, new)
    assert [cell.status for cell in cells] == ["failed", ""]
    assert said in cells[0].reason


@pytest.mark.parametrize("value", ["nan", "-inf", "1e400"])
def test_a_plain_float_of_theirs_is_finite_too(own, value):
    with pytest.raises(UsageError, match=r"^own\w+\.weight must be a finite number, got"):
        own(1, "import torch\n", "import torch \n", f"own.weight={value}")


ODD_FAILURES = {
    "nothing can be told": "raise Unsaid",
    "half a letter, a bell and a line": r'raise ValueError("\ud800 \x07\nsecond line")',
    "a long one": 'raise ValueError("x" * 500_000)',
    "no number": 'return {"\\udcff": embedding.mean() * float("nan")}',
    "infinite": 'return {"mean": embedding.mean() / 0}',
}


def test_failures_that_cannot_be_told_are_recorded(own, tmp_path, unheard):
    return_it = 'return {"mean": embedding.mean()}'
    cells = [
        own(number, return_it, failure)[0]
        for number, failure in enumerate(ODD_FAILURES.values(), start=2)
    ]
    here = Surroundings(Store(tmp_path / "r"), tmp_path / "d", torch.device("cpu"))
    tally = Tally()
    run(cells, here, unheard, tally)
    assert tally.counts["failed"] == len(ODD_FAILURES)
    records = here.store.read("s")
    assert not records.damaged
    reasons = {record.spec.method[:4]: record.reason for record in records.trains}
    assert reasons["own2"] == "Unsaid: its text cannot be read"
    assert reasons["own3"] == "ValueError: \\ud800 \\x07"
    assert len(reasons["own4"]) < 2100
    assert reasons["own5"].startswith("loss term '\\udcff' must be finite")
    assert reasons["own6"].startswith("loss term 'mean' must be finite")
    assert all(len(log.read_text()) < 200_000 for log in (tmp_path / "r").rglob("log.txt"))
