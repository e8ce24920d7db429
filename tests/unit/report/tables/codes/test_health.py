"""Code health stands beside each score, as means over seeds, and "–" where it is not defined."""

import dataclasses

import pytest

from hashquant.records.record import Score
from hashquant.report.blocks import select_blocks
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables.codes.health import health_cells, health_sheet

PRODUCT = {"distinct_codes": 500.0, "distinct_fraction": 0.25, "codeword_use": 0.9,
           "perplexity": 100.25, "dead_codewords": 12.0, "quantization_error": 0.5}  # fmt: skip
BINARY = {"distinct_codes": 1500.0, "distinct_fraction": 0.75, "bit_balance": 0.125,
          "bit_correlation": 0.25, "quantization_error": 0.5}  # fmt: skip


def tied(value, comparison="adc"):
    return Score("tied-pairs", value, 0, "relevant*irrelevant", "expected", comparison)


def healthy(make, health, *, shares=(), **asked):
    return dataclasses.replace(make.evaluation(extra=shares, **asked), health=health)


def rows(make, evals):
    """The table's rows by their first cells, each a mapping of column to text."""
    blocks = select_blocks(make.records(evals))
    text = markdown(health_sheet(health_cells(blocks), blocks, "demo"), "d")
    lines = [[c.strip() for c in x.split("|")[1:-1]] for x in text.splitlines() if x[0:1] == "|"]
    heads = lines[0]
    return {(line[0], line[1]): dict(zip(heads, line, strict=True)) for line in lines[2:]}


def test_both_families_have_their_own_columns(make):
    evals = [
        healthy(make, PRODUCT, shares=[tied(0.001)], method="gpq"),
        healthy(make, BINARY, shares=[tied(0.125, "hamming")], method="dcdh", bits=24),
    ]
    found = rows(make, evals)
    assert found["gpq", "16"] == {
        "row": "gpq", "bits": "16", "mAP": "0.5000", "distinct codes": "500 (25.0 %)",
        "bit balance": "–", "mean abs. bit correlation": "–", "codeword use": "0.900",
        "perplexity": "100.2 of 16", "dead codewords": "12", "quantization error": "0.500",
        "tied pairs": "0.0010",
    }  # fmt: skip
    binary = found["dcdh", "24"]
    assert binary["distinct codes"] == "1,500 (75.0 %)"
    assert (binary["bit balance"], binary["mean abs. bit correlation"]) == ("0.125", "0.250")
    assert {binary[name] for name in ("codeword use", "perplexity", "dead codewords")} == {"–"}
    assert binary["tied pairs"] == "0.1250"


def test_numbers_are_means_over_seeds(make):
    seeds = [(1.0, 10.0, 0.4, 0.1), (2.0, 20.0, 0.6, 0.3)]
    evals = [
        healthy(make, PRODUCT | {"dead_codewords": dead, "perplexity": p}, seed=seed, value=value,
                shares=[tied(share)])
        for seed, (dead, p, value, share) in enumerate(seeds)
    ]  # fmt: skip
    found = rows(make, evals)["opqn", "16"]
    assert found["dead codewords"] == "1.5"
    assert found["perplexity"] == "15.0 of 256"
    assert found["mAP"] == "0.5000 ± 0.1414"
    assert found["tied pairs"] == "0.2000"


def test_only_the_headline_comparison_says_what_is_tied(make):
    shares = [tied(0.9, "sdc"), tied(0.1, "adc")]
    found = rows(make, [healthy(make, PRODUCT, shares=shares)])
    assert found["opqn", "16"]["tied pairs"] == "0.1000"


def test_a_float_embedding_is_listed_once_by_its_own_length(make):
    real = make.without_code(make.evaluation(0.9, method="float", bits=16384))
    evals = [real, healthy(make, PRODUCT), healthy(make, PRODUCT, bits=24)]
    found = rows(make, evals)
    assert [key for key in found if key[0] == "float"] == [("float", "16,384")]
    assert found["float", "16,384"]["perplexity"] == "–"


def test_old_records_show_dashes_and_odd_names_are_escaped(make):
    record = healthy(make, {}, method="neu_é", dataset="a|b")
    blocks = select_blocks(make.records([record]))
    frame = health_cells(blocks)
    text = markdown(health_sheet(frame, blocks, "demo"), "d")
    assert r"## a\|b" in text
    assert text.splitlines()[-1].count("–") == 8
    assert frame["mean"].tolist() == [pytest.approx(0.5)]
    assert health_cells([]).empty


def test_the_distance_of_centres_is_a_column_only_where_some_method_has_centres(make):
    centers = {"center_distance_min": 8.0, "center_distance_mean": 12.0027}
    evals = [
        healthy(make, BINARY | centers, method="csq"),
        healthy(make, BINARY, method="dcdh"),
    ]
    found = rows(make, evals)
    assert [found[row, "16"]["bits between centres"] for row in ("csq", "dcdh")] == [
        "8, mean 12.0",
        "–",
    ]
    assert all("bits between centres" not in row for row in rows(make, evals[1:]).values())
