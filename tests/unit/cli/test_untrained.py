"""A planted method that learns nothing, run end to end: said, counted, stored, found again."""

import json

import pytest

import hashquant.methods
from hashquant.cli import main
from hashquant.machine.seals import sealed_json
from hashquant.records.gate import floor_from, gates
from hashquant.records.store import Store

TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--no-figures", "--datasets",
        "synthfaces-studio", "--methods", "still", "--bits", "16"]  # fmt: skip
#: One code for all images; its loss falls all the same.
STILL = '''"""Still: one code for all images."""
import torch
from torch import nn
import hashquant.api as hq


class Still(hq.Method):
    """A constant."""

    name = "still"
    family = hq.Binary()

    def __init__(self, config, budget, in_features, num_classes):
        super().__init__(config, budget, in_features, num_classes)
        self.weight = nn.Parameter(torch.ones(budget.bits))

    def forward(self, features):
        return self.weight.expand(len(features), -1) + 0 * features.sum()

    def loss(self, embedding, batch):
        return {"size": 100 * embedding.square().mean()}
'''
SAID = (
    "synthfaces-studio still 16 bit seed 0: did not train: mAP {score:.4f} on {whose}, a random "
    "order has {floor:.4f} (docs/adr/0017)"
)


@pytest.fixture
def ran(tmp_path, where, capsys, monkeypatch):
    """Return a function that runs a command and returns what it printed, and the stored gate."""
    (tmp_path / "still.py").write_text(STILL)
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])

    def run(*words):
        assert main([*TINY, *where, *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        [path] = (tmp_path / "results").rglob("train.json")
        return lines, json.loads(path.read_text())["gate"]

    return run


def test_it_is_said_counted_and_stored(ran, tmp_path, where, capsys):
    lines, gate = ran("--targets", "synthfaces-street", "seen")
    assert not gate["trained"]
    assert gate["judged_on"] == "synthfaces-studio"
    assert gate["score"] == pytest.approx(gate["floor"], abs=1e-12)  # all tied: a random order
    said = SAID.format(whose="its own held-out queries", **gate)
    assert [": mAP 0." in line for line in lines[:2]] == [True, True]
    assert lines[2] == said
    assert lines[-1] == "summary: done=1 cached=0 skipped=0 failed=0 untrained=1"
    floors = [json.loads(p.read_text())["floor"] for p in tmp_path.rglob("eval.json")]
    assert len(floors) == 2
    assert gate["floor"] in floors

    again, kept = ran("--targets", "synthfaces-street", "seen")
    assert (said in again, kept) == (True, gate)
    assert again[-1] == "summary: done=0 cached=1 skipped=0 failed=0 untrained=1"
    planned, _ = ran("--targets", "seen", "--dry-run")
    assert planned[-1] == "summary: done=0 cached=1 skipped=0 failed=0 untrained=1"

    assert main(["verify", *where[:2]]) == 0
    capsys.readouterr()
    [path] = tmp_path.rglob("train.json")
    assert main(["explain", *where[:2], str(path.parent)]) == 0
    assert "trained       no: mAP" in capsys.readouterr().out


#: What records of schema 2 did not hold.
LATER = ("gate", "floor", "files", "seal")


def test_a_record_made_before_there_were_gates_reads_as_untrained_too(ran, tmp_path):
    _, gate = ran("--targets", "seen")
    for path in [*tmp_path.rglob("train.json"), *tmp_path.rglob("eval.json")]:
        raw = json.loads(path.read_text())
        older = {k: v for k, v in raw.items() if k not in LATER}
        path.write_text(json.dumps(older | {"schema_version": 2}))
    records = Store(tmp_path / "results").read("quick")
    assert [vars(found) for found in gates(records).values()] == [gate]
    (home,) = records.evals
    assert floor_from(records.per_query(home), home.gallery) == gate["floor"]
    [path] = tmp_path.rglob("train.json")
    before = path.read_bytes()
    with pytest.raises(KeyError):  # a cached cell's record stays as it was
        ran("--targets", "seen")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "judged_on", "whose"),
    [
        ([], "synthfaces-studio", "its own held-out queries"),
        (["--set", "selection=validation"], "validation", "training images held out"),
    ],
)
def test_a_run_that_is_not_examined_at_home_is_judged_once(ran, words, judged_on, whose):
    lines, gate = ran("--targets", "synthfaces-street", *words)
    assert (gate["trained"], gate["judged_on"]) == (False, judged_on)
    assert SAID.format(whose=whose, **gate) in lines
    again, kept = ran("--targets", "synthfaces-street", *words)
    assert kept == gate
    assert again[-1] == "summary: done=0 cached=1 skipped=0 failed=0 untrained=1"


def test_verify_names_a_gate_or_floor_that_is_not_what_the_queries_tell(
    ran, tmp_path, where, capsys
):
    ran("--targets", "seen")
    for name, change in (
        ("train.json", lambda raw: raw["gate"].update(trained=True, reason="")),
        ("eval.json", lambda raw: raw.update(floor=0.9)),
    ):
        [path] = tmp_path.rglob(name)
        whole = path.read_text()
        raw = json.loads(whole)
        raw.pop("seal")
        change(raw)
        path.write_text(sealed_json(json.dumps(raw, indent=1)))
        assert main(["verify", *where[:2]]) == 1
        out = capsys.readouterr().out
        wanted = "gate: trained: stored True, found False" if "gate" in raw else "floor: stored 0.9"
        assert wanted in out
        path.write_text(whole)
