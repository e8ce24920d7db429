"""The command that makes a stored cell again, from its specification."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hashquant.settings.adapted import NO_IMAGES
from hashquant.settings.suite import RunSpec
from hashquant.settings.trunknames import asked
from hashquant.settings.words import written, written_target

WIDTH = 98
#: Keys of a suite that a specification holds and that only `--set` can give.
SUITE_KEYS = ("image_size", "resize", "padding", "flip", "mean", "std", "features", "precision",
              "trunk_mode", "recipe", "selection")  # fmt: skip


def command(spec: RunSpec, targets: Sequence[str], options_of: str, suite: str = "") -> str:
    """Return the command that makes a cell again, every setting given by a flag.

    `suite` is how `--suite` names the suite where its name does not do, `options_of` the data set
    in `--set NAME.key=value` (its file's name). Rows that the suite's `variants` would add are
    left out.
    """
    flags = [
        ["run_bench.py"], ["--suite", suite or spec.suite], ["--methods", spec.method],
        ["--bits", str(spec.bits)], ["--seeds", str(spec.seed)],
        ["--datasets", written(spec.dataset)],
        ["--targets", *map(written_target, targets)] if targets else [],
        ["--trunk", asked(spec.trunk)],
        ["--epochs", str(spec.epochs)], ["--batch-size", str(spec.batch_size)],
        ["--device", spec.device],
    ]  # fmt: skip
    flags += [["--set", f"{key}={_text(value)}"] for key, value in _assignments(spec, options_of)]
    return _wrapped([shlex.join(flag) for flag in flags if flag])


def _assignments(spec: RunSpec, options_of: str) -> Iterator[tuple[str, object]]:
    yield "variants", "none"
    for key in SUITE_KEYS:
        if spec.image_size or key not in NO_IMAGES:  # of vectors they follow from the data set
            yield key, getattr(spec, key)
    if spec.trunk_rate != 1:
        yield "trunk_rate", spec.trunk_rate
    if spec.recipe == "common":
        yield from _owned("common", asdict(spec.schedule))
    yield from _owned(spec.method, spec.settings)
    if spec.prefix:
        yield f"{spec.method}.prefix", spec.prefix
    below = [spec.base]
    while below[-1]:
        yield from _owned(below[-1]["method"], below[-1]["settings"])
        below.append(below[-1].get("base", {}))
    yield "head_only", spec.head_only or any(base.get("head_only", False) for base in below)
    yield from _owned(options_of, spec.dataset_options)


def _owned(owner: str, values: Mapping[str, Any]) -> Iterator[tuple[str, object]]:  # Any: settings
    return ((f"{owner}.{key}", value) for key, value in values.items())


def _text(value: object) -> str:
    """Write a value as a flag takes it.

    >>> _text((0.5, 0.25)), _text(True)
    ('0.5,0.25', 'true')
    """
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrapped(words: Sequence[str]) -> str:
    """Join words into lines that a shell reads as one."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append("  " + word)
        else:
            lines[-1] += " " + word
    return "\n".join(lines)
