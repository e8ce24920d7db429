"""What is wrong with somebody's vectors: one sentence that says it, and exit code 3."""

import os
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from hashquant.cli.main import main


@pytest.fixture
def refused(tmp_path, capsys):
    """Return a function that reads a set as a user does, and gives what is said of it."""

    def asked(place, *more):
        code = main(["data", f"embeddings:{place}", "--data-dir", str(tmp_path / "d"), *more])
        said = capsys.readouterr().err.strip().splitlines()
        assert code == 3, said
        assert len(said) == 1, said
        return said[0]

    return asked


def put(folder, name, array, **options):
    np.save(folder / f"{name}.npy", array, **options)


def test_rows_that_are_not_finite_are_counted_and_the_first_is_named(folder, arrays, refused):
    bad = arrays["gallery"].copy()
    bad[5, 2], bad[7, 0] = np.nan, -np.inf
    put(folder, "gallery", bad)
    said = "2 of 24 rows of gallery hold a NaN or an infinity, the first is row 5"
    assert refused(folder).endswith(said)
    put(folder, "gallery", (arrays["gallery"].astype(np.float64) * 1e39))
    assert "24 of 24 rows of gallery hold a NaN or an infinity" in refused(folder)


def test_vectors_of_length_0_have_no_cosine(folder, arrays, refused):
    bad = arrays["train"].copy()
    bad[[3, 4]] = 0
    put(folder, "train", bad)
    assert "2 of 40 rows of train are all zeros, which have no cosine, the first is row 3" in (
        refused(folder)
    )


def test_sizes_must_be_one(folder, arrays, refused):
    put(folder, "query", arrays["query"][:, :6])
    assert "vectors must be of one size, got 8 in train, 6 in query, 8 in gallery" in (
        refused(folder)
    )


@pytest.mark.parametrize(("count", "what"), [(9, "more labels"), (7, "fewer labels")])
def test_each_row_has_one_label(count, what, folder, refused):
    put(folder, "query_labels", np.arange(count) % 4)
    assert f"query has 8 rows and {count} labels: {what} than rows" in refused(folder)
    (folder / "query_labels.npy").unlink()
    assert "query must have a label for each row, got none" in refused(folder)


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (np.zeros((8, 2), dtype=int), r"one a row, (n,), got the shape (8, 2)"),
        (np.linspace(0, 1, 8), "whole numbers or text, got float64"),
        (np.array([b"\xff"] * 8), "text in UTF-8"),
    ],
)
def test_labels_are_whole_numbers_or_text(labels, what, folder, refused):
    put(folder, "query_labels", labels)
    assert what in refused(folder)


def test_one_class_is_none(folder, arrays, refused):
    for name in ("train", "query", "gallery"):
        put(folder, f"{name}_labels", np.full(len(arrays[name]), 7))
    assert "labels must be of 2 classes at least, got one: '7'" in refused(folder)


def test_a_query_of_the_gallery_is_refused_or_left_out(folder, arrays, refused, tmp_path, capsys):
    put(folder, "query", np.concatenate([arrays["query"][:6], arrays["gallery"][[4, 9]]]))
    said = refused(folder)
    assert "2 queries stand in the gallery or the training set too (the first: " in said
    assert "query/0000006 is gallery/0000004" in said
    assert "--set embeddings.duplicates=drop leaves them out" in said
    drop = ["--set", "embeddings.duplicates=drop", "--data-dir", str(tmp_path / "d")]
    assert main(["data", f"embeddings:{folder}", *drop]) == 0
    told = capsys.readouterr().out
    assert "query 6 of" in told
    assert "2 queries dropped" in told


def test_a_query_near_to_one_of_the_gallery_is_refused_or_left_out(
    folder, arrays, refused, tmp_path, capsys
):
    near = arrays["query"].copy()
    near[3] = arrays["train"][11].astype(np.float16) * np.float32(1 + 1e-5)
    put(folder, "query", near)
    said = refused(folder)
    assert "1 queries are within 0.001 of their length of one in the gallery or the" in said
    assert "query/0000003 and train/0000011" in said
    for setting, left in (("duplicates=drop", 7), ("near=0", 8), ("near=0.000001", 8)):
        flags = ["--set", f"embeddings.{setting}", "--data-dir", str(tmp_path / "d")]
        assert main(["data", f"embeddings:{folder}", *flags]) == 0
        assert f"query {left} of" in capsys.readouterr().out


