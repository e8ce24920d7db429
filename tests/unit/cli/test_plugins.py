"""Plug-ins of packages on the command line: what is said of them, and how a run ends."""

import json

import pytest

from hashquant.cli import main
from hashquant.machine.seals import sealed_json
from tests.unit.conftest import METHOD

TINY = ["--datasets", "synthfaces", "--set", "synthfaces.identities=4", "--set",
        "synthfaces.images=6", "--epochs", "1", "--batch-size", "8", "--device", "cpu", "--quiet",
        "--targets", "seen", "--no-figures", "--bits", "16", "--set", "image_size=16",
        "--set", "resize=18", "--set", "synthfaces.size=18"]  # fmt: skip
LEAVES = METHOD.format(name="far", cls="M") + "        raise SystemExit(0)\n"
SET = """import hashquant.api as hq
class D(hq.Dataset):
    NAMES = {"farset": "x"}
    terms = "none"
    def prepare(self, root, *, on_bad_image="stop"):
        raise SystemExit(0)
    load = split = prepare
"""


@pytest.fixture
def far(install):
    text = LEAVES.replace("return features\n", "")
    install("far", methods={"far": "far7:M", "opqn": "far7:M"}, datasets={"farset": "far7:D"},
            files={"far7.py": text + SET})  # fmt: skip


def test_a_plug_in_that_leaves_costs_its_own_cells(far, where, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hashquant.cli._run._report", lambda *_, **__: None)  # quicker
    assert main([*TINY, *where, "--methods", "far", "opqn"]) == 1
    said = capsys.readouterr()
    assert "summary: done=1 cached=0 skipped=0 failed=1" in said.out
    assert "note: 'opqn' of package far 1.0 is not used: the name is that of meth" in said.err
    records = [json.loads(p.read_text()) for p in (tmp_path / "results").rglob("train.json")]
    opqn, failed = sorted(records, key=lambda record: record["status"])
    assert failed["reason"] == "SystemExit: 0"
    assert set(opqn["code"]) == {"methods/opqn.py", "datasets/synthfaces.py"}

    [path] = [p for p in (tmp_path / "results").rglob("train.json") if "opqn" in p.parts]
    opqn["code"]["methods/opqn.py"] = "0" * 12  # as if the file had been edited since
    del opqn["seal"]
    path.write_text(sealed_json(json.dumps(opqn, indent=1)))
    note = "note: opqn: 1 cell trained by other code than now (methods/opqn.py changed); --force"
    for command in (
        [*TINY, *where, "--methods", "opqn"],
        [*TINY, *where, "--methods", "opqn", "--dry-run"],
        ["report", "--suite", "quick", "--no-figures", *where[:4]],
    ):
        assert main(command) == 0
        assert capsys.readouterr().err.count(note) == 1


def test_a_data_set_that_leaves_costs_no_other_its_preparation(far, where, capsys):
    assert main(["data", "farset", "synthfaces", *TINY[2:6], *where[4:]]) == 1
    said = capsys.readouterr()
    assert "error: farset: SystemExit: 0" in said.err
    assert "24 images of 4 classes" in said.out


def test_what_is_not_used_is_listed_with_the_reason(far, capsys):
    assert main(["list"]) == 0
    methods, datasets = capsys.readouterr().out.split("datasets:")
    assert "from far7:M (package far 1.0)" in methods
    assert "  refused: 'opqn' of package far 1.0 is not used: the name is that of" in methods
    assert "refused" not in datasets
    assert "farset" in datasets


@pytest.mark.slow
def test_a_fault_of_the_processor_costs_a_worker_and_its_cell(install, where, capsys):
    hit = METHOD.format(name="hit", cls="M") + "        import ctypes; ctypes.string_at(0)\n"
    gone = METHOD.format(name="gone", cls="M") + "        import os; os._exit(0)\n"
    install("hard", methods={"hit": "hard8:M", "gone": "hard9:M"}, files={
        "hard8.py": hit.replace("return features\n", ""),
        "hard9.py": gone.replace("return features\n", ""),
    })  # fmt: skip
    methods = ["--methods", "hit", "gone", "dcdh", "--jobs-per-device", "2"]
    assert main([*TINY, *where, *methods]) == 1
    said = capsys.readouterr()
    assert "hit 16 bit seed 0: failed: its worker process ended unasked with SIGSEGV" in said.out
    assert (
        "gone 16 bit seed 0: failed: its worker process ended unasked with exit code 0" in said.out
    )
    assert "summary: done=1 cached=0 skipped=0 failed=2" in said.out
