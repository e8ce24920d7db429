"""Suites and run specifications: frozen values, read strictly, hashed canonically."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hashquant.errors import UsageError
from hashquant.settings._strictyaml import read_yaml
from hashquant.settings.ranges import Count, Natural, OneOf, Range, Share, SomeShare
from hashquant.settings.reading import build
from hashquant.settings.recipe import Recipe
from hashquant.settings.trunkcards import TrunkCard, preprocessing, trunk_card
from hashquant.settings.trunknames import NONE, learned_before

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Pixels of a side, at most: beyond it an image fills a machine's memory.
MOST_PIXELS = 4096
#: Raised by hand, with a CHANGELOG line, when numbers change on purpose.
RESULTS_EPOCH = 1
#: The method whose embedding `head_only` trains heads on.
HEADS_ON = "float"


@dataclass(frozen=True)
class Suite:
    """A frozen list of runs and everything that is equal for all of them."""

    title: str = ""
    datasets: tuple[str, ...] = ("synthfaces-studio",)  #: trained on, each on its own
    targets: tuple[str, ...] = ("seen",)  #: what every trained model is examined on
    methods: tuple[str, ...] = ("opqn", "dcdh", "gpq")
    bits: tuple[Count, ...] = (16, 24, 36, 48)
    seeds: tuple[Natural, ...] = (0,)
    trunk: str = "sphere20-narrow"
    #: factor of the learning rate of the weights that a pretrained trunk starts from; 0: frozen
    trunk_rate: Share = 1.0
    #: pixels that enter the trunk
    image_size: Annotated[int, Range(8, MOST_PIXELS)] = 32
    #: pixels of the short side before the crop; 0 keeps the stored size
    resize: Annotated[int, Range(0, MOST_PIXELS)] = 35
    #: zero pixels around an image before the random crop
    padding: Annotated[int, Range(0, MOST_PIXELS)] = 0
    flip: bool = True  #: random horizontal flips
    #: of pixels from 0 to 1, as `std`: red, green, blue
    mean: tuple[Share, Share, Share] = (0.5, 0.5, 0.5)
    std: tuple[SomeShare, SomeShare, SomeShare] = (0.5, 0.5, 0.5)
    #: trunk output, unless a method asks for another (OPQN, 36 bits: 516)
    features: Count = 512
    epochs: Count = 20
    batch_size: Annotated[int, Range(2)] = 256
    #: of the trunk in training (auto: bf16 where the device computes in it); codes are always
    #: encoded in fp32
    precision: Annotated[str, OneOf("auto", "bf16", "fp32")] = "auto"
    #: how the trunk is run in training (ADR 0015)
    trunk_mode: Annotated[str, OneOf("eager", "compiled", "graphs")] = "eager"
    recipe: Annotated[str, OneOf("paper", "common")] = "paper"
    common: Recipe = field(default_factory=Recipe)
    #: learned methods train their heads alone, on the embedding of `HEADS_ON`
    head_only: bool = False
    #: which epoch is examined
    selection: Annotated[str, OneOf("last", "train-loss", "validation")] = "last"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # Any: YAML values
    #: method → settings of further rows, each beside the method's own (an ablation)
    variants: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def agree(self) -> None:
        """Refuse what one field says against another, and lists that name nothing.

        Raises:
            UsageError: for an empty list, images resized to less than enters the trunk or other
                than a pretrained one takes, or a rate that one from scratch cannot have.
        """
        for name in ("datasets", "targets", "methods", "bits", "seeds"):
            if not getattr(self, name):
                raise UsageError(f"{name} must name one at least, got none")
        if 0 < self.resize < self.image_size:
            limit = f"0, or at least image_size, {self.image_size}"
            raise UsageError(f"resize must be {limit}, got {self.resize}")
        card = trunk_card(self.trunk)
        if card is not None:
            card.check(self.image_size, self.mean, self.std)
        elif self.trunk_rate != 1 and not learned_before(self.trunk):
            which = f"1 for trunk '{self.trunk}', which starts from scratch"
            raise UsageError(f"trunk_rate must be {which}, got {self.trunk_rate:g}")


@dataclass(frozen=True)
class RunSpec:
    """One cell, fully resolved: all that decides its numbers.

    `settings` is the method's whole configuration; `overrides` the part that differs from its
    defaults, which names the cell's row (`opqn codebooks=learned`). `schedule` is the recipe in
    force, `device` the kind of device ("cpu", "cuda"). `base` holds the fields in which the run
    differs whose embedding this one is fitted on (method, bits, settings and so on); `head_only`
    says that the method would train a trunk of its own, had not its suite frozen that embedding.
    `prefix` is the code length at which the method was trained, where `bits` are only the first of
    its code; 0: all of it. `card` tells of a trunk that was pretrained, `trunk_rate` how far its
    weights are trained on.
    """

    suite: str
    method: str
    dataset: str
    bits: int
    seed: int
    trunk: str
    image_size: int
    resize: int
    padding: int
    flip: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    features: int
    epochs: int
    batch_size: int
    precision: str
    recipe: str
    schedule: Recipe
    selection: str
    device: str
    settings: Mapping[str, Any]  # Any: a method's own configuration values
    overrides: Mapping[str, Any] = field(default_factory=dict)
    dataset_options: Mapping[str, str] = field(default_factory=dict)
    results_epoch: int = RESULTS_EPOCH
    base: Mapping[str, Any] = field(default_factory=dict)  # Any: values of other fields
    trunk_mode: str = "eager"
    head_only: bool = False
    prefix: int = 0
    card: TrunkCard | None = None
    trunk_rate: float = 1.0

    @functools.cached_property
    def canonical(self) -> str:
        """All fields as canonical JSON: equal for equal runs, and hashable."""
        return canonical_json(self)

    @functools.cached_property
    def entering(self) -> str:
        """What enters the network, in words."""
        if self.trunk == NONE:
            return f"vectors of {lowest(self).features} values"
        return f"{self.image_size}-pixel images"

    @functools.cached_property
    def label(self) -> str:
        """The row a table shows this cell in: the method and what differs from its defaults.

        What differs in the base that it is fitted on is named too (`pq float.margin=0.3`), and that
        a method's head alone was trained (`opqn head_only=True`), or at which code length it was
        trained, if that was a longer one (`rq prefix=64`).

        A method that can learn from fewer labels always says what share of them it saw.
        """
        shown = dict(self.overrides)
        if "label_fraction" in self.settings:
            shown.pop("label_fraction", None)
            shown["labels"] = f"{self.settings['label_fraction']:.0%}"
        if self.prefix:
            shown["prefix"] = self.prefix
        if self.trunk != NONE:  # where all are heads it tells no row from another
            shown |= {"head_only": True} if self.head_only else {}
            frozen = {"head_only": True} if self.base.get("head_only") else {}
        else:
            frozen = {}
        for key, value in {**self.base.get("overrides", {}), **frozen}.items():
            shown[f"{self.base['method']}.{key}"] = value
        return " ".join([self.method, *(f"{k}={v}" for k, v in sorted(shown.items()))])


#: Fields that came later, by their class: what is as it was before them keeps its name.
LATER: dict[type, dict[str, Any]] = {  # Any: each field has its own type
    RunSpec: {"base": {}, "trunk_mode": "eager", "head_only": False, "prefix": 0, "card": None,
              "trunk_rate": 1.0},
    Recipe: {"nesterov": False, "smoothing": 0.99, "decay": "step", "milestones": (),
             "per_step": False, "clip_norm": 0.0, "group_rates": True},
}  # fmt: skip
#: Fields of a RunSpec that may differ between the cells of one table.
FREE_IN_TABLE = (
    "method", "bits", "seed", "features", "schedule", "settings", "overrides", "base", "head_only",
    "prefix",
)  # fmt: skip


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces, dataclasses as objects.

    >>> canonical_json({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    return _CANONICAL.encode(value)


def digest(value: object) -> str:
    """Return the first 12 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:12]


