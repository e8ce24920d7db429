"""Reproduction cards: the published beside the measured, never in its place."""

import math

import numpy as np
import pytest

from hashquant.records.record import Curve
from hashquant.report.blocks import select_blocks
from hashquant.report.cards.lines import cards_frame
from hashquant.report.cards.readings import area, plateau, recall_at_half
from hashquant.report.cards.text import cards_markdown
from hashquant.report.evidence.queries import gather
from hashquant.settings.reference import Claim, Reference, Sources

PAPER = {"dataset": "lfw", "bits": 16, "metric": "mAP", "source": "table 2", "protocol": "seen"}
#: What the records of conftest say of themselves.
SAME = {"trunk": "sphere20-narrow", "image_size": 32, "epochs": 20, "queries": 120,
        "gallery": 7000, "comparison": "adc", "denominator": "relevant", "classes": 10,
        "training": 100, "selection": "last", "ties": "expected"}  # fmt: skip


def sources(*claims, method="opqn"):
    paper = Reference("T", "Ann Other", "V", 2020, "u", tuple(claims))
    return Sources(methods={method: paper})


def claim(value, **fields):
    return Claim(**(PAPER | {"value": value} | fields))


def cards(records, cited):
    return cards_frame(gather(records, select_blocks(records)), cited, records.trains)


@pytest.fixture
def store(exams, make, people, middling):
    """One seed of opqn at 16 bits whose mAP is about 0.5, with its training record."""
    exams.add(middling, people)
    return exams.records(trains=[make.training()])


def only(frame):
    (line,) = frame.to_dict("records")
    return line


def test_a_number_inside_the_interval_is_reproduced(store, middling):
    line = only(cards(store, sources(claim(float(middling.mean()) + 0.001, **SAME))))
    assert line["verdict"] == "reproduced"
    assert line["low"] < middling.mean() < line["high"]
    assert line["measured"] == pytest.approx(middling.mean())
    assert line["distance"] == pytest.approx(-0.001)
    assert (line["differs"], line["not_stated"]) == ("", "")


def test_a_number_outside_the_interval_is_within_their_distance(store, middling):
    frame = cards(store, sources(claim(0.9, **SAME)))
    line = only(frame)
    assert line["verdict"] == "within"
    assert line["distance"] == pytest.approx(middling.mean() - 0.9)
    assert "within 0.3978 (below)" in cards_markdown(frame, sources(claim(0.9)), "demo")


def test_a_reading_error_widens_what_was_published(store, middling):
    far = float(middling.mean()) + 0.1
    assert only(cards(store, sources(claim(far))))["verdict"] == "within"
    blurred = claim(far, precision=0.09, read_from="figure")
    assert only(cards(store, sources(blurred)))["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trunk": "alexnet"}, "trunk sphere20-narrow, not alexnet"),
        ({"epochs": 200}, "epochs 20, not 200"),
        ({"queries": 2650}, "queries 120, not 2,650"),
        ({"gallery": 55000}, "gallery images 7,000, not 55,000"),
        ({"classes": 530}, "training classes 10, not 530"),
        ({"selection": "train-loss"}, "selected epoch last, not train-loss"),
        ({"selection": "test"}, "selected epoch last, not test"),
        ({"settings": {"scale": 40.0}}, "scale unset, not 40.0"),
    ],
)
def test_a_known_difference_forbids_the_comparison(store, changed, said):
    frame = cards(store, sources(claim(0.5, **(SAME | changed))))
    line = only(frame)
    assert (line["verdict"], line["differs"]) == ("not comparable", said)
    assert math.isnan(line["distance"])
    assert f"not comparable: {said}" in cards_markdown(frame, sources(claim(0.5)), "demo")


def test_the_tie_rule_is_told_but_does_not_forbid(store):
    line = only(cards(store, sources(claim(0.9, **(SAME | {"ties": "sorted"})))))
    assert (line["verdict"], line["differs"]) == ("within", "ties expected, not sorted")


def test_what_the_source_does_not_tell_is_listed(store):
    line = only(cards(store, sources(claim(0.5, queries=1680))))
    assert line["not_stated"].startswith("trunk, pixels, epochs, selected epoch, training classes")
    assert "queries" not in line["not_stated"]


@pytest.mark.parametrize(
    "other",
    [{"dataset": "cfw60k"}, {"bits": 48}, {"target": "lfw-unseen"}, {"dataset": "LFW"}],
)
def test_a_number_of_another_cell_is_no_figure_of_this_one(store, other):
    frame = cards(store, sources(claim(0.123456, **other)))
    line = only(frame)
    assert line["verdict"] == "no figure found"
    assert math.isnan(line["published"])
    text = cards_markdown(frame, sources(claim(0.123456, **other)), "demo")
    assert "No figure found" in text
    assert "0.123" not in text


def test_a_metric_that_is_not_stored_is_not_measured(store):
    line = only(cards(store, sources(claim(0.7, metric="mAP@5"))))
    assert (line["verdict"], line["n"]) == ("not measured", 0)
    assert math.isnan(line["measured"])
    other = only(cards(store, sources(claim(0.7, comparison="sdc"))))
    assert other["verdict"] == "not measured"


