import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torchvision

from hashquant.cli import main

ROOT = Path(__file__).resolve().parents[3]
TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--targets", "seen",
        "--no-figures"]  # fmt: skip


def last(capsys):
    """Return the summary without its last number: whether runs so short train is nothing here."""
    return capsys.readouterr().out.splitlines()[-1].partition(" untrained=")[0]


def records(tmp_path, name):
    return sorted((tmp_path / "results").rglob(name))


def test_a_run_then_the_cache(where, tmp_path, capsys):
    command = [*TINY, *where, "--methods", "opqn,dcdh", "--bits", "16", "24"]
    assert main(command) == 0
    assert last(capsys) == "summary: done=4 cached=0 skipped=0 failed=0"
    before = {p: p.read_bytes() for p in records(tmp_path, "*.json")}
    assert len(before) == 8
    assert main(command) == 0
    assert last(capsys) == "summary: done=0 cached=4 skipped=0 failed=0"
    assert {p: p.read_bytes() for p in records(tmp_path, "*.json")} == before
    assert (tmp_path / "reports/quick/tables/map.md").is_file()
    assert main(["verify", *where[:2]]) == 0
    assert capsys.readouterr().out == "verified: codes=4 per-query=0 different=0 unreadable=0\n"


def test_the_order_of_methods_does_not_miss_the_cache(where, capsys):
    assert main([*TINY, *where, "--methods", "opqn", "dcdh", "--bits", "16"]) == 0
    assert main([*TINY, *where, "--methods", "DCDH", "opq?", "--bits", "16"]) == 0
    assert last(capsys) == "summary: done=0 cached=2 skipped=0 failed=0"


def test_force_runs_anew_and_finds_the_same(where, tmp_path, capsys):
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16"]
    assert main(command) == 0
    [path] = records(tmp_path, "eval.json")
    first = json.loads(path.read_text())["scores"]
    assert main([*command, "--force"]) == 0
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=0"
    assert json.loads(path.read_text())["scores"] == first


def test_damaged_files_are_set_aside_and_redone(where, tmp_path, capsys):
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16"]
    assert main(command) == 0
    [train] = records(tmp_path, "train.json")
    [evaluation] = records(tmp_path, "eval.json")
    [model] = records(tmp_path, "model.safetensors")
    scores = json.loads(evaluation.read_text())["scores"]
    evaluation.write_text(evaluation.read_text()[:100])
    assert main(command) == 0
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=0"
    train.write_text("")
    evaluation.write_text("{}")
    model.write_bytes(b"nonsense")
    assert main(command) == 0
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=0"
    assert json.loads(evaluation.read_text())["scores"] == scores


