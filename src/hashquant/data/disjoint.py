"""What a model may not have seen: images and identities shared by a training set and a target."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hashquant.data.items import Items, Rows, Split, make_split
from hashquant.errors import DataError


@dataclass(frozen=True)
class Seen:
    """What a model was trained on: its identities' names and its images' content digests.

    `people` says that the names are people's, `family` names the set they are unique within.
    """

    dataset: str
    family: str
    people: bool
    names: frozenset[str]
    content: frozenset[str]

    @classmethod
    def of(cls, dataset: str, family: str, people: bool, items: Items, rows: Rows) -> "Seen":
        """Collect the names and digests of the training rows."""
        names = frozenset(plain_name(items.class_names[c]) for c in np.unique(items.labels[rows]))
        return cls(dataset, family, people, names, frozenset(items.content[i] for i in rows))


def plain_name(name: str) -> str:
    """Return a name without accents, case, spaces and signs, so that spellings of it agree.

    >>> plain_name("José_María Aznar"), plain_name("jose-maria-aznar")
    ('josemariaaznar', 'josemariaaznar')
    """
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in letters if c.isalnum())


def without_overlap(
    items: Items,
    split: Split,
    seen: Seen,
    *,
    target: str,
    family: str,
    people: bool,
    way_out: str = "",
) -> Split:
    """Return a target's split without what the model was trained on, each removal noted.

    Identities are removed by name where names can be compared: both sets name people, or both
    belong to one family. Images are removed by content, exact duplicates only. A split that loses
    nothing keeps its digest. `target` is what the errors call it, `way_out` what a user can do
    where the names do not mean the same people.

    Raises:
        DataError: if no query or no gallery image is left.
    """
    notes: list[str] = []
    shared: list[np.int64] = []
    keep = np.ones(len(items), dtype=np.bool_)
    used = np.union1d(split.query, split.gallery)
    if family == seen.family or (people and seen.people):
        shared = [
            label
            for label in np.unique(items.labels[used])
            if plain_name(items.class_names[label]) in seen.names
        ]
        if shared:
            keep &= ~np.isin(items.labels, shared)
            names = _first(items.class_names[label] for label in shared)
            notes.append(f"{len(shared)} identities removed: {seen.dataset} has them too ({names})")
    else:
        notes.append(f"identities shared with {seen.dataset} cannot be told: not both name people")
    copied = [row for row in used[keep[used]] if items.content[row] in seen.content]
    if copied:
        keep[copied] = False
        names = _first(items.files[row] for row in copied)
        notes.append(
            f"{len(copied)} images removed: {seen.dataset} was trained on the same ({names})"
        )
    notes = [*split.notes, *notes]
    if keep[used].all():
        return Split(
            split.protocol, split.training, split.query, split.gallery, split.digest, tuple(notes)
        )
    query, gallery = split.query[keep[split.query]], split.gallery[keep[split.gallery]]
    nothing = split.training[:0]
    try:
        return make_split(items, split.protocol, nothing, query, gallery, notes=tuple(notes))
    except DataError as error:
        raise DataError(
            f"{target}: {_why_nothing(items, used, len(shared), len(copied), seen.dataset, error)}"
            f"{f'; {way_out}' if shared and way_out else ''}"
        ) from error


def _why_nothing(
    items: Items, used: Rows, shared: int, copied: int, trained: str, error: DataError
) -> str:
    """Say what a target lost so that nothing is left to examine."""
    identities = len(np.unique(items.labels[used]))
    if shared == identities:
        return f"all {identities} identities are in {trained} too, by name"
    if not shared and copied == len(used):
        return f"all {copied} images are in {trained} too, by their pixels"
    return (
        f"without what {trained} has too ({shared} of {identities} identities by name, {copied} "
        f"images by their pixels), {error}"
    )


def _first(names: Iterable[str]) -> str:
    """Return the first name, and how many follow."""
    first, *others = names
    return f"{first} and {len(others)} more" if others else str(first)
