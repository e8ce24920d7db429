"""Cells side by side: the results of one alone, and an end without orphans or lost epochs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hashquant.cli import main

ROOT = Path(__file__).resolve().parents[3]
TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--targets", "seen",
        "--no-figures"]  # fmt: skip


def command(tmp_path, *words):
    return [*TINY, "--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data"),
            "--reports-dir", str(tmp_path / "reports"), *words]  # fmt: skip


def found(folder, name="train.json"):
    return {p.parent.relative_to(folder): p for p in sorted((folder / "results").rglob(name))}


def lasting(path):
    """A record without clocks and machine: what must not depend on who ran beside it."""
    record = json.loads(path.read_text())
    return {k: v for k, v in record.items() if k not in ("timing", "started_at", "provenance")}


def test_two_at_once_give_the_same_bits_as_one_alone(tmp_path, capsys):
    asked = ["--methods", "float", "pq", "random", "dcdh", "--bits", "16", "17",
             "--set", "synthfaces.images=90", "--epochs", "1"]  # fmt: skip
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    assert main([*command(alone), *asked, "--jobs-per-device", "1"]) == 0
    summary = capsys.readouterr().out.splitlines()[-1]
    assert main([*command(beside), *asked, "--jobs-per-device", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == summary
    for name in ("train.json", "eval.json"):
        ours, theirs = found(beside, name), found(alone, name)
        assert {k: lasting(p) for k, p in ours.items()} == {
            k: lasting(p) for k, p in theirs.items()
        }
    trains = [json.loads(path.read_text()) for path in found(beside).values()]
    assert {t["timing"].get("jobs_per_device") for t in trains if t["status"] == "done"} == {2.0}
    for name in ("codes.npz", "per_query.npz", "model.safetensors"):
        ours, theirs = found(beside, name), found(alone, name)
        assert len(ours) >= 4
        assert {k: p.read_bytes() for k, p in ours.items()} == {
            k: p.read_bytes() for k, p in theirs.items()
        }, name


def start(words):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run_bench.py"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip


def workers_of(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, words in commands.items() if b"spawn_main" in words]


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until(condition, process=None):
    for _ in range(2400):
        if condition():
            return
        if process is not None and process.poll() is not None:
            pytest.fail(f"the run ended too early:\n{process.stdout.read()}")
        time.sleep(0.05)
    pytest.fail("not within 2 minutes")


def statuses(tmp_path):
    return [json.loads(path.read_text())["status"] for path in found(tmp_path).values()]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
def test_a_killed_worker_costs_its_cell_and_ctrl_c_stops_the_others(tmp_path, capsys):
    words = command(tmp_path, "--methods", "dcdh", "--bits", "16", "24", "32")
    words[words.index("--epochs") + 1] = "60"
    process = start([*words, "--jobs-per-device", "2"])
    until(lambda: found(tmp_path, "checkpoint.pt"), process)
    first = workers_of(process)
    os.kill(first[0], signal.SIGKILL)
    until(lambda: statuses(tmp_path), process)
    until(lambda: len(workers_of(process)) == 2 and found(tmp_path, "checkpoint.pt"), process)
    last = workers_of(process)
    assert last != first
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of the group
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in out
    assert "its worker process ended unasked with SIGKILL" in out
    assert out.splitlines()[-1].endswith("failed=1")
    until(lambda: all(map(gone, {*first, *last})))
    assert statuses(tmp_path).count("failed") == 1
    assert "interrupted" in statuses(tmp_path)
    kept = {path.parent.name for path in found(tmp_path, "checkpoint.pt").values()}
    assert kept
    assert main([*words, "--jobs-per-device", "1"]) == 0
    trains = [json.loads(path.read_text()) for path in found(tmp_path).values()]
    assert [len(train["losses"]) for train in trains] == [60, 60, 60]
    # What went on from a checkpoint was partly trained side by side, and says so.
    jobs = {path.parent.name: json.loads(path.read_text())["timing"]["jobs_per_device"]
            for path in found(tmp_path).values()}  # fmt: skip
    assert {name for name, count in jobs.items() if count == 2} >= kept


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_bad_number_of_jobs_is_one_sentence(tmp_path, capsys, value):
    assert main(command(tmp_path, f"--jobs-per-device={value}")) == 2
    said = capsys.readouterr().err
    assert said == (
        "error: --jobs-per-device must be auto or a whole number of at least 1, "
        f"got '{value}'\n"
    )
