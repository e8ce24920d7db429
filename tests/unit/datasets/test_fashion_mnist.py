"""Fashion-MNIST as published, changed, cut and damaged."""

import gzip
import hashlib
import os
import sys

import numpy as np
import pytest
import torch
from torchvision import datasets as published

from hashquant.errors import DataError, UsageError
from hashquant.plugins.registry import make_dataset


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
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
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
    with pytest.raises(UsageError, match="published must be true or false, got 'maybe'"):
        make_dataset("fashion-mnist", {"published": "maybe"}).load(fashion)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("t10k-labels-idx1-ubyte", np.full(80, 10, dtype=np.uint8)),
        ("t10k-labels-idx1-ubyte", np.zeros(79, dtype=np.uint8)),
        ("t10k-images-idx3-ubyte", np.zeros((81, 28, 28), dtype=np.uint8)),
        ("t10k-images-idx3-ubyte", np.zeros((80, 30, 28), dtype=np.uint8)),
        ("train-labels-idx1-ubyte", np.full((40, 3), 1, dtype=np.uint8)),
    ],
)
def test_parts_of_fashion_mnist_that_do_not_fit(fashion, name, array):
    (fashion / "FashionMNIST" / "raw" / name).write_bytes(idx(array))
    with pytest.raises(DataError, match="must hold the files of Fashion-MNIST, whole"):
        make_dataset("fashion-mnist", {"published": "no"}).load(fashion)


def test_signed_pixels_of_fashion_mnist_are_refused(fashion):
    path = fashion / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    data = bytearray(path.read_bytes())
    data[2] = 9  # the type of the values: 8 is unsigned
    path.write_bytes(data)
    with pytest.raises(DataError, match="must hold the files of Fashion-MNIST, whole"):
        make_dataset("fashion-mnist", {"published": "no"}).load(fashion)


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
