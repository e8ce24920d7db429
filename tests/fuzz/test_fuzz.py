"""No damaged file ends in a traceback, and none changes anything without being named."""

import sys

import pytest

from fuzz.outcomes import HEAD, Bench, Kind
from fuzz.stored import NAMES, everything
from hashquant.errors import DataError

QUICK, FULL = 10, 200


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Return every kind of stored file, built once."""
    return everything(tmp_path_factory.mktemp("fuzz"), thorough=False)


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory):
    """Return every kind of stored file, its readers as thorough as the verbs."""
    return everything(tmp_path_factory.mktemp("fuzz"), thorough=True)


def test_every_kind_is_tried(kinds):
    assert tuple(kinds) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_few_damaged_copies(kinds, name):
    bench, kind = kinds[name]
    counts = bench.try_out(kind, QUICK)
    assert sum(counts.ends.values()) == QUICK
    assert counts.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_damaged_copies(all_kinds, name, capsys):
    bench, kind = all_kinds[name]
    counts = bench.try_out(kind, FULL)
    with capsys.disabled():
        head = f"\n{HEAD}" if name == NAMES[0] else ""
        sys.stdout.write(f"{head}\n{counts}\n")
    assert counts.faults == []


def trusting(path):
    """Return what a file's first byte says, whatever follows."""
    return lambda: (path.read_bytes()[0], "")


def strict(path):
    def look():
        data = path.read_bytes()
        if data[:4] != b"head":
            raise ValueError("no head")
        if data != b"head" + bytes(60):
            raise DataError("it is damaged")
        return data, ""

    return look


@pytest.mark.parametrize(
    ("reader", "judges", "ends"),
    [
        (trusting, (), {"equal", "silent", "traceback"}),
        (trusting, ("read",), {"equal", "silent", "traceback"}),
        (strict, (), {"equal", "named", "traceback"}),
    ],
)
def test_a_reader_that_trusts_or_fails_is_found_out(tmp_path, reader, judges, ends):
    path = tmp_path / "bench" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(b"head" + bytes(60))
    kind = Kind("file", path, {"read": reader(path)}, lambda p: p.read_bytes(), judges)
    counts = Bench(path.parent).try_out(kind, 60)
    assert set(counts.ends) <= ends
    assert counts.ends["traceback"] > 0
    assert (counts.ends["silent"] > counts.ends["equal"]) == bool(judges)
    assert path.read_bytes() == b"head" + bytes(60)
