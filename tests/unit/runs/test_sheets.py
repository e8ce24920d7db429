"""Sheets from stored codes and local images, and one clear sentence where something is missing."""

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hashquant.cli import main
from hashquant.codes.binary import pack_bits
from hashquant.codes.family import CodeBudget
from hashquant.errors import DataError, UsageError
from hashquant.machine.filenames import safe_name
from hashquant.plugins import registry
from hashquant.records.record import Cost, EvalRecord, TrainRecord
from hashquant.records.store import Store
from hashquant.records.vouching import CODES
from hashquant.runs.sheets import Asked, write_sheets
from hashquant.search.comparisons import MissingCodesError, StoredCodes, evaluate_all, merged
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import RunSpec, comparability_key, run_id

OPTIONS = {"identities": "6", "images": "8"}
OWN, OTHER = "synthfaces-studio", "synthfaces-street"


def spec(method, **changes):
    base = dict(  # noqa: C408  # reads like the call it feeds
        suite="s", method=method, dataset=OWN, bits=16, seed=0, trunk="t", image_size=32,
        resize=35, padding=0, flip=True, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), features=512,
        epochs=2, batch_size=8, precision="fp32", recipe="paper", schedule=Recipe(),
        selection="last", device="cpu", settings={}, dataset_options=OPTIONS,
    )  # fmt: skip
    return RunSpec(**(base | changes))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small sets of drawn faces, and their items and splits by name."""
    root, found = tmp_path_factory.mktemp("data"), {}
    for name in (OWN, OTHER):
        dataset = registry.make_dataset(name, OPTIONS)
        dataset.prepare(root)
        items = dataset.load(root)
        found[name] = items, dataset.split(items)
    return root, found


@pytest.fixture
def save(tmp_path, data):
    """Return a function that stores the examination of random codes."""

    def saved(method, target=OWN, **changes):
        items, split = data[1][target]
        version = data[1][OWN][0].version
        bits = torch.randn(len(items), 16, generator=torch.Generator().manual_seed(len(method))) > 0
        labels = torch.from_numpy(items.labels)
        codes = StoredCodes(
            "bits", CodeBudget(16), pack_bits(bits[split.gallery]), labels[split.gallery],
            pack_bits(bits[split.query]), labels[split.query],
        )  # fmt: skip
        cell, found = spec(method), merged(evaluate_all(codes))
        name, cost = run_id(cell, version), Cost(16, 2, 0, "bits", 0, 0, 1, 1)
        folder = Store(tmp_path).cell(cell, name)
        folder.save_train(TrainRecord(name, "done", cell, dataset_version=version, cost=cost))
        away = items.version if target != OWN else ""
        key = comparability_key(cell, version, split.digest, (away,) if away else ())
        record = EvalRecord(
            name, cell, target, "seen", split.digest, key, found.queries, found.excluded,
            len(split.gallery), found.scores, found.curves, cost, target_version=away,
        )  # fmt: skip
        record = dataclasses.replace(record, **changes)
        per_query = {**found.per_query, "label": codes.query_labels.numpy()}
        folder.save_eval(record, per_query, codes.arrays())
        return folder.path / safe_name(target), codes

    return saved


def sheets(tmp_path, data, *rows, **asked):
    records = Store(tmp_path).read("s")
    return write_sheets(records, Asked(rows, **asked), data[0], tmp_path / "figures")


def test_a_sheet_shows_the_nearest_items_of_the_same_queries(tmp_path, data, save):
    codes = {method: save(method)[1] for method in ("dcdh", "orthohash")}
    paths = sheets(tmp_path, data, "dcdh", "orthohash", queries=3)
    assert {path.name.partition(".")[0] for path in paths} == {f"retrieval_{OWN}_16bit"}
    frame = pd.read_csv(paths[-1], comment="#")
    assert len(frame) == 3 * 2 * 10
    for (label, query), part in frame.groupby(["label", "query"]):
        mine = codes[label]
        distance = np.unpackbits(mine.gallery.numpy() ^ mine.query.numpy()[query], axis=1).sum(1)
        assert list(part["score"]) == sorted(distance)[:10]
        assert list(distance[part["item"]]) == list(part["score"])
        right = mine.gallery_labels.numpy()[part["item"]] == int(mine.query_labels[query])
        assert list(part["right"]) == list(right)
    per_method = frame.groupby("label")["query"].unique()
    assert list(per_method["dcdh"]) == list(per_method["orthohash"])
    first = frame[(frame["label"] == "dcdh") & (frame["rank"] == 1)]["ap"]
    assert list(first) == sorted(first)


def test_another_target_is_shown_when_asked_for(tmp_path, data, save):
    save("dcdh")
    save("dcdh", OTHER)
    names = [path.name for path in sheets(tmp_path, data, "dcdh", targets=(OTHER,))]
    assert names[0] == f"retrieval_{OWN}--{OTHER}_16bit.pdf"
    assert sheets(tmp_path, data, "dcdh")[0].name == f"retrieval_{OWN}_16bit.pdf"


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"targets": ("synthfaces-stret",)}, "unknown target with records"),
     ({"bits": (64,)}, "--sheet must name rows that are stored")],
)  # fmt: skip
def test_what_is_not_stored_is_said(tmp_path, data, save, asked, says):
    save("dcdh")
    with pytest.raises(UsageError, match=says):
        sheets(tmp_path, data, "dcdh", **asked)
    with pytest.raises(UsageError, match="unknown row of the tables 'dcdg': did you mean 'dcdh'"):
        sheets(tmp_path, data, "dcdg")


def test_missing_codes_are_named_with_their_folder(tmp_path, data, save):
    folder, _ = save("dcdh")
    (folder / CODES).unlink()
    with pytest.raises(MissingCodesError) as error:
        sheets(tmp_path, data, "dcdh")
    assert str(error.value).startswith(f"codes.npz is not stored of dcdh in {folder}: ")


def test_other_images_than_those_examined_are_refused(tmp_path, data, save):
    save("dcdh", split_digest="0" * 64)
    with pytest.raises(DataError, match=r"must be those that were examined .*split 000000000000"):
        sheets(tmp_path, data, "dcdh")


def test_images_are_only_shown_where_their_terms_allow_it(tmp_path, data, save, monkeypatch):
    save("dcdh")
    monkeypatch.setattr(registry.dataset_class(OWN), "may_show", False)
    with pytest.raises(UsageError, match="--show-images says that you have it") as error:
        sheets(tmp_path, data, "dcdh")
    assert registry.dataset_class(OWN).terms in str(error.value)
    assert not (tmp_path / "figures").exists()
    assert sheets(tmp_path, data, "dcdh", show_images=True)


def test_sets_of_unclear_terms_are_not_shown():
    shown = {name for name in registry.datasets() if registry.dataset_class(name).may_show}
    stems = {registry.dataset_stem(name) for name in shown}
    assert stems == {"synthfaces", "fashion_mnist", "olivetti"}


def test_the_command_writes_a_sheet_beside_the_tables(tmp_path, data, save, capsys):
    save("dcdh")
    folders = ["--results-dir", str(tmp_path), "--reports-dir", str(tmp_path / "r"),
               "--data-dir", str(data[0])]  # fmt: skip
    asked = ["report", "--suite", "s", "--sheet", "dcdh", "--sheet-bits", "16", *folders]
    assert main([*asked, "--sheet-queries", "0"]) == 2
    assert "--sheet-queries must be a whole number of at least 1, got 0" in capsys.readouterr().err
    assert main([*asked, "--sheet-queries", "2"]) == 0
    assert (tmp_path / "r" / "s" / "figures" / f"retrieval_{OWN}_16bit.png").is_file()
    assert (tmp_path / "r" / "s" / "tables" / "map.md").is_file()


def test_git_ignores_sheets():
    root = Path(__file__).resolve().parents[3]
    names = [f"reports/s/figures/retrieval_lfw_24bit.{kind}" for kind in ("pdf", "png", "svg")]
    found = subprocess.run(
        ["git", "check-ignore", *names], cwd=root, capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == names
