"""What lies within Hamming radius 2: of binary codes only, by code length, spread over seeds."""

import dataclasses
import io

import pandas as pd
import pytest

from hashquant.records.record import Score
from hashquant.report import Options, write_report
from hashquant.report.blocks import select_blocks
from hashquant.report.forms.latex import latex
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.codes.radius import COLUMNS, MEANING, radius_frame, radius_sheet
from hashquant.settings.names import Names

KINDS = {f"pair{i}": "pairs" for i in range(6)} | {f"list{i}": "triplets" for i in range(6)}


def balls(precision, recall=0.25, empty=0.125):
    """The scores of a binary code's balls."""
    named = {"precision-radius2": (precision, "retrieved"), "recall-radius2": (recall, "relevant"),
             "empty-ball-rate": (empty, "queries")}  # fmt: skip
    return [Score(name, value, 0, of, "expected", "hamming")
            for name, (value, of) in named.items()]  # fmt: skip


def binary(make, precision=0.5, recall=0.25, empty=0.125, **asked):
    asked = {"method": "dcdh"} | asked
    return make.evaluation(extra=balls(precision, recall, empty), **asked)


def written(records, names=None):
    """The table as Markdown, and its rows: by their method a mapping of column to text."""
    blocks = select_blocks(records, names=names)
    text = markdown(radius_sheet(radius_frame(blocks), blocks, "demo"), "d")
    lines = [[c.strip() for c in x.split("|")[1:-1]] for x in text.splitlines() if x[0:1] == "|"]
    heads = lines[0] if lines else []
    return text, {line[1]: dict(zip(heads, line, strict=True)) for line in lines[2:]}


def test_means_and_sds_over_seeds_stand_beside_each_other_by_code_length(make):
    evals = [
        binary(make, precision, recall, empty, bits=bits, seed=seed)
        for bits, seed, precision, recall, empty in [
            (16, 0, 0.5, 0.2, 0.0), (16, 1, 0.7, 0.4, 0.0),
            (24, 0, 0.25, 0.1, 0.5), (24, 1, 0.25, 0.1, 0.7),
        ]
    ]  # fmt: skip
    text, rows = written(make.records(evals))
    assert rows["dcdh"] == {
        "family": "hashing", "method": "dcdh",
        "precision, 16 bits": "0.6000 ± 0.1414", "precision, 24 bits": "0.2500 ± 0.0000",
        "recall, 16 bits": "0.3000 ± 0.1414", "recall, 24 bits": "0.1000 ± 0.0000",
        "empty balls, 16 bits": "0.0000 ± 0.0000", "empty balls, 24 bits": "0.6000 ± 0.1414",
    }  # fmt: skip
    assert "1,680 queries, 3 excluded, 7,000 gallery images." in text
    assert "Means ± standard deviation over 2 seeds." in text
    for said in ("2 of its bits or fewer", "0 where the ball is empty", "CVPR 2018",
                 "over seeds alone"):  # fmt: skip
        assert said in MEANING


def test_rows_without_a_hamming_code_are_absent_and_so_is_a_table_of_them_alone(make):
    product = make.evaluation(0.9)
    real = make.without_code(make.evaluation(0.9, method="float", bits=16384))
    olivetti = make.evaluation(0.9, target="olivetti")
    text, rows = written(make.records([product, real, olivetti, binary(make)]))
    assert list(rows) == ["dcdh"]
    assert text.count("\n## ") == 1
    assert radius_frame(select_blocks(make.records([product, real]))).empty
    assert list(radius_frame([]).columns) == COLUMNS


def test_another_comparison_has_no_ball(make):
    scores = [dataclasses.replace(score, comparison="asymmetric-hamming") for score in balls(0.9)]
    record = make.evaluation(method="dcdh", extra=scores)
    assert radius_frame(select_blocks(make.records([record]))).empty


def test_one_seed_has_no_spread_and_a_missing_seed_is_counted_and_told(make):
    text, rows = written(make.records([binary(make)]))
    assert rows["dcdh"]["precision, 16 bits"] == "0.5000"
    assert "1 seed: no spread is known." in text

    evals = [binary(make, bits=bits, seed=seed) for bits, seed in [(16, 0), (16, 1), (24, 0)]]
    lost = make.training("failed", "out of memory", method="dcdh", bits=24, seed=1)
    text, rows = written(make.records(evals, [lost]))
    assert rows["dcdh"]["precision, 24 bits"] == "0.5000 (n=1)<sup>1</sup>"
    assert "<sup>1</sup> seed 1 failed: out of memory" in text


def test_an_older_record_without_balls_leaves_a_gap(make):
    evals = [binary(make, bits=16), make.evaluation(method="dcdh", bits=24)]
    text, rows = written(make.records(evals))
    assert rows["dcdh"]["recall, 24 bits"] == "–<sup>1</sup>"
    assert "no precision-radius2 is stored" in text


def test_many_rows_stand_in_parts_by_kind(make):
    evals = [binary(make, method=method) for method in [*KINDS, "random"]]
    text, _ = written(make.records(evals), Names(kinds=KINDS))
    firsts = [line.split("|")[1].strip() for line in text.splitlines() if line[0:1] == "|"]
    assert [first for first in firsts[2:] if first] == [
        "hashing: pairs", "hashing: triplets", "reference",
    ]  # fmt: skip


def test_what_did_not_train_stands_back_and_says_why(make):
    (block,) = select_blocks(make.records([binary(make)]))
    block = dataclasses.replace(block, untrained={("dcdh", 16): "did not train: mAP 0.1"})
    frame = radius_frame([block])
    assert not frame["trained"].any()
    text = markdown(radius_sheet(frame, [block], "demo"), "d")
    row = next(line for line in text.splitlines() if line.startswith("| did not train"))
    assert row.count("*<sup>1</sup> |") == 3
    assert "*0.5000*<sup>1</sup>" in row
    assert "<sup>1</sup> did not train: mAP 0.1" in text


def test_the_files_hold_the_numbers_and_the_columns_are_grouped_in_latex(make, tmp_path):
    evals = [binary(make, 0.5 + seed / 5, bits=bits, seed=seed)
             for bits in (16, 24) for seed in (0, 1)]  # fmt: skip
    records = make.records([*evals, make.evaluation()])
    report = write_report(records, tmp_path, Options(figures=False, spread="interval"))
    names = {path.name for path in report.tables}
    assert names >= {"radius.md", "radius.csv", "radius.tex"}
    lines = (tmp_path / "tables/radius.csv").read_text().partition("\n")[2]
    frame = pd.read_csv(io.StringIO(lines))
    assert list(frame.columns) == COLUMNS
    assert frame["precision_mean"].tolist() == [pytest.approx(0.6)] * 2
    assert frame["precision_sd"].tolist() == [pytest.approx(0.02**0.5)] * 2
    assert frame["n"].tolist() == [2, 2]
    blocks = select_blocks(records)
    source = latex(radius_sheet(radius_frame(blocks), blocks, "demo"), "d")
    assert source.count(r"\multicolumn{2}{c}{") == 3
    assert r"\input{radius}" in (tmp_path / "tables/all.tex").read_text()
    # No query's own value is stored, so there is no interval of people to stand here.
    assert r"0.6000\,{\scriptsize{}$\pm$\,0.1414}" in (tmp_path / "tables/radius.tex").read_text()


def test_a_suite_without_binary_codes_has_no_file_of_it(make, tmp_path):
    report = write_report(make.records([make.evaluation()]), tmp_path, Options(figures=False))
    assert not [path for path in report.tables if "radius" in path.name]
    assert "radius-section" not in report.page.read_text()
