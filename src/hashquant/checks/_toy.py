"""A toy problem that is not trivial: a head is trained on it as the engine would, and scored."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hashquant.checks._trial import build_shortest
from hashquant.codes.family import Binary, Decoded, Real
from hashquant.data.items import Batch, TrainingSet
from hashquant.data.pixels import ImageSource
from hashquant.plugins.method import Method
from hashquant.training.frozen import NoImages
from hashquant.training.state import allocate
from hashquant.types import Embedding, Labels

CPU = torch.device("cpu")
BATCH, PER_EPOCH = 128, 16
ITEMS = BATCH * PER_EPOCH  #: of the training set
RATE = 0.01  #: Adam's, the same for every method
#: Length of the classes' centres in units of the noise of one feature: of 512 noisy features the
#: cosine finds 0.45 of what is relevant, chance 0.10.
SIGNAL = 6.0
FITTED = 600  #: items that a method in closed form is fitted on


@dataclass(frozen=True)
class Toy:
    """A Gaussian blob a class around fixed centres: features that a head can learn from."""

    centres: Tensor
    generator: torch.Generator

    def draw(self, count: int) -> tuple[Tensor, Labels]:
        """Return fresh features and their labels."""
        labels = torch.randint(len(self.centres), (count,), generator=self.generator)
        return self.around(labels), labels

    def around(self, labels: Labels) -> Tensor:
        """Return fresh features of these labels."""
        size = self.centres.shape[1]
        noise = torch.randn(len(labels), size, generator=self.generator)
        return self.centres[labels] + noise


def toy_for(head: Method) -> Toy:
    """Return the toy problem in the head's number of features.

    A head that learns no projection from labels cannot rid its features of noise, nor need one that
    stands on a trained embedding: it is given
    classes as far apart as a trained embedding's, their centres as long as all of the noise.
    """
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(head.num_classes, head.in_features, generator=generator)
    given = head.closed_form or bool(head.base) or isinstance(head.family, Real)
    signal = math.sqrt(head.in_features) if given else SIGNAL
    return Toy(signal * normalize(centres, dim=1), generator)


def train(method: type[Method], *, steps: int) -> Method:
    """Build the shortest head and train it on the toy problem, or fit it to toy items."""
    return trained(build_shortest(method), steps)


def trained(head: Method, steps: int) -> Method:
    """Train a head for some steps on the toy problem, or fit it to toy items.

    What it kept while training is taken away again: a code may not depend on it.
    """
    toy = toy_for(head)
    if head.closed_form:
        fit(head, *toy.draw(FITTED))
        return head.eval()
    features, labels = toy.draw(ITEMS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        begin(head, features, labels)
        weights = [weight for weight in head.parameters() if weight.requires_grad]
        optimizer = torch.optim.Adam(weights, lr=RATE)
        for step in range(steps):
            rows = torch.randperm(ITEMS, generator=toy.generator)[:BATCH]
            terms = step_terms(head, toy, features, rows, labels, step, steps)
            optimizer.zero_grad()
            torch.autograd.backward([torch.stack(list(terms.values())).sum()])
            optimizer.step()
    head.state = {}
    return head.eval()


def begin(head: Method, features: Tensor, labels: Labels) -> None:
    """Prepare a head as the engine would before the first step.

    One that stands on a base is given the features as its embeddings, and no image.
    """
    allocate(head, len(labels), head.num_classes, CPU)
    known = torch.ones(len(labels), dtype=torch.bool)
    blank = np.zeros((len(labels), 3, 1, 1), dtype=np.uint8)
    images = ImageSource(blank, np.arange(len(labels)), resize=0, device=CPU, resident_bytes=0)
    training = TrainingSet(images, labels, known, head.num_classes)
    if head.base:
        none = NoImages(len(labels), head.name)
        training = replace(training, images=none, embeddings=features.detach().clone())
    head.initialise(training)


def step_terms(
    head: Method, toy: Toy, features: Tensor, rows: Tensor, labels: Labels, step: int, steps: int
) -> dict[str, Tensor]:
    """Return the loss terms of one step, with all that a batch of the engine holds."""
    if step % PER_EPOCH == 0:
        with torch.no_grad():
            start_epoch(head, head.eval()(features), labels, step, steps)
    batch = batch_of_rows(features, labels, rows, step, steps)
    embedding = head.train()(batch.features)
    second = head(toy.around(batch.labels)) if head.views else None
    teacher = embedding.detach() if head.average_decay else None
    return head.loss(embedding, replace(batch, second=second, teacher=teacher))


def start_epoch(head: Method, embedding: Embedding, labels: Labels, step: int, steps: int) -> None:
    """Tell the head that the epoch of a step begins, with embeddings where it wants them."""
    epoch, epochs = step // PER_EPOCH, -(-steps // PER_EPOCH)
    head.on_epoch_start(epoch, epochs)
    if head.wants_embeddings(epoch, epochs):
        head.on_embeddings(embedding, labels, epoch)


def batch_of_rows(features: Tensor, labels: Labels, rows: Tensor, step: int, steps: int) -> Batch:
    """Return a labelled batch of some rows, at a step of a run of `steps`."""
    known = torch.ones(len(rows), dtype=torch.bool)
    epoch, epochs = step // PER_EPOCH, -(-steps // PER_EPOCH)
    return Batch(features[rows], labels[rows], known, rows, len(rows), epoch, epochs, step, steps)


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
    asked, stored = head.query_embedding(head(queries)), head(gallery)
    if isinstance(head.family, Binary):
        return torch.where(asked > 0, 1.0, -1.0) @ torch.where(stored > 0, 1.0, -1.0).T
    if isinstance(head.family, Real):
        asked, stored = (normalize(x, dim=1) for x in (asked, stored))
        cosines: Tensor = asked @ stored.T
        return cosines
    if isinstance(head.family, Decoded):
        products: Tensor = asked @ head.decode(head.encode(stored)).T
        return products
    table, codes = head.query_table(asked), head.assign(stored)
    scores = torch.stack([table[:, m, codes[:, m]] for m in range(table.shape[1])]).sum(0)
    return scores if head.family.larger_is_closer else -scores
