"""What is checked of any command's flags: none says two things, and reports can be written."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hashquant.errors import UsageError

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
