"""Vectors as a set: what is read is what lies there, in the roles that its names say."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from hashquant.data.vectors.dataset import VectorDataset
from hashquant.data.vectors.rows import VectorRows, vector_digests
from hashquant.data.vectors.source import VectorSource
from hashquant.plugins.reading import read_dataset


class Mine(VectorDataset):
    """A set for tests."""

    NAMES = {"mine": "for tests"}  # noqa: RUF012
    terms = "none"

    def place(self, root):
        return root / self.argument if self.argument else root


def read(place, root, **options):
    return read_dataset(Mine("mine", str(place), options), "mine", root)


def whole(items):
    return items.vectors[np.arange(len(items))]


def expected(arrays):
    return np.concatenate([arrays[name] for name in ("train", "query", "gallery")])


def test_a_folder_is_mapped_in_the_order_and_roles_of_its_names(folder, arrays, tmp_path):
    items, split = read(folder, tmp_path)
    assert all(isinstance(part.base, np.memmap) or isinstance(part, np.memmap)
               for part in items.vectors.parts)  # fmt: skip
    assert np.array_equal(whole(items), expected(arrays))
    assert items.class_names == ("0", "1", "2", "3")
    assert [len(rows) for rows in (split.training, split.query, split.gallery)] == [40, 8, 24]
    assert items.files[40] == "query/0000000"
    assert (split.protocol, items.notes, items.width) == ("seen", (), 8)
    assert Mine("mine", str(folder)).width == 8


@pytest.mark.parametrize("form", ["npz", "packed.npz", "safetensors"])
def test_one_file_holds_the_same_set_as_a_folder(form, folder, arrays, tmp_path):
    path = tmp_path / f"one.{form}"
    if form == "safetensors":
        save_file(arrays, path)
    else:
        (np.savez_compressed if "packed" in form else np.savez)(path, **arrays)
    items, split = read(path, tmp_path)
    same, roles = read(folder, tmp_path)
    assert np.array_equal(whole(items), whole(same))
    assert (items.version, split.digest) == (same.version, roles.digest)
    assert all(not part.flags.writeable for part in items.vectors.parts)
    assert Mine("mine", str(path)).width == 8


def test_what_was_unpacked_is_kept_and_made_again_where_it_is_damaged(
    arrays, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("hashquant.data.vectors._kept._SETTLED_SECONDS", -1.0)
    path = tmp_path / "p.npz"
    np.savez_compressed(path, **arrays)
    first, _ = read(path, tmp_path)
    [kept] = (tmp_path / ".cache" / "vectors").glob("*gallery-*.bin")
    stamp = kept.stat().st_mtime_ns
    read(path, tmp_path)
    assert kept.stat().st_mtime_ns == stamp
    monkeypatch.setattr("hashquant.data.vectors._kept._CHECKED", set())
    monkeypatch.setattr("hashquant.data.vectors.dataset._FOUND", {})
    data = bytearray(kept.read_bytes())
    data[100] ^= 1
    kept.write_bytes(data)
    again, _ = read(path, tmp_path)
    assert "is damaged: unpacking again" in caplog.text
    assert again.version == first.version


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", "uint8", ">f4"])
def test_types_become_float32_and_are_told(kind, folder, tmp_path, arrays):
    for name in ("train", "query", "gallery"):
        np.save(folder / f"{name}.npy", (arrays[name] * 9 + 60).astype(kind))
    items, _ = read(folder, tmp_path)
    assert whole(items).dtype == np.float32
    assert np.array_equal(whole(items), (expected(arrays) * 9 + 60).astype(kind).astype("f4"))
    said = {">f4": ()}.get(kind, (f"vectors stored as {kind}",))
    assert items.notes == said
    assert items.content == vector_digests(whole(items))


def test_columns_first_and_beside_is_read_and_told(folder, arrays, tmp_path):
    np.save(folder / "gallery.npy", np.asfortranarray(arrays["gallery"]))
    np.save(folder / "ids.npy", np.arange(3))
    items, _ = read(folder, tmp_path)
    assert np.array_equal(whole(items), expected(arrays))
    assert items.notes == ("left out beside the vectors: ids",)


def test_text_labels_and_numbers_in_their_order(folder, arrays, tmp_path):
    for name in ("train", "query", "gallery"):
        np.save(folder / f"{name}_labels.npy", arrays[f"{name}_labels"] * 7 - 2)
    items, _ = read(folder, tmp_path)
    assert items.class_names == ("-2", "5", "12", "19")
    named = np.array(["zoë", "ann", "bob", "eve"])
    np.save(folder / "train_labels.npy", named[arrays["train_labels"]])
    for name in ("query", "gallery"):
        coded = np.char.encode(named[arrays[f"{name}_labels"]], "utf-8")
        np.save(folder / f"{name}_labels.npy", coded)
    texts, _ = read(folder, tmp_path)
    assert texts.class_names == ("ann", "bob", "eve", "zoë")
    assert [texts.class_names[label] for label in texts.labels[:4]] == named.tolist()
    assert texts.version != items.version  # labels are part of what a set is


def test_without_a_gallery_it_is_the_training_set(folder, tmp_path):
    for name in ("gallery", "gallery_labels"):
        (folder / f"{name}.npy").unlink()
    items, split = read(folder, tmp_path)
    assert np.array_equal(split.training, split.gallery)
    assert len(items) == 48
    for end in (".npy", "_labels.npy"):
        (folder / f"train{end}").rename(folder / f"base{end}")
    items, split = read(folder, tmp_path)
    assert np.array_equal(split.training, split.gallery)
    assert items.files[split.gallery[0]] == "gallery/0000000"


def test_without_queries_they_are_drawn_by_rule_and_written_down(tmp_path, drawn):
    vectors, labels = drawn(60)
    np.savez(tmp_path / "mine.npz", embeddings=vectors, labels=labels)
    items, split = read(tmp_path / "mine.npz", tmp_path)
    assert len(split.query) == 4 * 3
    assert np.array_equal(split.training, split.gallery)
    [path] = (tmp_path / "manifests").glob("mine-*.json")
    told = json.loads(path.read_text())
    assert told["sha256"] == split.digest
    assert "0.2 of a class's vectors are queries" in told["rule"]
    _, other = read(tmp_path / "mine.npz", tmp_path, seed="1", fraction="0.5")
    assert len(other.query) == 4 * round(0.5 * 15)
    again, same = read(tmp_path / "mine.npz", tmp_path)
    assert (again.version, same.digest) == (items.version, split.digest)


def test_classes_of_queries_that_nobody_trained_on_are_unseen(tmp_path, drawn):
    vectors, labels = drawn(60)
    new = labels > 1
    np.savez(
        tmp_path / "u.npz", train=vectors[~new], train_labels=labels[~new],
        query=vectors[new][:6], query_labels=labels[new][:6],
        gallery=vectors[new][6:], gallery_labels=labels[new][6:],
    )  # fmt: skip
    _, split = read(tmp_path / "u.npz", tmp_path)
    assert split.protocol == "unseen"


def test_resident_or_streamed_the_same_values_come(drawn):
    vectors = VectorRows((drawn(30)[0].astype(np.float16), drawn(25, seed=3)[0]))
    rows = np.array([54, 0, 29, 30, 7, 7, 31])
    for room in (0, 2**20):
        source = VectorSource(vectors, rows, device=torch.device("cpu"), resident_bytes=room)
        assert source.resident == bool(room)
        steps = [torch.tensor([6, 0, 1]), torch.tensor([5, 3])]
        for step, found in zip(steps, source.stream(s for s in steps), strict=True):
            wanted = np.stack([
                vectors.parts[0][r].astype("f4") if r < 30 else vectors.parts[1][r - 30]
                for r in rows[step.numpy()]
            ])  # fmt: skip
            assert np.array_equal(found.numpy(), wanted)
    assert len(source) == 7
