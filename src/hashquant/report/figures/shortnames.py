"""Names of data sets that fit beside and below a small figure."""

from collections.abc import Sequence

#: Letters of the longest data set name a figure shows; its CSV has the whole names.
NAME_LENGTH = 14
#: Parts of a name that do not tell a data set from another one.
WORDS = ("seen", "unseen", "cross", "train", "test", "faces", "images")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return names that fit beside and below a heat map, no two alike.

    An option of a target becomes `+norm`; a first part that says nothing more is left out.

    >>> short_names(["lfw-unseen", "synthfaces-studio", "olivetti-cross+norm_stats=target"])
    {'lfw-unseen': 'lfw-unseen', 'synthfaces-studio': 'studio', \
'olivetti-cross+norm_stats=target': 'olivetti-cross+norm'}
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        whole, plus, option = name.partition("+")
        short = whole
        if len(whole) > NAME_LENGTH:
            tail = whole.replace("/", "-").rpartition("-")[2]
            short = tail if tail and tail not in WORDS else whole
        if len(short) > NAME_LENGTH:
            short = f"{short[: NAME_LENGTH // 2]}…{short[1 - NAME_LENGTH // 2 :]}"
        short += plus + option.partition("_")[0].partition("=")[0]
        taken = sum(other.partition(" ")[0] == short for other in found.values())
        found[name] = f"{short} {taken + 1}" if taken else short
    return found