def test_skipped_cells_have_a_reason_and_exit_0(where, capsys):
    assert main([*TINY, *where, "--methods", "opqn", "dcdh", "--bits", "17"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("summary: done=1 cached=0 skipped=1 failed=0 ")
    assert "–" in out


def test_a_failing_method_leaves_the_others_alone(where, tmp_path, capsys, monkeypatch):
    import hashquant.methods

    head = "def forward(self, features: hq.Features) -> hq.Embedding:"
    source = (ROOT / "methods/dcdh.py").read_text().replace('"dcdh"', '"nanmethod"')
    broken = source.replace(head, f"{head}\n        features = features * float('nan')")
    assert broken != source
    (tmp_path / "nanmethod.py").write_text(broken)
    monkeypatch.setattr(hashquant.methods, "__path__", [*hashquant.methods.__path__, str(tmp_path)])
    assert main([*TINY, *where, "--methods", "nanmethod", "dcdh", "--bits", "16"]) == 1
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=1"
    statuses = {json.loads(p.read_text())["status"] for p in records(tmp_path, "train.json")}
    assert statuses == {"done", "diverged"}


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(where, tmp_path, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main([*TINY, *where, "--methods", "dcdh", "--bits", "16", "24"]) == 1
    said = capsys.readouterr()
    assert "the disk is full" in said.err
    assert said.out.splitlines()[-1] == "summary: done=0 cached=0 skipped=0 failed=1 untrained=0"
    assert [p.name for p in (tmp_path / "results").rglob("*") if p.is_file()] == [".lock"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--methods", "oqpn"], 2, "did you mean 'opqn'"),
        (["--datasets", "synthface"], 2, "did you mean 'synthfaces'"),
        (["--suite", "quik"], 2, "did you mean 'quick'"),
        (["--metods", "opqn"], 2, "did you mean '--methods'"),
        (["--bits", "many"], 2, "--bits must be a whole number of at least 1, got 'many'"),
        (["--bits", "0"], 2, "--bits must be a whole number of at least 1, got 0"),
        (["--bits", "2048"], 2, "no method can meet these bits"),
        (["--set", "epoch=3"], 2, "did you mean 'epochs'"),
        (["--set", "synthfaces.identitis=3"], 2, "did you mean 'identities'"),
        (["--device", "cuda:99"], 2, "cuda"),
        (["--device", "gpu"], 2, "gpu"),
        (["--trunk", "resnet"], 2, "unknown trunk 'resnet'"),
        (["--suite", "none.yaml"], 2, "must exist"),
        (["--targets", "sean"], 2, "did you mean 'seen'"),
        (["--targets", "olivetti+norm=target"], 2, "did you mean 'norm_stats'"),
        (["--set", "selection=best"], 2, "unknown selection 'best'"),
        (["--datasets", "olivetti", "--targets", "unseen"], 2, "must name something to examine"),
        (["--datasets", "folder:/no/such/folder"], 3, "/no/such/folder"),
        (["--datasets", "olivetti"], 3, "olivetti"),
        (["lst"], 2, "did you mean 'list'"),
        (["--epochs", "two"], 2, "--epochs"),
    ],
)
def test_bad_input_is_one_sentence_with_its_exit_code(where, capsys, words, code, sentence):
    assert main([*words, *(where if words[0].startswith("-") else [])]) == code
    said = capsys.readouterr()
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_one_bad_data_set_does_not_stop_the_other(where, capsys):
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16",
               "--datasets", "folder:/no/such", "synthfaces"]  # fmt: skip
    assert main(command) == 3
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=1"


def test_one_training_many_examinations(where, tmp_path, capsys):
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16"]
    assert main(command) == 0
    [train] = records(tmp_path, "train.json")
    trained = train.read_bytes()
    both = [*command[: command.index("--targets")], *where, "--methods", "dcdh", "--bits", "16"]
    both += ["--targets", "seen", "synthfaces-street", "synthfaces-street+norm_stats=target"]
    assert main(both) == 0
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=0"
    assert train.read_bytes() == trained
    found = [json.loads(p.read_text()) for p in records(tmp_path, "eval.json")]
    assert {record["run_id"] for record in found} == {json.loads(trained)["run_id"]}
    protocols = {record["target"]: record["protocol"] for record in found}
    assert protocols == {
        "synthfaces-studio": "seen",
        "synthfaces-street": "cross",
        "synthfaces-street+norm_stats=target": "cross",
    }
    assert len({record["comparability_key"] for record in found}) == 3


def test_a_missing_target_does_not_stop_the_others(where, tmp_path, capsys):
    command = [*TINY[:-1], "seen", "olivetti", *where, "--methods", "dcdh", "--bits", "16"]
    assert main(command) == 3
    assert last(capsys) == "summary: done=0 cached=0 skipped=0 failed=1"
    [evaluation] = records(tmp_path, "eval.json")
    assert json.loads(evaluation.read_text())["target"] == "synthfaces-studio"


def test_controls_are_fitted_on_one_float_embedding(where, tmp_path, capsys):
    larger = [word.replace("images=8", "images=90") for word in TINY]
    command = [*larger, *where, "--methods", "pq", "itq", "float", "random", "--bits", "16", "24"]
    assert main(command) == 0
    assert last(capsys) == "summary: done=7 cached=0 skipped=0 failed=0"
    trains = [json.loads(p.read_text()) for p in records(tmp_path, "train.json")]
    [ceiling] = [t for t in trains if t["spec"]["method"] == "float"]
    assert len(ceiling["losses"]) == 2
    fitted = [t for t in trains if t["spec"]["method"] in ("pq", "itq")]
    assert {t["base_run"] for t in fitted} == {ceiling["run_id"]}
    assert all(t["losses"] == [] for t in fitted)
    evals = [json.loads(p.read_text()) for p in records(tmp_path, "eval.json")]
    compared = {e["spec"]["method"]: {s["comparison"] for s in e["scores"]} for e in evals}
    assert compared == {
        "pq": {"adc", "sdc"}, "itq": {"hamming", "asymmetric-hamming"},
        "random": {"hamming", "asymmetric-hamming"}, "float": {"cosine"},
    }  # fmt: skip


def test_dry_run_runs_nothing(where, tmp_path, capsys):
    command = [*TINY, *where, "--methods", "opqn", "dcdh", "--bits", "16", "17", "--dry-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "opqn 16 bit seed 0: to run" in out
    assert "opqn 17 bit seed 0: skipped" in out
    assert "estimate: " in out
    assert not (tmp_path / "results").exists()


def test_a_trunk_starts_from_local_weights(where, tmp_path, capsys):
    file = tmp_path / "resnet18.pth"
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16", "--trunk", f"resnet18:{file}"]
    pretrained = torchvision.models.resnet18()
    pretrained.conv1 = torch.nn.Conv2d(3, 64, 3, bias=False)  # the stem for 32 pixels
    torch.save(pretrained.state_dict(), file)
    assert main(command) == 0
    assert last(capsys) == "summary: done=1 cached=0 skipped=0 failed=0"
    file.write_bytes(b"no weights")
    assert main(command) == 2
    assert capsys.readouterr().err.count("must be a readable weight file") == 1


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("opqn", "dpq", "lfw", "cifar10-2", "quick", "faces", "sphere20-narrow"):
        assert f"\n  {name} " in out
    assert main(["list", "method"]) == 2


def test_data_verb_prints_terms_and_split(where, capsys):
    assert main(["data", "synthfaces", *TINY[:4], *where[4:]]) == 0
    out = capsys.readouterr().out
    assert "split digest" in out
    assert "MIT" in out


def start(words):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_bench.py"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def wait_for(pattern, folder, process):
    for _ in range(2400):
        if list(folder.rglob(pattern)):
            return
        if process.poll() is not None:
            pytest.fail(f"the run ended too early:\n{process.stdout.read()}")
        time.sleep(0.05)
    pytest.fail(f"no {pattern} within 2 minutes")


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_an_interrupted_run_goes_on_where_it_was(where, tmp_path, capsys, how, code):
    command = [*TINY, *where, "--methods", "dcdh", "--bits", "16", "24"]
    command[command.index("--epochs") + 1] = "16"
    process = start(command)
    wait_for("eval.json", tmp_path, process)
    first = records(tmp_path, "eval.json")[0]
    kept = first.read_bytes()
    wait_for("24bit/*/checkpoint.pt", tmp_path, process)
    process.send_signal(how)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == code
    if how is not signal.SIGKILL:
        assert out.splitlines()[-1].startswith("summary: done=1 ")
    assert main(command) == 0
    assert last(capsys) == "summary: done=1 cached=1 skipped=0 failed=0"
    assert first.read_bytes() == kept
    [log] = [
        json.loads(p.read_text()) for p in records(tmp_path, "train.json") if "24bit" in str(p)
    ]
    assert len(log["losses"]) == 16


def test_version_says_version_and_commit(capsys):
    assert main(["--version"]) == 0
    said = capsys.readouterr().out
    commit = r"(unknown|[0-9a-f]{12}(, changed since)?)"
    assert re.fullmatch(rf"hashquant [\d.]+, commit {commit}\n", said)


def test_the_package_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hashquant", "list", "trunk"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: unknown list 'trunk': did you mean 'trunks'? "
        "Known: datasets, methods, suites, trunks\n"
    )
