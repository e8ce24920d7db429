"""From a suite to its cells: every setting resolved, every impossible budget refused."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hashquant.codes.family import CodeBudget, Real, prefix_budget
from hashquant.errors import (
    FrozenError,
    HashQuantError,
    PluginError,
    UnfitError,
    UsageError,
    legible,
    unknown_name,
)
from hashquant.machine.hardware import check_trunk_mode, resolve_precision
from hashquant.plugins import registry
from hashquant.plugins.declared import COUNT, declared, take_prefix, vector_width
from hashquant.plugins.failures import calling
from hashquant.runs.targets import Target, named_set, options_of, targets_of
from hashquant.settings.adapted import of_vectors
from hashquant.settings.ranges import Count, fault
from hashquant.settings.reading import FLAG, build, check, refusal
from hashquant.settings.recipe import Recipe
from hashquant.settings.suite import HEADS_ON, RunSpec, Suite, as_before, canonical_json
from hashquant.settings.trunkcards import trunk_card
from hashquant.settings.trunknames import NONE, sealed

if TYPE_CHECKING:  # it imports torch, which a plan must not
    from hashquant.plugins.method import Method

Settings = Mapping[str, Mapping[str, Any]]  # Any: YAML values or a flag's text


@dataclass(frozen=True)
class Cell:
    """One run to make, and what it is examined on.

    `status` is "" or, when it cannot be made, "skipped" or "failed"; `options` are those of each
    target's data set; `fitted` says that the method is in closed form and takes no step.
    """

    spec: RunSpec
    status: str = ""
    reason: str = ""
    targets: tuple[Target, ...] = ()
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fitted: bool = False

    @property
    def broken(self) -> bool:
        """Whether the method's plug-in cannot be used."""
        return self.status == "failed"


def plan(name: str, suite: Suite, *, device: str) -> list[Cell]:
    """Return the cells of a suite, data set by data set, so that each is loaded once.

    A method whose code has a length of its own has one cell, whatever bits are asked for.

    Raises:
        UsageError: if a setting is unknown, or no method can meet any of the bits.
    """
    _check_settings(suite)
    known = _loaded_by_name(suite)
    check_trunk_mode(suite.trunk_mode, device)
    precision = resolve_precision(suite.precision, device)
    suite = dataclasses.replace(suite, trunk=sealed(suite.trunk), precision=precision)
    targets = {d: targets_of(d, suite.targets, suite.datasets) for d in suite.datasets}
    options = {t.dataset: options_of(suite, t.dataset) for found in targets.values() for t in found}
    planned = [
        Cell(*_cell(name, suited, device, (dataset, own), row, bits, seed),
             targets[dataset], options, bool(row.method and row.method.closed_form))
        for dataset in suite.datasets
        for own in [options_of(suite, dataset)]
        for suited in [_suited(suite, dataset, own)]
        for named in [known if suited is suite else _loaded_by_name(suited)]
        for method in suite.methods
        for row in named[method] for bits in suite.bits for seed in suite.seeds
    ]  # fmt: skip
    cells = list({cell.spec.canonical: cell for cell in planned}.values())
    heads = any(cell.spec.head_only for cell in cells)  # skipped for what they stand on, perhaps
    if cells and not heads and all(cell.status == "skipped" for cell in cells):
        raise UsageError(f"no method can meet these bits: {cells[0].reason}")
    return cells


def _check_settings(suite: Suite) -> None:
    """Refuse what a suite says that no run can be made of, also of data sets that it leaves out."""
    check(suite, FLAG)
    stems = {e.module.rpartition(".")[2]: name for name, e in registry.datasets().items()}
    known = {*registry.methods(), *stems}
    for owner in suite.settings:
        if owner not in known:
            raise unknown_name("method or dataset in settings", owner, known)
        with suppress(PluginError):
            if owner in stems:
                registry.dataset_class(stems[owner]).read_options(
                    stems[owner], options_of(suite, stems[owner])
                )
    for reference in (*suite.datasets, *map(named_set, suite.targets)):
        with suppress(PluginError):  # a broken plug-in fails its own cells only
            if reference:
                registry.make_dataset(reference, options_of(suite, reference))


def _suited(suite: Suite, dataset: str, options: Mapping[str, str]) -> Suite:
    """Return a suite as it holds for one data set: vectors meet no trunk."""
    width = vector_width(dataset, options)
    if width is None and suite.trunk.partition(":")[0] == NONE:
        raise refusal("trunk", f"one that takes images, which {dataset} has", suite.trunk)
    return suite if width is None else of_vectors(suite, width)


def _loaded_by_name(suite: Suite) -> dict[str, list["_Loaded"]]:
    """Return every method that a suite names, also in settings only, each before its variants."""
    known = registry.methods()
    for method in suite.variants:
        if method not in known:
            raise unknown_name("method in variants", method, known)
    named = dict.fromkeys((*suite.methods, *suite.variants, *suite.settings))
    return {
        method: [_load(method, suite, extra) for extra in ({}, *suite.variants.get(method, []))]
        for method in named
        if method in known or method in suite.methods
    }


