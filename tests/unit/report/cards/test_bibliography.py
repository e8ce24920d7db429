"""The bibliography: valid BibTeX whatever the names, unique keys, nothing left out in silence."""

import re
import shutil
import subprocess

import pytest

from hashquant.plugins import registry
from hashquant.report.cards._bibliography import bibliography, entry
from hashquant.report.cards.cited import cited
from hashquant.settings.reference import Reference, Sources

FIELD = re.compile(r"\s*(\w+)\s*=\s*\{")


def parse(text):
    """Read BibTeX strictly: (kind, key, fields) of every entry; anything odd is an error."""
    found, place = [], 0
    for head in re.finditer(r"@(\w+)\s*\{", text):
        if head.start() < place:
            raise ValueError(f"an @ stands inside an entry at {head.start()}")
        place = closing(text, head.end())
        if head[1] != "comment":
            key, _, rest = text[head.end() : place - 1].partition(",")
            found.append((head[1], key, fields(rest)))
    assert len({key.lower() for _, key, _ in found}) == len(found), "keys must be unique"
    return found


def closing(text, start):
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[start], 0)  # BibTeX counts escaped braces too
        start += 1
    return start


def fields(rest):
    found, place = {}, 0
    while rest[place:].strip():
        head = FIELD.match(rest, place)
        assert head, f"no field at {rest[place : place + 30]!r}"
        end = closing(rest, head.end())
        found[head[1]] = rest[head.end() : end - 1]
        comma = re.compile(r"\s*,?").match(rest, end)
        place = comma.end()
    return found


def paper(**changed):
    given = {"title": "A Title", "authors": "Ann Other, Bo Li", "venue": "CVPR", "year": 2020}
    return Reference(**(given | changed))


def fields_of(**changed):
    ((kind, key, found),) = parse(entry(paper(**changed), "new"))
    return kind, key, found


def test_a_conference_paper():
    assert fields_of() == (
        "inproceedings",
        "other2020new",
        {"author": "Ann Other and Bo Li", "title": "{A Title}", "booktitle": "CVPR",
         "year": "2020"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        ("Pattern Recognition 141, 109671", ("Pattern Recognition", "141", None, "109671")),
        ("IEEE TPAMI 40(2)", ("IEEE TPAMI", "40", "2", None)),
        ("Journal 7(1), 3-9", ("Journal", "7", "1", "3-9")),
    ],
)
def test_a_venue_with_a_volume_is_a_journal(venue, expected):
    kind, _, found = fields_of(venue=venue)
    assert kind == "article"
    assert tuple(map(found.get, ("journal", "volume", "number", "pages"))) == expected


def test_a_preprint_and_a_doi():
    assert fields_of(venue="arXiv 2107.00327")[0] == "misc"
    found = fields_of(url="https://doi.org/10.1/a_b%3C")[2]
    assert (found["doi"], found["url"]) == ("10.1/a_b%3C", "https://doi.org/10.1/a_b%3C")


def test_what_latex_reads_as_commands_is_escaped():
    found = fields_of(title=r"50% of {A_B} & C\D #1 ~$x^2$")[2]["title"]
    assert found == (
        r"{50\% of \textbraceleft{}A\_B\textbraceright{} \& C\textbackslash{}D \#1 "
        r"\textasciitilde{}\$x\textasciicircum{}2\$}"
    )


def test_names_in_other_scripts():
    _, key, found = fields_of(authors="Élodie Šimić and 王 伟, Łukasz Groß")
    assert key == "simic2020new"
    assert found["author"] == (
        r"{\'E}lodie {\v{S}}imi{\'c} and {\relax 王} {\relax 伟} and {\L}ukasz Gro{\ss}"
    )
    assert fields_of(authors="王 伟")[1] == "2020new"
    assert parse(entry(paper(authors="", title="人"), "人"))[0][1] == "2020"


def test_equal_entries_stand_once_and_equal_keys_are_told_apart():
    first, second = "@misc{m, title = {A}}", "@misc{m, title = {B}}"
    text = bibliography(Sources(datasets={"a": first, "b": first, "c": second}))
    assert [(key, found["title"]) for _, key, found in parse(text)] == [("m", "A"), ("ma", "B")]


def test_what_has_no_entry_is_named_in_a_comment():
    found = Sources(
        datasets={"mine": "", "odd": "see @you {", "open": "@misc{a, title = {A}"},
        missing={"gone": "not {installed} @here"},
    )
    text = bibliography(found)
    assert parse(text) == []
    for said in ("mine: it asks", "odd: its citation is no", "open: its", "gone: not installed"):
        assert f"No entry for {said}" in text


def test_records_name_their_sets_targets_and_bases(make):
    spec = {"method": "pq", "dataset": "lfw", "base": {"method": "float"}}
    record = make.evaluation(target="olivetti-cross+norm_stats=target", **spec)
    methods, datasets = cited(make.records([record], [make.training(dataset="cifar10")]))
    assert methods == {"pq", "float", "opqn"}
    assert datasets == {"lfw", "olivetti-cross", "cifar10"}


def everything():
    return bibliography(registry.sources(registry.methods(), registry.datasets()))


def test_every_method_and_data_set_here_has_a_valid_entry():
    found = parse(everything())
    assert len(found) == len(registry.methods()) + 8  # papers of data sets
    for _, key, values in found:
        assert {"author", "title", "year"} <= values.keys(), key
    assert "no BibTeX entry" not in everything()


@pytest.mark.skipif(not shutil.which("bibtex"), reason="bibtex is not installed")
def test_bibtex_reads_it_without_a_warning(tmp_path):
    odd = entry(paper(authors="Élodie Šimić, 王 伟", title="A & {B} ß_1"), "odd")
    (tmp_path / "all.bib").write_text(everything() + odd, encoding="utf-8")
    aux = "\\bibstyle{abbrv}\n\\citation{*}\n\\bibdata{all}\n"
    (tmp_path / "paper.aux").write_text(aux)
    done = subprocess.run(
        ["bibtex", "paper"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    warnings = [line for line in done.stdout.splitlines() if "arning" in line]
    assert done.returncode == 0, done.stdout
    assert [line for line in warnings if "empty" not in line] == []
    assert (tmp_path / "paper.bbl").read_text(encoding="utf-8").count("\\bibitem") == (
        len(parse(everything())) + 1
    )
