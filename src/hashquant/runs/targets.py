"""What a trained model is examined on: data sets by name, by protocol, and with options.

A target is written `NAME` or `NAME+option=value` (`settings.words`), where NAME is a data set or
- `seen`: the training set's own split (single-domain);
- `unseen`: other identities of the training set's own images, where it has them;
- `cross`: every other training set of the suite, with its own gallery and queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hashquant.errors import PluginError, UsageError, unknown_name
from hashquant.plugins import registry
from hashquant.plugins.failures import calling
from hashquant.settings.reading import FLAG, coerce
from hashquant.settings.suite import Suite
from hashquant.settings.words import NORM_STATS, asked_target, plain, split_target, target_name

PROTOCOLS = ("seen", "unseen", "cross")


@dataclass(frozen=True)
class Target:
    """A data set to examine, and whose batch-norm statistics are used on it.

    `norm_stats` "target" estimates them anew on the target's gallery images, without labels.
    """

    dataset: str
    norm_stats: str = "source"

    @property
    def name(self) -> str:
        """The target as records name it.

        >>> Target("olivetti", "target").name
        'olivetti+norm_stats=target'
        """
        return target_name(self.dataset, self.norm_stats)


def parse(name: str) -> Target:
    """Return the target of that name in a record, or in the suite of a plan.

    >>> parse("unseen+norm_stats=target")
    Target(dataset='unseen', norm_stats='target')
    """
    dataset, option = split_target(name)
    return Target(dataset, option.partition("=")[2] or NORM_STATS[0])


def read(text: str) -> Target:
    r"""Read a target as a user writes it.

    >>> read(r"folder:a\,b+norm_stats=target")
    Target(dataset='folder:a,b', norm_stats='target')

    Raises:
        UsageError: if an option or its value is unknown.
    """
    name, option = asked_target(text)
    if not option:
        return Target(plain(name))
    key, _, value = option.partition("=")
    known, got = (NORM_STATS, value) if key == "norm_stats" else (("norm_stats",), key)
    if got in known:
        return Target(plain(name), value)
    kind = "norm_stats" if key == "norm_stats" else "option"
    error = unknown_name(f"{kind} of target {plain(name)}", got, known)
    way = rf" (a + that is part of a path is written \+: '{name}\+{option}')" if ":" in name else ""
    raise UsageError(f"{error}{way}")


def expand(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return targets with data set names checked and wildcards resolved; protocols stay words.

    Raises:
        UsageError: if a name means neither a protocol nor a data set.
    """
    found: dict[str, None] = {}
    known = registry.datasets()
    for pattern in patterns:
        asked = read(pattern)
        if asked.dataset.lower() in PROTOCOLS:
            names: tuple[str, ...] = (asked.dataset.lower(),)
        elif ":" in asked.dataset or "*" in asked.dataset or asked.dataset.lower() in known:
            names = registry.expand("target", [asked.dataset], known)
        else:
            raise unknown_name("target", asked.dataset, (*PROTOCOLS, *known))
        found |= dict.fromkeys(Target(name, asked.norm_stats).name for name in names)
    return tuple(found)


def _unseen(training: str) -> list[str]:
    """Return the set of other identities; of a broken set itself, which fails when it is loaded."""
    try:
        found = registry.dataset_class(training)
        with calling(f"data set '{training}'"):
            other = found.UNSEEN.get(training)
            return [str(other)] if other else []
    except PluginError:
        return [training]


def targets_of(training: str, targets: Sequence[str], trained: Sequence[str]) -> tuple[Target, ...]:
    """Return what a model trained on `training` is examined on, each target once.

    `trained` are all training sets of the suite. A set without other identities has no `unseen`.

    Raises:
        UsageError: if nothing is left to examine.
    """
    found: dict[Target, None] = {}
    for asked in map(parse, targets):
        if asked.dataset == "seen":
            names = [training]
        elif asked.dataset == "unseen":
            names = _unseen(training)
        elif asked.dataset == "cross":
            names = [name for name in trained if name != training]
        else:
            names = [asked.dataset]
        found |= dict.fromkeys(Target(name, asked.norm_stats) for name in names)
    if not found:
        raise UsageError(
            f"targets of {training} must name something to examine, got "
            f"{' '.join(targets) or 'nothing'}, of which it has none"
        )
    return tuple(found)


def named_set(target: str) -> str:
    """Return the data set that a target names, or nothing for a protocol."""
    name = parse(target).dataset
    return "" if name in PROTOCOLS else name


def options_of(suite: Suite, dataset: str) -> dict[str, str]:
    """Return what the suite sets for a data set (`--set synthfaces.identities=32`)."""
    stem = registry.dataset_stem(dataset)
    options = suite.settings.get(stem, {})
    return {key: _as_text(value, f"{FLAG}{stem}.{key}") for key, value in options.items()}


def _as_text(value: Any, where: str) -> str:  # Any: a YAML value
    """Return an option as a flag would give it: YAML's `no` is the word again."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(coerce(value, str, where))
