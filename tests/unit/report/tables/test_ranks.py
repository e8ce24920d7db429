"""Mean ranks over the blocks of a suite: which count, what is said, and the diagram."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from hashquant.report.drawing.style import PRESETS, drawing, looks
from hashquant.report.evidence.queries import HEADLINE
from hashquant.report.figures._criticaldifference import rank_drawings, ranks_figure
from hashquant.report.figures.drawings import draw_all
from hashquant.report.forms.markdown import markdown
from hashquant.report.rows import row_families
from hashquant.report.tables.maps import map_tables
from hashquant.report.tables.ranks import (
    LIMITS,
    complete,
    rank_studies,
    ranks_frame,
    ranks_sheet,
)

TWELVE = ["opqn", "gpq", "dpq", "dcdh", "csq", "orthohash", "itq", "lsh", "pq", "opq",
          "greedyhash", "hashnet"]  # fmt: skip


def studied(records):
    return rank_studies(map_tables(records, HEADLINE))


def ordered(make, methods=("opqn", "gpq", "dcdh"), bits=(16, 24, 36, 48, 64), targets=("",)):
    """Records in which the methods keep one order in every block."""
    return [
        make.evaluation(0.9 - 0.05 * place, method=method, bits=length, target=target)
        for target in targets for length in bits for place, method in enumerate(methods)
    ]  # fmt: skip


def test_ranks_are_those_of_the_order(make):
    best = make.evaluation(0.99, method="random", bits=16)
    (study,) = studied(make.records([*ordered(make), best]))
    assert list(study.lines["row"]) == ["opqn", "gpq", "dcdh"]
    assert list(study.lines["mean_rank"]) == [1.0, 2.0, 3.0]
    assert list(study.lines["groups"]) == ["a", "ab", "b"]
    assert study.test.blocks == 5
    assert "over 5 blocks (training set × target × bits), 1 is best" in study.caption
    assert "p = 0.007, critical difference 1.48 (Nemenyi), 5 %" in study.caption


def test_single_and_cross_domain_are_ranked_apart_and_own_statistics_do_not_count(make):
    evals = ordered(make, targets=("", "street", "street+norm_stats=target"))
    evals = [
        dataclasses.replace(e, protocol="cross" if "street" in e.target else "seen") for e in evals
    ]
    studies = studied(make.records(evals))
    assert [(study.kind, study.test.blocks) for study in studies] == [
        ("all blocks", 10), ("single-domain", 5), ("cross-domain", 5)
    ]  # fmt: skip
    frame = ranks_frame(studies)
    assert len(frame) == 9
    text = markdown(ranks_sheet(studies, "demo"), "d")
    assert LIMITS in text
    assert text.count("| opqn  |        1.00 | a") == 3


@pytest.mark.parametrize(
    ("methods", "bits", "said"),
    [(("opqn", "gpq"), (16, 24, 36, 48, 64), "5 blocks with 2 rows"),
     (("opqn", "gpq", "dcdh"), (16,), "1 block with 3 rows")],
)  # fmt: skip
def test_too_little_is_one_sentence_instead_of_a_diagram(make, tmp_path, methods, bits, said):
    studies = studied(make.records(ordered(make, methods, bits)))
    text = markdown(ranks_sheet(studies, "demo"), "d")
    assert f"Not enough blocks or rows for a test of ranks: {said}, it takes 5 and 3." in text
    assert draw_all(rank_drawings(studies, {}, tmp_path, PRESETS["column"])) == ()
    assert ranks_frame(studies).empty
    with pytest.raises(ValueError, match="must hold a test, got none: Not enough"):
        ranks_figure(studies[0], {}, PRESETS["column"])


def test_a_suite_without_any_score_is_one_sentence(make):
    studies = studied(make.records(trains=[make.training("failed", "boom")]))
    assert "0 blocks with 0 rows" in studies[0].caption


def test_what_misses_most_is_left_out_first():
    scores = pd.DataFrame(
        {"a": [1.0, 2, 3, 4], "b": [1.0, 2, 3, np.nan], "c": [1.0, np.nan, np.nan, np.nan]}
    )
    kept, said = complete(scores)
    assert kept.to_dict("list") == {"a": [1.0, 2, 3], "b": [1.0, 2, 3]}
    assert said == "Left out for missing scores: rows c and 1 block."
    assert complete(scores[["a"]])[1] == ""


def test_a_variant_of_one_block_does_not_cost_the_other_blocks(make):
    variant = make.evaluation(0.1, overrides={"codebooks": "random"}, bits=16)
    (study,) = studied(make.records([*ordered(make), variant]))
    assert study.test.blocks == 5
    assert "Left out for missing scores: rows opqn codebooks=random." in study.caption


@pytest.mark.parametrize("preset", ["column", "slide"])
def test_nothing_overlaps_or_is_cut_with_twelve_rows(make, preset):
    evals = ordered(make, TWELVE)
    long = {"codebooks": "random", "query_norm": "raw"}
    evals = [
        make.evaluation(0.62, method="gpq", bits=e.spec.bits, overrides=long)
        if e.spec.method == "gpq" else e for e in evals
    ]  # fmt: skip
    records = make.records(evals)
    (study,) = studied(records)
    with drawing(PRESETS[preset]):
        figure = ranks_figure(study, looks(row_families(records)), PRESETS[preset])
        figure.draw_without_rendering()
        renderer = figure._get_renderer()
        texts = [t for axes in figure.axes for t in axes.texts]
        boxes = {t.get_text(): t.get_window_extent(renderer) for t in texts}
    assert sum("(" in text for text in boxes) == 12
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        assert not a.overlaps(b), (one, other)


def test_the_diagram_repeats_to_the_byte(make, tmp_path):
    records = make.records(ordered(make))
    look = looks(row_families(records))
    written = [
        draw_all(rank_drawings(studied(records), look, tmp_path / n, PRESETS["column"]))
        for n in ("a", "b")
    ]
    written = [[path.read_bytes() for path in paths] for paths in written]
    assert written[0] == written[1]
    assert len(written[0]) == 4
