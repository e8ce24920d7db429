"""Stored counts as frames and as figures: every number by hand, nothing cut, bytes repeated."""

import dataclasses

import numpy as np
import pytest

from hashquant.records.vouching import DISTRIBUTIONS
from hashquant.report import write_report
from hashquant.report.blocks import select_blocks
from hashquant.report.distances import (
    cell_counts,
    codewords_frame,
    distances_frame,
    median,
    ones_frame,
)
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._codeuse import code_use_drawings, codewords_figure, ones_figure
from hashquant.report.figures._distances import distance_drawings, distances_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.rows import row_families

TWELVE = ["opqn", "gpq", "dpq", "dcdh", "csq", "orthohash", "itq", "lsh", "pq", "opq", "dpn",
          "random"]  # fmt: skip
PRODUCT = {"opqn", "gpq", "dpq", "pq", "opq"}
PEOPLE = np.array([0, 0, 1, 1])


def counts(method, bits=16, **changes):
    """What an examination of 4 queries and 8 items would store."""
    if method in PRODUCT:
        arrays = {"comparison": np.array("adc"), "larger_is_closer": np.array(method == "opqn"),
                  "edges": np.linspace(0.0, 2.0, 65),
                  "codeword_use": np.array([[2, 6, 0, 0], [2, 2, 2, 2]])}  # fmt: skip
    else:
        arrays = {"comparison": np.array("hamming"), "larger_is_closer": np.array(False),
                  "edges": np.arange(bits + 2) - 0.5, "ones": np.arange(bits) % 9}  # fmt: skip
    same = np.zeros(len(arrays["edges"]) - 1, dtype=np.int64)
    same[2], same[3] = 3, 5
    different = np.roll(same, 1) * 3
    return arrays | {"same": same, "different": different} | changes


@pytest.fixture
def stored(exams):
    """Return a function that stores a cell with its counts, and one that returns the block."""

    def add(method, seed=0, arrays=None, **asked):
        record = exams.add(np.full(4, 0.5), PEOPLE, method=method, seed=seed, **asked)
        exams.evals[-1] = dataclasses.replace(record, gallery=8)
        if arrays is not None:
            folder = exams.folders[record.run_id, record.target]
            np.savez(folder / DISTRIBUTIONS, **arrays)

    def block():
        records = exams.records()
        (found,) = select_blocks(records)
        return records, found

    return add, block


def test_shares_medians_and_overlap_are_those_of_the_counts(stored):
    add, block = stored
    add("dcdh", arrays=counts("dcdh"))
    frame = distances_frame(cell_counts(*block(), 16)[0])
    assert list(frame["same_share"][:6]) == [0, 0, 3 / 8, 5 / 8, 0, 0]
    assert list(frame["different_share"][:6]) == [0, 0, 0, 3 / 8, 5 / 8, 0]
    assert set(frame["overlap"]) == {3 / 8}
    assert set(frame["same_median"]) == {3.0}
    assert set(frame["different_median"]) == {4.0}
    assert (frame["low"][0], frame["high"][16]) == (-0.5, 16.5)


def test_a_median_lies_within_its_bin():
    share = np.array([0.25, 0.75])
    assert median(np.array([0.0, 3.0, 6.0]), share, whole=False) == 4.0  # a third of the bin
    assert median(np.array([-0.5, 0.5, 1.5]), share, whole=True) == 1.0


def test_codewords_are_sorted_by_use_and_dead_ones_counted(stored):
    add, block = stored
    add("opqn", arrays=counts("opqn"))
    frame = codewords_frame(cell_counts(*block(), 16)[0])
    assert list(frame["items"]) == [6, 2, 0, 0, 2, 2, 2, 2]
    assert list(frame["even_shares"]) == [3, 1, 0, 0, 1, 1, 1, 1]
    assert set(frame["dead"]) == {2}
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(frame["perplexity"], (np.exp(entropy) + 4) / 2, atol=1e-4)


def test_balance_is_the_mean_distance_to_a_half(stored):
    add, block = stored
    add("dcdh", arrays=counts("dcdh", ones=np.array([8, 0, 4, 2] * 4)))
    frame = ones_frame(cell_counts(*block(), 16)[0])
    assert list(frame["share"][:4]) == [1, 0, 0.5, 0.25]
    assert set(frame["balance"]) == {(0.5 + 0.5 + 0 + 0.25) / 4}


