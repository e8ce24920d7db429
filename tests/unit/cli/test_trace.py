"""The verbs `verify` and `explain` on small records made by hand."""

import json
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hashquant.cli import main
from hashquant.cli._asked import resolve
from hashquant.cli._parser import parse
from hashquant.plugins.registry import dataset_stem
from hashquant.records.record import TrainRecord, from_json
from hashquant.report.trace.repeat import command
from hashquant.runs.planning import plan
from hashquant.settings.suite import RESULTS_EPOCH, run_id

ROOT = Path(__file__).resolve().parents[3]
MADE = runpy.run_path(str(ROOT / "tests/unit/runs/test_verification.py"))
stored, spec, edit = MADE["stored"], MADE["spec"], MADE["edit"]
NAME = run_id(spec(), MADE["VERSION"])
CELL = f"s/synthfaces/opqn/24bit/seed0-{NAME[:6]}"


def ran(capsys, *words):
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def verified(capsys, root, *words):
    code, out, err = ran(capsys, "verify", "--results-dir", str(root), *words)
    assert err == ""
    return code, out.splitlines()


def test_verify_counts_what_it_found_again(tmp_path, capsys):
    stored(tmp_path)
    stored(tmp_path, "bits", method="dcdh")
    (stored(tmp_path, suite="t") / "codes.npz").unlink()
    code, lines = verified(capsys, tmp_path)
    assert (code, lines[-1]) == (0, "verified: codes=2 per-query=1 different=0 unreadable=0")
    assert len(lines) == 2
    assert "no codes are stored" in lines[0]
    assert lines[0].endswith("from per-query values (1 record)")
    assert verified(capsys, tmp_path, "--suite", "t")[1][-1].startswith("verified: codes=0 per-")


def test_verify_names_each_problem_and_fails(tmp_path, capsys):
    folder = stored(tmp_path)
    edit(folder / "eval.json", lambda raw: raw["scores"][0].update(value=0.75))
    other = stored(tmp_path, seed=1)
    (other / "codes.npz").write_bytes(b"no zip")
    code, lines = verified(capsys, tmp_path)
    assert code == 1
    assert lines[0].startswith(f"{folder / 'eval.json'}: mAP (adc")
    assert "stored 0.75, found 0." in lines[0]
    assert lines[1].startswith(f"{other / 'codes.npz'}: ")
    assert lines[-1] == "verified: codes=1 per-query=1 different=1 unreadable=1"


def test_verify_says_more_when_asked(tmp_path, capsys):
    folder = stored(tmp_path)
    assert f"{folder}: codes" in verified(capsys, tmp_path, "-v")[1]


def test_verify_needs_records(tmp_path, capsys):
    assert "got none in" in ran(capsys, "verify", "--results-dir", str(tmp_path))[2]
    stored(tmp_path)
    code, _, err = ran(capsys, "verify", "--results-dir", str(tmp_path), "--suite", "ss")
    assert code == 2
    assert "did you mean 's'?" in err


def explained(capsys, root, asked):
    code, out, err = ran(capsys, "explain", str(asked), "--results-dir", str(root))
    assert (code, err) == (0, "")
    return out


def test_explain_tells_all_that_made_a_cell(tmp_path, capsys):
    stored(tmp_path, overrides={"margin": 0.5}, dataset_options={"identities": "32"})
    out = " ".join(explained(capsys, tmp_path, "s/synthfaces").split())
    for words in (
        "opqn margin=0.5, 24 bits, seed 0, trained on synthfaces",
        "data set synthfaces identities 32",
        "overrides margin 0.5",
        "images 80 of 3 classes",
        "data version a1b2c3",
        "split d1",
        "selected epoch 2 of 2",
        "first loss margin 2, total 2.5",
        "last loss margin 1, total 1.25",
        "24 bits in 3 bytes an item, 4 books of 64 codewords",
        "examined on olivetti+norm_stats=target",
        "protocol cross",
        "split d2",
        "target version v9",
        "queries 9, 1 with nothing relevant excluded",
        "gallery 40 items",
        "norm_stats target",
        "adapter gray",
        "health distinct_codes 40",
        "recipe paper: optimizer sgd, lr 0.1",
        "codes.npz",
        "run_bench.py --suite s --methods opqn --bits 24 --seeds 0 --datasets synthfaces",
        "--targets olivetti+norm_stats=target",
        "--set opqn.margin=0.5",
        "--set synthfaces.identities=32",
    ):
        assert words in out


def test_paths_are_told_whole(tmp_path, capsys):
    folder = stored(tmp_path, dataset="-".join(["folder"] * 20))
    name = json.loads((folder / "eval.json").read_text())["run_id"]
    out = explained(capsys, tmp_path, name)
    assert f"{folder / 'codes.npz'}\n" in out


def test_explain_lists_every_score_with_its_definition(tmp_path, capsys):
    folder = stored(tmp_path)
    lines = [line.split() for line in explained(capsys, tmp_path, NAME).splitlines()]
    for score in json.loads((folder / "eval.json").read_text())["scores"]:
        cutoff = str(score["cutoff"] or "all")
        row = [score["metric"], cutoff, score["denominator"], score["ties"], score["comparison"]]
        assert [*row, f"{score['value']:.10f}"] in lines


