"""The laws of a split hold whatever a data set returns."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from hashquant.data import lawful as laws
from hashquant.data.images import content_digests
from hashquant.data.items import Items, Split, make_split
from hashquant.data.lawful import checked_items, lawful
from hashquant.errors import DataError

ROWS = np.arange(24)
QUERY, TRAINING = ROWS[ROWS % 6 == 5], ROWS[ROWS % 6 < 5]


@pytest.fixture
def items():
    images = np.random.default_rng(0).integers(0, 256, (24, 3, 4, 4), dtype=np.uint8)
    files = tuple(f"p{i // 6}/{i}.png" for i in range(24))
    return Items(images, ROWS // 6, ("a", "b", "c", "d"), files, content_digests(images), "v")


def changed(value, **fields):
    """Return a copy with other fields, which no annotation is asked about: a plug-in's are not."""
    found = copy.copy(value)
    for name, field in fields.items():
        object.__setattr__(found, name, field)
    return found


def made(**fields):
    return changed(Split("seen", TRAINING, QUERY, TRAINING, "0" * 64), **fields)


def test_a_lawful_split_is_left_alone_and_sealed_anew(items):
    honest = make_split(items, "seen", TRAINING, QUERY, TRAINING)
    for split in (honest, made()):
        found = lawful(checked_items(items), split)
        assert found.digest == honest.digest
        assert np.array_equal(found.query, QUERY)
    apart = make_split(items, "I-a", ROWS[:3], QUERY, ROWS[6:11])
    assert lawful(items, replace(apart, digest="")).digest == apart.digest
    examined = make_split(items, "unseen", ROWS[:0], QUERY, TRAINING)
    assert lawful(items, examined).digest == examined.digest


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (made(training=ROWS, gallery=ROWS), "4 queries are in the training set, the first is p0/5"),
        (made(gallery=ROWS), "4 queries are in the gallery"),
        (made(training=ROWS[:6], gallery=TRAINING), "1 query is in the training set"),
        (made(query=QUERY + 20), "query of split 'seen' must be rows 0 … 23, got 25 … 43"),
        (made(training=TRAINING - 1), "training of split 'seen' must be rows 0 … 23, got -1"),
        (made(query=np.tile(QUERY, 2)), "must hold each row once, 4 twice"),
        (made(query=ROWS % 6 == 5), "must be an array of row numbers, got bool"),
        (made(query=QUERY.tolist()), "must be an array of row numbers, got list"),
        (made(query=QUERY * 1.0), "must be an array of row numbers, got float64"),
        (made(query=QUERY[:, None]), "must be an array of row numbers"),
        (made(query=QUERY[:0]), "query of split 'seen' must have images, got none"),
        (made(gallery=QUERY[:0]), "gallery of split 'seen' must have images, got none"),
        (made(gallery=ROWS[:5], query=ROWS[6:8], training=ROWS[:5]), "no query's identity has a"),
        (
            made(protocol="unseen"),
            "4 identities of queries are in the training set, the first is a",
        ),
        (made(protocol="a\nb"), "protocol of a split must be a short word"),
        ((TRAINING, QUERY), "split must return a Split, got tuple"),
        (None, "split must return a Split, got NoneType"),
    ],
)
def test_each_law_is_held(items, split, said):
    with pytest.raises(DataError) as caught:
        lawful(items, split)
    assert said in str(caught.value)


def test_the_same_pixels_are_the_same_image_whatever_the_set_says_of_them(items, monkeypatch):
    items.images[0] = items.images[23]
    assert len(set(items.content)) == 24
    with pytest.raises(DataError, match="1 query is the same images as some of the training set"):
        lawful(items, made())
    monkeypatch.setattr(laws, "DIGESTED_BYTES", 0)  # too many pixels: the set is believed
    lawful(items, made())
    told = replace(items, content=(items.content[23], *items.content[1:]))
    with pytest.raises(DataError, match="1 query is the same"):
        lawful(told, made())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda i: {"images": i.images / np.nan}, r"images must be uint8 .*, got float64"),
        (lambda i: {"images": i.images.astype(np.uint16)}, r"images must be uint8"),
        (lambda i: {"images": i.images[:, 0]}, r"images must be uint8"),
        (lambda i: {"images": i.images[:0]}, r"images must be uint8"),
        (lambda i: {"images": i.images.transpose(0, 2, 3, 1)}, r"must have 3 channels"),
        (lambda i: {"images": i.images.tolist()}, r"images must be uint8 .*, got list"),
        (lambda i: {"labels": i.labels - 1}, r"labels must lie within 0 … 3, got -1 … 2"),
        (lambda i: {"class_names": ("a",)}, r"labels must lie within 0 … 0, got 0 … 3"),
        (lambda i: {"labels": i.labels * 1.0}, r"labels must be whole numbers"),
        (lambda i: {"labels": i.labels[:-1]}, r"labels must be as many as images, 24, got 23"),
        (lambda i: {"files": i.files[1:]}, r"files must be as many as images"),
        (lambda i: {"files": ("x",) * 24}, r"files must differ"),
        (lambda i: {"content": i.content[1:]}, r"content must be as many as images"),
        (lambda i: {"content": tuple(range(24))}, r"content must be texts, got int"),
        (lambda i: {"notes": "one note"}, r"notes must be a tuple of texts, got str"),
        (lambda i: {"version": None}, r"version must be a digest"),
    ],
)
def test_items_are_what_they_must_be(items, change, said):
    with pytest.raises(DataError, match=said):
        checked_items(changed(items, **change(items)))


def test_what_is_no_items_is_said():
    with pytest.raises(DataError, match="load must return Items, got dict"):
        checked_items({})
