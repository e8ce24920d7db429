"""The cells of a suite before anything slow is imported (ADR 0014)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hashquant.errors import PluginError
from hashquant.plugins import registry
from hashquant.plugins.placeholders import NeedsImport, placeholders
from hashquant.runs.planning import Cell, plan
from hashquant.settings.suite import Suite


@dataclass(frozen=True)
class Outline:
    """The cells of a suite; `broken` says of data sets why their plug-ins cannot be used.

    `note` says why torch was imported after all, or is empty.
    """

    cells: list[Cell]
    broken: Mapping[str, str]
    note: str = ""


def outline(name: str, suite: Suite, *, device: str) -> Outline:
    """Plan a suite with placeholders for what is slow to import, else with the real packages.

    A plug-in that fails among placeholders may not fail by itself: only the real packages tell.

    Raises:
        UsageError: as `plan` does.
    """
    try:
        with placeholders():
            found = _outline(name, suite, device)
            failed = [*found.broken.values(), *(c.reason for c in found.cells if c.broken)]
        if not failed:
            return found
        reason = failed[0]
    except NeedsImport as error:
        reason = str(error)
    except PluginError as error:
        reason = str(error)
    return replace(_outline(name, suite, device), note=reason)


def _outline(name: str, suite: Suite, device: str) -> Outline:
    cells = plan(name, suite, device=device)
    named = dict.fromkeys(
        reference
        for cell in cells
        for reference in (cell.spec.dataset, *(target.dataset for target in cell.targets))
    )
    return Outline(cells, dict(_broken(named)))


def _broken(references: Iterable[str]) -> Iterable[tuple[str, str]]:
    for reference in references:
        try:
            registry.dataset_class(reference)
        except PluginError as error:
            yield reference, str(error)
