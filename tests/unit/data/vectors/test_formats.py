"""The same set in every kind of file: Parquet, HDF5, .fvecs and .bvecs; and what is wrong there."""

import sys

import numpy as np
import pytest

from hashquant.cli.main import main
from hashquant.data.vectors.dataset import VectorDataset
from hashquant.plugins.reading import read_dataset

PARTS = ("train", "query", "gallery")


class Mine(VectorDataset):
    """A set for tests."""

    NAMES = {"mine": "for tests"}  # noqa: RUF012
    terms = "none"

    def place(self, root):
        return root / self.argument


def read(place, root, **options):
    return read_dataset(Mine("mine", str(place), options), "mine", root)


def rows_of(items, role):
    at = [row for row, file in enumerate(items.files) if file.startswith(f"{role}/")]
    return items.vectors[np.array(at)], items.labels[at]


def check_same(items, arrays):
    for role in PARTS:
        vectors, labels = rows_of(items, role)
        assert np.array_equal(vectors, arrays[role].astype(np.float32))
        assert np.array_equal(labels, arrays[f"{role}_labels"])


def error_of(place, tmp_path, capsys):
    code = main(["data", f"embeddings:{place}", "--data-dir", str(tmp_path / "d")])
    said = capsys.readouterr().err
    assert code == 3, said
    assert said.count("\n") == 1, said
    return said


def put_vecs(path, array, kind):
    heads = np.full((len(array), 1), array.shape[1], dtype="<i4").view("u1")
    body = np.ascontiguousarray(array.astype(kind)).view("u1").reshape(len(array), -1)
    np.concatenate([heads, body], axis=1).tofile(path)


@pytest.fixture
def vecs(tmp_path, arrays):
    """Return a folder of .fvecs with labels in .ivecs, and the field's own names."""
    place = tmp_path / "sift"
    place.mkdir()
    for role, name in (("train", "learn"), ("query", "query"), ("gallery", "base")):
        put_vecs(place / f"sift_{name}.fvecs", arrays[role], "<f4")
        put_vecs(place / f"sift_{name}_labels.ivecs", arrays[f"{role}_labels"][:, None], "<i4")
    put_vecs(place / "sift_groundtruth.ivecs", np.zeros((8, 3)), "<i4")
    return place


def test_fvecs_are_mapped_past_the_lengths_between_them(vecs, arrays, tmp_path):
    items, split = read(vecs, tmp_path)
    check_same(items, arrays)
    assert items.notes == ("left out beside the vectors: groundtruth",)
    assert [len(rows) for rows in (split.training, split.query, split.gallery)] == [40, 8, 24]
    assert Mine("mine", str(vecs)).width == 8


def test_bvecs_are_bytes_and_labels_may_be_npy(vecs, arrays, tmp_path):
    for role, name in (("train", "learn"), ("query", "query"), ("gallery", "base")):
        (vecs / f"sift_{name}.fvecs").unlink()
        arrays[role] = (arrays[role] * 9 + 99).astype(np.uint8)
        put_vecs(vecs / f"sift_{name}.bvecs", arrays[role], "u1")
        (vecs / f"sift_{name}_labels.ivecs").unlink()
        np.save(vecs / f"{name}_labels.npy", arrays[f"{role}_labels"])
    items, _ = read(vecs, tmp_path)
    check_same(items, arrays)
    assert "vectors stored as uint8" in items.notes


def test_fvecs_that_are_damaged(vecs, tmp_path, capsys):
    path = vecs / "sift_base.fvecs"
    whole = path.read_bytes()
    row = 4 + 8 * 4
    cases = {
        whole[:-3]: "sift_base.fvecs is cut short: 33 bytes follow 23 vectors",
        whole[:2]: "must begin with the length of a vector",
        b"\xff" * 4 + whole[4:]: "must begin with the length of a vector, got -1",
        whole[: 5 * row] + b"\7\0\0\0" + whole[5 * row + 4 :]:
            "vectors must be of one size, 8, got 7 in row 5",
    }  # fmt: skip
    for data, said in cases.items():
        path.write_bytes(data)
        assert said in error_of(vecs, tmp_path, capsys)


@pytest.fixture
def table(arrays):
    """Return a table of the set as Parquet has it, rows of all roles in one order."""
    order = np.random.default_rng(5).permutation(72)
    roles = np.repeat(PARTS, [40, 8, 24])[order]
    vectors = np.concatenate([arrays[role] for role in PARTS])[order]
    labels = np.concatenate([arrays[f"{role}_labels"] for role in PARTS])[order]
    return {"embedding": vectors, "label": labels, "split": roles}


def put_parquet(path, table, fixed=True, **columns):
    arrow = pytest.importorskip("pyarrow", reason="an extra")
    from pyarrow import parquet

    given = {**table, **columns}
    vectors = given.pop("embedding")
    if isinstance(vectors, np.ndarray):
        flat = arrow.array(vectors.ravel())
        ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
        size = vectors.shape[1]
        vectors = (arrow.FixedSizeListArray.from_arrays(flat, size) if fixed
                   else arrow.ListArray.from_arrays(ends, flat))  # fmt: skip
    parquet.write_table(
        arrow.table({"embedding": vectors, **given}), path, row_group_size=10
    )  # fmt: skip
    return path


