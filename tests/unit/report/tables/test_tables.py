"""The tables as text: marks, footnotes, captions, escapes, width."""

import dataclasses
import io
import re

import pandas as pd
import pytest

from hashquant.records.record import Score
from hashquant.report import terminal_table
from hashquant.report.blocks import records_digest, select_blocks
from hashquant.report.evidence.queries import gather
from hashquant.report.forms.latex import latex
from hashquant.report.forms.markdown import markdown
from hashquant.report.frame import Metric
from hashquant.report.tables.maps import block_tables, csv, map_sheet, map_tables
from hashquant.settings.names import Names


def built(records):
    return map_tables(records, Metric("mAP"))


def as_markdown(records):
    return markdown(map_sheet(built(records), records), records_digest(records))


def as_latex(records):
    return latex(map_sheet(built(records), records), records_digest(records))


@pytest.fixture
def mixed(make):
    """Two families, two seeds, a skipped cell and one lost seed with awkward characters."""
    evals = [e for e in make.full(["opqn", "gpq", "dcdh"]).evals
             if (e.spec.method, e.spec.bits) != ("gpq", 24)
             and (e.spec.method, e.spec.bits, e.spec.seed) != ("dcdh", 16, 1)]  # fmt: skip
    trains = [
        make.training("skipped", "needs 16 words", method="gpq", bits=24, seed=s) for s in (0, 1)
    ]
    trains.append(make.training("failed", "a_b & 50% <x> | {y}", method="dcdh", bits=16, seed=1))
    return make.records(evals, trains)


def test_markdown_marks_best_and_second_and_groups_by_family(mixed):
    rows = [line for line in as_markdown(mixed).splitlines() if line.startswith("|")]
    cells = [[part.strip() for part in row.strip("|").split(" | ")] for row in rows[2:]]
    assert [row[:2] for row in cells] == [
        ["hashing", "dcdh"], ["quantization", "opqn"], ["", "gpq"]
    ]  # fmt: skip
    assert cells[1][2] == "**0.9210 ± 0.0071**"
    assert cells[2][2] == "<u>0.8710 ± 0.0071</u>"
    assert cells[2][3] == "–<sup>2</sup>"
    assert cells[0][2] == "0.8160 (n=1)<sup>1</sup>"


def test_markdown_footnotes_and_caption(mixed):
    text = as_markdown(mixed)
    assert text.startswith(f"<!-- records: {records_digest(mixed)} -->\n")
    assert "<sup>2</sup> skipped: needs 16 words" in text
    assert r"<sup>1</sup> seed 1 failed: a_b & 50% \<x\> \| {y}" in text
    for said in (
        "mAP over the full ranking, expected over ties", "split 0123456789ab:", "20 epochs",
        "Hamming distance (hashing), ADC (quantization)", "Trunk sphere20-narrow",
        "each paper's recipe",
        "n = 2 seeds, fewer where a cell says so. Best in bold", "1,680 queries, 3 excluded",
    ):  # fmt: skip
        assert said in text


def test_captions_count_what_is_left_out(make):
    evals = [make.evaluation(started="2024-05"), make.evaluation(epochs=5, started="2024-04")]
    assert "1 record of other settings is left out (epochs 5)." in as_markdown(make.records(evals))


def test_csv_holds_full_precision_and_reasons(mixed):
    text = csv(built(mixed), "d1e2")
    assert text.startswith("# records: d1e2\n")
    frame = pd.read_csv(io.StringIO(text), skiprows=1).set_index("label")
    assert list(frame.index) == ["dcdh", "opqn", "gpq"]
    assert frame.loc["opqn", "16_bits_mean"] == pytest.approx(0.921)
    assert frame.loc["opqn", "16_bits_n"] == 2
    assert pd.isna(frame.loc["gpq", "24_bits_mean"])
    assert frame.loc["gpq", "24_bits_note"] == "skipped: needs 16 words"
    assert frame.loc["dcdh", "comparison"] == "hamming"


def test_two_comparisons_make_two_tables(make):
    extra = [Score("mAP", 0.3, 0, "relevant", "expected", "sdc")]
    tables = built(make.records([make.evaluation(0.5, extra=extra)]))
    assert [table.title for table in tables] == ["lfw, mAP", "lfw, mAP (asymmetric Hamming, SDC)"]
    assert "Compared by SDC (quantization)" in tables[1].caption


def test_terminal_table_marks_and_reasons(mixed, shown):
    text = shown(mixed)
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "0.9210 ±0.0071*" in rows["opqn"]
    assert "0.8710 ±0.0071°" in rows["gpq"]
    assert rows["gpq"].rstrip().endswith("– [2]")
    assert "[2] skipped: needs 16 words" in text
    assert "* best, ° second" in text


def test_terminal_table_fits_and_loses_nothing(make, shown):
    methods = ["opqn", "gpq", "dpq", "dcdh", "csq", "itq", "lsh", "pq", "opq", "float", "random"]
    records = make.full(methods, (16, 24, 36, 48, 64, 128))
    long = make.evaluation(0.123, overrides={"codebooks": "learned", "entropy_weight": 0.1,
                                             "query_norm": "raw"})  # fmt: skip
    records = make.records([*records.evals, long], records.trains)
    text = shown(records)
    assert max(map(len, text.splitlines())) <= 98
    for bits in (16, 24, 36, 48, 64, 128):
        assert text.count(f"{bits} bits") == 1
    assert "0.1230" in text
    rows = ("  opqn ", "  float", "  random")
    aligned = [line for line in text.splitlines() if line.startswith(rows)]
    assert len({line.index(".") for line in aligned if "codebooks" not in line}) == 1


