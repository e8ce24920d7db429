"""A method's head on its own: built for a code length, given drawn features, encoded."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from hashquant.data.items import Batch
from hashquant.errors import BudgetError, HashQuantError
from hashquant.plugins.method import Method
from hashquant.training.coding import encode_embedding
from hashquant.types import Labels, PackedCodes

BITS = (16, 24, 36, 48, 64)
CLASSES = 10
FEATURES = 64  #: the trunk's output, unless the method asks for another


class ContractError(HashQuantError):
    """A method that does not keep the contract."""


def require(method: type[Method], kept: bool, rule: str) -> None:
    """Raise a ContractError that states `rule`, unless it was kept."""
    if not kept:
        raise ContractError(f"{getattr(method, 'name', method.__name__)}: {rule}")


def require_finite(method: type[Method], terms: dict[str, Tensor], of: str) -> None:
    """Raise a ContractError unless there are loss terms, all of them finite scalars."""
    require(method, bool(terms), f"loss of {of} must have a term")
    for name, term in terms.items():
        good = term.ndim == 0 and bool(term.isfinite())
        require(method, good, f"loss term '{name}' of {of} must be a finite scalar, got {term}")


def build(
    method: type[Method],
    bits: int,
    *,
    seed: int = 0,
    features: int = FEATURES,
    classes: int = CLASSES,
) -> Method:
    """Build the head for `bits` with its default configuration.

    Raises:
        BudgetError: if the method cannot meet `bits`.
    """
    config = method.Config()
    budget = method.budget_for(config, bits)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        size = method.feature_size(config, budget, features)
        return method(config, budget, size, classes)


def build_shortest(method: type[Method], *, seed: int = 0) -> Method:
    """Build the head for the first of BITS that it can meet."""
    for bits in BITS:
        with contextlib.suppress(BudgetError):
            return build(method, bits, seed=seed)
    raise ContractError(f"{method.name}: one of {BITS} bits must be met")


def build_each(method: type[Method], *, features: int, classes: int = CLASSES) -> Iterator[Method]:
    """Yield the head for each of BITS that it can meet."""
    for bits in BITS:
        with contextlib.suppress(BudgetError):
            yield build(method, bits, features=features, classes=classes)


def features_for(head: Method, count: int) -> Tensor:
    """Return Gaussian features, the same ones for the same count."""
    return torch.randn(count, head.in_features, generator=torch.Generator().manual_seed(count))


def batch_of(features: Tensor, labels: Labels) -> Batch:
    """Return a batch whose rows of label -1 are unlabelled."""
    return Batch(features, labels, labels >= 0, torch.arange(len(labels)))


def loss_of(head: Method, labels: Labels, features: Tensor | None = None) -> dict[str, Tensor]:
    """Return the loss terms of features (Gaussian ones by default) with these labels."""
    features = features_for(head, len(labels)) if features is None else features
    return head.loss(head(features), batch_of(features, labels))


def codes_of(head: Method, features: Tensor) -> PackedCodes:
    """Return the stored codes of features."""
    with torch.no_grad():
        return encode_embedding(head, head(features))