def test_objects_are_never_unpickled(folder, refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    put(folder, "query_labels", np.array([Trap()] * 8, dtype=object), allow_pickle=True)
    said = "query_labels.npy holds Python objects, which are never unpickled"
    assert said in refused(folder)
    packed = tmp_path / "trap.npz"
    for save in (np.savez, np.savez_compressed):
        save(packed, train=np.array([Trap()] * 8, dtype=object))
        assert "train holds Python objects, which are never unpickled" in refused(packed)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_files_that_are_cut_short(keep, folder, refused):
    path = folder / "gallery.npy"
    path.write_bytes(path.read_bytes()[:keep])
    said = refused(folder)
    assert "gallery.npy" in said
    assert "cut short" in said or "as NumPy writes it" in said


def test_files_with_more_behind(folder, refused):
    with (folder / "gallery.npy").open("ab") as file:
        file.write(b"0123")
    assert "must have 768 bytes, got 772: something else follows" in refused(folder)


@pytest.mark.parametrize("form", ["stored", "packed", "safetensors"])
def test_one_file_that_is_cut_short_or_changed(form, arrays, tmp_path, refused):
    path = tmp_path / ("all.safetensors" if form == "safetensors" else "all.npz")
    save = {"stored": np.savez, "packed": np.savez_compressed}.get(form)
    save(path, **arrays) if save else save_file(arrays, path)
    whole = path.read_bytes()
    for cut in (whole[:0], whole[:7], whole[: len(whole) // 2], whole[:-1], whole + b"0"):
        path.write_bytes(cut)
        if form != "safetensors" and len(cut) > len(whole):
            continue  # a zip file may end in a comment
        assert "all." in refused(path)
    if form == "packed":
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes(4) + whole[middle + 4 :])
        assert "is no whole .npz file" in refused(path)


def test_a_packed_array_that_is_longer_than_it_says(tmp_path, refused, arrays):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, **arrays)
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["gallery.npy"] += bytes(10_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in members.items():
            new.writestr(name, data)
    assert "gallery must unpack to 768 bytes" in refused(path)


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros(24), "must be vectors, one a row, (n, d), got the shape (24,)"),
        (np.zeros((24, 2, 4)), "must be vectors, one a row, (n, d), got the shape (24, 2, 4)"),
        (np.ones((24, 8), dtype=complex), "must be of float16, float32, float64, int8, uint8"),
        (np.ones((24, 8), dtype=np.int64), "got int64"),
        (np.array([["a"] * 8] * 24), "got <U1"),
        (np.zeros((0, 8), dtype=np.float32), "must hold values, got the shape (0, 8)"),
        (np.zeros(24, dtype=[("x", "f4")]), "must be vectors"),
    ],
)
def test_what_is_no_array_of_vectors(array, what, folder, refused):
    put(folder, "gallery", array)
    assert what in refused(folder)


def test_what_lies_at_the_path(tmp_path, refused, arrays):
    assert "must hold vectors, it is missing" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "must hold vectors: train.npy, query.npy" in refused(tmp_path / "empty")
    np.save(tmp_path / "one.npy", arrays["train"])
    assert "is one array: give the folder that it stands in" in refused(tmp_path / "one.npy")
    np.savez(tmp_path / "names.npz", x=arrays["train"], y=arrays["train_labels"])
    assert "must hold vectors named train, learn, query" in refused(tmp_path / "names.npz")
    np.savez(tmp_path / "two.npz", query=arrays["query"], test=arrays["query"])
    assert "must say once which vectors are query, got query and test" in (
        refused(tmp_path / "two.npz")
    )
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "train.npy")
    assert "must be a file, got something else" in refused(tmp_path / "pipes")


def test_no_class_in_common(folder, refused):
    put(folder, "query_labels", np.full(8, 99))
    assert "no query's identity has a gallery image" in refused(folder)


def test_bfloat16_is_named(tmp_path, refused):
    import torch
    from safetensors.torch import save_file as save

    path = tmp_path / "b.safetensors"
    save({"train": torch.ones(8, 4, dtype=torch.bfloat16)}, path)
    assert "train must be of F16, F32, F64, I8" in refused(path)
    assert "got 'BF16'" in refused(path)
