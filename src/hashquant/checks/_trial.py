"""A method's head on toy data: built, trained for a few steps or fitted, encoded, scored."""

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hashquant.codes.family import Binary, Real
from hashquant.data.items import Batch
from hashquant.errors import BudgetError, HashQuantError
from hashquant.plugins.method import Method
from hashquant.training.encoding import encode_embedding
from hashquant.types import Labels, PackedCodes

BITS = (16, 24, 36, 48, 64)
CLASSES = 10
FEATURES = 64  #: the trunk's output, unless the method asks for another
TOY_RATE = 0.05  #: Adam's, the same for every method
TOY_SIGNAL = 3.2  #: length of the toy classes' centres, in units of the noise of one feature
FITTED = 600  #: toy items that a method in closed form is fitted on


class ContractError(HashQuantError):
    """A method that does not keep the contract."""


@dataclass(frozen=True)
class Toy:
    """A Gaussian blob a class around fixed centres: features that a head can learn from."""

    centres: Tensor
    generator: torch.Generator

    def draw(self, count: int) -> tuple[Tensor, Labels]:
        """Return fresh features and their labels."""
        labels = torch.randint(len(self.centres), (count,), generator=self.generator)
        noise = torch.randn(count, self.centres.shape[1], generator=self.generator)
        return self.centres[labels] + noise, labels


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


def build(method: type[Method], bits: int, *, seed: int = 0) -> Method:
    """Build the head for `bits` with its default configuration.

    Raises:
        BudgetError: if the method cannot meet `bits`.
    """
    config = method.Config()
    budget = method.budget_for(config, bits)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method(config, budget, method.feature_size(config, budget, FEATURES), CLASSES)


def build_shortest(method: type[Method], *, seed: int = 0) -> Method:
    """Build the head for the first of BITS that it can meet."""
    for bits in BITS:
        with contextlib.suppress(BudgetError):
            return build(method, bits, seed=seed)
    raise ContractError(f"{method.name}: one of {BITS} bits must be met")


def features_for(head: Method, count: int) -> Tensor:
    """Return Gaussian features, the same ones for the same count."""
    return torch.randn(count, head.in_features, generator=torch.Generator().manual_seed(count))


def batch_of(features: Tensor, labels: Labels) -> Batch:
    """Return a batch whose rows of label -1 are unlabelled."""
    return Batch(features, labels, labels >= 0, torch.arange(len(labels)))


def loss_of(head: Method, labels: Labels) -> dict[str, Tensor]:
    """Return the loss terms of Gaussian features with these labels."""
    features = features_for(head, len(labels))
    return head.loss(head(features), batch_of(features, labels))


def codes_of(head: Method, features: Tensor) -> PackedCodes:
    """Return the stored codes of features."""
    with torch.no_grad():
        return encode_embedding(head, head(features))


def toy_for(head: Method) -> Toy:
    """Return the toy problem in the head's number of features.

    A head that learns no projection from labels cannot rid its features of noise: it is given
    classes as far apart as a trained embedding's, their centres as long as all of the noise.
    """
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, head.in_features, generator=generator)
    given = head.closed_form or isinstance(head.family, Real)
    signal = math.sqrt(head.in_features) if given else TOY_SIGNAL
    return Toy(signal * torch.nn.functional.normalize(centres, dim=1), generator)


def train(method: type[Method], *, steps: int) -> Method:
    """Build the head and train it for a few steps on fresh toy batches, or fit it to toy items."""
    head = build_shortest(method).train()
    toy = toy_for(head)
    if method.closed_form:
        fit(head, *toy.draw(FITTED))
        return head.eval()
    weights = [weight for weight in head.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=TOY_RATE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(steps):
            features, labels = toy.draw(128)
            terms = head.loss(head(features), batch_of(features, labels))
            optimizer.zero_grad()
            torch.autograd.backward([torch.stack(list(terms.values())).sum()])
            optimizer.step()
    return head.eval()


def fit(head: Method, features: Tensor, labels: Labels) -> None:
    """Fit a method in closed form, with torch's generator seeded."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        head.fit(features, labels)


def toy_precision(head: Method) -> tuple[float, float]:
    """Return the mean average precision on fresh toy items, and the share of relevant pairs."""
    toy = toy_for(head)
    with torch.no_grad():
        gallery, labels = toy.draw(500)
        queries, wanted = toy.draw(100)
        relevant = wanted[:, None] == labels
        order = scores_of(head, queries, gallery).argsort(dim=1, descending=True, stable=True)
    hits = relevant.gather(1, order).double()
    precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
    average = (precision * hits).sum(1) / hits.sum(1)
    return float(average.mean()), float(relevant.double().mean())


def scores_of(head: Method, queries: Tensor, gallery: Tensor) -> Tensor:
    """Return query x gallery scores, larger is nearer, from the definitions."""
    asked, stored = head(queries), head(gallery)
    if isinstance(head.family, Binary):
        return torch.where(asked > 0, 1.0, -1.0) @ torch.where(stored > 0, 1.0, -1.0).T
    if isinstance(head.family, Real):
        asked, stored = (torch.nn.functional.normalize(x, dim=1) for x in (asked, stored))
        cosines: Tensor = asked @ stored.T
        return cosines
    table, codes = head.query_table(asked), head.assign(stored)
    scores = torch.stack([table[:, m, codes[:, m]] for m in range(table.shape[1])]).sum(0)
    return scores if head.family.larger_is_closer else -scores
