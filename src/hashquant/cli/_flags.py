"""What holds for any command's flags: their lists, none says two things, folders can be written."""

import argparse
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hashquant.errors import UsageError
from hashquant.settings.words import asked_target, cut, plain, written

#: Flags of a run that are keys of a suite too.
KEYS = ("methods", "bits", "datasets", "targets", "seeds", "trunk", "epochs", "batch_size")


class Once(argparse.Action):
    """A flag with one value: given twice, it must say the same."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any,  # Any: what the flag's type makes
                 option_string: str | None = None) -> None:  # fmt: skip
        """Keep the value.

        Raises:
            UsageError: if another was given before.
        """
        given = vars(namespace).setdefault("given", {})
        if given.setdefault(self.dest, values) != values:
            raise UsageError(
                f"{option_string} takes one value, got {given[self.dest]} and {values}: give one"
            )
        setattr(namespace, self.dest, values)


class Several(argparse.Action):
    """A flag with a list: given twice, it means all of both."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None,  # Any: as above
                 option_string: str | None = None) -> None:  # fmt: skip # Any: argparse
        """Add the values to those given before, not to what holds without any."""
        given = vars(namespace).setdefault("given", {})
        given[self.dest] = [*given.get(self.dest, []), *(values or ())]
        setattr(namespace, self.dest, given[self.dest])


def check_assignments(flags: argparse.Namespace) -> None:
    """Refuse a key that `--set` gives two values, or a value beside the flag of its name.

    Raises:
        UsageError: naming the key and both values.
    """
    found: dict[str, str] = {}
    for assignment in getattr(flags, "assignments", ()):
        key, _, value = assignment.partition("=")
        key = key.strip()
        if found.setdefault(key, value) != value:
            raise UsageError(f"--set {key} takes one value, got {found[key]} and {value}: give one")
        if key in KEYS and getattr(flags, key, None) is not None:
            raise UsageError(
                f"{key} is given by --{key.replace('_', '-')} and by --set {key}={value}: give one"
            )


def made_ready(flag: str, folder: Path) -> None:
    """Make a folder and see whether it can be written, before hours are spent on what goes there.

    Raises:
        UsageError: if it cannot, naming the flag, the folder and what the system said.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UsageError(f"{flag} must be writable, got {folder}: {error.strerror}") from error


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