def test_a_cell_is_found_by_folder_path_and_name(tmp_path, capsys, monkeypatch):
    folder = stored(tmp_path)
    whole = explained(capsys, tmp_path, NAME)
    monkeypatch.chdir(folder.parents[1])
    for asked in (CELL, f"{CELL}/", folder.parent, f"{CELL}/{folder.name}", folder, NAME[:6],
                  NAME[:2].upper(), folder / "eval.json", folder.parent / "train.json", "s/syn",
                  folder.parent.name):  # fmt: skip
        assert explained(capsys, tmp_path, asked) == whole


def test_a_target_is_shown_alone(tmp_path, capsys):
    folder = stored(tmp_path)
    other = folder.parent / "lfw"
    other.mkdir()
    shutil.copy(folder / "eval.json", other)
    edit(other / "eval.json", lambda raw: raw.update(target="lfw"))
    both = explained(capsys, tmp_path, CELL)
    assert "examined on olivetti" in both
    assert "--targets lfw olivetti+norm_stats=target" in " ".join(both.split())
    assert "examined on olivetti" not in explained(capsys, tmp_path, f"{CELL}/lfw")


def test_an_unknown_cell_is_one_sentence_with_the_nearest(tmp_path, capsys):
    stored(tmp_path)
    for asked, nearest in ((CELL.replace("opqn", "opqm"), CELL), (f"{NAME[:5]}z", NAME[:6])):
        code, out, err = ran(capsys, "explain", asked, "--results-dir", str(tmp_path))
        assert (code, out) == (2, "")
        assert err == f"error: unknown cell '{asked}': did you mean '{nearest}'?\n"
    code, _, err = ran(capsys, "explain", CELL, "--results-dir", str(tmp_path / "none"))
    assert (code, "no cell is stored" in err) == (2, True)


def test_an_ambiguous_cell_lists_what_it_may_be(tmp_path, capsys):
    names = {stored(tmp_path, seed=seed).parent.relative_to(tmp_path) for seed in range(20)}
    code, _, err = ran(capsys, "explain", "s/synthfaces/", "--results-dir", str(tmp_path))
    assert code == 2
    assert "must name one cell, got 20: " in err
    assert err.endswith(" and 8 more\n")
    digits = [name.name.rpartition("-")[2] for name in names]
    shared = next(d[0] for d in digits if sum(other[0] == d[0] for other in digits) > 1)
    _, _, err = ran(capsys, "explain", shared, "--results-dir", str(tmp_path))
    assert all(str(n) in err for n in names if n.name.rpartition("-")[2].startswith(shared))


def test_a_failed_cell_is_explained_by_its_reason(tmp_path, capsys):
    folder = stored(tmp_path).parent
    (folder / "olivetti+norm_stats-target" / "eval.json").unlink()
    edit(folder / "train.json", lambda raw: raw.update(
        status="diverged", reason="loss is nan", losses=[], cost=None, selected_epoch=0,
    ))  # fmt: skip
    out = explained(capsys, tmp_path, CELL)
    assert "diverged: loss is nan" in out
    assert "examined on nothing yet" in out
    assert "--targets" not in out


def test_a_damaged_record_is_named_and_the_rest_told(tmp_path, capsys):
    folder = stored(tmp_path)
    (folder.parent / "train.json").write_text("{")
    out = explained(capsys, tmp_path, CELL)
    assert "train.json cannot be read" in " ".join(out.split())
    assert "examined on olivetti" in out


def one_a_method():
    """Return one committed record of each method."""
    paths = sorted(ROOT.glob("results/*/*/*/*/*/train.json"))
    records = [from_json(TrainRecord, path.read_text()) for path in paths]
    return list(
        {r.spec.method: r for r in records if r.spec.results_epoch == RESULTS_EPOCH}.values()
    )


@pytest.mark.parametrize("record", one_a_method(), ids=lambda record: record.spec.method)
def test_the_command_plans_the_same_cell_again(record):
    text = command(record.spec, ["seen"], dataset_stem(record.spec.dataset))
    program, *words = shlex.split(text.replace("\\\n", " "))
    assert program == "run_bench.py"
    name, suite = resolve(parse(words))
    specs = [cell.spec for cell in plan(name, suite, device=record.spec.device)]
    assert run_id(record.spec, record.dataset_version) in {
        run_id(found, record.dataset_version) for found in specs
    }


def test_the_command_of_a_variant_plans_nothing_else():
    paths = sorted(ROOT.glob("results/ablation-opqn/*/opqn/24bit/seed0-*/train.json"))
    records = [from_json(TrainRecord, path.read_text()) for path in paths]
    record = next(record for record in records if record.spec.overrides)
    words = shlex.split(command(record.spec, ["seen"], "lfw").replace("\\\n", " "))[1:]
    name, suite = resolve(parse(words))
    (cell,) = plan(name, suite, device=record.spec.device)
    assert cell.spec.overrides == record.spec.overrides


def test_explaining_needs_no_torch(tmp_path):
    stored(tmp_path)
    code = f"""
import sys
from hashquant.cli import main
assert main(["explain", "{NAME}", "--results-dir", "{tmp_path}"]) == 0
sys.exit("torch" in sys.modules)
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT / "src", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
