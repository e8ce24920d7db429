"""Additive and decoded codes in reports: family, format, and how fast codes are made."""

import dataclasses

import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.forms.markdown import markdown
from hashquant.report.rows import row_families
from hashquant.report.tables._budgettable import budgets_sheet
from hashquant.report.tables.budgets import budgets_frame
from hashquant.report.tables.searchtimes import CodeFormat
from tests.unit.report.tables.test_times import machine


def coded(record, speed, form="table", words=None):
    cost = dataclasses.replace(record.cost, query_form=form)
    cost = cost if words is None else dataclasses.replace(cost, codewords=words, subspaces=0)
    timing = {} if speed is None else {"code_images_per_second": speed}
    return dataclasses.replace(record, cost=cost, timing=timing, provenance=machine("Xeon"))


def test_formats_are_told_apart():
    asked = [("table", 4, 64), ("additive", 4, 64), ("decoded", 0, 0), ("float", 0, 0)]
    names = [CodeFormat(form, 24, m, k, 1e5, 1.0, "").name for form, m, k in asked]
    assert names == [
        "24 bits: 4 books of 64 codewords", "24 bits: 4 full-length books of 64 codewords",
        "24 bits, decoded", "24 bits, float",
    ]  # fmt: skip


def test_what_is_decoded_is_quantization(make):
    evals = [
        coded(make.evaluation(0.5, method="mine"), None, "decoded", 0),
        coded(make.evaluation(0.5, method="bits"), None, "bits", 0),
        coded(make.evaluation(0.5, method="sums"), None, "additive"),
    ]
    sums = dataclasses.replace(evals[2].cost, codewords=256)
    evals[2] = dataclasses.replace(evals[2], cost=sums)
    assert row_families(make.records(evals)) == {
        "mine": "quantization", "bits": "hashing", "sums": "quantization",
    }  # fmt: skip


def test_the_speed_of_a_cell_is_the_median_of_its_seeds(make):
    evals = [
        coded(make.evaluation(0.5, method="opqn", seed=seed), speed)
        for seed, speed in enumerate((1000.0, 5000.0, 3000.0, None))
    ]
    evals.append(coded(make.evaluation(0.4, method="gpq"), None))
    blocks = select_blocks(make.records(evals))
    frame = budgets_frame(blocks)
    speeds = dict(zip(frame["label"], frame["code_images_per_second"], strict=True))
    assert speeds["opqn"] == pytest.approx(3000)
    text = markdown(budgets_sheet(frame, blocks, "s"), "d1")
    assert "codes/s" in text
    assert "3,000" in text
    assert "Codes made on: Xeon, 1 thread." in text


def test_older_records_show_no_empty_column(make):
    blocks = select_blocks(make.records([coded(make.evaluation(0.5, method="opqn"), None)]))
    text = markdown(budgets_sheet(budgets_frame(blocks), blocks, "s"), "d1")
    assert "codes/s" not in text
    assert "Codes made on" not in text