@pytest.mark.parametrize("fixed", [True, False])
def test_parquet_in_one_file_or_many_is_the_set_that_lies_there(table, fixed, tmp_path):
    path = put_parquet(tmp_path / "one.parquet", table, fixed)
    items, split = read(path, tmp_path)
    assert [len(rows) for rows in (split.training, split.query, split.gallery)] == [40, 8, 24]
    assert np.array_equal(items.vectors[np.arange(72)], table["embedding"])
    assert np.array_equal(items.labels, table["label"])
    assert isinstance(items.vectors.parts[0], np.memmap)
    folder = tmp_path / "many"
    folder.mkdir()
    for name, part in (("a", slice(0, 30)), ("b", slice(30, 72))):
        put_parquet(folder / f"{name}.parquet", {k: v[part] for k, v in table.items()}, fixed)
    same, roles = read(folder, tmp_path)
    assert (same.version, roles.digest) == (items.version, split.digest)
    assert Mine("mine", str(path)).width == 8


def test_parquet_names_rows_by_id_and_leaves_other_splits_out(table, tmp_path, capsys):
    table["split"] = np.where(np.arange(72) % 9 == 0, "val", table["split"])
    ids = [f"img/{row}" for row in range(72)]
    path = put_parquet(tmp_path / "ids.parquet", table, id=ids, label=[f"c{x}" for x in
                       table["label"]])  # fmt: skip
    items, split = read(path, tmp_path)
    assert items.class_names == ("c0", "c1", "c2", "c3")
    assert items.files[1].endswith("/img%2F1")
    assert items.notes == ("8 rows of split val left out",)
    used = np.concatenate([split.training, split.query, split.gallery])
    assert len(used) == 64
    put_parquet(path, table, id=["a"] * 72)
    assert "each id must be of one row, got 71 again" in error_of(path, tmp_path, capsys)


def test_parquet_without_a_split_is_split_by_rule(table, tmp_path):
    del table["split"]
    path = put_parquet(tmp_path / "rule.parquet", table, embedding=table["embedding"].astype("f2"))
    items, split = read(path, tmp_path)
    assert len(split.query) == 4 * 4
    assert items.notes == ("vectors stored as float16",)
    assert list((tmp_path / "manifests").glob("rule-*.json"))


def test_parquet_that_is_wrong(table, tmp_path, capsys):
    path = put_parquet(tmp_path / "bad.parquet", table)
    whole = path.read_bytes()
    lists = [list(map(float, row)) for row in table["embedding"]]
    short = [*lists[:20], lists[20][:7], *lists[21:]]
    holes = [*lists[:20], [None, *lists[20][1:]], *lists[21:]]
    cases = [
        ({"embedding": short}, "vectors must be of one size, 8, got 7 in row 20"),
        ({"embedding": holes}, "a value of row 20 is missing"),
        ({"embedding": [*lists[:3], None, *lists[4:]]}, "row 3 of embedding is missing"),
        ({"embedding": ["x"] * 72}, "embedding must be lists of numbers, got string"),
        ({"label": [None, *table["label"].tolist()[1:]]}, "row 0 of label is missing"),
        ({"label": table["label"] / 2}, "label must be whole numbers or text, got floats"),
        ({"split": ["x"] * 72}, "split must say train, learn, query"),
    ]
    for columns, said in cases:
        put_parquet(path, table, **columns)
        assert said in error_of(path, tmp_path, capsys)
    for data in (whole[:-10], whole[: len(whole) // 2], b""):
        path.write_bytes(data)
        assert "is no whole Parquet" in error_of(path, tmp_path, capsys)


@pytest.fixture
def hdf5(tmp_path, arrays):
    """Return a function that writes the set as ann-benchmarks does."""
    h5py = pytest.importorskip("h5py", reason="an extra")

    def put(name="a.hdf5", **how):
        with h5py.File(tmp_path / name, "w") as file:
            for role in ("train", "query"):
                called = {"query": "test"}.get(role, role)
                file.create_dataset(called, data=arrays[role], **how)
                labels = np.array(["a", "bé", "c", "d"])[arrays[f"{role}_labels"]]
                file.create_dataset(f"{called}_labels", data=labels.tolist())
            file.create_dataset("neighbors", data=np.zeros((8, 2), dtype=int))
        return tmp_path / name

    return put


def test_hdf5_is_mapped_where_it_lies_in_one_piece_else_unpacked(hdf5, arrays, tmp_path):
    found = {}
    for name, how in (("a.hdf5", {}), ("b.h5", {"chunks": (7, 8), "compression": "gzip"})):
        path = hdf5(name, **how)
        items, split = read(path, tmp_path)
        found[name] = items.version
        assert np.array_equal(rows_of(items, "train")[0], arrays["train"])
        assert items.class_names == ("a", "bé", "c", "d")
        assert np.array_equal(split.training, split.gallery)
        assert items.notes == ("left out beside the vectors: neighbors",)
        mapped = str(items.vectors.parts[0].filename)
        assert (mapped == str(path)) == (name == "a.hdf5")
        assert Mine("mine", str(path)).width == 8
    assert len(set(found.values())) == 1


def test_hdf5_that_is_cut_short(hdf5, tmp_path, capsys):
    path = hdf5()
    path.write_bytes(path.read_bytes()[:-100])
    assert "is no whole HDF5 file" in error_of(path, tmp_path, capsys)


@pytest.mark.parametrize(("package", "end"), [("pyarrow", "parquet"), ("h5py", "hdf5")])
def test_a_package_that_is_not_installed_is_named(package, end, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"x.{end}").write_bytes(b"PAR1")
    said = error_of(tmp_path / f"x.{end}", tmp_path, capsys)
    assert f"needs {package}, which is not installed: pip install 'hashquant[vectors]'" in said


def test_two_kinds_of_file_in_one_folder(folder, tmp_path, capsys):
    (folder / "x.parquet").write_bytes(b"PAR1")
    said = "must hold one kind of file, got Parquet and gallery.npy"
    assert said in error_of(folder, tmp_path, capsys)
