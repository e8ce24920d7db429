"""A planted suite: a dead row, two equal ones, one clearly better, and what is said of each."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest

from hashquant.report import Options, terminal_table
from hashquant.report.drawing.shortnames import row_names
from hashquant.report.drawing.style import GREY, looks
from hashquant.report.findings import find
from hashquant.report.forms.markdown import markdown
from hashquant.report.naming import faded
from hashquant.report.page.write import page
from hashquant.report.rows import UNTRAINED
from hashquant.report.tables.maps import csv, map_sheet
from hashquant.report.tables.ranks import ranks_frame

#: What each row leads `middling` by; dpq stands at chance.
LEADS = {"opqn": 0.0, "gpq": 0.0, "dcdh": -0.03, "csq": -0.05}
SEEDS = range(5)


@pytest.fixture(scope="module")
def generator():
    return np.random.default_rng(18)


@pytest.fixture
def planted(make, exams, people, middling, generator):
    """Five seeds of each row, each training a little different, and a row that learnt nothing."""
    trains = []
    for seed in SEEDS:
        for method, lead in LEADS.items():
            noise = generator.normal(0, 0.003) + generator.normal(0, 0.02, len(people))
            exams.add(middling + lead + noise, people, method=method, seed=seed)
        exams.add(np.full(len(people), 0.0115), people, method="dpq", seed=seed)
        trains += [
            dataclasses.replace(
                make.training(method=method, seed=seed), losses=({"total": 2.0}, {"total": 1.0})
            )
            for method in (*LEADS, "dpq")
        ]
    return find(exams.records(trains), Options())


@pytest.fixture
def cells(planted):
    (table,) = planted.headline
    return {cell["label"]: cell for cell in table.cells.to_dict("records")}


def test_the_dead_row_is_found_and_stands_last(planted, cells):
    assert [label for label, cell in cells.items() if not cell["trained"]] == ["dpq"]
    assert [*cells][-1] == "dpq"
    assert cells["dpq"]["note"] == (
        "did not train: mAP 0.0115 on its own held-out queries, a random order has 0.0112"
    )
    assert "dpq" not in set(planted.wins["row"]) | set(ranks_frame(planted.extras.ranks)["row"])
    pairs = planted.extras.families
    assert "dpq" not in set(pairs["quantization"])
    assert not planted.claims["compared"].str.contains("dpq").any()


def test_equal_rows_are_undecided_and_a_worse_one_is_not(cells):
    best, other = sorted(("opqn", "gpq"), key=lambda label: -cells[label]["mean"])
    assert cells[best]["rank"] == 1
    assert {label: bool(cells[label]["undecided"]) for label in (other, "dcdh", "csq")} == {
        other: True, "dcdh": False, "csq": False,
    }  # fmt: skip
    assert not cells["dpq"]["undecided"]


def test_legends_show_it_grey_and_say_so(planted):
    (block,) = planted.blocks
    shown = faded(looks(block.families), [block])
    names = row_names(shown, shown)
    assert (shown["dpq"].color, names["dpq"]) == (GREY, f"dpq ({UNTRAINED})")
    assert all(UNTRAINED not in names[label] for label in LEADS)
    assert shown["opqn"] == looks(block.families)["opqn"]


def test_every_form_says_so(planted):
    (table,) = planted.headline
    texts = {
        "markdown": markdown(map_sheet([table], planted.records), "d"),
        "terminal": terminal_table(planted.records, [table]),
        "csv": csv([table], "d"),
        "page": page(planted),
    }
    for name in ("markdown", "terminal", "page"):
        assert UNTRAINED in texts[name], name
    rows_of = pd.read_csv(io.StringIO(texts["csv"]), skiprows=1).set_index("label")
    assert dict(rows_of["16_bits_trained"]) == {label: label != "dpq" for label in rows_of.index}
    other = min(("opqn", "gpq"), key=lambda label: rows_of.loc[label, "16_bits_mean"])
    shown = next(row for row in texts["markdown"].splitlines() if f"| {other} " in row)
    assert "<sup>=" in shown
    rows = [line for line in texts["markdown"].splitlines() if "dcdh" in line or "pq" in line]
    assert "=" not in next(row for row in rows if "dcdh" in row)
    assert UNTRAINED in next(row for row in rows if "dpq" in row)
