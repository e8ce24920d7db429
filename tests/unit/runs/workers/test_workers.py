"""Cells side by side: the results of one alone, and an end without orphans or lost epochs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hashquant.cli import main
from hashquant.cli._parser import parse
from hashquant.cli._run import resolve
from hashquant.records.store import Store
from hashquant.runs import workers
from hashquant.runs.contest import Surroundings
from hashquant.runs.planning import plan
from hashquant.runs.tally import Tally
from hashquant.settings.suite import Suite

ROOT = Path(__file__).resolve().parents[4]
TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--targets", "seen",
        "--no-figures"]  # fmt: skip


def command(tmp_path, *words):
    return [*TINY, "--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data"),
            "--reports-dir", str(tmp_path / "reports"), *words]  # fmt: skip


def found(folder, name="train.json"):
    return {p.parent.relative_to(folder): p for p in sorted((folder / "results").rglob(name))}


#: What of a record may differ, and the seal over it.
CLOCKS = ("timing", "started_at", "provenance", "seal")


def lasting(path):
    """A record without clocks and machine: what must not depend on who ran beside it."""
    record = json.loads(path.read_text())
    return {k: v for k, v in record.items() if k not in CLOCKS}


def test_two_at_once_give_the_same_bits_as_one_alone(tmp_path, unheard):
    suite = Suite(
        methods=("lsh", "dcdh"), bits=(16, 24), epochs=1, batch_size=8, targets=("seen",),
        settings={"synthfaces": {"identities": 4, "images": 8}},
    )  # fmt: skip
    cells = plan("quick", suite, device="cpu")[:3]  # two on one embedding, and one beside them
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    counted = set()
    for folder, jobs in ((alone, 1), (beside, 2)):
        here = Surroundings(Store(folder / "results"), tmp_path / "data", torch.device("cpu"))
        tally = Tally()
        workers.run(cells, here, unheard, tally, jobs)
        assert str(tally).startswith("summary: done=3 cached=0 skipped=0 failed=0 ")
        counted.add(str(tally))
    assert len(counted) == 1
    for name in ("train.json", "eval.json"):
        ours, theirs = found(beside, name), found(alone, name)
        assert {k: lasting(p) for k, p in ours.items()} == {
            k: lasting(p) for k, p in theirs.items()
        }
        assert {timed(path) for path in ours.values()} == {2.0}
        assert {timed(path) for path in theirs.values()} == {1.0}
    for name in ("codes.npz", "per_query.npz", "model.safetensors"):
        ours, theirs = found(beside, name), found(alone, name)
        assert len(ours) >= 3
        assert {k: p.read_bytes() for k, p in ours.items()} == {
            k: p.read_bytes() for k, p in theirs.items()
        }, name


def timed(path):
    return json.loads(path.read_text())["timing"]["jobs_per_device"]


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
    return {name: json.loads(path.read_text())["status"] for name, path in found(tmp_path).items()}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
def test_a_killed_worker_costs_its_cell_and_ctrl_c_stops_the_other(tmp_path, unheard):
    words = command(tmp_path, "--methods", "dcdh", "--bits", "16", "24")
    words[words.index("--epochs") + 1] = "12"
    process = start([*words, "--jobs-per-device", "2"])
    until(lambda: found(tmp_path, "checkpoint.pt"), process)
    crew = workers_of(process)
    os.kill(crew[0], signal.SIGKILL)
    until(lambda: "failed" in statuses(tmp_path).values(), process)
    [lost] = statuses(tmp_path)
    until(lambda: set(found(tmp_path, "checkpoint.pt")) - {lost}, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of the group
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in out
    later = "to be tried once more, alone, after the others: its worker process ended unasked"
    assert f"{later} with SIGKILL" in out
    assert out.splitlines()[-1] == "summary: done=0 cached=0 skipped=0 failed=0 untrained=0"
    until(lambda: all(map(gone, crew)))
    assert sorted(statuses(tmp_path).values()) == ["failed", "interrupted"]
    cells = plan(*resolve(parse(words)), device="cpu")
    here = Surroundings(Store(tmp_path / "results"), tmp_path / "data", torch.device("cpu"))
    workers.run(cells, here, unheard, Tally(), 1)
    trains = {name: json.loads(path.read_text()) for name, path in found(tmp_path).items()}
    assert [len(train["losses"]) for train in trains.values()] == [12, 12]
    # It went on from where it was stopped: partly trained beside the other, which its record says.
    assert [t["timing"]["jobs_per_device"] for k, t in trains.items() if k != lost] == [2.0]


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_bad_number_of_jobs_is_one_sentence(tmp_path, capsys, value):
    assert main(command(tmp_path, f"--jobs-per-device={value}")) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: --jobs-per-device must be auto or a whole number of at least 1, got '{value}'\n"
    )
