import json
import subprocess
import sys
from pathlib import Path

import pytest

from hashquant.cli import main

ROOT = Path(__file__).resolve().parents[3]
TINY = ["--set", "synthfaces.identities=4", "--set", "synthfaces.images=8", "--epochs", "2",
        "--batch-size", "8", "--device", "cpu", "--quiet", "--targets", "seen",
        "--no-figures", "--methods", "dcdh", "itq"]  # fmt: skip
#: Runs a command, then tells of torch by its exit code.
COMMAND = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from hashquant.cli import main
code = main(sys.argv[1:])
sys.exit(100 if "torch" in sys.modules else code)
"""


def alone(*words):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, str(ROOT / "src"), *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("suite", ["quick", "cross-domain"])
def test_a_dry_run_imports_no_torch_and_writes_nothing(suite, where, tmp_path):
    done = alone("--dry-run", "--suite", suite, *where)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.endswith(": to run") for line in lines[:-2])
    count = len(lines) - 2
    assert count >= 12
    assert lines[-2] == (
        f"estimate: {count} cells unknown: nothing like them is stored here; --measure times a few "
        "steps of each kind"
    )
    assert lines[-1] == "summary: done=0 cached=0 skipped=0 failed=0 untrained=0"
    assert not list(tmp_path.iterdir())


def test_what_a_run_stored_is_cached_and_tells_how_long_the_rest_takes(where, tmp_path, capsys):
    assert main([*TINY, *where, "--bits", "16"]) == 0
    capsys.readouterr()
    done = alone("--dry-run", *TINY, *where, "--bits", "16", "24")
    assert done.returncode == 0, done.stderr
    cells = {line.partition(" seed")[0]: line for line in done.stdout.splitlines()[:4]}
    assert [line.rpartition(": ")[2] for line in cells.values()] == [
        "cached", "to run", "cached", "to run",
    ]  # fmt: skip
    estimate, assumed, summary = done.stdout.splitlines()[4:]
    assert estimate.startswith("estimate: 0 min ")
    assert " s for 2 cells, from 2 records like these on " in estimate
    assert assumed.startswith("cached: judged by settings; ")
    assert summary.startswith("summary: done=0 cached=2 skipped=0 failed=0 untrained=")

    other = alone("--dry-run", *TINY, *where, "--bits", "16", "--set", "flip=false").stdout
    assert "cached=0" in other
    for path in (tmp_path / "results").rglob("per_query.npz"):
        path.unlink()
    assert "cached=0" in alone("--dry-run", *TINY, *where, "--bits", "16").stdout


def test_forced_cells_are_to_be_run(where, capsys):
    assert main([*TINY, *where, "--bits", "16"]) == 0
    capsys.readouterr()
    assert main(["--dry-run", "--force", *TINY, *where, "--bits", "16"]) == 0
    assert "cached=0" in capsys.readouterr().out


def test_measuring_loads_the_images_and_times_steps(where, tmp_path, capsys):
    assert main(["--dry-run", "--measure", *TINY, *where, "--bits", "16"]) == 0
    out = capsys.readouterr().out
    assert "measured on 3 steps of each kind of cell" in out
    assert "dcdh 16 bit seed 0: to run" in out
    assert not (tmp_path / "results").exists()
    assert main(["--dry-run", "--measure", "--spread", "intervall", *where]) == 2
    assert "did you mean 'interval'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--measure"], "--measure must come with --dry-run"),
        (["--dry-run", "--methods", "opqnn"], "did you mean 'opqn'"),
        (["--dry-run", "--device", "cud"], "unknown device 'cud': did you mean 'cuda'"),
        (["--dry-run", "--set", "opqn.margn=1"], "did you mean 'margin'"),
        (["--dry-run", "--trunk", "spher20"], "did you mean 'sphere20'"),
        (["--dry-run", "--spread", "intervall"], "unknown spread 'intervall': did you mean"),
        (["--dry-run", "--bits", "2048"], "bits must be within"),
        (["--dry-run", "--measur"], "did you mean '--measure'"),
    ],
)
def test_a_word_that_is_not_understood_is_one_sentence(words, sentence, where, tmp_path):
    done = alone(*words, *where)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_record_is_not_counted_and_stays(where, tmp_path, capsys):
    assert main([*TINY[:-1], *where, "--bits", "16"]) == 0
    capsys.readouterr()
    [record] = (tmp_path / "results").rglob("train.json")
    record.write_text(json.dumps({"schema_version": 2}))
    assert main(["--dry-run", *TINY[:-1], *where, "--bits", "16"]) == 0
    assert "cached=0" in capsys.readouterr().out
    assert record.is_file()
