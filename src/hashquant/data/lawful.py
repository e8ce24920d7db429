"""The laws of images and splits, held by whatever a data set returns, however it made them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hashquant.data.images import content_digest
from hashquant.data.items import Items, Rows, Split, split_digest
from hashquant.data.vectors.rows import VectorRows, rows_a_chunk, vector_digests
from hashquant.errors import DataError

#: Pixels in bytes up to which the engine digests the images itself; beyond, `content` is believed.
DIGESTED_BYTES = 64 << 20


def checked_items(items: object) -> Items:
    """Return what a data set loaded, if it is made as `Items` says.

    Raises:
        DataError: with the part that is not: type, shape, length, labels out of range.
    """
    if not isinstance(items, Items):
        raise DataError(f"load must return Items, got {type(items).__name__}")
    _check_arrays(items)
    for name in ("class_names", "files", "content", "notes", "skipped"):
        _check_texts(name, getattr(items, name))
    if len(set(items.files)) < len(items.files):
        raise DataError(f"files must differ, got one of {len(items.files)} twice")
    if not isinstance(items.version, str) or not items.version:
        raise DataError(f"version must be a digest of all that was read, got {items.version!r}")
    return items


def lawful(items: Items, split: object) -> Split:
    """Return a split that keeps the laws, under the digest of its own files.

    No query is in the training set or the gallery, by its row and by its pixels; rows are there,
    each once in its role; queries and gallery are not empty and have an identity in common; the
    identities of an `unseen` protocol are not trained on. Pixels are digested anew where they are
    few enough (`DIGESTED_BYTES`): what a data set says of them is not believed.

    Raises:
        DataError: with the law that is broken, and by how many images.
    """
    if not isinstance(split, Split):
        raise DataError(f"split must return a Split, got {type(split).__name__}")
    name = split.protocol
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 40:
        raise DataError(f"protocol of a split must be a short word, got {name!r}"[:120])
    _check_texts("notes of a split", split.notes)
    roles = {"training": split.training, "query": split.query, "gallery": split.gallery}
    for role, rows in roles.items():
        _check_rows(f"{role} of split '{name}'", rows, len(items), empty=role == "training")
    _check_disjoint(items, split)
    _check_identities(items, split)
    written = {"query": split.query}
    if len(split.training):
        written["training"] = split.training
    if not np.array_equal(split.training, split.gallery):
        written["gallery"] = split.gallery
    return replace(split, digest=split_digest(items, written))


def _check_disjoint(items: Items, split: Split) -> None:
    """Hold queries apart from what is trained on and searched, by row and by pixels."""
    roles = {"the training set": split.training, "the gallery": split.gallery}
    if np.array_equal(split.training, split.gallery):
        del roles["the gallery"]
    for place, rows in roles.items():
        _none_of(items, split, np.intersect1d(split.query, rows).tolist(), f"in {place}")
    content = _content(items, np.concatenate([split.query, *roles.values()]))
    for place, rows in roles.items():
        seen = set(map(content.__getitem__, rows.tolist()))
        same = [row for row in split.query.tolist() if content[row] in seen]
        _none_of(items, split, same, f"the same images as some of {place}")


def _check_arrays(items: Items) -> None:
    labels, classes = items.labels, len(items.class_names)
    images: np.ndarray | VectorRows = items.images
    if items.vectors is not None:
        images = items.vectors
        _check_vectors(images)
    else:
        _check_images(images)
    if not _is_array(labels, "iu", 1):
        raise DataError(f"labels must be whole numbers (n), got {_kind(labels)}")
    for name in ("labels", "files", "content"):
        found = len(getattr(items, name))
        if found != len(images):
            raise DataError(f"{name} must be as many as images, {len(images)}, got {found}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(f"labels must lie within 0 … {classes - 1}, got {low} … {high}")


def _check_images(images: object) -> None:
    if not isinstance(images, np.ndarray) or not _is_array(images, "u", 4):
        raise DataError(f"images must be uint8 (n, 3, height, width), got {_kind(images)}")
    if images.dtype != np.uint8 or 0 in images.shape:
        raise DataError(f"images must be uint8 (n, 3, height, width), got {_kind(images)}")
    if images.shape[1] != 3:
        raise DataError(f"images must have 3 channels, (n, 3, height, width), got {_kind(images)}")


def _check_vectors(vectors: VectorRows) -> None:
    for part in vectors.parts or (None,):
        if not isinstance(part, np.ndarray) or not _is_array(part, "fiu", 2) or not part.shape[1]:
            raise DataError(f"vectors must be numbers (n, d), got {_kind(part)}")
    widths = sorted({part.shape[1] for part in vectors.parts})
    if len(widths) > 1 or not len(vectors):
        raise DataError(f"vectors must be of one size, got {len(vectors)} of {widths}")


def _check_identities(items: Items, split: Split) -> None:
    asked, enrolled, taught = (
        {items.class_names[label] for label in np.unique(items.labels[rows])}
        for rows in (split.query, split.gallery, split.training)
    )
    if not asked & enrolled:
        raise DataError(f"split '{split.protocol}': no query's identity has a gallery image")
    if split.protocol == "unseen" and (both := sorted(asked & taught)):
        raise DataError(
            f"split 'unseen': {len(both)} identities of queries are in the training set, "
            f"the first is {both[0]}"
        )


def _check_rows(what: str, rows: object, count: int, *, empty: bool) -> None:
    if not isinstance(rows, np.ndarray) or not _is_array(rows, "iu", 1):
        raise DataError(f"{what} must be an array of row numbers, got {_kind(rows)}")
    if not len(rows):
        if not empty:
            raise DataError(f"{what} must have images, got none")
        return
    low, high = int(rows.min()), int(rows.max())
    if low < 0 or high >= count:
        raise DataError(f"{what} must be rows 0 … {count - 1}, got {low} … {high}")
    if len(np.unique(rows)) < len(rows):
        raise DataError(f"{what} must hold each row once, {len(rows) - len(np.unique(rows))} twice")


def _none_of(items: Items, split: Split, rows: Sequence[int], place: str) -> None:
    if rows:
        noun = "query is" if len(rows) == 1 else "queries are"
        raise DataError(
            f"split '{split.protocol}': {len(rows)} {noun} {place}, the first is "
            f"{items.files[rows[0]]}"
        )


def _content(items: Items, rows: Rows) -> Mapping[int, object] | Sequence[object]:
    """Return a digest of the pixels, or the values, of each row."""
    if items.vectors is not None:
        if 4 * items.width * len(rows) > DIGESTED_BYTES:
            return items.content
        rows = np.unique(rows)
        parts = np.array_split(rows, -(-len(rows) // rows_a_chunk(items.width)))
        found = [digest for part in parts for digest in vector_digests(items.vectors[part])]
        return dict(zip(rows.tolist(), found, strict=True))
    if items.images[0].nbytes * len(rows) > DIGESTED_BYTES:
        return items.content
    return {row: content_digest(items.images[row]) for row in np.unique(rows).tolist()}


def _check_texts(name: str, texts: object) -> None:
    if isinstance(texts, str) or not isinstance(texts, Collection):
        raise DataError(f"{name} must be a tuple of texts, got {_kind(texts)}")
    if other := set(map(type, texts)) - {str}:
        raise DataError(f"{name} must be texts, got {sorted(kind.__name__ for kind in other)[0]}")


def _is_array(found: object, kinds: str, axes: int) -> bool:
    return isinstance(found, np.ndarray) and found.ndim == axes and found.dtype.kind in kinds


def _kind(found: object) -> str:
    if isinstance(found, np.ndarray):
        return f"{found.dtype} {found.shape}"
    return type(found).__name__
