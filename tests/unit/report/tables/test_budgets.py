"""Pareto fronts and winners that can be checked by hand, under each of the budgets."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.figures._budgets import FRONT_NAME, budget_drawings, budgets_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.forms.markdown import markdown
from hashquant.report.rows import row_families
from hashquant.report.tables._budgettable import budgets_sheet
from hashquant.report.tables.budgets import BITS, BYTES, Budget, budgets_frame, winners

FAISS, KERNEL = (Budget("time", f"search_ms_{name}", "ms") for name in ("faiss", "kernel"))


def timed(record, faiss=None, kernel=None, items=100_000, threads=1):
    times = {"search_ms_faiss": faiss, "search_ms_kernel": kernel, "search_items": items,
             "search_threads": threads}  # fmt: skip
    known = {name: float(value) for name, value in times.items() if value is not None}
    return dataclasses.replace(record, timing=known)


def frame_of(make, evals):
    return budgets_frame(select_blocks(make.records(evals)))


def on_front(frame, mark):
    return {(row["label"], row["bits"]) for row in frame.to_dict("records") if row[f"front_{mark}"]}


@pytest.fixture
def five(make):
    """Bits, bytes, milliseconds and mAP of five cells."""
    cells = [
        ("opqn", 16, 0.50, 0.30), ("dcdh", 16, 0.40, 0.10), ("opqn", 36, 0.60, 0.40),
        ("dcdh", 36, 0.55, 0.20), ("csq", 40, 0.65, 0.25),
    ]  # fmt: skip
    return [
        timed(make.evaluation(value, method=method, bits=bits), ms, 10 * ms)
        for method, bits, value, ms in cells
    ]


def test_fronts_by_hand(make, five):
    frame = frame_of(make, five)
    assert on_front(frame, "bits") == {("opqn", 16), ("opqn", 36), ("csq", 40)}
    # 36 bits are stored in 5 bytes, as 40 bits are: the better one is left.
    assert on_front(frame, "bytes") == {("opqn", 16), ("csq", 40)}
    assert on_front(frame, "time") == {("dcdh", 16), ("dcdh", 36), ("csq", 40)}
    assert set(frame["clock"]) == {"search_ms_faiss"}


def test_winners_in_words(make, five):
    frame = frame_of(make, five)
    assert winners(frame, BITS) == [
        "at ≤ 16 bits: opqn 16 bits, 0.5000",
        "at ≤ 36 bits: opqn 36 bits, 0.6000",
        "at ≤ 40 bits: csq 40 bits, 0.6500",
    ]
    assert winners(frame, BYTES) == [
        "at ≤ 2 bytes: opqn 16 bits, 0.5000",
        "at ≤ 5 bytes: csq 40 bits, 0.6500",
    ]
    assert winners(frame, FAISS) == [
        "at ≤ 0.1 ms: dcdh 16 bits, 0.4000",
        "at ≤ 0.2 ms: dcdh 36 bits, 0.5500",
        "at ≤ 0.25 ms: csq 40 bits, 0.6500",
    ]


def test_a_longer_code_that_is_worse_wins_nothing(make):
    evals = [make.evaluation(0.6, bits=16), make.evaluation(0.5, bits=24)]
    frame = frame_of(make, evals)
    assert on_front(frame, "bits") == {("opqn", 16)}
    assert winners(frame, BITS)[1] == "at ≤ 24 bits: opqn 16 bits, 0.6000"


def test_what_reads_equal_at_equal_cost_shares_the_front(make):
    evals = [make.evaluation(0.50001, method="opqn"), make.evaluation(0.50003, method="gpq"),
             make.evaluation(0.50004, method="opqn", bits=24)]  # fmt: skip
    frame = frame_of(make, evals)
    assert on_front(frame, "bits") == {("opqn", 16), ("gpq", 16)}
    assert winners(frame, BITS)[0].startswith("at ≤ 16 bits: opqn 16 bits and gpq 16 bits, 0.5000")


def test_times_that_differ_in_noise_only_are_equal(make):
    evals = [timed(make.evaluation(0.4, method="dcdh"), 0.1012),
             timed(make.evaluation(0.5, method="csq"), 0.1031)]  # fmt: skip
    assert on_front(frame_of(make, evals), "time") == {("csq", 16)}


def test_the_ceiling_is_listed_once_and_does_not_compete(make):
    real = [
        timed(make.without_code(make.evaluation(0.9, method="float", bits=16384, seed=seed)), 2)
        for seed in (0, 1)
    ]
    evals = [timed(make.evaluation(0.5, bits=bits, seed=s), 1) for bits in (16, 24) for s in (0, 1)]
    frame = frame_of(make, [*real, *evals])
    (ceiling,) = frame[frame["label"] == "float"].to_dict("records")
    assert (ceiling["bits"], ceiling["n"], ceiling["mean"]) == (16384, 2, 0.9)
    assert not {"float"} & {label for label, _ in on_front(frame, "bits")}
    assert "float" not in " ".join(winners(frame, BITS) + winners(frame, FAISS))


def test_means_and_medians_over_seeds(make):
    evals = [
        timed(make.evaluation(value, seed=seed), ms)
        for seed, (value, ms) in enumerate([(0.4, 0.3), (0.5, 9.0), (0.9, 0.5)])
    ]
    (line,) = frame_of(make, evals).to_dict("records")
    assert (line["mean"], line["n"]) == (pytest.approx(0.6), 3)
    assert line["sd"] == pytest.approx(np.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert (line["search_ms_faiss"], line["code_bytes"], line["codebook_bytes"]) == (0.5, 2, 1024)


def test_the_own_kernel_is_the_clock_where_faiss_cannot_serve_a_row(make):
    evals = [timed(make.evaluation(0.5, method="dcdh"), 0.1, 3.0),
             timed(make.evaluation(0.4, method="opqn"), None, 2.0)]  # fmt: skip
    frame = frame_of(make, evals)
    assert set(frame["clock"]) == {"search_ms_kernel"}
    assert on_front(frame, "time") == {("dcdh", 16), ("opqn", 16)}
    assert winners(frame, KERNEL)[0] == "at ≤ 2 ms: opqn 16 bits, 0.4000"


def test_rows_timed_otherwise_do_not_compete_for_time(make):
    evals = [timed(make.evaluation(0.5, method="dcdh"), 0.2),
             timed(make.evaluation(0.4, method="csq"), 0.3),
             timed(make.evaluation(0.6, method="opqn"), 0.1, items=1000)]  # fmt: skip
    frame = frame_of(make, evals)
    assert on_front(frame, "time") == {("dcdh", 16)}
    text = markdown(budgets_sheet(frame, select_blocks(make.records(evals)), "demo"), "d")
    assert "| timed: 1,000 items, 1 thread |" in text
    assert "*Searched: 100,000 items, 1 thread, where a row says nothing else." in text


def test_old_records_have_no_time_and_no_panel(make, tmp_path):
    records = make.full(["opqn", "dcdh"])
    blocks = select_blocks(records)
    frame = budgets_frame(blocks)
    text = markdown(budgets_sheet(frame, blocks, "demo"), "d")
    assert "No search time is stored." in text
    assert "Equal search time:" not in text
    assert text.count("| – |") == 0
    row = next(x for x in text.splitlines() if x.startswith("| opqn"))
    assert [cell.strip() for cell in row.split("|")][6:8] == ["–", "–"]
    with drawing(PRESETS["double"]):
        figure = budgets_figure(frame, looks(row_families(records)), "lfw", PRESETS["double"])
    assert len(figure.axes) == 2


def test_the_table_marks_fronts_and_names_winners(make, five):
    blocks = select_blocks(make.records(five))
    text = markdown(budgets_sheet(budgets_frame(blocks), blocks, "demo"), "d")
    rows = [[c.strip() for c in x.split("|")[1:-1]] for x in text.splitlines() if x[:2] == "| "]
    marks = {(row[0], row[1]): row[-1] for row in rows if len(row) >= 8}
    assert marks["opqn", "16"] == "b s"
    assert marks["csq", "40"] == "b s t"
    assert marks["dcdh", "36"] == "t"
    assert marks["opqn", "36"] == "b"
    assert "- Equal stored bytes: at ≤ 2 bytes: opqn 16 bits, 0.5000; at ≤ 5 bytes" in text


def crowd(make):
    methods = [
        "opqn",
        "gpq",
        "dpq",
        "dcdh",
        "csq",
        "orthohash",
        "itq",
        "lsh",
        "pq",
        "opq",
        "random",
    ]
    evals = [
        timed(make.evaluation(0.8 - 0.06 * place + bits / 500 + seed / 100, method=method,
                              bits=bits, seed=seed), 0.1 + 0.003 * bits + 0.1 * place)
        for place, method in enumerate(methods) for bits in (16, 24, 36, 48) for seed in (0, 1)
    ]  # fmt: skip
    ceiling = [
        timed(make.without_code(make.evaluation(0.97, method="float", bits=16384, seed=seed)), 5)
        for seed in (0, 1)
    ]
    ceiling = [
        dataclasses.replace(r, cost=dataclasses.replace(r.cost, code_bits=16384)) for r in ceiling
    ]
    return make.records([*evals, *ceiling])


def test_three_panels_with_nothing_cut_and_the_legend_below(make):
    records = crowd(make)
    (block,) = select_blocks(records)
    preset = PRESETS["double"]
    with drawing(preset):
        figure = budgets_figure(
            budgets_frame([block]), looks(row_families(records)), "Zoë 人 → x" * 20, preset
        )
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    legend = figure.legends[0].get_window_extent(renderer)
    title = figure._suptitle.get_window_extent(renderer)
    assert len(boxes) == 3
    assert len(figure.legends[0].get_texts()) == 13
    for box in (*boxes, legend, title):
        assert figure.bbox.x0 - 1 <= box.x0
        assert box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0
        assert box.y1 <= figure.bbox.y1 + 1
    assert all(legend.y1 <= box.y0 + 1 and box.y1 <= title.y0 + 1 for box in boxes)
    assert all(a.x1 <= b.x0 + 1 for a, b in itertools.pairwise(boxes))
    figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [t for t in axes.xaxis.get_ticklabels() if t.get_text()]
        shown = [t for t in ticks if low <= t.get_position()[0] <= high]
        edges = [t.get_window_extent(renderer) for t in shown]
        assert len(shown) >= 2
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(edges))


def test_the_front_is_drawn_where_it_is(make, five):
    records = make.records(five)
    with drawing(PRESETS["double"]):
        figure = budgets_figure(
            frame_of(make, five), looks(row_families(records)), "lfw", PRESETS["double"]
        )
    fronts = [
        next(line for line in axes.get_lines() if line.get_label() == FRONT_NAME)
        for axes in figure.axes
    ]
    assert fronts[0].get_xydata().tolist() == [[16, 0.5], [36, 0.6], [40, 0.65]]
    assert fronts[1].get_xydata().tolist() == [[2, 0.5], [5, 0.65]]
    assert fronts[2].get_xydata().tolist() == [[0.1, 0.4], [0.2, 0.55], [0.25, 0.65]]


def test_figures_repeat_to_the_byte_and_keep_their_numbers(make, five, tmp_path):
    evals = [dataclasses.replace(e, target="zoë") for e in five]
    records = make.records(evals)
    blocks = select_blocks(records)
    frame = budgets_frame(blocks)
    look = looks(row_families(records))
    written = [draw_all(budget_drawings(frame, blocks, look, tmp_path / x)) for x in ("a", "b")]
    assert [p.read_bytes() for p in written[0]] == [p.read_bytes() for p in written[1]]
    assert written[0][3].name == "budgets_lfw--zoë.csv"
    table = pd.read_csv(written[0][3], skiprows=1)
    pd.testing.assert_frame_equal(table[["label", "mean", "front_time"]],
                                  frame[["label", "mean", "front_time"]])  # fmt: skip


def test_references_alone_have_a_table_and_no_figure(make, tmp_path):
    records = make.records([make.evaluation(method="random")])
    blocks = select_blocks(records)
    frame = budgets_frame(blocks)
    assert "| random" in markdown(budgets_sheet(frame, blocks, "demo"), "d")
    look = looks(row_families(records))
    assert list(budget_drawings(frame, blocks, look, tmp_path)) == []
    assert budgets_frame([]).empty
