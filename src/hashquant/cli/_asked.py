"""What a command asks for: the suite it names, with every flag applied; no torch."""

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from hashquant.cli._flags import comma_hint, targets_in, words
from hashquant.cli._parser import numbers
from hashquant.errors import UsageError, unknown_name
from hashquant.machine.filenames import is_file
from hashquant.plugins import registry
from hashquant.runs import targets
from hashquant.settings.adapted import override, with_trunk
from hashquant.settings.paths import user_path
from hashquant.settings.reading import coerce, declared
from hashquant.settings.suite import Suite, read_suite
from hashquant.settings.words import plain

#: The longest name of a suite, in bytes of UTF-8: its folder's name.
MOST_BYTES = 200


def resolve(flags: argparse.Namespace) -> tuple[str, Suite]:
    """Return the suite's name and the suite with every flag applied.

    Raises:
        UsageError: if a name or value is not understood.
    """
    name, path = _suite_file(flags.suite)
    suite, trunk = read_suite(path), _trunk_asked(flags)
    if trunk not in (None, suite.trunk):
        suite = with_trunk(suite, trunk)  # what --set says of sizes holds all the same
    suite = override(suite, flags.assignments)
    changes: dict[str, object] = {}
    hints = declared(Suite)
    for key in ("bits", "seeds"):
        if getattr(flags, key):
            changes[key] = numbers(f"--{key}", getattr(flags, key), hints[key])
    for key in ("trunk", "epochs", "batch_size"):
        if (value := getattr(flags, key)) is not None:
            changes[key] = coerce(value, hints[key], f"--{key.replace('_', '-')}")
    methods = words(flags.methods) if flags.methods else suite.methods
    changes["methods"] = registry.expand("method", methods, registry.methods())
    changes["datasets"] = datasets_in(flags.datasets, suite.datasets)
    wanted = targets_in(flags.targets) if flags.targets else suite.targets
    try:
        changes["targets"] = targets.expand(wanted)
    except UsageError as error:
        raise comma_hint(error, flags.targets or ()) from error
    return name, dataclasses.replace(suite, **changes)  # type: ignore[arg-type]  # set by name


def _trunk_asked(flags: argparse.Namespace) -> str | None:
    """Return the trunk that a command asks for, by its flag or by --set."""
    found = [
        value
        for key, _, value in (one.partition("=") for one in flags.assignments)
        if key.strip() == "trunk"
    ]
    return flags.trunk if flags.trunk is not None else next(iter(found), None)


def datasets_in(values: Sequence[str] | None, otherwise: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the data sets that a flag names, or those of a suite.

    Raises:
        UsageError: if a name is unknown.
    """
    asked = words(values) if values else [plain(name) for name in otherwise]
    try:
        return registry.expand("dataset", asked, registry.datasets())
    except UsageError as error:
        raise comma_hint(error, values or ()) from error


def _suite_file(asked: str) -> tuple[str, Path]:
    if asked.endswith((".yaml", ".yml")):
        path = user_path(asked, "suite file")
        if not is_file(path):
            raise UsageError(f"suite file {asked} must exist, got no such file")
        return _suite_name(path), path
    known = registry.suites()
    if asked.lower() not in known:
        error = unknown_name("suite", asked, known)
        if asked and is_file(Path(asked)):
            raise UsageError(f"{error} (a suite's file ends in .yaml)")
        raise error
    return asked.lower(), known[asked.lower()]


def _suite_name(path: Path) -> str:
    """Return the name that a file gives a suite: that of its folders, so it must be able to.

    Raises:
        UsageError: if it begins with a dot, has letters that no line shows, or is too long.
    """
    name = path.stem
    hidden = name.startswith(".") or re.search(r"[\x00-\x1f\x7f]", name)
    if hidden or len(name.encode()) > MOST_BYTES:
        raise UsageError(
            f"a suite file's name must begin with no dot, hold no line break and have at most "
            f"{MOST_BYTES} bytes, for results lie in a folder of that name; got {path.name!r}"
        )
    return name
