"""From a suite to its cells: every setting resolved, every impossible budget refused."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hashquant import registry
from hashquant.config import Recipe, RunSpec, Suite, build, coerce
from hashquant.errors import BudgetError, HashQuantError, UsageError, unknown_name
from hashquant.method import Method
from hashquant.trunks import sealed

Settings = Mapping[str, Mapping[str, Any]]  # Any: YAML values or a flag's text


@dataclass(frozen=True)
class Cell:
    """One run to make. `status` is "" or, when it cannot be made, "skipped" or "failed"."""

    spec: RunSpec
    status: str = ""
    reason: str = ""


def plan(name: str, suite: Suite, *, device: str) -> list[Cell]:
    """Return the cells of a suite, data set by data set, so that each is loaded once.

    Raises:
        UsageError: if a setting is unknown, or no method can meet any of the bits.
    """
    _check_settings(suite)
    suite = dataclasses.replace(suite, trunk=sealed(suite.trunk))
    loaded = {method: _load(method, suite) for method in suite.methods}
    cells = [
        _cell(name, suite, device, dataset, method, loaded[method], bits, seed)
        for dataset in suite.datasets
        for method in suite.methods
        for bits in suite.bits
        for seed in suite.seeds
    ]
    if cells and all(cell.status == "skipped" for cell in cells):
        raise UsageError(f"no method can meet these bits: {cells[0].reason}")
    return cells


def override(suite: Suite, assignments: list[str]) -> Suite:
    """Apply `--set` assignments: `key=value` of the suite, or `method.key=value`.

    Raises:
        UsageError: if an assignment has no `=`, or its key or value is not understood.
    """
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set must be key=value, got '{assignment}'")
        owner, dot, inner = key.strip().partition(".")
        if not dot:
            suite = _set_field(suite, owner, value)
        elif owner == "common":
            common = build(
                Recipe, dataclasses.asdict(suite.common) | {inner: value}, "--set common"
            )
            suite = dataclasses.replace(suite, common=common)
        else:
            merged = {**suite.settings.get(owner, {}), inner: value}
            suite = dataclasses.replace(suite, settings={**suite.settings, owner: merged})
    return suite


def _set_field(suite: Suite, key: str, value: str) -> Suite:
    names = [f.name for f in dataclasses.fields(Suite) if f.name not in ("settings", "common")]
    if key not in names:
        raise unknown_name("key in --set", key, names)
    changed = build(Suite, {key: value}, "--set")
    return dataclasses.replace(suite, **{key: getattr(changed, key)})


def _check_settings(suite: Suite) -> None:
    stems = {entry.module.rpartition(".")[2] for entry in registry.datasets().values()}
    known = {*registry.methods(), *stems}
    for owner in suite.settings:
        if owner not in known:
            raise unknown_name("method or dataset in settings", owner, known)
    for reference in suite.datasets:
        with suppress(registry.PluginError):  # a broken plug-in fails its own cells only
            registry.make_dataset(reference, _options(suite, reference))
    for field, least in (("epochs", 1), ("batch_size", 2), ("image_size", 8), ("features", 1)):
        if getattr(suite, field) < least:
            raise UsageError(f"{field} must be at least {least}, got {getattr(suite, field)}")


@dataclass(frozen=True)
class _Loaded:
    method: type[Method] | None
    config: Any  # the method's own Config
    settings: Mapping[str, Any]
    overrides: Mapping[str, Any]
    reason: str = ""


def _load(name: str, suite: Suite) -> _Loaded:
    asked = suite.settings.get(name, {})
    try:
        method = registry.load_method(name)
    except HashQuantError as error:
        return _Loaded(None, None, asked, asked, str(error))
    config = build(method.Config, asked, f"settings of {name}")
    default = dataclasses.asdict(method.Config())
    settings = dataclasses.asdict(config)
    overrides = {k: v for k, v in settings.items() if v != default[k]}
    return _Loaded(method, config, settings, overrides)


def _cell(
    name: str, suite: Suite, device: str, dataset: str, method: str, loaded: _Loaded,
    bits: int, seed: int,
) -> Cell:  # fmt: skip
    schedule = suite.common
    features, status, reason = suite.features, "", ""
    if loaded.method is None:
        status, reason = "failed", loaded.reason
    else:
        if suite.recipe == "paper":
            paper = loaded.method.recipe()
            schedule = paper.for_batch(suite.batch_size, loaded.method.paper_batch)
        try:
            budget = loaded.method.budget_for(loaded.config, bits)
            features = loaded.method.feature_size(loaded.config, budget, suite.features)
        except BudgetError as error:
            status, reason = "skipped", str(error)
    shared = {f.name for f in dataclasses.fields(RunSpec)} & {
        f.name for f in dataclasses.fields(Suite)
    } - {"bits", "features", "settings"}
    spec = RunSpec(
        suite=name, method=method, dataset=dataset, bits=bits, seed=seed, features=features,
        schedule=schedule, device=device, settings=loaded.settings, overrides=loaded.overrides,
        dataset_options=_options(suite, dataset), **{key: getattr(suite, key) for key in shared},
    )  # fmt: skip
    return Cell(spec, status, reason)


def _options(suite: Suite, dataset: str) -> dict[str, str]:
    options = suite.settings.get(registry.dataset_stem(dataset), {})
    return {key: str(coerce(value, str, key)) for key, value in options.items()}
