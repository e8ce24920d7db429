"""`run` killed at random moments, then the same command: what it stores is what it always stores.

`HASHQUANT_KILLS` says how often each number of jobs is killed, 30 times without it.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hashquant.machine.seals import file_digest
from hashquant.records.store import Store
from hashquant.records.vouching import CODES, DISTRIBUTIONS, MODEL, PER_QUERY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
KILLS = int(os.environ.get("HASHQUANT_KILLS", "30"))
SMALL = (
    "--methods", "opqn", "dcdh", "--bits", "16", "24", "--epochs", "3", "--targets", "seen",
    "--no-figures", "--quiet", "--device", "cpu", "--set", "synthfaces.identities=8",
    "--set", "image_size=16", "--set", "resize=18", "--set", "precision=fp32",
)  # fmt: skip


def begin(results, data, jobs):
    """Start the command in a group of its own."""
    command = [sys.executable, ROOT / "run_bench.py", *SMALL, "--jobs-per-device", str(jobs)]
    command += ["--results-dir", results, "--reports-dir", f"{results}-reports"]
    return subprocess.Popen(
        [*command, "--data-dir", data], start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def ended(process):
    said, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, said
    return said


def content(results):
    """Return all that a run stores and that must not depend on when it was killed."""
    records = Store(results).read("quick")
    assert records.damaged == ()
    trains = {r.run_id: (r.status, r.losses, r.selected_epoch, r.gate) for r in records.trains}
    evals = {r.run_id: (r.scores, r.curves, r.health) for r in records.evals}
    files = {
        path.relative_to(results).as_posix(): file_digest(path)
        for path in sorted(results.rglob("*"))
        if path.name in (MODEL, CODES, PER_QUERY, DISTRIBUTIONS)
    }
    assert len(files) == 16
    return trains, evals, files


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    ended(begin(root / "results", root / "data", 1))
    return root / "data", content(root / "results"), time.monotonic() - began


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_loses_and_repeats_nothing(undisturbed, tmp_path, jobs):
    data, right, seconds = undisturbed
    chance = random.Random(jobs)
    store = 0
    for number in range(KILLS):
        results = tmp_path / f"results{store}"
        process = begin(results, data, jobs)
        moment = chance.uniform(0, 1.1 * seconds)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        if process.poll() is None:  # the whole group, or the first process alone
            group = chance.random() < 0.5
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.communicate()
            continue
        assert "failed=0" in ended(process), number
        assert content(results) == right
        store += 1
    results = tmp_path / f"results{store}"
    ended(begin(results, data, jobs))
    assert content(results) == right
    assert not [path for path in results.rglob("*") if path.name.endswith((".tmp", ".corrupt"))]
    assert "cached=4" in ended(begin(results, data, jobs))
