"""Arrays from damaged files: the same values, or a ValueError in one sentence."""

import io
import random
import zipfile

import numpy as np
import pytest

from hashquant.machine.arrays import array_head, map_array, read_npz

ARRAYS = {
    "ap": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "label": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "comparison": np.array("hamming"),
    "larger": np.array(True),
    "none": np.zeros((0, 3), dtype=np.uint8),
}


@pytest.fixture
def path(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    return tmp_path / "a.npz"


def same(found):
    return found.keys() == ARRAYS.keys() and all(
        (found[k].dtype, found[k].shape, found[k].tobytes()) == (v.dtype, v.shape, v.tobytes())
        for k, v in ARRAYS.items()
    )


def zipped(path, members, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members:
            archive.writestr(name, data)


def npy(head, data=b""):
    text = head.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def test_arrays_come_back_as_they_were_and_can_be_written_on(path):
    found = read_npz(path)
    assert same(found)
    found["ap"][0, 0] = 2.0
    np.savez(path, **ARRAYS)
    assert same(read_npz(path))


def test_flipped_bits_and_cuts_change_nothing_silently(path):
    data, seeded, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        other = bytearray(data)
        other[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
        path.write_bytes(other if seeded.random() < 0.8 else other[: seeded.randrange(len(data))])
        try:
            found = read_npz(path)
        except ValueError as error:
            refused += len(str(error).splitlines()) == 1
            continue
        assert same(found)
    assert refused > 200


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }", "must have 8"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "as NumPy writes it"),
        ("{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", "as NumPy writes it"),
        ("{'descr': '<f3', 'fortran_order': False, 'shape': (0,), }", "known type"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "0, " * 33 + "), }", "32 axes"),
        ("{'descr': " + "(" * 90, "as NumPy writes it"),
        ("import os", "as NumPy writes it"),
    ],
)
def test_a_head_that_promises_anything_allocates_nothing(path, head, reason):
    zipped(path, [("a.npy", npy(head))])
    with pytest.raises(ValueError, match=reason):
        read_npz(path)


def test_more_than_the_limits_is_not_unpacked(path):
    big = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3000000,), }", bytes(3_000_000))
    zipped(path, [("a.npy", big)], compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 5000
    assert len(read_npz(path)["a"]) == 3_000_000
    with pytest.raises(ValueError, match="at most 64 arrays of 1,000,000 bytes, got 1 of 3,000"):
        read_npz(path, most_bytes=1_000_000)
    with pytest.raises(ValueError, match="at most 0 arrays"):
        read_npz(path, most_arrays=0)


@pytest.mark.parametrize("names", [["a.txt"], ["a.npy", "a.npy"], ["folder/"]])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_no_array_or_stands_there_twice_is_refused(path, names):
    one = io.BytesIO()
    np.save(one, np.zeros(1))
    zipped(path, [(name, one.getvalue()) for name in names])
    with pytest.raises(ValueError, match="must hold arrays, each once"):
        read_npz(path)


def test_other_packings_and_no_archive_are_refused(path):
    zipped(path, [("a.npy", b"")], compression=zipfile.ZIP_BZIP2)
    with pytest.raises(ValueError, match="stored or deflated"):
        read_npz(path)
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"no whole \.npz file"):
        read_npz(path)
    with pytest.raises(FileNotFoundError):
        read_npz(path.with_name("b.npz"))


def test_a_map_is_of_exactly_the_shape(tmp_path):
    values, path = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), tmp_path / "a.npy"
    np.save(path, values)
    found = map_array(path, (2, 3, 4))
    assert np.array_equal(found, values)
    assert not found.flags.writeable
    for shape in ((2, 4, 3), (3, 3, 4), (24,)):
        with pytest.raises(ValueError, match="must begin as an array of uint8"):
            map_array(path, shape)
    for size in (len(path.read_bytes()) - 1, len(array_head((2, 3, 4)))):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(ValueError, match=f"must have 152 bytes, got {size}"):
            map_array(path, (2, 3, 4))
    np.save(path, values.astype(np.int8))
    with pytest.raises(ValueError, match="must begin as"):
        map_array(path, (2, 3, 4))
    with pytest.raises(IsADirectoryError):
        map_array(tmp_path, (2, 3, 4))


def test_bytes_may_follow_a_map_where_they_are_expected(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(array_head((4,)) + b"abcd" + b"seal")
    assert map_array(path, (4,), behind=4).tobytes() == b"abcd"
    with pytest.raises(ValueError, match="must have 132 bytes, got 136"):
        map_array(path, (4,))
