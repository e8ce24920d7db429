import numpy as np
import pytest

from hashquant.data.disjoint import Seen, plain_name, without_overlap
from hashquant.data.items import Items, make_split
from hashquant.errors import DataError


def items(people, *, content=None, folder="b"):
    """Three images a person: the first a query, the others gallery."""
    files = tuple(f"{folder}/{person}/{i}.png" for person in people for i in range(3))
    return Items(
        images=np.zeros((len(files), 3, 2, 2), dtype=np.uint8),
        labels=np.repeat(np.arange(len(people)), 3),
        class_names=tuple(people),
        files=files,
        content=tuple((content or {}).get(file, file) for file in files),
        version="v",
    )


def split_of(found):
    rows = np.arange(len(found))
    query = rows[rows % 3 == 0]
    return make_split(found, "seen", rows[:0], query, np.setdiff1d(rows, query))


def seen(people=("ann", "bob"), *, content=("a/ann/0.png",), named=True):
    return Seen("a", "a:", named, frozenset(map(plain_name, people)), frozenset(content))


def clean(found, trained, *, family="b:", people=True):
    return without_overlap(
        found, split_of(found), trained, target="b", family=family, people=people, way_out="--out"
    )


def test_nothing_shared_leaves_the_split_as_it_is():
    found = items(["cid", "dan"])
    cleaned = clean(found, seen())
    assert cleaned.digest == split_of(found).digest
    assert cleaned.notes == ()
    assert len(cleaned.query) == 2


def test_an_identity_in_both_is_removed_counted_and_named():
    found = items(["Ann", "cid", "dan"])
    cleaned = clean(found, seen())
    assert cleaned.notes == ("1 identities removed: a has them too (Ann)",)
    assert [found.files[i] for i in cleaned.query] == ["b/cid/0.png", "b/dan/0.png"]
    assert not any("Ann" in found.files[i] for i in cleaned.gallery)
    assert cleaned.digest != split_of(found).digest


@pytest.mark.parametrize("other", ["BOB", "b o b", "Bób", "b_o-b"])
def test_spellings_of_a_name_agree(other):
    assert "identities removed" in clean(items([other, "cid"]), seen()).notes[0]


def test_an_image_in_both_is_removed_counted_and_named():
    found = items(["cid", "dan"], content={"b/dan/0.png": "a/ann/0.png"})
    cleaned = clean(found, seen())
    assert cleaned.notes == ("1 images removed: a was trained on the same (b/dan/0.png)",)
    assert [found.files[i] for i in cleaned.query] == ["b/cid/0.png"]


def test_a_gallery_image_in_both_is_removed_too():
    found = items(["cid", "dan"], content={"b/dan/2.png": "a/ann/0.png"})
    cleaned = clean(found, seen())
    assert "b/dan/2.png" not in [found.files[i] for i in cleaned.gallery]


@pytest.mark.parametrize(("here", "there"), [(True, False), (False, True)])
def test_without_names_it_is_said_that_nobody_can_tell(here, there):
    cleaned = clean(items(["ann", "cid"]), seen(named=there), people=here)
    assert cleaned.notes == ("identities shared with a cannot be told: not both name people",)
    assert len(cleaned.query) == 2


def test_parts_of_one_family_are_compared_by_name_whatever_it_is():
    cleaned = clean(items(["ann", "cid"]), seen(named=False), family="a:", people=False)
    assert "1 identities removed" in cleaned.notes[0]


@pytest.mark.parametrize(
    ("people", "known", "message"),
    [
        (["ann", "bob"], (), r"^b: all 2 identities are in a too, by name; --out$"),
        (["cid", "dan"], items(["cid", "dan"]).files,
         r"^b: all 6 images are in a too, by their pixels$"),
        (["ann", "dan"], ("b/dan/0.png",),
         r"^b: without what a has too \(1 of 2 identities by name, 1 images by their pixels\), "
         r"split 'seen' must have query images, got none; --out$"),
    ],
)  # fmt: skip
def test_a_target_that_loses_everything_says_what_and_to_whom(people, known, message):
    with pytest.raises(DataError, match=message):
        clean(items(people), seen(content=known))