@dataclass(frozen=True)
class _Loaded:
    name: str
    method: "type[Method] | None"
    config: Any  # the method's own Config
    settings: Mapping[str, Any]
    overrides: Mapping[str, Any]
    reason: str = ""
    base: "_Loaded | None" = None
    head_only: bool = False
    prefix: int = 0

    def schedule(self, suite: Suite) -> Recipe:
        if self.method is None or suite.recipe != "paper":
            return suite.common
        with calling(f"method '{self.name}'"):
            recipe = self.method.recipe()
            self._expect("recipe", recipe, Recipe)
            return recipe.for_batch(suite.batch_size, self.method.paper_batch)

    def resolved(self, suite: Suite, bits: int) -> dict[str, Any]:
        """Return what the method decides of a specification.

        Raises:
            UnfitError: if it cannot meet `bits`, or takes less than the embedding it stands on.
            PluginError: if it fails to say what is asked, or that is no number of bits or features.
        """
        found = self._trained_at(suite, self.prefix or bits)
        if self.prefix:
            found |= {"bits": bits, "prefix": self.prefix}
        return found

    def check_cut(self, bits: int) -> None:
        """Refuse a length that codes cannot be cut to.

        Raises:
            BudgetError: if it is no prefix of the length at which the method is trained.
        """
        if self.prefix and self.method is not None:
            prefix_budget(self.method.budget_for(self.config, self.prefix), bits)

    def _trained_at(self, suite: Suite, bits: int) -> dict[str, Any]:
        found: dict[str, Any] = {"method": self.name, "settings": self.settings}
        found |= {"overrides": self.overrides} | ({"head_only": True} if self.head_only else {})
        found |= {"bits": bits, "features": suite.features, "schedule": self.schedule(suite)}
        if self.method is None:
            return found
        base = self.base.resolved(suite, bits) if self.base else {}
        trained = bool(base) and not self.method.closed_form
        given = self._embedding_size(base) if trained else suite.features
        with calling(f"method '{self.name}'"):
            budget = self.method.budget_for(self.config, bits)
            self._expect("budget_for", budget, CodeBudget)
            size = self.method.feature_size(self.config, budget, given)
        found |= {"features": size, "bits": budget.bits}
        for key in ("bits", "features"):
            value = found[key]
            if not isinstance(value, int) or fault(value, Count):
                raise PluginError(f"{self.name}: its {refusal(key, COUNT, value)}")
        if trained and size < given:
            raise FrozenError(f"{self.name} takes {size} features, its embedding has {given}")
        if base and not trained:
            found |= {"features": base["features"], "schedule": base["schedule"]}
        if base:
            found["base"] = base | {"schedule": as_before(base["schedule"])}
        return found

    def _embedding_size(self, base: Mapping[str, Any]) -> int:
        """Return how many values the base's embedding has, as far as a plan can tell."""
        method = self.base.method if self.base else None
        real = method is not None and isinstance(method.family, Real)
        return int(base["bits"] // 32 if real else base["features"])

    def _expect(self, what: str, found: object, kind: type) -> None:
        if not isinstance(found, kind):
            got = f"{kind.__name__}, got {type(found).__name__}"
            raise PluginError(f"method '{self.name}': {what} must return a {got}")


def _load(
    name: str, suite: Suite, extra: Mapping[str, Any], above: tuple[str, ...] = ()
) -> _Loaded:
    asked = {**suite.settings.get(name, {}), **extra}
    try:
        method = registry.load_method(name)
        with calling(f"method '{name}'"):
            default = declared(method, name)
            prefix = take_prefix(method, name, asked)
            config = build(method.Config, asked, f"{FLAG}{name}.")
            check(config, f"{FLAG}{name}.")
            settings = dataclasses.asdict(config)
            canonical_json(settings)  # they name the run
            came = suite.trunk == NONE and name == HEADS_ON  # its size is that of the vectors
            overrides = {k: v for k, v in settings.items() if v != default[k] and not came}
            if method.base in (name, *above):
                raise PluginError(f"method '{name}' must not be fitted on itself, by its base")
            free = not (method.base or method.closed_form or name == HEADS_ON)
            head_only = free and suite.head_only
            below = HEADS_ON if head_only else method.base
            base = _load(below, suite, {}, (name, *above)) if below else None
    except HashQuantError as error:
        if isinstance(error, UsageError) and name in registry.methods():
            raise  # a setting that is not understood
        return _Loaded(name, None, None, asked, asked, legible(str(error)))
    reason = base.reason if base else ""
    whole = prefix if not above else 0  # what others are fitted on is embeddings, no codes
    return _Loaded(name, method, config, settings, overrides, reason, base, head_only, whole)


def _cell(
    name: str, suite: Suite, device: str, dataset: tuple[str, Mapping[str, str]], row: _Loaded,
    bits: int, seed: int,
) -> tuple[RunSpec, str, str]:  # fmt: skip
    status, reason = ("failed", row.reason) if row.reason else ("", "")
    own: dict[str, Any] = {}
    try:
        own = row.resolved(suite, bits)
        row.check_cut(bits)
    except (UnfitError, PluginError) as error:
        skipped = isinstance(error, UnfitError)
        status, reason = "skipped" if skipped else "failed", legible(str(error))
        if not own:
            own = dataclasses.replace(row, method=None).resolved(suite, bits)
            own |= {"schedule": row.schedule(suite)} if skipped else {}
    shared = {f.name for f in dataclasses.fields(RunSpec)} & {
        f.name for f in dataclasses.fields(Suite)
    } - {"bits", "features", "settings", "head_only"}
    spec = RunSpec(
        suite=name, dataset=dataset[0], seed=seed, device=device, **own,
        dataset_options=dataset[1], card=trunk_card(suite.trunk),
        **{key: getattr(suite, key) for key in shared},
    )  # fmt: skip
    return spec, status, reason
