"""A part of a report that fails costs no other part: tables, figures, page, each in turn."""

import dataclasses
import html
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from hashquant.errors import StoreError
from hashquant.records.record import Score
from hashquant.report import Options, terminal_table, write_report
from hashquant.report.drawing import painters
from hashquant.report.evidence.claims import claims_frame
from hashquant.report.evidence.judgement import judged
from hashquant.report.parts import Broken, Parts, tried

REPORT = "hashquant.report"
KINDS = [ValueError("it broke"), ZeroDivisionError(), MemoryError(), RecursionError("deep"),
         KeyError("x"), StopIteration(), StoreError("cannot write it")]  # fmt: skip
#: What computes the numbers of each table, and what writes its files, with their names.
COMPUTED = {
    "tables.supplements.budgets_frame": "budgets",
    "tables.supplements.ablation_frame": "ablation",
    "tables.supplements.health_cells": "health",
    "tables.supplements.radius_frame": "radius",
    "tables.supplements.matrix_frame": "domain_matrix",
    "tables.supplements.rank_studies": "ranks",
    "tables.supplements.families_frame": "families",
    "tables.intervals.intervals_frame": "intervals",
    "tables.wins.wins_frame": "wins",
    "evidence.claims.claims_frame": "claims",
}
WRITTEN = {
    "tables.supplements.budgets_sheet": "budgets",
    "tables.supplements.ablation_sheet": "ablation",
    "tables.supplements.health_sheet": "health",
    "tables.supplements.radius_sheet": "radius",
    "tables.supplements.matrix_sheet": "domain_matrix",
    "tables.supplements.ranks_frame": "ranks",
    "tables.intervals.intervals_sheet": "intervals",
    "tables.wins.wins_sheet": "wins",
    "evidence.claims.claims_sheet": "claims",
    "tables.maps.map_sheet": "map",
    "_texts.scores_frame": "scores",
    "_texts.health_frame": "health of all records",
    "_texts.proof": "all.tex",
    "page.write.page": "the page",
}
KEPT = {"tables/map.md", "tables/map.csv", "tables/map.tex", "tables/scores.csv", "index.html",
        "tables/health.csv", "tables/all.tex"}  # fmt: skip


def breaking(error):
    def broken(*given, **named):
        raise error

    return broken


def unless_empty(error, judge):
    """Return `claims_frame` that raises; asked without a study, it says that none has records."""

    def claims_frame(studies, noun):
        if studies:
            raise error
        return judge(studies, noun)

    return claims_frame


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def records(make):
    """Two rows on two targets, so that every table has a line."""
    cells = [(m, t) for m in ("opqn", "dcdh") for t in ("lfw", "olivetti")]
    evals = [make.evaluation(0.5, method=m, target=t) for m, t in cells]
    evals.append(make.evaluation(0.4, overrides={"margin": 0.1}))
    ball = Score("precision-radius2", 0.5, 0, "retrieved", "expected", "hamming")
    evals.append(make.evaluation(0.4, method="dcdh", bits=24, extra=[ball]))
    return make.records(evals, [make.training(method=m) for m in ("opqn", "dcdh")])


@pytest.mark.parametrize("places", [COMPUTED, WRITTEN], ids=["computed", "written"])
def test_tables_that_fail_cost_no_other(records, tmp_path, monkeypatch, places):
    options = Options(figures=False)
    write_report(records, tmp_path, options)
    assert files(tmp_path) > KEPT
    errors = dict(zip(places, KINDS * 2, strict=False))
    told = {name: tried(breaking(errors[place])).reason for place, name in places.items()}
    for place, error in errors.items():
        broken = breaking(error)
        if place.endswith("claims_frame"):
            broken = unless_empty(error, claims_frame)
        monkeypatch.setattr(f"{REPORT}.{place}", broken)
    parts = Parts()
    report = write_report(records, tmp_path, options, parts)
    assert len(parts.failures) == len(places)
    for said in parts.failures:
        part, reason = said.split(" could not be ")
        assert told[part.split(maxsplit=2)[-1] if part != "the page" else part] in reason
        assert "\n" not in said
    # What failed leaves no older file behind; everything else is written.
    assert files(tmp_path) == {path.relative_to(tmp_path).as_posix() for path in report.files}
    assert files(tmp_path) == (KEPT if places is COMPUTED else set())
    assert "opqn" in terminal_table(records, report.headline)
    if places is COMPUTED:
        page = html.unescape((tmp_path / "index.html").read_text())
        assert all(said in page for said in parts.failures)


