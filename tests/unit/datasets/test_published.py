"""CIFAR-10 and Fashion-MNIST: the published files, folder copies, downloads and protocols."""

import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets as published

from hashquant.errors import DataError
from hashquant.plugins.registry import make_dataset

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
DATA = os.environ.get("HASHQUANT_DATA", "")
needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA, reason="HASHQUANT_DATA must name the folder of the sets"),
]


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Return a folder that holds CIFAR-10's files with 60 images a class."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {"data": rng.integers(0, 256, (100, 3072), dtype=np.uint8),
                 "labels": (np.arange(100) % 10).tolist()}  # fmt: skip
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CLASSES}))
    train = [[f"data_batch_{i}", md5(folder / f"data_batch_{i}")] for i in range(1, 6)]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(folder / "batches.meta")}
    monkeypatch.setattr(published.CIFAR10, "train_list", train)
    monkeypatch.setattr(
        published.CIFAR10, "test_list", [["test_batch", md5(folder / "test_batch")]]
    )
    monkeypatch.setattr(published.CIFAR10, "meta", meta)
    monkeypatch.setattr(type(make_dataset("cifar10")), "per_class", (2, 3))
    return tmp_path


def test_cifar10_as_published(cifar):
    dataset = make_dataset("cifar10")
    dataset.prepare(cifar)
    items = dataset.load(cifar)
    raw = pickle.loads((cifar / "cifar-10-batches-py" / "data_batch_1").read_bytes())["data"]
    assert items.images.shape == (600, 3, 32, 32)
    assert np.array_equal(items.images[7].reshape(-1), raw[7])  # red, green, blue planes
    assert items.files[7] == "train/horse/00007"
    assert items.notes == ()
    split = dataset.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == (30, 20, 550)


@pytest.mark.parametrize(
    ("name", "counts"), [("cifar10-1", (30, 20, 580)), ("cifar10-2", (500, 100, 500))]
)
def test_cifar10_s_other_protocols(cifar, name, counts):
    dataset = make_dataset(name)
    split = dataset.split(dataset.load(cifar))
    assert (len(split.training), len(split.query), len(split.gallery)) == counts


def archived(root, serve, monkeypatch):
    archive = root / "served.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(published.CIFAR10, "url", serve(root) + archive.name)
    monkeypatch.setattr(published.CIFAR10, "tgz_md5", md5(archive))


def test_cifar10_is_downloaded_where_it_is_not(cifar, serve, monkeypatch, caplog):
    archived(cifar, serve, monkeypatch)
    dataset = make_dataset("cifar10")
    dataset.prepare(cifar / "new")
    assert len(dataset.load(cifar / "new")) == 600
    assert dataset.terms in caplog.text


def test_damaged_files_of_cifar10_are_replaced(cifar, serve, monkeypatch):
    dataset = make_dataset("cifar10")
    archived(cifar, serve, monkeypatch)
    (cifar / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"x")
    with pytest.raises(DataError, match="must hold the files of CIFAR-10, unchanged"):
        dataset.load(cifar)
    dataset.prepare(cifar)
    assert len(dataset.load(cifar)) == 600


def test_damaged_and_not_to_be_had(cifar, serve, monkeypatch):
    monkeypatch.setattr(published.CIFAR10, "url", serve(cifar) + "none.tar.gz")
    (cifar / "cifar-10-batches-py" / "test_batch").write_bytes(b"x")
    with pytest.raises(DataError, match=r"unchanged: .* Downloading failed: .*404 File not found"):
        make_dataset("cifar10").prepare(cifar)


def test_a_folder_copy_of_cifar10(tmp_path, draw, monkeypatch):
    for part in ("train", "test"):
        counts = dict.fromkeys(CLASSES[:2], 6)
        draw(tmp_path / "cifar10" / part, counts, (32, 32), "jpg", seed=part == "test")
    dataset = make_dataset("cifar10")
    monkeypatch.setattr(type(dataset), "per_class", (2, 3))
    dataset.prepare(tmp_path)
    items = dataset.load(tmp_path)
    said = "a JPEG folder copy of 24 images, not the published files"
    assert items.notes == (f"{said}; the original index order is lost",)
    split = dataset.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == (6, 4, 14)


class _Spy:
    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_no_pickle_of_cifar10_is_opened_that_is_not_the_published_one(cifar, name):
    spy = _Spy()
    spy.path = cifar / "executed"
    (cifar / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(spy))
    with pytest.raises(DataError, match="must hold the files of CIFAR-10, unchanged"):
        make_dataset("cifar10").load(cifar)
    assert not spy.path.exists()


@pytest.mark.parametrize(
    ("name", "counts", "digest"),
    [
        pytest.param("cifar10", (5000, 1000, 54000), "46092b31503a", marks=needs_data),
        pytest.param("cifar10-1", (5000, 1000, 59000), "df38e0ba2348", marks=needs_data),
        pytest.param("cifar10-2", (50000, 10000, 50000), "e54ab0f796f2", marks=needs_data),
        pytest.param("fashion-mnist", (5000, 1000, 64000), "055459cd08a4", marks=needs_data),
        pytest.param("fashion-mnist-2", (60000, 10000, 60000), "f98ddbfd321d", marks=needs_data),
    ],
)
def test_the_measuring_sets_give_the_protocols_counts(name, counts, digest):
    dataset = make_dataset(name)
    dataset.prepare(Path(DATA))
    items = dataset.load(Path(DATA))
    split = dataset.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == counts
    assert split.digest.startswith(digest)
    assert set(np.bincount(items.labels[split.query])) == {counts[1] // 10}
