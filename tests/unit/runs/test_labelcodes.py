"""ADSH and FISH as plug-ins: their cells fail in one sentence, the others run."""

import pytest
import torch

import hashquant.methods
from hashquant.records.store import Store
from hashquant.runs.cell import train_cell
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.planning import plan
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.settings.suite import Suite
from hashquant.training.encoding import encode

TEXT = '''"""Codes of the gallery that are made of its labels."""

import torch
from torch import nn

import hashquant.api as hq


class Own(hq.Method):
    name = "{name}"
    family = hq.Binary()
    closed_form = {fitted}

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.hash = nn.Linear(in_features, budget.bits)
        self.words = nn.Buffer(torch.randn(num_classes, budget.bits))
        self.codes, self.row = {codes}, 0

    def forward(self, features):
        if self.training or self.codes is None:
            return self.hash(features)
        rows = torch.arange(self.row, self.row + len(features)) % len(self.codes)
        self.row += len(features)
        return self.codes[rows]

    def loss(self, embedding, batch):
        return {{"length": (embedding.abs() - 1).square().mean()}}

    def keep(self, labels):
        {keep}

    def {hook}
'''

BUFFER, ATTRIBUTE = "nn.Buffer(torch.zeros(8, budget.bits))", "None"
INITIALISE = "initialise(self, training): self.keep(training.labels)"
EPOCH = "initialise(self, training): self.labels = training.labels\n\n    " + (
    "def on_epoch_start(self, epoch, epochs): self.keep(self.labels)"
)
FIT = "fit(self, features, labels): self.keep(labels)"
FILL = "self.codes.copy_(self.words[labels[:8]])"
RESIZE = "self.codes = nn.Buffer(self.words[labels])"
SET = "self.codes = self.words[labels]"

#: name → fitted, what `__init__` makes, the hook, what it keeps, what is said.
CHEATS = {
    "fish": (False, BUFFER, INITIALISE, FILL, "codes of {} depend on something besides the image"),
    "adsh": (False, BUFFER, EPOCH, RESIZE, "{}: what training leaves must be tensors that"),
    "fitted": (True, BUFFER, FIT, RESIZE, "{}: what training leaves must be tensors that"),
}


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """Return a function that plans the cells of cheats, and of one that is honest."""
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])

    def planned(cheats):
        names = []
        for cheat, (fitted, codes, hook, keep) in cheats.items():
            name = cheat + tmp_path.name.replace("-", "_").lower()
            text = TEXT.format(name=name, fitted=fitted, codes=codes, hook=hook, keep=keep)
            text = text.replace("def loss", "def _loss") if fitted else text
            (tmp_path / f"{name}.py").write_text(text)
            names.append(name)
        suite = Suite(
            methods=(*names, "dsh"), bits=(8,), epochs=1, batch_size=8, image_size=16, resize=0,
            features=16, precision="fp32", trunk="sphere20-narrow",
            settings={"synthfaces": {"identities": 4, "images": 6, "size": 16}},
        )  # fmt: skip
        return names, plan("s", suite, device="cpu")

    return planned


def test_gallery_codes_that_are_made_of_labels_are_refused(cells, tmp_path, unheard):
    names, planned = cells({name: cheat[:4] for name, cheat in CHEATS.items()})
    here, tally = Surroundings(Store(tmp_path / "r"), tmp_path / "d", torch.device("cpu")), Tally()
    told = []
    unheard.say = told.append
    run(planned, here, unheard, tally)
    for name, (*_, said) in zip(names, CHEATS.values(), strict=True):
        (line,) = [line for line in told if f" {name} " in line]
        assert f": failed: {said.format(name)}" in line
        assert "\n" not in line
    assert {record.spec.method for record in here.store.read("s").evals} == {"dsh"}
    assert (tally.counts["failed"], tally.counts["done"]) == (len(CHEATS), 1)


def test_what_is_kept_beside_the_model_makes_no_code(cells, tmp_path, unheard):
    """The examined head is a new one with the stored tensors: the same as if it were loaded."""
    _, (cell, _) = cells({"beside": (False, ATTRIBUTE, INITIALISE, SET)})
    here = Surroundings(Store(tmp_path / "r"), tmp_path / "d", torch.device("cpu"))
    contest = load(cell, here)
    made, loaded = (
        train_cell(cell.spec, contest.prepared, here.store, here.device, lambda *_: None).network
        for _ in range(2)
    )
    assert made.method.codes is loaded.method.codes is None
    gallery = next(iter(contest.examinations.values())).gallery
    first, again = (encode(each, gallery, cell.spec, device=here.device) for each in (made, loaded))
    assert torch.equal(first.packed, again.packed)
