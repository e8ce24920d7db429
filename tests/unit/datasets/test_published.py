"""CIFAR-10 and Fashion-MNIST: the published files, folder copies, downloads and protocols."""

import gzip
import hashlib
import os
import pickle
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets as published

from hashquant.errors import DataError, UsageError
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


def idx(array):
    head = b"".join(int(n).to_bytes(4, "big") for n in (0x800 + array.ndim, *array.shape))
    return head + array.tobytes()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """Return a folder that holds Fashion-MNIST's files, 120 training and 80 test images."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 120), ("t10k", 80)):
        images = rng.integers(1, 256, (count, 28, 28), dtype=np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    cls = type(make_dataset("fashion-mnist"))
    monkeypatch.setattr(cls, "per_class", (2, 3))
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in raw.iterdir()}
    monkeypatch.setattr(sys.modules[cls.__module__], "_SHA256", digests)
    return tmp_path


def test_fashion_mnist_is_padded_to_32_with_three_channels(fashion):
    dataset = make_dataset("fashion-mnist")
    dataset.prepare(fashion)
    items = dataset.load(fashion)
    assert items.images.shape == (200, 3, 32, 32)
    assert (items.images[:, :, 2:30, 2:30] > 0).all()
    edge = items.images.copy()
    edge[:, :, 2:30, 2:30] = 0
    assert not edge.any()
    assert (items.images[:, 0] == items.images[:, 2]).all()
    assert items.files[0] == "train/T-shirt-top/00000"


def test_fashion_mnist_s_protocols(fashion):
    first = make_dataset("fashion-mnist")
    items = first.load(fashion)
    split = first.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == (30, 20, 150)
    assert {items.files[i].split("/")[0] for i in split.query} == {"test"}
    assert {items.files[i].split("/")[0] for i in split.training} == {"train"}
    split = make_dataset("fashion-mnist-2").split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == (120, 80, 120)


def test_fashion_mnist_is_downloaded_where_it_is_not(fashion, serve, monkeypatch, caplog):
    served, resources = fashion / "served", []
    served.mkdir()
    for path in sorted((fashion / "FashionMNIST" / "raw").iterdir()):
        packed = served / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((packed.name, md5(packed)))
    monkeypatch.setattr(published.FashionMNIST, "resources", resources)
    monkeypatch.setattr(published.FashionMNIST, "mirrors", [serve(served)])
    dataset = make_dataset("fashion-mnist")
    whole = dataset.load(fashion).version
    dataset.prepare(fashion / "new")
    assert dataset.load(fashion / "new").version == whole
    assert dataset.terms in caplog.text
    assert len(list((fashion / "new" / "FashionMNIST" / "raw").glob("*-ubyte"))) == 4
    damaged = fashion / "new" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:5000])
    dataset.prepare(fashion / "new")
    assert dataset.load(fashion / "new").version == whole
    assert damaged.with_name(f"{damaged.name}.wrong").stat().st_size == 5000


@pytest.mark.parametrize("kept", [0, 3, 16, 5000])
def test_cut_files_of_fashion_mnist(fashion, kept):
    path = fashion / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte must be the published file, its"):
        make_dataset("fashion-mnist").load(fashion)
    with pytest.raises(DataError, match="must hold the files of Fashion-MNIST, whole"):
        make_dataset("fashion-mnist", {"published": "no"}).load(fashion)


def zeroed(raw):
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:16] + bytes(784 * 20) + path.read_bytes()[16 + 784 * 20 :])


def relabelled(raw):
    path = raw / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:8] + bytes([7] * 40) + path.read_bytes()[48:])


def one_bit(raw):
    path = raw / "t10k-images-idx3-ubyte"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    stamp = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(stamp, stamp))


@pytest.mark.parametrize("damage", [zeroed, relabelled, one_bit])
def test_a_published_set_is_verified_as_published(fashion, serve, monkeypatch, damage):
    monkeypatch.setattr(published.FashionMNIST, "mirrors", [serve(fashion)])
    make_dataset("fashion-mnist").prepare(fashion)
    assert make_dataset("fashion-mnist", {"published": "no"}).load(fashion).notes == ()
    damage(fashion / "FashionMNIST" / "raw")
    for use in ("load", "prepare"):
        with pytest.raises(DataError, match=r"must be the published file.*fashion_mnist\.publish"):
            getattr(make_dataset("fashion-mnist"), use)(fashion)
    assert len(list((fashion / "FashionMNIST" / "raw").glob("*-ubyte"))) == 4
    own = make_dataset("fashion-mnist", {"published": "no"})
    own.prepare(fashion)
    assert own.load(fashion).notes == ("not the published files: 200 images",)


def test_an_old_copy_of_torchvision_does_not_go_before_the_verified_files(fashion):
    whole = make_dataset("fashion-mnist").load(fashion).version
    old = fashion / "FashionMNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(9, 28, 28, dtype=torch.uint8), torch.zeros(9)), old / name)
    assert make_dataset("fashion-mnist").load(fashion).version == whole


def test_whose_labels_are_no_classes_of_fashion_mnist(fashion):
    path = fashion / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0a")
    with pytest.raises(DataError, match=r"as many labels, 0 … 9, got 120 images, 120"):
        make_dataset("fashion-mnist", {"published": "no"}).load(fashion)
    with pytest.raises(UsageError, match="published must be yes or no, got 'maybe'"):
        make_dataset("fashion-mnist", {"published": "maybe"}).load(fashion)


def test_a_folder_copy_of_fashion_mnist(tmp_path, draw):
    for part in ("train", "test"):
        counts = {"Bag": 600, "Coat": 600} if part == "train" else {"Bag": 120, "Coat": 120}
        draw(tmp_path / "fashion-mnist" / part, counts, (28, 28), seed=part == "test")
    dataset = make_dataset("fashion-mnist")
    items = dataset.load(tmp_path)
    assert items.images.shape == (1440, 3, 32, 32)
    assert not items.images[:, :, :2].any()
    split = dataset.split(items)
    assert (len(split.training), len(split.query), len(split.gallery)) == (1000, 200, 240)


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
