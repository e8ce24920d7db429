"""One search time per code format, and minutes of training with those of the base, by hand."""

import dataclasses

import numpy as np
import pytest

from hashquant.records.record import Provenance
from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import KNOWN, PRESETS, drawing
from hashquant.report.figures._budgets import budgets_figure
from hashquant.report.forms.markdown import markdown
from hashquant.report.tables._budgettable import budgets_sheet
from hashquant.report.tables._trainingtimes import TrainingTime, training_times
from hashquant.report.tables.budgets import MINUTES, budgets_frame, winners
from hashquant.report.tables.searchtimes import search_times


def timed(record, faiss, kernel=9.0, cpu="Xeon", items=1000.0):
    times = {"search_ms_faiss": faiss, "search_ms_kernel": kernel, "search_items": items,
             "search_threads": 1.0}  # fmt: skip
    known = {name: value for name, value in times.items() if value is not None}
    return dataclasses.replace(record, timing=known, provenance=machine(cpu))


def machine(cpu, device="cpu", threads=1):
    return Provenance("c0", False, {}, device, cpu, threads, True)


def lines(frame):
    return {(row["target"], row["label"], row["bits"]): row for row in frame.to_dict("records")}


@pytest.fixture
def scattered(make):
    """Four cells of one format on two targets; one of other books, one binary, one longer."""
    asked = [
        ("opqn", 16, "lfw", 1.0), ("opqn", 16, "zoo", 2.0), ("dpq", 16, "lfw", 3.0),
        ("dpq", 16, "zoo", 10.0), ("gpq", 16, "lfw", 5.0), ("dcdh", 16, "lfw", 0.5),
        ("opqn", 24, "lfw", 4.0),
    ]  # fmt: skip
    evals = [timed(make.evaluation(0.5, method=method, bits=bits, target=target), ms)
             for method, bits, target, ms in asked]  # fmt: skip
    return select_blocks(make.records(evals))


def test_all_cells_of_a_format_share_one_time(scattered):
    found = lines(budgets_frame(scattered))
    assert {key: row["search_ms_faiss"] for key, row in found.items()} == {
        # The median of 1, 2, 3 and 10.
        ("lfw", "opqn", 16): 2.5, ("lfw", "dpq", 16): 2.5, ("zoo", "opqn", 16): 2.5,
        ("zoo", "dpq", 16): 2.5,
        ("lfw", "gpq", 16): 5.0, ("lfw", "dcdh", 16): 0.5, ("lfw", "opqn", 24): 4.0,
    }  # fmt: skip
    pooled = found["zoo", "dpq", 16]
    assert pooled["search_cells"] == 4
    # Of four sorted values the 5th percentile lies 0.15 of the way from the first to the second.
    assert pooled["search_ms_faiss_p5"] == pytest.approx(1.15)
    assert pooled["search_ms_faiss_p95"] == pytest.approx(3 + 0.85 * 7)


def test_noise_within_a_format_decides_no_front(make):
    evals = [timed(make.evaluation(0.6, method="dcdh"), 0.9),
             timed(make.evaluation(0.4, method="csq"), 0.2)]  # fmt: skip
    frame = budgets_frame(select_blocks(make.records(evals)))
    assert dict(zip(frame["label"], frame["front_time"], strict=True)) == {
        "dcdh": True, "csq": False
    }  # fmt: skip


def test_another_machine_is_another_format_and_does_not_compete(make):
    evals = [timed(make.evaluation(0.3, method="dcdh"), 0.4),
             timed(make.evaluation(0.4, method="csq"), 0.6),
             timed(make.evaluation(0.9, method="itq"), 0.1, cpu="M3")]  # fmt: skip
    blocks = select_blocks(make.records(evals))
    frame = budgets_frame(blocks)
    assert list(frame.sort_values("label")["search_ms_faiss"]) == [0.5, 0.5, 0.1]
    assert set(frame[frame["front_time"]]["label"]) == {"csq"}
    assert "| timed: 1,000 items, 1 thread, M3 |" in markdown(
        budgets_sheet(frame, blocks, "demo"), "d"
    )


def test_what_stands_in_every_code_length_is_counted_once(make):
    real = timed(make.without_code(make.evaluation(0.9, method="float", bits=16384)), 7.0)
    evals = [timed(make.evaluation(0.5, bits=bits), 1.0) for bits in (16, 24)]
    times = search_times(select_blocks(make.records([real, *evals])))
    assert [(form.bits, line["search_cells"]) for form, line in times.items()] == [
        (16384, 1), (16, 1), (24, 1)
    ]  # fmt: skip


def test_a_format_without_faiss_keeps_its_own_clock(make):
    evals = [timed(make.evaluation(0.5, method="opqn"), None, 2.0),
             timed(make.evaluation(0.4, method="dpq"), None, 4.0)]  # fmt: skip
    frame = budgets_frame(select_blocks(make.records(evals)))
    assert set(frame["search_ms_kernel"]) == {3.0}
    assert frame["search_ms_faiss"].isna().all()
    assert set(frame["clock"]) == {"search_ms_kernel"}


