"""Names of data sets and rows that fit beside and below a small figure."""

from collections.abc import Iterable, Mapping, Sequence

from hashquant.report.drawing.style import Look
from hashquant.settings.names import Names
from hashquant.settings.words import split_target

#: Letters of the longest data set name a figure shows; its CSV has the whole names.
NAME_LENGTH = 20
#: The same of an identifier, which is shortened to its last part.
IDENTIFIER_LENGTH = 14
#: Parts of a name that do not tell a data set from another one.
WORDS = ("seen", "unseen", "cross", "train", "test", "faces", "images")


def short_names(identifiers: Sequence[str], names: Names | None = None) -> dict[str, str]:
    """Return names of data sets and targets that fit beside and below a heat map, no two alike.

    An option of a target becomes `+norm`; of what has no name, a first part that says nothing
    more is left out.

    >>> short_names(["lfw-unseen", "synthfaces-studio", "olivetti-cross+norm_stats=target"])
    {'lfw-unseen': 'lfw-unseen', 'synthfaces-studio': 'studio', \
'olivetti-cross+norm_stats=target': 'olivetti-cross+norm'}
    >>> short_names(["lfw-unseen"], Names(datasets={"lfw-unseen": "LFW, new people"}))
    {'lfw-unseen': 'LFW, new people'}
    """
    names = names or Names()
    found: dict[str, str] = {}
    for identifier in dict.fromkeys(identifiers):
        whole, option = split_target(identifier)
        short = names.dataset(whole)
        if short == whole and len(short) > IDENTIFIER_LENGTH:
            short = _tail(whole)
        if len(short) > NAME_LENGTH:
            short = f"{short[: NAME_LENGTH // 2]}…{short[1 - NAME_LENGTH // 2 :]}"
        short += "+" * bool(option) + option.partition("_")[0].partition("=")[0]
        taken = list(found.values())
        number = next(n for n in range(1, len(taken) + 2) if _numbered(short, n) not in taken)
        found[identifier] = _numbered(short, number)
    return found


def _tail(whole: str) -> str:
    """Return an identifier's last part where it says enough, else its two ends."""
    tail = whole.replace("/", "-").rpartition("-")[2]
    short = tail if tail and tail not in WORDS else whole
    if len(short) <= IDENTIFIER_LENGTH:
        return short
    half = IDENTIFIER_LENGTH // 2
    return f"{short[:half]}…{short[1 - half :]}"


def _numbered(short: str, number: int) -> str:
    return short if number == 1 else f"{short} {number}"


def row_names(labels: Iterable[str], look: Mapping[str, Look] | None = None) -> dict[str, str]:
    """Return what a figure calls its rows: variants by what they change where all are one method's.

    A row whose look has no name keeps its identifier.

    >>> row_names(["opqn", "opqn margin=0.0"])
    {'opqn': 'opqn', 'opqn margin=0.0': 'margin=0.0'}
    >>> row_names(["opqn margin=0.0", "dpq"])
    {'opqn margin=0.0': 'opqn margin=0.0', 'dpq': 'dpq'}
    """
    shown, known = list(dict.fromkeys(labels)), look or {}
    methods = {label.partition(" ")[0] for label in shown}
    names = {label: called(label, look) for label in shown}
    # A variant alone keeps its method's name: nothing else in the figure would say it.
    if len(methods) > 1 or not methods & set(shown):
        return names
    changed = {label: known[label].variant for label in shown if label in known}
    return {
        label: changed.get(label) or (names[label] if names[label] != label else _settings(label))
        for label in shown
    }


def called(label: str, look: Mapping[str, Look] | None) -> str:
    """Return the name in a row's look, or its identifier without one."""
    return (look[label].name if look and label in look else "") or label


def _settings(label: str) -> str:
    return label.partition(" ")[2] or label
