"""One small store, caches, a manifest and a suite, and the readers that verbs use of each."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import hashquant.data.decoding
from fuzz.outcomes import Bench, Kind
from hashquant.data.imagecache import decode_once
from hashquant.data.images import Geometry
from hashquant.data.layouts import file_list
from hashquant.data.manifests import read_manifest
from hashquant.plugins.registry import make_dataset
from hashquant.records.store import Store
from hashquant.report import Options, terminal_table, write_report
from hashquant.report.blocks import select_blocks
from hashquant.report.evidence.queries import gather
from hashquant.report.tables.maps import block_tables
from hashquant.runs import cell as cells
from hashquant.runs.contest import Surroundings, load
from hashquant.runs.planning import plan
from hashquant.runs.runner import attempt, is_cached, kept_in
from hashquant.runs.verification import verify_suite
from hashquant.settings._strictyaml import read_yaml
from hashquant.settings.suite import Suite, read_suite, run_id
from hashquant.training.checkpoint import CheckpointFile, Progress

ROOT = Path(__file__).resolve().parents[2]
SUITE = Suite(
    methods=("dcdh", "random"), bits=(16,), epochs=1, batch_size=16, targets=("seen",),
    image_size=16, resize=18, features=32, precision="fp32",
    settings={"synthfaces": {"identities": 4, "images": 10, "size": 18}},
)  # fmt: skip
#: Files of a cell, and the verbs that read them; `train` loads a cell for one more target.
RECORDS = {
    "train.json": "report verify run", "eval.json": "report verify run",
    "per_query.npz": "report verify run", "codes.npz": "verify run",
    "distributions.npz": "report verify run", "model.safetensors": "run train",
}  # fmt: skip


class Nobody:
    """A watcher that tells nobody."""

    def show(self, text: str) -> None:
        pass

    def advance(self, units: int, text: str = "") -> None:
        pass

    def say(self, text: str) -> None:
        pass


class MadeAgain(BaseException):
    """Raised in the place of a training."""


def records(place: Path, thorough: bool) -> Iterator[tuple[Bench, Kind]]:
    """Yield the files of a trained and examined cell, beside another cell.

    A thorough reader writes the whole report, another one the table that a terminal shows.
    """
    root = place / "results"
    planned = plan("s", SUITE, device="cpu")
    here = Surroundings(Store(root), place / "data", torch.device("cpu"))
    contest = load(planned[0], here)
    for one in planned:
        ending = attempt(one, contest, here, Nobody())
        if ending.status != "done":
            raise RuntimeError(f"a cell must be made to be damaged, got {ending}")
    first = planned[0]
    folder, bench = kept_in(first, contest, here)[0].path, Bench(root)

    def report():
        found = here.store.read("s")
        read = [
            (name, _arrays(read(record))) for record in found.evals
            for name, read in (("q", found.per_query), ("d", found.distributions))
        ]  # fmt: skip
        if thorough:
            tables = write_report(found, place / "report", Options(figures=False)).headline
        else:
            tables = block_tables(gather(found, select_blocks(found)))
        shown = terminal_table(found, tables)
        return (repr((found.trains, found.evals)), read, shown), "\n".join(found.damaged)

    def verify():
        checked = list(verify_suite(here.store, "s"))
        said = [s for c in checked for s in (*c.differences, *c.unreadable, *c.notes)]
        return [(c.source, *c.differences, *c.unreadable) for c in checked], "\n".join(said)

    def run():
        cached = is_cached(first, contest, here)
        return cached, "" if cached else "made again"

    def train():
        with mock.patch.object(cells, "train", side_effect=MadeAgain):
            try:
                made = cells.train_cell(
                    first.spec, contest.prepared, here.store, here.device, lambda *_: None
                )
            except MadeAgain:
                return None, "made again"
        return _tensors(made.network.state_dict()), ""

    readers = {"report": report, "verify": verify, "run": run, "train": train}
    for name, verbs in RECORDS.items():
        [path] = folder.rglob(name)
        own = {verb: readers[verb] for verb in verbs.split()}
        value = json.loads(path.read_bytes()) if name.endswith(".json") else None
        yield bench, Kind(name, path, own, _content(name), ("verify", "run"), value)


def checkpoint(place: Path) -> Iterator[tuple[Bench, Kind]]:
    """Yield the checkpoint of a run after one epoch."""
    root = place / "training"
    root.mkdir()
    file = CheckpointFile(root / "checkpoint.pt", "0123456789ab")
    net = torch.nn.Linear(40, 30)
    file.save(Progress(1, net.state_dict(), torch.optim.Adam(net.parameters()).state_dict(),
                       ({"total": 2.5},), 1.5, 32))  # fmt: skip

    def run():
        found = file.load()
        return found and (_tensors(found.network), repr(replace(found, network={}))), ""

    yield Bench(root), Kind(file.path.name, file.path, {"run": run})


def caches(place: Path) -> Iterator[tuple[Bench, Kind]]:
    """Yield the files of a finished and of an interrupted cache of images, and drawn faces."""
    names = []
    for number in range(40):
        path = place / "images" / f"p{number % 4}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        names.append(path.relative_to(place / "images").as_posix())
    files = file_list(place / "images", names)

    def reader(root, **options):
        def data():
            found = decode_once(files, Geometry(12), root, name="set", **options)
            return (
                found.names,
                found.content,
                found.version,
                _hash(found.images),
                found.skipped,
            ), ""

        return {"data": data}

    def stop(done, total):
        raise MadeAgain

    whole, part = place / "whole", place / "part"
    with mock.patch.object(hashquant.data.decoding, "_CHUNK_BYTES", 1):
        reader(whole)["data"]()
        with suppress(MadeAgain):
            reader(part, progress=stop)["data"]()
    bench = Bench(whole)
    for name in ("images.npy", "content.bin", "index.json"):
        [path] = whole.rglob(name)
        value = json.loads(path.read_text()) if name == "index.json" else None
        yield bench, Kind(name, path, reader(whole), value=value)
    [path] = part.rglob("progress.json")
    yield Bench(part), Kind(path.name, path, reader(part), value=json.loads(path.read_text()))

    faces = make_dataset("synthfaces", {"identities": "2", "images": "3", "size": "16"})

    def drawn():
        found = faces.load(place / "faces")
        return (found.content, _hash(found.images)), ""

    drawn()
    [path] = (place / "faces").rglob("*.npy")
    yield Bench(place / "faces"), Kind("drawn faces", path, {"data": drawn})


def lists(place: Path) -> Iterator[tuple[Bench, Kind]]:
    """Yield a manifest and a suite file."""
    root = place / "lists"
    root.mkdir()
    manifest, suite = root / "manifest.json", root / "suite.yaml"
    manifest.write_bytes((ROOT / "datasets" / "manifests" / "olivetti-seen.json").read_bytes())
    suite.write_bytes((ROOT / "benchmarks" / "ablation-opqn.yaml").read_bytes())
    bench = Bench(root)

    def data():
        return read_manifest(manifest), ""

    def run():
        planned = plan("s", read_suite(suite), device="cpu")
        return [(run_id(one.spec, "v"), one.targets, one.status) for one in planned], ""

    yield bench, Kind("manifest", manifest, {"data": data}, value=json.loads(manifest.read_text()))
    yield bench, Kind("suite", suite, {"run": run}, value=read_yaml(suite), wish=True)


def everything(place: Path, *, thorough: bool) -> dict[str, tuple[Bench, Kind]]:
    """Return every kind of stored file by its name, built below `place`."""
    made = chain(records(place, thorough), checkpoint(place), caches(place), lists(place))
    return {kind.name: (bench, kind) for bench, kind in made}


NAMES = (*RECORDS, "checkpoint.pt", "images.npy", "content.bin", "index.json", "progress.json",
         "drawn faces", "manifest", "suite")  # fmt: skip


def _content(name):
    if name.endswith(".json"):
        return lambda path: json.loads(path.read_bytes())
    if name.endswith(".npz"):
        return _npz
    return lambda path: _tensors(load_file(path))


def _npz(path):
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        return _arrays({name: file[name] for name in file.files})


def _arrays(arrays):
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items()}


def _tensors(state):
    return {name: (str(t.dtype), tuple(t.shape), _hash(t.numpy())) for name, t in state.items()}


def _hash(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