def test_terminal_table_without_seeds_has_no_sd(make, shown):
    text = shown(make.full(["opqn", "dcdh"], (16,), (0,)))
    assert "±" not in text
    assert "1 seed (n = 1)" in text


def test_damaged_files_are_named(make, shown):
    records = make.records([make.evaluation()], damaged=["results/demo/x/eval.json"])
    said = "1 stored file could not be read and is left out: results/demo/x/eval.json"
    assert said in shown(records)
    assert said in as_markdown(records)


def test_nothing_stored_is_one_sentence(make, shown):
    assert shown(make.records()) == "suite 'demo' has no stored record"


def test_a_suite_of_failures_only_still_tells_them(make, shown):
    trains = [make.training("failed", "boom"), make.training("skipped", "s", bits=24)]
    records = make.records(trains=trains)
    text = shown(records)
    assert "[1] failed: boom" in text
    assert "with no finished cell" in text
    assert r"\bottomrule" in as_latex(records)
    assert "–<sup>1</sup>" in as_markdown(records)
    assert csv(built(records), "d").count("boom") == 1


@pytest.fixture
def queried(exams, people, middling):
    """Two methods of two seeds each, and one of a single seed, with the values of their queries."""
    for seed in (0, 1):
        exams.add(middling + 0.01 * seed, people, method="opqn", seed=seed)
        exams.add(middling[::-1] - 0.1, people, method="dcdh", seed=seed)
    exams.add(middling - 0.2, people, method="gpq", seed=0)
    return exams.records()


def test_intervals_stand_in_place_of_standard_deviations(queried, shown):
    (table,) = map_tables(queried, Metric("mAP"), spread="interval")
    opqn = table.cells.set_index("label").loc["opqn"]
    text = markdown(map_sheet([table], queried), "d")
    assert f"**{opqn['mean']:.4f} [{opqn['low']:.3f}, {opqn['high']:.3f}]**" in text
    assert opqn["low"] < opqn["mean"] < opqn["high"]
    assert "±" not in text
    assert re.search(r"\[0\.\d{3}, 0\.\d{3}\] \(n=1\)", text)
    assert (
        "mean over n = 2 seeds, fewer where a cell says so, in brackets its 95 % interval: "
        "identities by bootstrap (t-scaled), training seeds by Student's t" in text
    )
    assert max(map(len, shown(queried, spread="interval").splitlines())) <= 98


def test_where_no_interval_is_known_the_standard_deviation_stays(mixed):
    tables = map_tables(mixed, Metric("mAP"), spread="interval")
    assert markdown(map_sheet(tables, mixed), records_digest(mixed)) == as_markdown(mixed)


def test_one_seed_has_an_interval_over_identities(exams, people, middling):
    exams.add(middling, people)
    records = exams.records()
    (table,) = map_tables(records, Metric("mAP"), spread="interval")
    said = "mean over n = 1 seed, in brackets its 95 % interval: identities by bootstrap (t-scaled)"
    assert said in table.caption
    cell = table.cells.iloc[0]
    expected = f"{cell['mean']:.4f} [{cell['low']:.3f}, {cell['high']:.3f}]"
    assert cell["low"] < cell["mean"] < cell["high"]
    assert expected in markdown(map_sheet([table], records), "d")


def test_many_rows_stand_under_their_parts_in_every_form(make):
    methods = [*(f"pair{i}" for i in range(6)), *(f"list{i}" for i in range(6)), "opqn"]
    kinds = {m: "pairs" if m.startswith("pair") else "triplets" for m in methods[:-1]}
    records = make.full(methods, (16,), (0,))
    blocks = select_blocks(records, None, Names(kinds=kinds))
    tables = block_tables(gather(records, blocks))
    lines = terminal_table(records, tables).splitlines()
    at = {
        line.split(maxsplit=1)[0] if line.startswith(" ") else line: n
        for n, line in enumerate(lines)
        if line
    }
    heads = ["hashing: pairs", "hashing: triplets", "quantization"]
    assert [line for line in lines if line.strip() in heads] == heads
    assert at["hashing: pairs"] < at["pair0"] < at["hashing: triplets"] < at["list0"]
    source = latex(map_sheet(tables, records), "d")
    assert source.index("hashing: pairs") < source.index("pair5") < source.index("triplets")
    # Ten rows need no parts, whatever is known of them.
    few = make.full(methods[:10], (16,), (0,))
    blocks = select_blocks(few, None, Names(kinds=kinds))
    assert "triplets" not in terminal_table(few, block_tables(gather(few, blocks)))
    assert "triplets" not in latex(map_sheet(block_tables(gather(few, blocks)), few), "d")


def test_many_rows_that_did_not_train_share_a_footnote(make):
    methods = [f"m{i}" for i in range(12)]
    records = make.full(methods, (16,), (0,))
    (block,) = select_blocks(records)
    reasons = {(m, 16): f"did not train: mAP 0.{at}" for at, m in enumerate(methods[:5])}
    block = dataclasses.replace(block, untrained=reasons)
    (table,) = block_tables(gather(records, [block]))
    assert table.footnotes == {"did not train (the CSV says why)": 1}
    assert as_text(table, records).count("<sup>1</sup>") == 5 + 1
    assert "did not train: mAP 0.3" in csv([table], "d")


def as_text(table, records):
    return markdown(map_sheet([table], records), "d")
