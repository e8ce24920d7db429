"""A frozen trunk, from a suite's rate of 0 to stored, judged and told cells: embedded once."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hashquant.data.pixels import Origin
from hashquant.machine.seeds import seeded
from hashquant.records.record import EMBEDDING_SECONDS
from hashquant.records.store import Store
from hashquant.report.trace.repeat import command
from hashquant.runs.cell import train_cell
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.planning import plan
from hashquant.runs.runner import run
from hashquant.runs.tally import Tally
from hashquant.settings.suite import Suite
from hashquant.training.network import build_network
from hashquant.training.trunks import build_trunk, stored
from hashquant.training.trunks.stored import frozen_trunk, stored_source

CPU = torch.device("cpu")
SUITE = Suite(
    methods=("opqn", "lsh"), bits=(8,), epochs=1, batch_size=8, image_size=16, resize=0,
    features=16, precision="fp32", trunk_rate=0.0,
    settings={"synthfaces": {"identities": 4, "images": 6, "size": 16}, "float": {"size": 16}},
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return how a suite names a trunk that was trained before, by a local file."""
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    with seeded(7, "weights"):
        net = build_trunk("sphere20-narrow", 16, 4)
        for name, value in net.named_buffers():
            if "running" in name:
                value.add_(torch.rand_like(value))
    torch.save(net.body.state_dict(), path)
    return f"sphere20-narrow:{path}"


def cells(weights, **changes):
    return plan("s", dataclasses.replace(SUITE, trunk=weights, **changes), device="cpu")


@pytest.fixture(scope="module")
def here(tmp_path_factory, weights):
    """Return surroundings where all methods of the suite were run."""
    folder = tmp_path_factory.mktemp("frozen")
    here = Surroundings(Store(folder / "r"), folder / "d", CPU)
    tally = go(here, cells(weights))
    assert tally.counts["done"] == 2  # and the embedding that one of them is fitted on
    return here


def go(here, planned):
    class Unheard:
        show = advance = staticmethod(lambda *_: None)
        say = staticmethod(print)

    tally = Tally()
    run(planned, here, Unheard(), tally)
    return tally


def kept(here):
    """Return the folder of stored features."""
    [folder] = (here.data_root / ".cache").glob("features-*")
    return folder


def images_of(contest):
    [exam] = contest.examinations.values()
    sources = contest.prepared.training.images, exam.gallery, exam.query
    return {image for source in sources for image in source.origin.digests()}


def test_every_image_is_embedded_once_for_all(here, weights, monkeypatch):
    contest = load(cells(weights)[0], here)
    assert not contest.prepared.training.images.resident  # each is seen once: none is kept
    assert set(stored._known(kept(here))) == images_of(contest)
    assert len(stored._values(kept(here), 512)) == len(images_of(contest))
    monkeypatch.setattr(stored, "_append", None)  # nothing is missing, whatever is asked now
    other = cells(weights, methods=("dcdh",), bits=(16,), seeds=(1,))
    assert go(here, other).counts["done"] == 1


def test_what_is_stored_is_what_the_body_gives_and_models_leave_it_out(here, weights):
    spec = cells(weights)[0].spec
    contest = load(cells(weights)[0], here)
    images = contest.prepared.training.images
    network = build_network(spec, contest.prepared.training.num_classes, CPU)
    found = stored_source(network, images, spec, CPU).take(torch.arange(3))
    pixels = (images.take(torch.arange(3)).float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        expected = network.eval().trunk.body(pixels)
        through = network.features(found), network.features(pixels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*through)
    assert float(found.std()) > 0.1
    for folder, record in here.store.trained():
        del folder
        cell = here.store.cell(record.spec, record.run_id)
        names = set(load_file(cell.model))
        assert not any(".body." in name for name in names)
        assert any("embed.0.weight" in name for name in names)


def test_a_stored_model_is_loaded_with_the_body_of_its_file(here, weights):
    spec = cells(weights)[0].spec
    contest = load(cells(weights)[0], here)
    trained = train_cell(spec, contest.prepared, here.store, CPU, lambda *_: None)
    assert trained.record.timing[EMBEDDING_SECONDS] > 0
    fresh = build_trunk("sphere20-narrow", 16, 16, weights=weights_of(weights)).body.state_dict()
    for name, value in frozen_trunk(trained.network).body.state_dict().items():
        assert torch.equal(value, fresh[name]), name


def weights_of(trunk):
    from pathlib import Path

    return Path(trunk.partition(":")[2])


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"methods": ("gpq",), "selection": "validation",
          "settings": {**SUITE.settings, "gpq": {"label_fraction": 0.5}}}, {"done": 1}),
        ({"methods": ("opqn",), "head_only": True,
          "targets": ("synthfaces-studio+norm_stats=target",)}, {"done": 1}),
        ({"methods": ("rq",), "bits": (4, 20),  # one training, of which two cells are cut
          "settings": {**SUITE.settings, "rq": {"prefix": 20}}}, {"done": 2}),
    ],
)  # fmt: skip
def test_what_else_a_suite_asks_for(here, weights, changes, counts):
    tally = go(here, cells(weights, **changes))
    assert {k: v for k, v in tally.counts.items() if v and k in ("done", "failed")} == counts


