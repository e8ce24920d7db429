"""The README's tables are those of the records: written between markers, no row left out."""

from pathlib import Path

import pytest

from hashquant.errors import UsageError
from hashquant.plugins import naming
from hashquant.records.store import Store
from hashquant.report import cited
from hashquant.report.across.readme import filled, marked, studied
from hashquant.settings.names import Names

ROOT = Path(__file__).resolve().parents[4]
MARKER = "<!-- results bits=16,24 demo:lfw:lfw demo:lfw:olivetti -->"


@pytest.fixture
def stored(exams, people, middling):
    """Two rows on two targets, and the uncompressed embedding."""
    for bits in (16, 24):
        for target, protocol in (("lfw", "seen"), ("olivetti", "cross")):
            where = {"target": target, "protocol": protocol, "bits": bits}
            exams.add(middling + bits / 1000, people, method="opqn", **where)
            exams.add(middling - 0.2, people, method="dcdh", **where)
    return studied(exams.records(), Names())


def test_a_table_is_written_between_its_markers(stored, middling):
    text = f"before\n{MARKER}\nold\n<!-- /results -->\nafter\n"
    new = filled(text, lambda name: stored)
    lines = new.splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == (
        "before", MARKER, "<!-- /results -->", "after"
    )  # fmt: skip
    assert "old" not in lines
    row = next(line for line in lines if line.startswith("| opqn"))
    mean = middling.mean()
    assert row.count(f"**{mean + 0.016:.3f}** / **{mean + 0.024:.3f}**") == 2
    assert next(line for line in lines if line.startswith("| dcdh"))
    assert filled(new, lambda name: stored) == new
    assert marked(new) == 1


@pytest.mark.parametrize(("marker", "said"), [
    ("<!-- results demo:lfw:lfw -->", "must read 'results bits=N,N SUITE:TRAINED:TARGET"),
    ("<!-- results bits=16 demo:lfw -->", "must read 'results bits=N,N SUITE:TRAINED:TARGET"),
    ("<!-- results bits=16 demo:lfw:olivet -->", "did you mean 'lfw:olivetti'"),
])  # fmt: skip
def test_a_marker_that_is_wrong_is_named(stored, marker, said):
    with pytest.raises(UsageError, match=said):
        filled(f"{marker}\n<!-- /results -->\n", lambda name: stored)


def test_the_readme_says_what_the_records_say():
    """`run_bench.py report --readme` mends it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    store = Store(ROOT / "results")

    def found(suite):
        records = store.read(suite)
        return studied(records, naming.names(*cited(records)))

    assert marked(text) == 3
    assert filled(text, found) == text
