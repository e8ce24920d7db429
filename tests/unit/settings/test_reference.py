"""Papers and published numbers: read from text, strictly, and complete for every method."""

import re
from pathlib import Path

import pytest

from hashquant.plugins import registry
from hashquant.plugins._literals import names_in, reference_in, summary_in, text_in
from hashquant.settings.reference import Claim, ClaimsError, Reference, read_claims

PLUGIN = '''
"""A method."""
import hashquant.api as hq
import no_such_package

class New(hq.Method):
    name = "new"
    reference = hq.Reference(
        "A " "title", authors="Zoë Ñandú", venue="V", year=2020,
        claims=(hq.Claim("lfw", 24, "mAP", 0.5, source="table 2", protocol="seen", epochs=9),),
    )
    citation = """@misc{a}"""
'''

#: Sets that are published on and are not among the data sets: their numbers are not compared.
OUTSIDE = {"cifar100", "coco", "flickr25k", "imagenet", "imagenet100", "nuswide", "nuswide-21",
           "nuswide-21-m", "voc2007", "voc2012"}  # fmt: skip


@pytest.fixture
def plugin(tmp_path):
    def write(text):
        path = tmp_path / "new.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_literal_reference_is_read_without_running_the_file(plugin):
    claim = Claim("lfw", 24, "mAP", 0.5, "table 2", "seen", epochs=9)
    assert reference_in(plugin(PLUGIN)) == Reference(
        "A title", "Zoë Ñandú", "V", 2020, claims=(claim,)
    )
    assert text_in(plugin(PLUGIN), "citation") == "@misc{a}"


@pytest.mark.parametrize(
    "text",
    [
        "reference = PAPER",
        "reference = hq.Reference(TITLE, 'a', 'v', 2020)",
        "reference = hq.Reference(title='only')",
        "reference = hq.Reference('t', 'a', 'v', 2020, **more)",
        "reference = hq.Claim('lfw', 24, 'mAP', 0.5, 's', 'p')",
        "reference = open('/dev/null')",
        "def (:",
        "",
    ],
)
def test_what_is_no_literal_reference_reads_as_none(plugin, text):
    assert reference_in(plugin(text)) is None


def test_citations_that_are_absent_or_computed(plugin):
    assert text_in(plugin("x = 1"), "citation") == ""
    assert text_in(plugin("citation = make()"), "citation") is None
    assert text_in(plugin("citation = 3"), "citation") is None


def test_names_and_summaries(plugin):
    path = plugin('"""First.\n\nSecond."""\nNAMES: dict[str, str] = {"a": "b"}\n')
    assert (summary_in(path), names_in(path, "NAMES"), names_in(path, "X")) == (
        "First.",
        {"a": "b"},
        {},
    )


def test_claims_of_a_file_share_what_their_group_says(tmp_path):
    path = tmp_path / "new.yaml"
    path.write_text(
        "- shared: {dataset: lfw, bits: 24, source: table 1, protocol: seen, settings: {a: 1}}\n"
        "  claims: [{metric: mAP, value: 0.5}, {metric: mAP@9, value: 0.6, bits: 48}]\n"
    )
    assert read_claims(path) == (
        Claim("lfw", 24, "mAP", 0.5, "table 1", "seen", settings={"a": 1}),
        Claim("lfw", 48, "mAP@9", 0.6, "table 1", "seen", settings={"a": 1}),
    )
    assert read_claims(tmp_path / "none.yaml") == ()


SHARED = "dataset: lfw, bits: 24, metric: mAP, source: table 1, protocol: seen"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            "selection",
            ("last", "train-loss", "validation", "test"),
        ),  # "test": no suite may, papers do
        ("read_from", ("table", "figure", "text")),
        ("ties", ("expected", "best", "worst", "sorted")),
    ],
)
def test_words_of_a_protocol_are_those_that_are_documented(tmp_path, key, words):
    path = tmp_path / "new.yaml"
    for word in words:
        path.write_text(f"- shared: {{{SHARED}, {key}: {word}}}\n  claims: [{{value: 0.5}}]\n")
        assert getattr(read_claims(path)[0], key) == word
    path.write_text(f"- shared: {{{SHARED}, {key}: {words[-1]}x}}\n  claims: [{{value: 0.5}}]\n")
    with pytest.raises(ClaimsError, match=f"did you mean '{words[-1]}'"):
        read_claims(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- shared: {datset: lfw}\n  claims: [{metric: m}]", "did you mean 'dataset'"),
        ("- shared: {dataset: lfw}\n  claims: [{metric: m}]", "missing"),
        ("a: [", "must list groups"),
        ("- claims: [{}]", "shared"),
        ("7", "must list groups"),
    ],
)
def test_a_damaged_file_of_claims_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "new.yaml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=re.escape(said)) as caught:
        read_claims(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", sorted(registry.methods()))
def test_every_method_has_a_paper_that_is_read_from_its_text(name):
    paper = registry.reference(name)
    assert paper == registry.reference(name.upper())
    assert all((paper.title, paper.authors, paper.venue, paper.url))
    inline = registry.load_method(name).reference
    assert (paper.title, paper.authors, paper.year) == (inline.title, inline.authors, inline.year)
    for claim in paper.claims:
        assert claim.source
        assert claim.protocol
        assert claim.dataset in OUTSIDE or claim.dataset in registry.datasets()
        assert (claim.precision > 0) == (claim.read_from == "figure")


def test_every_file_of_claims_belongs_to_a_method():
    files = Path(registry.__file__).parents[3].glob("methods/published/*.yaml")
    stems = {path.stem for path in files}
    assert stems
    assert stems <= registry.methods().keys()


def test_sources_name_what_is_missing():
    found = registry.sources(["opqn", "nope", "opqn"], ["lfw", "folder:/a/b", "gone"])
    assert set(found.methods) == {"opqn"}
    assert found.datasets["lfw"].startswith("@techreport{huang2007lfw,")
    assert found.datasets["folder:/a/b"] == ""
    assert set(found.missing) == {"nope", "gone"}
    assert "unknown method 'nope'" in found.missing["nope"]


def test_manifests_lie_beside_the_data_sets():
    assert {path.name for path in registry.manifests()} >= {"lfw-seen.json", "olivetti-cross.json"}
