"""The page's plots and colours: scales, places, contrast, and the curves that the script reads."""

import dataclasses
import re

import pytest

from hashquant.records.record import Curve
from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.style import KNOWN, MARKERS, looks
from hashquant.report.figures._curves import pr_frame
from hashquant.report.page import _costs as costs
from hashquant.report.page import _curves as curves
from hashquant.report.page import _svg as svg
from hashquant.report.page._grid import Cell, Column, Grid
from hashquant.report.page._panel import Panel, Series, cost_axis, share_axis
from hashquant.report.page._theme import (
    DARK,
    GRAPHIC,
    HEAT_SHARE,
    LIGHT,
    TEMPLATES,
    TEXT,
    contrast,
    mixed,
    variables,
)
from hashquant.report.tables._trainingtimes import training_times
from hashquant.report.tables.budgets import budgets_frame

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_is_that_of_the_guidelines():
    # WCAG's own examples: the lightest grey that passes AA on white, and the first that fails.
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.005)
    assert contrast("#777777", "#FFFFFF") < TEXT


@THEMES
def test_text_and_controls_can_be_read(theme):
    for ground in (theme.paper, theme.raised):
        for ink in (theme.ink, theme.muted, theme.accent):
            assert contrast(ink, ground) >= TEXT
    assert contrast(theme.edge, theme.paper) >= GRAPHIC
    assert contrast(theme.ink, mixed(theme.paper, theme.heat, HEAT_SHARE)) >= TEXT


def test_the_style_sheet_mixes_the_heat_that_is_tested():
    sheet = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    assert f"var(--heat) calc(var(--h)*{HEAT_SHARE:.0%})" in sheet


@THEMES
def test_every_line_can_be_seen_and_keeps_its_hue(theme):
    colors = variables(theme, KNOWN)
    for at, look in enumerate(KNOWN.values()):
        color = colors[f"m{at}"]
        assert contrast(color, theme.paper) >= GRAPHIC
        if contrast(look.color, theme.paper) >= GRAPHIC and look.color != "#000000":
            assert color == look.color
    assert colors[f"m{list(KNOWN).index('float')}"] == theme.ink


