"""The page's plots and colours: scales, places, contrast, and the curves that the script reads."""

import dataclasses
import re

import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.figures.curves import pr_frame
from hashquant.report.figures.style import KNOWN, MARKERS, looks
from hashquant.report.page import costs, curves, svg
from hashquant.report.page.grid import Cell, Column, Grid
from hashquant.report.page.panel import Panel, Series, cost_axis, share_axis
from hashquant.report.page.theme import (
    DARK,
    GRAPHIC,
    HEAT_SHARE,
    LIGHT,
    TEXT,
    contrast,
    mixed,
    variables,
)
from hashquant.report.page.write import TEMPLATES
from hashquant.report.tables.budgets import budgets_frame
from hashquant.report.tables.trainingtimes import training_times

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