@pytest.mark.parametrize("error", [KINDS[0], KINDS[3]])
def test_tests_of_significance_that_fail_leave_the_means(exams, people, middling, monkeypatch,
                                                         tmp_path, error):  # fmt: skip
    for method in ("opqn", "dcdh"):
        exams.add(middling, people, method=method)
    monkeypatch.setattr(f"{REPORT}.tables.maps.judged", failing_once(error))
    parts = Parts()
    report = write_report(exams.records(), tmp_path, Options(figures=False), parts)
    assert [line.partition(" could")[0] for line in parts.failures] == ["the tests of lfw, mAP"]
    assert "opqn" in terminal_table(exams.records(), report.headline)
    assert "opqn" in (tmp_path / "tables/map.md").read_text()


def failing_once(error):
    """Return `judged` that raises where anything is to be compared."""

    def judge(found, evidence, **named):
        if evidence.cells:
            raise error
        return judged(found, evidence, **named)

    return judge


@pytest.mark.parametrize("error", KINDS[1:3])
def test_a_figure_that_fails_costs_no_other(make, tmp_path, monkeypatch, error):
    records = make.records([make.evaluation(), make.evaluation(method="dcdh")])
    options = Options(formats=("svg",))
    before = set(write_report(records, tmp_path, options).figures)
    wrong = make.records([*records.evals, make.evaluation(0.1, method="csq")])
    monkeypatch.setattr(f"{REPORT}.figures._curves.bits_figure", breaking(error))
    parts = Parts()
    report = write_report(wrong, tmp_path, options, parts)
    assert parts.failures == [
        f"the figure map_vs_bits_lfw could not be drawn ({tried(breaking(error)).reason}); "
        "the rest was written"
    ]
    gone = {path for path in before if path.name.startswith("map_vs_bits_lfw")}
    assert gone
    assert not any(path.exists() for path in gone)
    assert {path.name for path in before - gone} <= {path.name for path in report.figures}
    assert report.page.is_file()


def test_figures_that_cannot_be_prepared_cost_no_other(make, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{REPORT}.figures._budgets.front_points", breaking(MemoryError()))
    monkeypatch.setattr(f"{REPORT}.figures._curves.pr_frame", breaking(KeyError("rank")))
    parts = Parts()
    report = write_report(
        make.records([make.evaluation()]), tmp_path, Options(formats=("svg",)), parts
    )
    assert any("the figures of curves, lfw could not be drawn" in x for x in parts.failures)
    assert any("MemoryError" in line for line in parts.failures)
    assert report.page.is_file()


def test_what_draws_may_be_missing(make, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{REPORT}.drawing.files.usable_formats", breaking(ImportError("no font")))
    parts = Parts()
    report = write_report(make.records([make.evaluation()]), tmp_path, Options(), parts)
    assert parts.failures == [
        "the figures could not be drawn (ImportError: no font); the rest was written"
    ]
    assert report.page.is_file()
    assert report.figures == ()


def test_a_process_that_is_killed_costs_its_figures_only(make, tmp_path, monkeypatch):
    class Pool:
        def __init__(self, *given, **named):
            pass

        def submit(self, *given):
            future = Future()
            future.set_exception(BrokenProcessPool("a process was killed"))
            return future

        def shutdown(self, **named):
            pass

    monkeypatch.setattr(painters, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(painters, "FEWEST", 1)
    parts = Parts()
    report = write_report(make.records([make.evaluation()]), tmp_path, Options(workers=2), parts)
    assert all(line.startswith("the figure ") for line in parts.failures)
    assert all("BrokenProcessPool: a process was killed" in line for line in parts.failures)
    assert len(parts.failures) > 2
    assert report.page.is_file()


def test_without_parts_a_failure_is_raised(make, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{REPORT}.page.write.page", breaking(RecursionError("deep")))
    with pytest.raises(RecursionError, match="deep"):
        write_report(make.records([make.evaluation()]), tmp_path, Options(figures=False))


def test_an_older_file_that_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    parts = Parts()
    found = parts.attempt("it", breaking(ValueError("x" * 999)), str, files=[tmp_path / "folder"])
    assert found == ""
    (said,) = parts.failures
    assert said.endswith(f"the rest was written; what lies there is older: {tmp_path / 'folder'}")
    assert len(said) < 500


def test_an_answer_and_an_interrupt_pass():
    parts = Parts()
    with pytest.raises(LookupError):
        parts.attempt("it", breaking(KeyError("x")), str, passing=(LookupError,))
    with pytest.raises(KeyboardInterrupt):
        parts.attempt("it", breaking(KeyboardInterrupt()), str)
    assert parts.failures == []
    assert tried(dataclasses.replace, 3) == Broken(
        tried(dataclasses.replace, 3).reason, tried(dataclasses.replace, 3).trace
    )
