"""Processes that draw: started for many figures only, before those are known, and never left."""

import dataclasses
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest

from hashquant.errors import StoreError
from hashquant.report import Options, write_report
from hashquant.report.drawing import painters as module
from hashquant.report.drawing.painters import Painters
from hashquant.report.figures.drawings import draw_all, drawings, expected_figures
from hashquant.report.findings import find
from hashquant.report.parts import Broken


@pytest.fixture
def few(monkeypatch):
    """One figure is enough for a process."""
    monkeypatch.setattr(module, "FEWEST", 1)


@pytest.fixture
def tasks(make, tmp_path):
    """The figures of one block without curves."""
    records = make.records([dataclasses.replace(make.evaluation(), curves=())])
    return list(drawings(find(records, Options()), tmp_path / "figures", Options()))


@pytest.mark.parametrize(("workers", "expected"), [(1, 1000), (8, 0), (8, 2 * module.FEWEST - 1)])
def test_no_process_is_started_for_few_figures(workers, expected):
    with Painters(workers, expected):
        assert not multiprocessing.active_children()


def test_processes_are_there_before_a_figure_is(few):
    with Painters(2, expected=2):
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()


def test_an_error_ends_the_processes_and_drops_what_waits(few, tasks, tmp_path):
    many = [dataclasses.replace(tasks[0], stem=tmp_path / f"{place}") for place in range(40)]

    def fail():
        with Painters(2) as painters:
            painters.draw(many, ("svg",))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not multiprocessing.active_children()
    assert len(list(tmp_path.glob("*.svg"))) < len(many)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_written_is_told_with_its_reason(few, tasks, tmp_path, workers):
    (tmp_path / "figures").write_text("in the way")
    with Painters(workers) as painters:
        found = list(painters.draw(tasks[:1] * 2, ("svg",)))
    assert all(isinstance(one, Broken) and "cannot write" in one.reason for one in found)
    with pytest.raises(StoreError, match="cannot write"):
        draw_all(tasks[:1], ("svg",))


def test_figures_that_lie_there_are_not_expected(make, tmp_path):
    records = make.full(["opqn", "dcdh"], bits=(16, 24))
    assert expected_figures(records, tmp_path / "none") == 2 * 3  # three kinds of curves
    for place in range(6):
        assert expected_figures(records, tmp_path) == 6
        (tmp_path / f"{place}.csv").touch()
    assert expected_figures(records, tmp_path) == 0


def test_a_report_drawn_by_processes_has_the_same_bytes(make, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 3)
    # Threads do what processes would, without the seconds that those take to start.
    monkeypatch.setattr(
        module, "ProcessPoolExecutor", lambda workers, context, initializer: ThreadPoolExecutor(1)
    )
    records = make.full(["opqn", "dcdh"], bits=(16,))
    written = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        report = write_report(records, out, Options(workers=workers))
        paths = (*report.tables, *report.figures, report.page)
        written.append([(path.relative_to(out), path.read_bytes()) for path in paths])
    assert written[0] == written[1]
