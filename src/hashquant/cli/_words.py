"""Lists of a command: given by space or comma, paths with commas among them."""

import os
import shlex
from collections.abc import Sequence

from hashquant.errors import UsageError
from hashquant.settings.words import asked_target, cut, plain, written


def words(values: Sequence[str]) -> list[str]:
    r"""Return the values of a list given by space or comma, without what kept a letter.

    >>> words(["opqn,dcdh", "gpq", r"folder:a\,b"])
    ['opqn', 'dcdh', 'gpq', 'folder:a,b']
    """
    return [plain(word) for value in values for word in _cut(value)]


def targets_in(values: Sequence[str]) -> list[str]:
    """Return targets given by space or comma, as they are written (`runs.targets.read`)."""
    return [word for value in values for word in _cut(value)]


def _cut(value: str) -> list[str]:
    """Cut a value at its commas, unless it names a path that is there."""
    path = plain(asked_target(value)[0].partition(":")[2])
    whole = "," in path and os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111
    return [value] if whole else cut(value)


def comma_hint(error: UsageError, values: Sequence[str]) -> UsageError:
    r"""Return an error about a name that may be the rest of a path which holds a comma.

    >>> print(comma_hint(UsageError("unknown dataset 'b'"), ["folder:a,b"]))
    unknown dataset 'b' (a comma that is part of a path is written \,: 'folder:a\,b')
    """
    cuts = [value for value in values if ":" in value.partition(",")[0] and len(cut(value)) > 1]
    if not cuts:
        return error
    way = shlex.quote(written(plain(cuts[0])))
    return UsageError(f"{error} (a comma that is part of a path is written \\,: {way})")
