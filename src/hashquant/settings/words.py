r"""How a user writes several values, and a target, as one text; any path can be written.

A comma parts values, a `+` parts a target from its option; in a value given by `--set`, a space
parts too. A backslash takes the next of these letters, or a backslash, as it is: `folder:a\,b`.
In records a target is its data set's name and option as they are, without backslashes.
"""

import re
from itertools import pairwise

#: The only options a target has, with their values.
NORM_STATS = ("source", "target")
_ESCAPED = re.compile(r"\\([,+ \\])")
_OPTION = re.compile(r"[\w-]+=[^/+]*")
_STORED = re.compile(rf"(.*)\+(norm_stats=(?:{'|'.join(NORM_STATS)}))", re.DOTALL)
_NO_PATH = re.compile(r"([^:+]*)\+(\w+=.*)", re.DOTALL)


def cut(text: str, at: str = ",") -> list[str]:
    r"""Return the parts of a text between letters of `at`, as they are written; none is empty.

    >>> cut(r"lfw,folder:a\,b")
    ['lfw', 'folder:a\\,b']
    """
    places = [-1, *_unescaped(text, at), len(text)]
    parts = [text[a + 1 : b] for a, b in pairwise(places)]
    return [part for part in parts if part]


def plain(word: str) -> str:
    r"""Return what a word means: without the backslashes that keep a letter.

    >>> plain(r"folder:a\,b"), plain(r"folder:a\b")
    ('folder:a,b', 'folder:a\\b')
    """
    return _ESCAPED.sub(r"\1", word)


def written(name: str) -> str:
    r"""Return how a user writes a name in a list.

    >>> print(written("folder:a,b"), written("folder:a+b"))
    folder:a\,b folder:a+b
    """
    return name.replace("\\", r"\\").replace(",", r"\,")


def asked_target(text: str) -> tuple[str, str]:
    r"""Return data set and option of a target that a user writes; "" where there is none.

    In a path only a `+` before `key=value` begins an option.

    >>> asked_target("lfw+norm_stats=target"), asked_target(r"folder:C++\+k=v")
    (('lfw', 'norm_stats=target'), ('folder:C++\\+k=v', ''))
    """
    places = _unescaped(text, "+")
    place = (places[-1] if ":" in text else places[0]) if places else len(text)
    option = text[place + 1 :]
    of_path = ":" in text[:place] and not _OPTION.fullmatch(option)
    return (text[:place], option) if option and not of_path else (text, "")


def written_target(target: str) -> str:
    r"""Return how a user writes a target that stands in a record.

    >>> print(written_target("folder:a,b+norm_stats=target"), written_target("folder:a+k=v"))
    folder:a\,b+norm_stats=target folder:a\+k=v
    """
    dataset, option = split_target(target)
    name = written(dataset)
    if asked_target(name)[1]:
        name = name.replace("+", r"\+")
    return f"{name}+{option}" if option else name


def split_target(target: str) -> tuple[str, str]:
    """Return data set and option of a target as a record names it; "" where there is none.

    >>> split_target("lfw+norm_stats=target"), split_target("folder:a+b")
    (('lfw', 'norm_stats=target'), ('folder:a+b', ''))
    """
    found = _STORED.fullmatch(target) or _NO_PATH.fullmatch(target)
    if found is None:
        return target, ""
    return found[1], "" if found[2] == "norm_stats=source" else found[2]


def target_name(dataset: str, norm_stats: str = "source") -> str:
    """Return how records name a target, which `split_target` reads.

    >>> target_name("lfw"), target_name("lfw", "target")
    ('lfw', 'lfw+norm_stats=target')
    """
    # A data set whose own name ends like an option says its option always.
    said = norm_stats != "source" or _STORED.fullmatch(dataset)
    return f"{dataset}+norm_stats={norm_stats}" if said else dataset


def _unescaped(text: str, letters: str) -> list[int]:
    """Return the places of letters that no backslash keeps."""
    found = re.finditer(r"\\[,+ \\]|.", text, re.DOTALL)
    return [each.start() for each in found if each[0] in letters]
