"""Rows beyond ten stand in parts by kind; what one panel can hold looks as it did."""

import itertools

import pytest

from hashquant.report.drawing.kinds import (
    MANY,
    PARTS,
    TEN,
    best_looks,
    in_parts,
    part_style,
    parts_of,
)
from hashquant.report.drawing.style import BLUE, GREEN, KNOWN, SKY, looks
from hashquant.report.rows import REFERENCE
from hashquant.settings.names import KINDS, Names

#: Eight methods that no figure knows, and four that every figure draws alike.
KIND = {f"pair{i}": "pairs" for i in range(4)} | {f"list{i}": "triplets" for i in range(4)}
KIND |= {"dcdh": "centres", "itq": "fitted", "lsh": "fitted"}
NAMES = Names(kinds=KIND)
FAMILIES = dict.fromkeys(KIND, "hashing") | {"opqn": "quantization"}
FAMILIES |= {"float": "reference", "random": "reference"}


def test_up_to_ten_rows_keep_their_looks_whatever_their_kinds():
    few = dict(itertools.islice(FAMILIES.items(), MANY))
    assert in_parts(looks(few), NAMES) == looks(few)
    assert parts_of(in_parts(looks(few), NAMES), few) == {}


def test_many_rows_of_one_part_keep_their_looks():
    variants = {f"opqn margin=0.{i}": "quantization" for i in range(15)} | {"float": "reference"}
    assert in_parts(looks(variants), NAMES) == looks(variants)


def test_parts_follow_family_and_kind_and_references_are_in_none():
    look = in_parts(looks(FAMILIES), NAMES)
    found = parts_of(look, FAMILIES)
    assert list(found) == [
        "hashing: pairs", "hashing: triplets", "hashing: centres", "hashing: fitted",
        "quantization",
    ]  # fmt: skip
    assert found["hashing: fitted"] == ["itq", "lsh"]
    assert {label for labels in found.values() for label in labels} == set(KIND) | {"opqn"}
    # A figure of few of these rows has one panel.
    assert parts_of(look, ["dcdh", "opqn", "float"]) == {}


def test_no_two_rows_of_a_part_share_hue_or_marker_and_no_two_rows_share_both():
    families = {f"pair{i}": "hashing" for i in range(10)} | FAMILIES
    names = Names(kinds=KIND | {f"pair{i}": "pairs" for i in range(10)})
    look = in_parts(looks(families), names)
    for labels in parts_of(look, look).values():
        assert len({look[label].color for label in labels}) == len(labels)
        assert len({look[label].marker for label in labels}) == len(labels)
    shown = [(row.color, row.marker) for row in look.values()]
    assert len(set(shown)) == len(shown)


def test_methods_of_stored_reports_keep_their_colours_in_any_company():
    look = in_parts(looks(FAMILIES), NAMES)
    assert (look["dcdh"].color, look["itq"].color, look["lsh"].color) == (BLUE, GREEN, SKY)
    assert look["opqn"].color == KNOWN["opqn"].color
    assert look["float"].color == KNOWN["float"].color


def test_unknown_kinds_go_with_their_family():
    look = in_parts(looks(FAMILIES), Names())
    assert list(parts_of(look, look)) == ["hashing", "quantization"]
    # More rows than hues: the hues come again, and still no two rows are alike.
    crowd = dict.fromkeys((f"new{i}" for i in range(30)), "hashing") | {"opqn": "quantization"}
    shown = [(row.color, row.marker) for row in in_parts(looks(crowd), Names()).values()]
    assert len(set(shown)) == len(shown)


def test_the_best_of_each_part_differ_by_hue_and_are_named_with_their_kind():
    look = in_parts(looks(FAMILIES), NAMES)
    scores = {label: float(label in ("pair2", "list1", "lsh")) for label in look}
    best = best_looks(parts_of(look, look), look, scores)
    assert list(best) == ["pair2", "list1", "dcdh", "lsh", "opqn", "float", "random"]
    assert best["pair2"].name == "pair2 (pairs)"
    colors = [row.color for row in best.values() if row.family != REFERENCE]
    assert len(set(colors)) == len(colors)


def test_every_part_has_a_style_of_its_own():
    assert len(set(TEN)) == len(TEN) == 10
    styles = [part_style(part) for part in PARTS] + [part_style("other")]
    assert len({color for color, _ in styles}) == len(styles)
    assert {f"hashing: {kind}" for kind in KINDS} < set(PARTS)


@pytest.mark.parametrize("pair", [*itertools.combinations(TEN, 2)])
def test_ten_hues_can_be_told_apart(pair):
    one, other = (tuple(int(hue[at : at + 2], 16) for at in (1, 3, 5)) for hue in pair)
    assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 60