def run_id(spec: RunSpec, dataset_version: str) -> str:
    """Name a run by everything that decides its numbers."""
    return digest([_named(spec), dataset_version])


def comparability_key(
    spec: RunSpec, dataset_version: str, split_digest: str, examined: tuple[str, ...] = ()
) -> str:
    """Name all that must agree between the cells of one table.

    `examined` says what else decides an examination on another set: its version, its options.
    """
    fixed = {k: v for k, v in _named(spec).items() if k not in FREE_IN_TABLE}
    return digest([fixed, dataset_version, split_digest, *examined])


def base_spec(spec: RunSpec) -> RunSpec:
    """Return the run whose embedding `spec` is fitted on, or `spec` itself where there is none."""
    if not spec.base:
        return spec
    own = {"base": {}, "head_only": False, "prefix": 0}
    plain: RunSpec = build(RunSpec, _fields(spec) | own | dict(spec.base), "base", stored=True)
    return plain


def whole_spec(spec: RunSpec) -> RunSpec:
    """Return the run whose codes begin with those of `spec`, or `spec` itself if they are whole."""
    return dataclasses.replace(spec, bits=spec.prefix, prefix=0) if spec.prefix else spec


def lowest(spec: RunSpec) -> RunSpec:
    """Return the run at the bottom of those that `spec` stands on: its trunk is met first."""
    while spec.base:
        spec = base_spec(spec)
    return spec


def read_suite(path: Path) -> Suite:
    """Read a suite file; where it is silent, a pretrained trunk's sizes and colours hold.

    Raises:
        UsageError: if the file is no YAML mapping (`{}` is one, an empty file is none) within the
            bounds of `read_yaml`, or a key or value is not understood.
    """
    try:
        raw = read_yaml(path)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"suite file {path} must be readable YAML, got: {said}") from error
    suite = build(Suite, raw, str(path.name))
    silent = {k: v for k, v in preprocessing(suite.trunk).items() if k not in raw}
    return build(Suite, {**raw, **silent}, str(path.name)) if silent else suite


def _named(spec: RunSpec) -> dict[str, Any]:  # Any: each field has its own type
    """Return the fields that name a run; of a trunk's card, what decides numbers."""
    found = as_before(spec)
    return found | {"card": spec.card.naming} if spec.card is not None else found


def as_before(value: RunSpec | Recipe) -> dict[str, Any]:  # Any: each field has its own type
    """Return the fields as a mapping, without later ones that have their default."""
    later = LATER[type(value)]
    return {k: v for k, v in _fields(value).items() if k not in later or v != later[k]}


def _plain(value: object) -> object:
    if isinstance(value, Recipe):
        return as_before(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)


def _fields(value: "DataclassInstance") -> dict[str, Any]:  # Any: each field has its own type
    """Return a dataclass as a mapping, its values as they are.

    Not `asdict`: JSON's writer asks again for what lies inside, and copies nothing.
    """
    return {name: getattr(value, name) for name in _names(type(value))}


@functools.cache  # a plan names hundreds of runs
def _names(cls: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))
