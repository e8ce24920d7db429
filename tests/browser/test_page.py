"""The page of a real suite in a real browser: no error, no request, everything works by hand.

Screenshots at two widths in both themes lie in the folder that pytest keeps (`--basetemp`).
"""

import functools
from pathlib import Path
from statistics import fmean, stdev

import pytest

from hashquant.plugins import registry
from hashquant.records.store import Store
from hashquant.report import Options, cited, write_report
from hashquant.report.page.write import NAME

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
WIDE, NARROW = 1280, 390
#: Most bytes of the page of a full suite.
MOST_BYTES = 3_000_000


@functools.cache
def records():
    return Store(ROOT / "results").read("cross-domain")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    sources = registry.sources(*cited(records()))
    write_report(records(), folder, Options(figures=False, sources=sources))
    return (folder / NAME).as_uri()


@pytest.fixture
def open_page(browser, address):
    """Open the page at a width in a theme; at the end, nothing may have gone wrong."""
    contexts, said, asked = [], [], []

    def opened(width=WIDE, theme="light", **options):
        size = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=size, color_scheme=theme, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert set(asked) == {address}


def column(page, table, at):
    """Return the texts of a column's shown cells, without the marks behind them."""
    script = """(rows, at) => rows.filter((row) => !row.hidden)
        .map((row) => row.cells[at].firstChild?.textContent ?? "")"""
    return page.locator(f"#{table} tbody tr").evaluate_all(script, at)


def numbers(texts):
    return [float(text.partition(" ")[0]) for text in texts]


def test_the_file_is_small(address):
    assert Path(address.removeprefix("file://")).stat().st_size < MOST_BYTES