def test_a_failed_cell_has_a_card_without_a_measured_number(make):
    records = make.records(
        [make.evaluation(bits=24)], [make.training("failed", "it broke", bits=16)]
    )
    frame = cards(records, sources(claim(0.5)))
    failed = only(frame[frame["bits"] == 16])
    assert (failed["verdict"], failed["note"]) == ("not measured", "failed: it broke")
    assert math.isnan(failed["measured"])
    assert "not measured: failed: it broke" in cards_markdown(frame, sources(claim(0.5)), "d")


def test_rows_of_other_settings_have_a_card_only_for_numbers_of_those_settings(make):
    changed = {"overrides": {"scale": 40.0}, "settings": {"scale": 40.0}}
    records = make.records([make.evaluation(**changed)], [make.training(**changed)])
    assert cards(records, sources(claim(0.5))).empty
    line = only(cards(records, sources(claim(0.5, settings={"scale": 40.0}))))
    assert (line["label"], line["verdict"]) == ("opqn scale=40.0", "reproduced")


def test_of_prefix_rows_a_number_is_held_against_them_where_it_is_of_prefixes(make):
    cut = {"prefix": 64}
    records = make.records([make.evaluation(**cut)], [make.training(**cut)])
    assert cards(records, sources(claim(0.5))).empty
    line = only(cards(records, sources(claim(0.5, settings=cut))))
    assert (line["label"], line["verdict"]) == ("opqn prefix=64", "reproduced")
    other = only(cards(records, sources(claim(0.5, settings={"prefix": 48}))))
    assert other["verdict"] != "reproduced"
    assert "prefix 64, not 48" in other["differs"]


def test_seeds_are_averaged(make):
    records = make.full(["opqn"], bits=(16,), seeds=(0, 1), value=lambda m, b, s: 0.5 + s / 10)
    line = only(cards(records, sources(claim(0.5))))
    assert (line["measured"], line["n"]) == (pytest.approx(0.55), 2)
    assert line["sd"] == pytest.approx(0.1 / np.sqrt(2))


def test_a_plot_is_compared_by_the_same_reading_of_our_curve(make):
    records = make.records([make.evaluation(0.8)])
    curve = records.evals[0].curves[0]
    read = claim(area(curve) + 0.005, metric="PR-area", precision=0.01, read_from="figure")
    frame = cards(records, sources(read))
    assert only(frame)["measured"] == pytest.approx(area(curve))
    assert only(frame)["verdict"] == "reproduced"
    text = cards_markdown(frame, sources(read), "demo")
    assert "≈" in text
    assert "read off the plot" in text
    assert "PR-area: area under" in text


def test_readings_of_a_curve_found_by_hand():
    curve = Curve("adc", (1, 2, 3), (1.0, 0.8, 0.4), (0.2, 0.6, 1.0))
    assert area(curve) == pytest.approx(0.2 + 0.9 * 0.4 + 0.6 * 0.4)
    assert plateau(curve) == 1.0
    assert recall_at_half(curve) == pytest.approx(0.6 + 0.4 * 0.3 / 0.4)
    low = Curve("adc", (1, 2), (0.4, 0.2), (0.5, 1.0))
    high = Curve("adc", (1, 2), (0.9, 0.7), (0.5, 0.8))
    assert (recall_at_half(low), recall_at_half(high)) == (0.0, 0.8)


def test_methods_that_are_not_installed_say_so(store):
    cited = Sources(missing={"opqn": "unknown method 'opqn'"})
    frame = cards(store, cited)
    assert only(frame)["note"] == "unknown method 'opqn'"
    assert "unknown method 'opqn'" in cards_markdown(frame, cited, "demo")


def test_interpolated_precision_stands_beside_map_and_is_not_compared(store, middling):
    cited = sources(claim(float(middling.mean()), metric="interpolated AP", **SAME))
    frame = cards(store, cited)
    line = only(frame)
    assert line["verdict"] == "not comparable"
    assert line["differs"] == "average precision, not interpolated AP"
    assert line["measured"] == pytest.approx(middling.mean())
    assert line["low"] < middling.mean() < line["high"]
    assert math.isnan(line["distance"])
    text = cards_markdown(frame, cited, "demo")
    assert "| interpolated AP |" in text
    assert "not comparable: average precision, not interpolated AP" in text
    assert "*interpolated AP: mean over queries of the highest precision at or beyond" in text
    plain = sources(claim(0.5, **SAME))
    assert "interpolated" not in cards_markdown(cards(store, plain), plain, "demo")


def interpolated(relevant):
    """Return the 21-point interpolated average precision of a ranking."""
    found = np.cumsum(relevant)
    precision, recall = found / np.arange(1, len(found) + 1), found / found[-1]
    levels = np.linspace(0, 1, 21)
    return np.mean([precision[recall >= level - 1e-12].max() for level in levels])


def test_interpolated_precision_is_above_map_where_that_is_low_and_below_where_it_is_high():
    draws, means = np.random.default_rng(0), []
    for lead in (0.5, 3.0):
        both = []
        for _ in range(100):
            scores = draws.normal(size=300) + lead * (np.arange(300) < 30)
            ranked = np.argsort(-scores) < 30
            hits = np.flatnonzero(ranked) + 1
            both.append((np.mean(np.arange(1, 31) / hits), interpolated(ranked)))
        means.append(np.mean(both, axis=0))
    assert means[0][1] > means[0][0] + 0.01
    assert means[1][1] < means[1][0]
