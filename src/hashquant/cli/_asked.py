"""What a command asks for: the suite it names, with every flag applied; no torch."""

import argparse
import dataclasses
from pathlib import Path

from hashquant.cli._parser import numbers, words
from hashquant.errors import UsageError, unknown_name
from hashquant.plugins import registry
from hashquant.runs import targets
from hashquant.runs.planning import override
from hashquant.settings.reading import coerce, declared
from hashquant.settings.suite import Suite, read_suite


def resolve(flags: argparse.Namespace) -> tuple[str, Suite]:
    """Return the suite's name and the suite with every flag applied.

    Raises:
        UsageError: if a name or value is not understood.
    """
    name, path = _suite_file(flags.suite)
    suite = override(read_suite(path), flags.assignments)
    changes: dict[str, object] = {}
    hints = declared(Suite)
    for key in ("bits", "seeds"):
        if getattr(flags, key):
            changes[key] = numbers(f"--{key}", getattr(flags, key), hints[key])
    for key in ("trunk", "epochs", "batch_size"):
        if (value := getattr(flags, key)) is not None:
            changes[key] = coerce(value, hints[key], f"--{key.replace('_', '-')}")
    methods = words(flags.methods) if flags.methods else suite.methods
    datasets = words(flags.datasets) if flags.datasets else suite.datasets
    changes["methods"] = registry.expand("method", methods, registry.methods())
    changes["datasets"] = registry.expand("dataset", datasets, registry.datasets())
    changes["targets"] = targets.expand(words(flags.targets) if flags.targets else suite.targets)
    return name, dataclasses.replace(suite, **changes)  # type: ignore[arg-type]  # set by name


def _suite_file(asked: str) -> tuple[str, Path]:
    if asked.endswith((".yaml", ".yml")):
        if not Path(asked).is_file():
            raise UsageError(f"suite file {asked} must exist, got no such file")
        return Path(asked).stem, Path(asked)
    known = registry.suites()
    if asked.lower() not in known:
        raise unknown_name("suite", asked, known)
    return asked.lower(), known[asked.lower()]