def test_the_lowest_seed_with_counts_stands_for_a_row_and_rows_without_are_named(stored):
    add, block = stored
    add("dcdh", seed=0)
    add("dcdh", seed=1, arrays=counts("dcdh"))
    add("dcdh", seed=2, arrays=counts("dcdh"))
    add("lsh")
    cells, missing = cell_counts(*block(), 16)
    assert [(cell.label, cell.seed) for cell in cells] == [("dcdh", 1)]
    assert missing == ["lsh"]


@pytest.mark.parametrize(
    "changes",
    [{"same": np.zeros(17, dtype=np.int64)}, {"edges": np.arange(5.0)},
     {"different": np.zeros(17)}, {"comparison": np.array(3)}],
)  # fmt: skip
def test_counts_that_do_not_fit_are_left_out(stored, changes):
    add, block = stored
    add("dcdh", arrays=counts("dcdh", **changes))
    assert cell_counts(*block(), 16) == ([], ["dcdh"])


@pytest.mark.parametrize("preset", ["double", "slide"])
def test_nothing_is_cut_or_overlaps_with_twelve_methods(stored, preset):
    add, block = stored
    for method in TWELVE:
        add(method, arrays=counts(method))
    records, found = block()
    cells, _ = cell_counts(records, found, 16)
    look, size = looks(row_families(records)), PRESETS[preset]
    with drawing(size):
        figures = [
            distances_figure(distances_frame(cells), look, "lfw, 16 bits", size),
            codewords_figure(codewords_frame(cells), "lfw, 16 bits", size),
            ones_figure(ones_frame(cells), look, "lfw, 16 bits", size),
        ]
        assert [len([a for a in f.axes if a.get_title()]) for f in figures] == [12, 5, 7]
        for figure in figures:
            figure.draw_without_rendering()
            renderer = figure._get_renderer()
            boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
            boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
            assert figure.get_figwidth() == size.width
            for i, box in enumerate(boxes):
                assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1
                assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1
                for other in boxes[:i]:
                    assert min(box.x1, other.x1) - max(box.x0, other.x0) < 1 or (
                        min(box.y1, other.y1) - max(box.y0, other.y0) < 1
                    )


def test_near_ones_stand_on_the_left_whatever_the_score(stored):
    add, block = stored
    for method in ("opqn", "pq", "dcdh"):
        add(method, arrays=counts(method))
    records, found = block()
    cells, _ = cell_counts(records, found, 16)
    with drawing(PRESETS["double"]):
        figure = distances_figure(
            distances_frame(cells), looks(row_families(records)), "t", PRESETS["double"]
        )
    inverted = {axes.get_title().split("\n")[0]: axes.xaxis_inverted() for axes in figure.axes}
    assert inverted == {"opqn": True, "pq": False, "dcdh": False}


def test_figures_are_named_by_block_and_bits_and_repeat_to_the_byte(stored, tmp_path):
    add, block = stored
    for method in ("opqn", "dcdh"):
        add(method, arrays=counts(method))
    add("lsh")
    records, found = block()
    look, written = looks(row_families(records)), []
    for folder in ("a", "b"):
        paths = [
            *draw_all(distance_drawings(records, [found], look, tmp_path / folder)),
            *draw_all(code_use_drawings(records, [found], look, tmp_path / folder)),
        ]
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    stems = {name.partition(".")[0] for name in written[0]}
    assert stems == {"distances_lfw_16bit", "codewords_lfw_16bit", "bits_lfw_16bit"}
    assert len(written[0]) == 12
    assert b"\nlabel,bits,seed," in written[0]["distances_lfw_16bit.csv"]
    assert b"opqn" in written[0]["codewords_lfw_16bit.csv"]
    assert b"dcdh" not in written[0]["codewords_lfw_16bit.csv"]


def test_a_block_without_counts_has_no_figure(stored, tmp_path):
    add, block = stored
    add("dcdh")
    records, found = block()
    look = looks(row_families(records))
    assert list(distance_drawings(records, [found], look, tmp_path)) == []
    assert list(code_use_drawings(records, [found], look, tmp_path)) == []


def test_a_report_draws_what_is_stored(stored, tmp_path):
    add, block = stored
    for method in ("opqn", "dcdh"):
        add(method, arrays=counts(method))
    paths = write_report(block()[0], tmp_path / "out")
    names = {path.name for path in paths.figures}
    kinds = ("distances", "codewords", "bits")
    assert {f"{kind}_lfw_16bit.svg" for kind in kinds} <= names
