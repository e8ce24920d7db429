"""Small verbs beside `run`: list what can be named, prepare data, say the version."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from textwrap import shorten

from hashquant import __version__
from hashquant.cli._asked import datasets_in
from hashquant.cli._flags import words
from hashquant.cli._parser import LISTS
from hashquant.errors import HashQuantError, unknown_name
from hashquant.plugins import registry
from hashquant.plugins.failures import calling
from hashquant.records.checkout import checkout

WIDTH = 110


def say_version(flags: argparse.Namespace) -> int:
    """Print version and commit, and whether the checkout was changed since."""
    commit, changed = checkout()
    state = ", changed since" if changed else ""
    print(f"hashquant {__version__}, commit {commit[:12]}{state}")
    return 0


def list_names(flags: argparse.Namespace) -> int:
    """Print names with one line each."""
    asked = [word.lower() for word in words(flags.what)] or list(LISTS)
    for what in asked:
        if what not in LISTS:
            raise unknown_name("list", what, LISTS)
        print(f"{what}:")
        for name, summary in _summaries(what).items():
            print(f"  {name:<20} {shorten(summary, WIDTH, placeholder=' …')}")
        for sentence in registry.refused(what) if what in ("methods", "datasets") else ():
            print(f"  refused: {sentence}")
    return 0


def _summaries(what: str) -> dict[str, str]:
    if what == "suites":
        from hashquant.settings.suite import read_suite

        return {name: read_suite(path).title for name, path in registry.suites().items()}
    tables = {
        "methods": registry.methods,
        "datasets": registry.datasets,
        "trunks": registry.trunks,
    }
    return {name: entry.summary for name, entry in tables[what]().items()}


def data(flags: argparse.Namespace) -> int:
    """Prepare data sets and say what their splits hold; one that fails leaves the others alone."""
    from hashquant.cli._progress import Decoding
    from hashquant.settings.adapted import override
    from hashquant.settings.suite import Suite

    settings, code = override(Suite(), flags.assignments).settings, 0
    for reference in datasets_in(flags.datasets):
        options = {k: str(v) for k, v in settings.get(registry.dataset_stem(reference), {}).items()}
        try:
            _prepare(reference, options, flags, Decoding(quiet=flags.quiet))
        except HashQuantError as error:  # the others are prepared all the same
            print(f"error: {error}", file=sys.stderr)
            code = code or error.exit_code
    return code


def _prepare(
    reference: str, options: dict[str, str], flags: argparse.Namespace,
    progress: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Prepare one data set, and say what its split holds."""
    from hashquant.plugins.reading import read_dataset
    from hashquant.runs.diagnosis import given

    dataset = given(reference, partial(registry.make_dataset, reference, options))
    with calling(f"data set '{reference}'"):
        print(f"{reference}: {dataset.terms}")
    dataset.progress = progress
    items, split = given(
        reference,
        partial(read_dataset, dataset, reference, flags.data_dir, on_bad_image=flags.on_bad_image),
    )
    what = f"vectors of {items.width} values" if items.width else "images"
    identities = Counter(items.labels[split.query].tolist())
    print(
        f"  {len(items)} {what} of {len(items.class_names)} classes; split {split.protocol}: "
        f"training {len(split.training)}, gallery {len(split.gallery)}, "
        f"query {len(split.query)} of {len(identities)} classes\n"
        f"  split digest {split.digest}"
    )
    for note in (*items.notes, *split.notes):
        print(f"  note: {note}")
