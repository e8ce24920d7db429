"""The page's published numbers: figures first, a line a method without one, counts by verdict."""

import re

import pytest

from hashquant.report.findings import find
from hashquant.report.options import Options
from hashquant.report.page._published import card_grid
from hashquant.report.page.write import page
from hashquant.settings.reference import Claim, Reference, Sources

PAPER = {
    "dataset": "lfw",
    "bits": 16,
    "metric": "mAP",
    "source": "table 2",
    "protocol": "as <here>",
}


def claim(value, **fields):
    return Claim(**(PAPER | {"value": value} | fields))


def sources(*claims, **others):
    papers = {"opqn": claims, "dcdh": ()} | others
    return Sources(methods={m: Reference("T", "A B", "V", 2020, "u", c) for m, c in papers.items()})


def found(records, cited):
    return find(records, Options(sources=cited))


def grid(records, cited):
    return card_grid(found(records, cited).cards, cited)


def column(shown, head):
    at = [c.head for c in shown.columns].index(head)
    return [row[at] for row in shown.rows]


def texts(shown, head):
    return [cell.text for cell in column(shown, head)]


@pytest.fixture
def records(make):
    return make.full(["dcdh", "opqn"], bits=(16, 24), seeds=(0,), value=lambda m, b, s: 0.5)


def test_figures_come_first_and_the_rest_is_a_line_a_method(records):
    shown = grid(records, sources(claim(0.5), claim(0.9, bits=24), claim(0.3, bits=48)))
    assert texts(shown, "method") == ["opqn", "opqn", "dcdh"]
    assert texts(shown, "bits") == ["16", "24", "16, 24"]
    assert texts(shown, "verdict") == ["reproduced", "within", "no figure found"]
    assert texts(shown, "published") == ["0.5", "0.9", ""]
    assert texts(shown, "measured") == ["0.5000", "0.5000", ""]
    assert [cell.small for cell in column(shown, "verdict")] == ["", "0.4000 (below)", ""]
    assert shown.caption.startswith("2 published numbers beside what was measured. 2 cells without")


def test_a_method_without_a_figure_here_says_where_others_were_found(make):
    records = make.full(["opqn"], bits=(16, 24, 4096), seeds=(0,))
    away = sources(claim(0.3, dataset="cfw60k", bits=48), claim(0.3, dataset="facescrub", bits=64))
    shown = grid(records, away)
    (verdict,) = column(shown, "verdict")
    assert (verdict.text, verdict.small) == ("no figure found", "found for cfw60k 48, facescrub 64")
    assert texts(shown, "bits") == ["16, 24, 4,096"]
    assert "published" not in [c.head for c in shown.columns]
    assert shown.caption.startswith("No published number was found of any cell of this suite.")


def test_a_method_that_is_not_installed_says_so(records):
    papers = {"opqn": sources(claim(0.5)).methods["opqn"]}
    shown = grid(records, Sources(methods=papers, missing={"dcdh": "unknown method"}))
    line = next(row for row in shown.rows if row[0].text == "dcdh")
    assert any(cell.small == "unknown method" for cell in line)


def test_verdicts_are_offered_with_the_number_of_rows(records):
    cited = sources(claim(0.5), claim(0.9, bits=24), claim(0.8, bits=24))
    text = page(found(records, cited))
    form = re.search(r'<form class="controls" data-for="cards".*?</form>', text, re.S)[0]
    offered = re.findall(r'<option value="([^"]+)">([^<]+)</option>', form)
    assert ("reproduced", "reproduced (1)") in offered
    assert ("within", "within (2)") in offered
    assert ("no figure found", "no figure found (1)") in offered
    assert '<a href="#cards-section">' in text


def test_where_a_number_stands_is_told_once_below(records):
    cited = sources(claim(0.5, epochs=20, comparison="adc"), claim(0.6, metric="mAP@1000"))
    shown = grid(records, cited)
    assert texts(shown, "source") == ["note 1", "note 2", "", ""]
    assert len(shown.notes) == 2
    assert shown.notes[0].startswith("published in table 2. as <here>. Not told: ")
    assert "epochs" not in shown.notes[0]
    assert "as &lt;here&gt;" in page(found(records, cited))


def test_readings_of_plots_are_explained_where_they_stand(records):
    read = claim(0.5, metric="PR-area", read_from="figure", precision=0.01)
    shown = grid(records, sources(read))
    assert texts(shown, "published")[0] == "≈ 0.5 ± 0.01"
    assert "PR-area: area under" in shown.caption
    assert "PR-plateau" not in shown.caption


def test_without_sources_there_is_no_section(records):
    assert "cards-section" not in page(find(records, Options()))
