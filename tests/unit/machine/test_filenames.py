import itertools
import json
import re
import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashquant.machine.filenames import LABEL, MOST_BYTES, former_name, safe_name, short_name

#: Texts that a letter-for-letter replacement makes alike, or that some system takes for one.
ALIKE = (
    "t 1", "t-1", "t--1", "t/1", "t:1", "-t-1", "t-1-", "t-1.", ".t-1", "t\\1", "t\n1", "t*1",
    "T-1", "t-1\u200b", "Ünï 😀", "Ünï", unicodedata.normalize("NFD", "Ünï"), "ünï", "", ".", "..",
    " ", "-", "unnamed", "con", "CON", "con.", "nul.txt", "aux", "lpt1", "\udce9",
    "\udcea", "con.-x", "con." + "x" * 99,
    "漢" * 80, "漢" * 81, "漢" * 80 + "a", "x" * 300, "x" * 301, "😀" * 70, "😀" * 71, "Straße",
    "strasse", "straße", "İ", "i\u0307", "a+b", "a=b", "a+norm_stats=target", "a+norm_stats-target",
)  # fmt: skip


def folded(name):
    """Return a name as a file system knows it that takes capitals and compositions for one."""
    return unicodedata.normalize("NFC", name).casefold()


def usable(name):
    """Tell whether every system takes a name for a file's."""
    return (
        0 < len(name.encode()) <= MOST_BYTES
        and not re.search(r'[\x00-\x1f<>:"/\\|?*]', name)
        and name == name.strip(". ")
        and not name.startswith("-")
        and not re.fullmatch(r"(con|nul|prn|aux|com\d|lpt\d)(\..*)?", name.lower())
    )


def test_texts_that_read_alike_have_names_of_their_own():
    names = {text: folded(safe_name(text)) for text in ALIKE}
    for (a, name), (b, other) in itertools.combinations(names.items(), 2):
        assert name != other, (a, b)


@pytest.mark.parametrize("text", ALIKE)
def test_a_name_is_one_of_a_file_everywhere(text):
    assert usable(safe_name(text))
    assert re.fullmatch(r"[A-Za-z0-9.+-]+", safe_name(text, LABEL))


@pytest.mark.parametrize("text", ["lfw", "olivetti-cross", "map-at-1000", "gesichter-ä", "v1.2_b"])
def test_a_name_that_is_safe_stays(text):
    assert safe_name(text) == former_name(text) == text


def test_what_looks_like_a_name_with_digits_is_none():
    first = safe_name("t 1")
    assert safe_name(first) != first
    assert safe_name(safe_name(first)) not in (first, safe_name(first))


def test_two_names_joined_by_hyphens_are_told_from_one():
    texts = ("a", "a--b", "b", "b--a", "a-", "-b", "a-b")
    joined = ["--".join(map(safe_name, names)) for names in itertools.product(texts, texts)]
    assert len(set(joined) | set(map(safe_name, texts))) == len(joined) + len(texts)


@settings(max_examples=40)
@given(st.lists(st.text(alphabet=string.printable + "éßÅ\u030a漢😀ﬁ", max_size=40), unique=True))
def test_no_two_texts_share_a_name(texts):
    names = [safe_name(text) for text in texts]
    assert len(set(map(folded, names))) == len(texts)
    assert all(map(usable, names))


def test_a_long_name_is_cut_and_a_short_one_left():
    assert short_name("My faces (2)") == "My faces (2)"
    assert len(short_name("漢" * 80, 200).encode()) <= 200
    assert short_name("漢" * 80, 200) != short_name("漢" * 81, 200)


def test_stored_results_and_reports_keep_their_names(request):
    """No committed folder, figure or label is named anew: its identifiers are safe names."""
    root = request.config.rootpath
    paths = sorted(root.glob("results/*/*/*/*/*/*/eval.json"))[::9]
    assert len(paths) > 50
    for raw in (json.loads(path.read_text()) for path in paths):
        spec = raw["spec"]
        for text in (spec["dataset"], spec["method"], raw["target"], spec["suite"]):
            assert safe_name(text) == text
        assert safe_name(spec["suite"], LABEL) == spec["suite"]