def test_points_stand_where_the_scales_say():
    unit = share_axis("y", [1.0])
    series = Series("opqn", (0.0, 1.0), (0.0, 1.0), ("", ""))
    drawn = svg.drawn(Panel("t", unit, unit, [series]), {"opqn": KNOWN["opqn"]}, 800, 400)
    top, right, bottom, left = svg.MARGINS
    line = re.search(r'class="ln" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawn).groups()
    assert [float(x) for x in line] == [left, 400 - bottom, 800 - right, top]


def test_logarithmic_costs_put_equal_ratios_at_equal_distances():
    axis = cost_axis("ms", [0.1, 1.5], "ms")
    assert axis.log
    series = Series("opqn", (0.1, 0.2, 0.4), (0.5, 0.5, 0.5), ("",) * 3)
    panel = Panel("t", axis, share_axis("mAP", [0.5]), [series])
    drawn = svg.drawn(panel, {"opqn": KNOWN["opqn"]}, 800, 400)
    places = [float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)"', drawn)]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.11)


@pytest.mark.parametrize(("values", "top"), [([0.6], 0.6), ([0.61], 0.8), ([0.009], 0.01)])
def test_scales_of_shares_end_where_the_values_do(values, top):
    assert share_axis("mAP", values).high == top


def test_few_whole_costs_are_marked_each():
    assert [text for _, text in cost_axis("bits", [24.0, 48.0, 24.0], "bits").ticks] == ["24", "48"]
    assert cost_axis("bits", [48.0], "bits").low < 48 < cost_axis("bits", [48.0], "bits").high


def test_every_marker_has_a_path_around_its_centre():
    found = dict(svg.markers())
    assert len(found) == len(MARKERS)
    assert all(path.startswith("M") and path.endswith("z") for path in found.values())
    assert len(set(found.values())) == len(MARKERS)


def test_curves_are_those_of_the_figures(make):
    records = make.full(["opqn", "dcdh"], bits=(16,), seeds=(0, 1, 2))
    (block,) = select_blocks(records)
    (group,) = curves.curve_groups([block])
    expected = pr_frame(block, 16)
    assert [mean.label for mean in group.means] == list(dict.fromkeys(expected["label"]))
    for mean in group.means:
        part = expected[expected["label"] == mean.label]
        assert mean.ranks == tuple(part["rank"])
        assert mean.precision == pytest.approx(part["precision"].tolist())
        assert mean.recall == pytest.approx(part["recall"].tolist())
        assert mean.precision_sd == pytest.approx(part["precision_sd"].tolist())
        assert mean.recall_sd == pytest.approx(part["recall_sd"].tolist())
        assert mean.n == 3


def test_embedded_curves_say_the_stored_numbers(make):
    records = make.records([make.evaluation(method="opqn"), make.evaluation(method="dcdh")])
    groups = curves.curve_groups(select_blocks(records))
    (found,) = curves.embedded(groups, looks({"opqn": "quantization", "dcdh": "hashing"}))
    curve = records.evals[0].curves[0]
    opqn = next(series for series in found["s"] if series["m"] == 1)
    assert [part / curves.PARTS for part in opqn["p"]] == pytest.approx(curve.precision, abs=5e-5)
    assert found["k"] == curve.ranks
    assert "k" not in opqn
    assert "ps" not in opqn


def curves_of(make, *values):
    """Return the group of one row's curves, a seed a value."""
    evals = [make.evaluation(value, seed=seed) for seed, value in enumerate(values)]
    blocks = select_blocks(make.records(evals))
    (group,) = curves.curve_groups(blocks)
    return group, blocks[0]


def test_a_curve_of_several_seeds_has_the_sd_of_each_rank(make):
    # Precision is value · (1 - recall / 2); the sd of 0.4 and 0.6 is 0.1 · √2.
    group, block = curves_of(make, 0.4, 0.6)
    (mean,) = group.means
    expected = [0.1 * 2**0.5 * (1 - recall / 2) for recall in mean.recall]
    assert mean.precision_sd == pytest.approx(expected)
    (found,) = curves.embedded([group], looks({"opqn": "quantization"}))
    (series,) = found["s"]
    assert [part / curves.PARTS for part in series["ps"]] == pytest.approx(expected, abs=5e-5)
    assert set(series["rs"]) == {0}
    first = curves.curve_grid(group, block).rows[0]
    assert first[2].text == f"{mean.precision[0]:.4f} ± {expected[0]:.4f}"
    assert first[3].text == f"{mean.recall[0]:.4f} ± 0.0000"


def test_a_rank_of_one_seed_has_no_sd(make):
    short = make.evaluation(0.4, seed=1)
    (whole,) = short.curves
    cut = Curve(whole.comparison, *(part[:-1] for part in (whole.ranks, whole.precision,
                                                           whole.recall)))  # fmt: skip
    records = make.records([make.evaluation(), dataclasses.replace(short, curves=(cut,))])
    (group,) = curves.curve_groups(select_blocks(records))
    (found,) = curves.embedded([group], looks({"opqn": "quantization"}))
    assert found["s"][0]["ps"][-1] is None
    assert None not in found["s"][0]["ps"][:-1]


def test_bands_reach_one_sd_up_and_down_and_stay_shares(make):
    unit = share_axis("y", [1.0])
    series = Series("opqn", (0.0, 0.5, 1.0), (0.9, 0.5, 0.5), ("",) * 3, (0.2, 0.25, None))
    drawn = svg.drawn(
        Panel("t", unit, unit, [series], every=False), {"opqn": KNOWN["opqn"]}, 800, 400
    )
    rim = re.search(r'class="band" d="M([^"]*)z"', drawn)[1].split("L")
    top, right, bottom, left = svg.MARGINS
    floor, middle = 400 - bottom, (left + 800 - right) / 2
    places = [[left, 1.0], [middle, 0.75], [middle, 0.25], [left, 0.7]]
    for said, (x, y) in zip(rim, places, strict=True):
        drawn_at = [float(number) for number in said.split()]
        assert drawn_at == pytest.approx([x, floor - y * (floor - top)], abs=0.051)


def test_one_seed_has_no_band(make):
    one, block = curves_of(make, 0.5)
    two, _ = curves_of(make, 0.5, 0.6)
    look = {"opqn": KNOWN["opqn"]}
    assert "band" not in svg.drawn(curves.panel(one, block), look, 800, 400)
    assert "band" in svg.drawn(curves.panel(two, block), look, 800, 400)


def test_the_scale_holds_the_bands(make):
    group, _ = curves_of(make, 0.4, 0.8)
    (mean,) = group.means
    assert curves.axes(group, "pr")[1].high >= mean.precision[0] + mean.precision_sd[0]


def test_the_table_beside_a_plot_ends_with_the_last_rank(make):
    records = make.records([make.evaluation()])
    blocks = select_blocks(records)
    grid = curves.curve_grid(curves.curve_groups(blocks)[0], blocks[0])
    ranks = [int(row[1].text.replace(",", "")) for row in grid.rows]
    assert ranks[0] == 1
    assert ranks[-1] == make.ranks[-1]
    assert len(ranks) <= len(curves.SHOWN) + 1


def test_every_budget_that_is_known_has_a_plot(make):
    records = make.records([make.evaluation()], [make.training()])
    (block,) = select_blocks(records)
    plots = costs.panels(budgets_frame([block], training_times(records.trains)), "lfw")
    assert [plot.x.short for plot in plots] == ["bits", "bytes", "min"]
    assert plots[2].series[0].x == (0.2,)
    assert len(costs.panels(budgets_frame([block]), "lfw")) == 2


def test_a_reference_that_took_less_than_every_rival_stands_inside_the_scale(make):
    quick = dataclasses.replace(make.training(method="random"), timing={"train_seconds": 0.6})
    evals = [make.evaluation(method=method) for method in ("opqn", "random")]
    records = make.records(evals, [make.training(), quick])
    (block,) = select_blocks(records)
    assert block.families["random"] == "reference"
    plots = costs.panels(budgets_frame([block], training_times(records.trains)), "lfw")
    for plot in plots:
        places = [x for series in plot.series if not series.level for x in series.x]
        assert len(places) == 2
        assert plot.x.low <= min(places)
        assert max(places) <= plot.x.high


def test_only_columns_of_several_values_are_filters():
    columns = [Column("a", filtered=True), Column("b", filtered=True), Column("c")]
    rows = [[Cell("1"), Cell("x"), Cell("7")], [Cell("1"), Cell("y"), Cell("8")]]
    found = Grid("t", "", columns, rows).filters
    assert [(at, column.head, values) for at, column, values in found] == [(1, "b", ["x", "y"])]
