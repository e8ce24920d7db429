"""Every method looks the same everywhere, and no two look alike, even in shades of grey."""

import itertools

import pytest

from hashquant.report.drawing.style import (
    HUES,
    KNOWN,
    PRESETS,
    _legend_grid,
    drawable,
    family_of,
    looks,
)

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"}


def test_no_two_known_methods_share_marker_and_dash():
    pairs = [(look.marker, look.dash) for look in KNOWN.values()]
    assert len(set(pairs)) == len(pairs)


def test_colours_are_okabe_and_itos_and_follow_the_family():
    for name, look in KNOWN.items():
        assert look.color in HUES[look.family], name
        assert look.color in OKABE_ITO | {"#7A7A7A"}
    assert not set(HUES["hashing"]) & set(HUES["quantization"])


def test_the_first_four_methods_differ_in_everything():
    first = [KNOWN[name] for name in ("opqn", "dcdh", "gpq", "dpq")]
    for a, b in itertools.combinations(first, 2):
        assert a.color != b.color
        assert a.marker != b.marker


def test_a_known_method_looks_the_same_in_any_company():
    alone = looks({"opqn": "quantization"})["opqn"]
    crowd = looks({"opqn": "quantization", "mine": "hashing", "opqn a=1": "quantization"})
    assert alone == crowd["opqn"] == KNOWN["opqn"]


def test_unknown_methods_and_variants_get_free_looks():
    families = {name: look.family for name, look in KNOWN.items()}
    families |= {f"new{i}": "hashing" for i in range(10)}
    families |= {f"opqn margin={i}": "quantization" for i in range(3)}
    found = looks(families)
    assert len({(look.marker, look.dash) for look in found.values()}) == len(found)
    assert found == looks(dict(reversed(families.items())))
    variant = found["opqn margin=2"]
    assert (variant.color, variant.filled) == (KNOWN["opqn"].color, False)
    assert found["new0"].color in HUES["hashing"]


def variants(count, *others):
    return dict.fromkeys(("opqn", *others), "quantization") | {
        f"opqn margin={i:02}": "quantization" for i in range(count)
    }


@pytest.mark.parametrize("others", [(), ("dpq", "gpq", "pq")])
def test_many_variants_of_a_method_take_turns_through_all_hues(others):
    found = looks(variants(12, *others))
    assert found["opqn"] == KNOWN["opqn"]
    rows = [look for label, look in found.items() if label.startswith("opqn")]
    for before, after in itertools.pairwise(rows):
        assert before.color != after.color
        assert before.marker != after.marker
        assert before.dash != after.dash
    assert all(look.color != KNOWN["opqn"].color for look in rows[1:])
    # In shades of grey marker and dash are left: no two of the whole figure share both.
    assert len({(look.marker, look.dash) for look in found.values()}) == len(found)
    assert found == looks(dict(reversed(variants(12, *others).items())))


def test_few_variants_beside_other_methods_keep_the_hue_and_alone_take_others():
    beside, alone = looks(variants(2, "dpq")), looks(variants(2))
    assert {look.color for label, look in beside.items() if " " in label} == {KNOWN["opqn"].color}
    assert len({look.color for look in alone.values()}) == 3


def test_more_rows_than_looks_still_draw():
    assert len(looks({f"new{i}": "other" for i in range(200)})) == 200


@pytest.mark.parametrize(
    ("codewords", "family"), [(None, "other"), (0, "hashing"), (16, "quantization")]
)
def test_family_of_an_unknown_method(codewords, family):
    assert family_of("mine", codewords=codewords) == family


def test_legend_takes_the_fewest_lines_that_fit():
    wrapped, columns, lines = _legend_grid(["opqn", "dcdh", "gpq", "dpq"], 37.0)
    assert (wrapped, columns, lines) == (["opqn", "dcdh", "gpq", "dpq"], 4, 1)
    wrapped, columns, _ = _legend_grid(["a", "opqn codebooks=random entropy_weight=0.1"], 37.0)
    widths = [max(map(len, label.splitlines())) for label in wrapped]
    assert columns * 5.2 + 0.6 * sum(widths if columns > 1 else [max(widths)]) <= 37.0


def test_text_that_cannot_be_drawn_is_replaced():
    assert drawable("Zoë 人_$x$") == r"Zoë ?_\$x\$"
    assert drawable("_hidden") == " _hidden"


def test_presets_are_the_papers_widths():
    assert (PRESETS["column"].width, PRESETS["double"].width) == (3.5, 7.16)