def test_a_method_that_needs_two_views_is_skipped(here, weights, monkeypatch):
    from hashquant.plugins import registry

    monkeypatch.setattr(registry.load_method("dpsh"), "views", ("a", "b"))
    tally = go(here, cells(weights, methods=("dpsh",)))
    assert tally.counts["skipped"] == 1


def test_a_rate_between_trains_the_body_gently(weights, tmp_path):
    here = Surroundings(Store(tmp_path / "r"), tmp_path / "d", CPU)
    moved = {}
    before = build_trunk("sphere20-narrow", 16, 16, weights=weights_of(weights)).body
    for rate in (0.1, 1.0):
        [cell] = cells(weights, methods=("float",), trunk_rate=rate, epochs=1)
        contest = load(cell, here)
        found = train_cell(cell.spec, contest.prepared, here.store, CPU, lambda *_: None)
        pairs = zip(found.network.trunk.body.parameters(), before.parameters(), strict=True)
        moved[rate] = sum(float((a - b).detach().abs().sum()) for a, b in pairs)
    assert 0 < 3 * moved[0.1] < moved[1.0]
    assert "trunk_rate=0.1" in command(cells(weights, trunk_rate=0.1)[0].spec, [], "synthfaces")
    assert "trunk_rate" not in command(cells(weights, trunk_rate=1.0)[0].spec, [], "synthfaces")


WIDTH = 5


def given(made):
    """Return a body of rows that can be told apart, which says what it was asked for."""

    def give(positions):
        made.append(positions.tolist())
        return positions[:, None].float() + torch.arange(WIDTH) / 10

    return give


def origin(folder, count, progress=None):
    return Origin([f"image {i}" for i in range(count)], np.arange(count), folder, progress)


def opened(folder, count, made, progress=None):
    found = stored._open(origin(folder, count, progress), "k", given(made), WIDTH, CPU)
    return found.take(torch.arange(count))


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path):
    made = []

    def stop(done, total):
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path, 300, made, stop)
    with (tmp_path / ".cache/features-k/features.bin").open("ab") as file:
        file.write(b"half a row")
    found = opened(tmp_path, 300, made)
    assert sum(map(len, made)) == 300
    assert found[:, 0].tolist() == list(range(300))


def test_damage_is_seen_and_mended(tmp_path, caplog):
    made = []
    first = opened(tmp_path, 70, made)
    path = tmp_path / ".cache/features-k/features.bin"
    data = bytearray(path.read_bytes())
    data[4 * WIDTH * 66 + 1] ^= 1
    path.write_bytes(data)
    again = opened(tmp_path, 70, made)
    assert torch.equal(first, again)
    assert "is damaged in row 66: set aside, made again" in caplog.text
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(first, opened(tmp_path, 71, made)[:70])  # and one that was missing


def test_two_at_once_make_each_row_once(tmp_path):
    """Each has its own descriptor of the lock, as two processes have."""
    made, found = [], {}

    def ask(who):
        found[who] = opened(tmp_path, 200, made)

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, made)) == 200
    assert all(torch.equal(found[0], other) for other in found.values())


def test_more_images_are_added_to_those_that_are_there(tmp_path):
    made = []
    opened(tmp_path, 100, made)
    assert opened(tmp_path, 130, made)[:, 0].tolist()[:100] == list(range(100))
    assert sum(map(len, made)) == 130