def test_a_click_sorts_and_another_one_turns_the_order(open_page):
    page = open_page()
    head = page.locator("#scores thead th", has_text="24 bits")
    shown = numbers(column(page, "scores", 7))
    assert len(shown) == 10
    head.locator("button").click()
    assert numbers(column(page, "scores", 7)) == sorted(shown, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert numbers(column(page, "scores", 7)) == sorted(shown)
    assert head.get_attribute("aria-sort") == "ascending"


def test_the_keyboard_sorts(open_page):
    page = open_page()
    head = page.locator("#scores thead th", has_text="method")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    names = column(page, "scores", 5)
    assert names == sorted(names)
    assert head.get_attribute("aria-sort") == "ascending"


def test_tables_are_filtered(open_page):
    page = open_page()
    form = page.locator('form[data-for="scores"]')
    form.get_by_label("trained on").select_option("synthfaces-street")
    form.get_by_label("examined on").select_option("olivetti-cross")
    form.get_by_label("family").select_option("quantization")
    assert set(column(page, "scores", 0)) == {"synthfaces-street"}
    assert set(column(page, "scores", 5)) == {"opqn", "gpq labels=100%", "dpq", "opq", "pq"}
    assert page.locator("#scores-shown").inner_text().startswith("5 of 247 rows")
    form.get_by_label("find").fill("opq")
    assert sorted(column(page, "scores", 5)) == ["opq", "opqn"]
    form.get_by_label("bits").select_option("48 bits")
    heads = page.locator("#scores thead th:visible").all_inner_texts()
    assert not any("24 bits" in head for head in heads)


def test_another_metric_is_shown_and_the_first_one_comes_back(open_page):
    page = open_page()
    form = page.locator('form[data-for="scores"]')
    before = page.locator("#scores tbody").inner_text()
    form.get_by_label("metric").select_option("precision@1")
    other = page.locator("#scores tbody").inner_text()
    assert other != before
    form.get_by_label("metric").select_option("mAP")
    assert page.locator("#scores tbody").inner_text() == before


def stored(method, bits, comparison):
    """Return precision and recall by rank of `lfw` as the page says them: mean and sd of seeds."""
    found = [
        curve
        for record in records().evals
        if (record.spec.dataset, record.target) == ("lfw", "lfw")
        and (record.spec.label, record.spec.bits) == (method, bits)
        for curve in record.curves
        if curve.comparison == comparison
    ]
    assert len(found) == 2
    first, second = found
    texts = [
        [f"{fmean(pair):.4f} ± {stdev(pair):.4f}" for pair in zip(*parts, strict=True)]
        for parts in ((first.precision, second.precision), (first.recall, second.recall))
    ]
    return dict(zip(first.ranks, zip(*texts, strict=True), strict=True))


def test_curves_are_switched_and_read_off_by_keyboard(open_page):
    page = open_page()
    page.locator("#curve-bits").select_option("48")
    page.locator('[data-legend="curve-plot"] .none').click()
    page.locator('[data-legend="curve-plot"] label', has_text="opqn").click()
    assert page.locator("#curve-plot g.s").count() == 1
    page.locator("#curve-plot .canvas").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    precision, recall = stored("opqn", 48, "adc")[10]
    reading = page.locator("#curve-plot .reading")
    assert reading.inner_text() == f"opqn, rank 10: recall {recall}, precision {precision}"
    page.locator("#curve-kind").select_option("precision")
    page.locator("#curve-set").select_option("1")
    page.locator("#curve-plot .canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Home")
    precision, _ = stored("opqn", 48, "sdc")[1]
    assert reading.inner_text() == f"opqn: rank 1, precision {precision}"
    page.keyboard.press("Escape")
    assert reading.inner_text().strip() == ""


def test_the_pointer_reads_the_nearest_point(open_page):
    page = open_page()
    page.locator('[data-legend="curve-plot"] .none').click()
    page.locator('[data-legend="curve-plot"] label', has_text="itq").click()
    page.locator("#curve-plot").scroll_into_view_if_needed()
    mark = page.locator("#curve-plot g.s use").nth(2).bounding_box()
    page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    said = page.locator("#curve-plot .reading").inner_text()
    rank = int(said.partition("rank ")[2].partition(":")[0].replace(",", ""))
    precision, recall = stored("itq", 24, "hamming")[rank]
    assert said.endswith(f"recall {recall}, precision {precision}")


def test_bands_have_the_colour_of_their_curve_in_both_themes_and_in_print(open_page):
    for theme in ("light", "dark"):
        page = open_page(theme=theme)
        for media in ("screen", "print"):
            page.emulate_media(media=media, color_scheme=theme)
            colors = page.locator("#curve-plot g.s").evaluate_all(
                """(rows) => rows.map((row) => [getComputedStyle(row.querySelector(".band")).fill,
                    getComputedStyle(row.querySelector(".ln")).stroke])"""
            )
            assert len(colors) == 10
            assert all(fill == stroke for fill, stroke in colors)


def test_the_numbers_of_a_plot_say_their_sd(open_page):
    page = open_page()
    page.locator("#curve-bits").select_option("48")
    page.get_by_text("Numbers of this plot").click()
    row = page.locator("#curve-numbers tbody tr", has_text="itq").nth(3)
    precision, recall = stored("itq", 48, "hamming")[10]
    assert row.locator("td").all_inner_texts() == ["10", precision, recall]


def test_costs_are_switched_and_read_off(open_page):
    page = open_page()
    page.locator("#cost-block").select_option("lfw → olivetti-cross")
    assert page.locator("#cost-title").inner_text() == "lfw → olivetti-cross"
    page.locator("#cost-plot-0 .canvas").focus()
    page.keyboard.press("ArrowRight")
    said = page.locator("#cost-plot-0 .reading").inner_text()
    assert said.startswith("dcdh, 24 bits: bits 24, mAP 0.3340 ± 0.0305")


def test_methods_without_a_published_number_have_a_line_each(open_page):
    page = open_page()
    assert page.locator("#cards tbody tr").count() == 10
    page.locator("#cards thead th", has_text="bits").locator("button").click()
    assert column(page, "cards", 3)[0] == "16,384"
    page.locator('form[data-for="cards"]').get_by_label("find").fill("facescrub 48")
    assert sorted(column(page, "cards", 0)) == ["dpq", "gpq", "opqn"]
    assert page.get_by_text("found for facescrub 48").first.is_visible()
    assert page.locator("#cards-shown").inner_text() == "3 of 10 rows: verdict no figure found"


def test_the_theme_can_be_switched(open_page):
    page = open_page()
    script = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(script)
    page.get_by_label("theme").select_option("dark")
    assert page.evaluate(script) != light


def test_it_can_be_read_without_a_script(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("#scores tbody tr:visible").count() == 247
    assert page.locator("#curve-plot g.s").count() == 10
    assert page.locator("select:visible, input:visible").count() == 0


def test_it_prints(open_page, tmp_path):
    page = open_page(theme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("nav:visible, form:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 26, 24)"
    page.pdf(path=tmp_path / "page.pdf", format="A4", print_background=True)
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(open_page, tmp_path, width, theme):
    page = open_page(width, theme)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=tmp_path / f"page-{width}-{theme}.png", full_page=True)


def test_motion_is_left_out_where_it_is_unwanted(open_page):
    page = open_page(reduced_motion="reduce")
    script = "getComputedStyle(document.querySelector('#curve-plot g.s')).transitionDuration"
    assert page.evaluate(script) == "0s"