def test_the_table_says_what_was_pooled(scattered):
    text = markdown(budgets_sheet(budgets_frame(scattered), scattered, "demo"), "d")
    assert "the search time is one per code format" in text
    (row,) = [x for x in text.splitlines() if x.startswith("| 16 bits: 2 books of 256 codewords")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1:] == [
        "1,000 items, 1 thread, Xeon", "4", "2.500 (1.150 … 8.950)", "9.000 (9.000 … 9.000)"
    ]  # fmt: skip


def trained(make, seconds, base="", where="Xeon", **asked):
    record = make.training(**asked)
    return dataclasses.replace(
        record, timing={"train_seconds": seconds}, base_run=base, provenance=machine(where)
    )  # fmt: skip


def test_a_fitted_method_costs_its_base_too(make):
    base = trained(make, 300.0, method="float", bits=16384)
    fitted = trained(make, 6.0, base.run_id, "M3", method="pq")
    lost = trained(make, 5.0, "no-such-run", method="itq")
    failed = dataclasses.replace(trained(make, 5.0, method="lsh"), status="failed")
    found = training_times([lost, fitted, failed, base])
    assert found == {
        base.run_id: TrainingTime(300.0, "Xeon, 1 thread"),
        # The machine is that of the longest part.
        fitted.run_id: TrainingTime(306.0, "Xeon, 1 thread"),
    }


def test_a_graphics_card_is_named_as_the_machine(make):
    record = dataclasses.replace(trained(make, 60.0), provenance=machine("Xeon", "H100", 8))
    assert {time.machine for time in training_times([record]).values()} == {"H100"}


@pytest.fixture
def minutes(make):
    """Minutes 2 and 4 (two seeds: the median is 3), 3 again but worse, 10, and 1 elsewhere."""
    asked = [("opqn", 0, 0.5, 120.0, "Xeon"), ("opqn", 1, 0.5, 240.0, "Xeon"),
             ("dcdh", 0, 0.4, 180.0, "Xeon"), ("dpq", 0, 0.7, 600.0, "Xeon"),
             ("csq", 0, 0.9, 60.0, "M3")]  # fmt: skip
    evals = [make.evaluation(value, method=method, seed=seed) for method, seed, value, *_ in asked]
    trains = [trained(make, seconds, where=where, method=method, seed=seed)
              for method, seed, _, seconds, where in asked]  # fmt: skip
    blocks = select_blocks(make.records(evals, trains))
    return budgets_frame(blocks, training_times(trains)), blocks


def test_minutes_are_medians_and_only_like_machines_compete(minutes):
    frame, blocks = minutes
    found = {label: row for (_, label, _), row in lines(frame).items()}
    methods = ("opqn", "dcdh", "dpq", "csq")
    assert [found[name]["train_minutes"] for name in methods] == [
        3,
        3,
        10,
        1,
    ]
    assert [found[name]["front_minutes"] for name in methods] == [
        True, False, True, False
    ]  # fmt: skip
    assert winners(frame, MINUTES) == [
        "at ≤ 3 min: opqn 16 bits, 0.5000", "at ≤ 10 min: dpq 16 bits, 0.7000"
    ]  # fmt: skip
    text = markdown(budgets_sheet(frame, blocks, "demo"), "d")
    assert "Trained on: Xeon, 1 thread." in text
    assert "| trained: M3, 1 thread |" in text
    assert "its minutes include it" in text


def test_minutes_have_a_panel_where_they_are_known(minutes):
    frame, _ = minutes
    with drawing(PRESETS["double"]):
        figure = budgets_figure(frame, KNOWN, "lfw", PRESETS["double"])
        unknown = frame.assign(train_minutes=np.nan)
        without = budgets_figure(unknown, KNOWN, "lfw", PRESETS["double"])
    assert len(figure.axes) == 3
    assert figure.axes[2].get_xlabel() == "Training (minutes)\nXeon, 1 thread"
    assert len(without.axes) == 2


def shared(record, jobs):
    """The record of a cell that shared its device with `jobs` - 1 others."""
    return dataclasses.replace(record, timing={**record.timing, "jobs_per_device": jobs})


def test_minutes_of_cells_that_shared_a_device_are_another_machines(make):
    alone = shared(trained(make, 60.0, seed=0), 1.0)
    beside = shared(trained(make, 90.0, seed=1), 2.0)
    assert training_times([alone, beside]) == {
        alone.run_id: TrainingTime(60.0, "Xeon, 1 thread"),
        beside.run_id: TrainingTime(90.0, "Xeon, 1 thread, 2 cells at once"),
    }


def test_search_times_of_cells_that_shared_a_device_are_pooled_apart(make):
    evals = [timed(make.evaluation(0.5, seed=seed), ms) for seed, ms in enumerate((1.0, 2.0, 9.0))]
    evals[2] = shared(evals[2], 3.0)
    found = search_times(select_blocks(make.records(evals)))
    assert {form.cpu: line["search_ms_faiss"] for form, line in found.items()} == {
        "Xeon": 1.5, "Xeon, 3 cells at once": 9.0
    }  # fmt: skip
