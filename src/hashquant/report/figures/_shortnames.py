"""Names of data sets and rows that fit beside and below a small figure."""

from collections.abc import Iterable, Sequence

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


def row_names(labels: Iterable[str]) -> dict[str, str]:
    """Return what a figure calls its rows: variants by what they change where all are one method's.

    >>> row_names(["opqn", "opqn margin=0.0"])
    {'opqn': 'opqn', 'opqn margin=0.0': 'margin=0.0'}
    >>> row_names(["opqn margin=0.0", "dpq"])
    {'opqn margin=0.0': 'opqn margin=0.0', 'dpq': 'dpq'}
    """
    shown = list(dict.fromkeys(labels))
    methods = {label.partition(" ")[0] for label in shown}
    # A variant alone keeps its method's name: nothing else in the figure would say it.
    if len(methods) > 1 or not methods & set(shown):
        return {label: label for label in shown}
    return {label: label.partition(" ")[2] or label for label in shown}
