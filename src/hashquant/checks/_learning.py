"""Checks that a method can learn: its start, its gradients, its loss, a toy problem."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hashquant.checks._toy import (
    BATCH,
    ITEMS,
    PER_EPOCH,
    Toy,
    batch_of_rows,
    begin,
    start_epoch,
    step_terms,
    toy_for,
    toy_precision,
    trained,
)  # fmt: skip
from hashquant.checks._trial import (
    BITS,
    CLASSES,
    FEATURES,
    build_each,
    build_shortest,
    codes_of,
    features_for,
    loss_of,
    require,
)  # fmt: skip
from hashquant.codes.family import Binary
from hashquant.errors import BudgetError, FrozenError, HashQuantError
from hashquant.plugins.method import Method, TensorSpec
from hashquant.training.frozen import refuse_wishes
from hashquant.training.network import Network
from hashquant.training.optimizers import build_optimizer
from hashquant.training.prefix import Prefix

SIZE = 512  #: features of the suites' trunks: what a start is scaled for
STEPS = 112  #: of training on the toy problem: seven epochs
TIMES_CHANCE = 3.0  #: what the toy problem's mAP must be after them
#: The most that the mean of the largest probability may be before the first step.
SATURATED = 0.8
MANY = 100  #: classes where softmaxes over them are looked at


def check_wishes_can_be_met(method: type[Method]) -> None:
    """What a method asks of the engine is of a kind that the engine has."""
    head = build_shortest(method)
    require(method, len(head.views) in (0, 2), f"views must be none or two, got {len(head.views)}")
    if method.base and not method.closed_form:
        try:
            refuse_wishes(head)
        except FrozenError as error:
            require(method, False, str(error).removeprefix(f"{head.name} ").removeprefix("."))
    decay = head.average_decay
    require(method, 0 <= decay < 1, f"average_decay must be at least 0 and below 1, got {decay}")
    averaged = decay > 0 or not head.examine_average
    require(method, averaged, "examine_average needs an average_decay above 0")
    for name, spec in head.training_state(20, CLASSES).items():
        good = isinstance(spec, TensorSpec) and all(side > 0 for side in spec.shape)
        require(method, good, f"training_state '{name}' must be a TensorSpec of sides above 0")
    factors = head.rate_factors
    low = [name for name, factor in factors.items() if factor <= 0]
    require(method, not low, f"rate_factors must be above 0, got {low}")
    try:
        build_optimizer(Network(nn.Linear(2, 2), head), method.recipe())
    except HashQuantError as error:
        require(method, False, str(error).removeprefix(f"{head.name}: "))


def check_initialise_leaves_the_model_its_tensors(method: type[Method]) -> None:
    """A model that is rebuilt without `initialise` has the tensors of the one that was trained."""
    head = build_shortest(method)
    before = {name: value.shape for name, value in head.state_dict().items()}
    begin(head, features_for(head, 200), torch.arange(200) % CLASSES)
    after = {name: value.shape for name, value in head.state_dict().items()}
    changed = sorted({name for name, _ in before.items() ^ after.items()})
    rule = f"initialise must not add or reshape tensors of the model, got {changed}"
    require(method, not changed, f"{rule}: make them in __init__, or in training_state")


def check_codes_do_not_depend_on_training_state(method: type[Method]) -> None:
    """What is kept while training is not there when images are encoded."""
    head = build_shortest(method)
    toy = toy_for(head)
    features, labels = toy.draw(ITEMS)
    if method.closed_form:
        return
    begin(head, features, labels)
    step_terms(head, toy, features, torch.arange(64), labels, 0, 1)
    kept = codes_of(head.eval(), features[:64])
    head.state = {}
    same = torch.equal(kept, codes_of(head, features[:64]))
    require(method, same, "codes must not depend on training_state")


def check_every_term_reaches_the_trunk(method: type[Method]) -> None:
    """Each reported term has a gradient for the features, before training or after some of it.

    Terms that act on the head's own weights alone are named in `head_terms`. Below a method with
    a base nothing is trained.
    """
    if method.closed_form or method.base:
        return
    reached: dict[str, bool] = {}
    for head in (build_shortest(method), trained(build_shortest(method), 20)):
        toy = toy_for(head)
        features, labels = toy.draw(ITEMS)
        begin(head, features, labels)
        given = features.requires_grad_()
        terms = step_terms(head, toy, given, torch.arange(BATCH), labels, 19, 20)
        for name, term in (terms | _unlabelled_terms(head, given)).items():
            reached[name] = reached.get(name, False) or _moves(term, given)
    for name, does in reached.items():
        own = name in method.head_terms
        require(method, does or own, f"loss term '{name}' must give the trunk a gradient")
        require(
            method, not (does and own), f"head_terms must not name '{name}': it moves the trunk"
        )


def _unlabelled_terms(head: Method, features: Tensor) -> dict[str, Tensor]:
    """Return the terms of a batch that has unlabelled rows, where a method may see one."""
    if type(head).label_fraction is Method.label_fraction:
        return {}
    labels = torch.where(torch.arange(128) < 64, torch.arange(128) % CLASSES, -1)
    return loss_of(head, labels, features[:128])


def _moves(term: Tensor, features: Tensor) -> bool:
    if not term.requires_grad:
        return False
    (slope,) = torch.autograd.grad(term, features, retain_graph=True, allow_unused=True)
    return slope is not None and bool(slope.any())


def check_no_softmax_is_saturated(method: type[Method]) -> None:
    """Before the first step no softmax over codewords or classes is near one-hot.

    Looked at on features of unit variance, of the size that trunks have: a soft choice that is
    one-hot from the start passes no gradient to whatever chooses.
    """
    if method.closed_form:
        return
    for head in build_each(method, features=SIZE, classes=MANY):
        widths = {MANY, head.budget.codewords}
        with _Softmaxes(widths) as watched:
            loss_of(head.train(), torch.arange(256) % MANY)
        most = max(watched.largest, default=0.0)
        rule = f"softmaxes must start below {SATURATED} in their largest probability, got"
        require(method, most <= SATURATED, f"{rule} {most:.2f} at {head.budget.bits} bits")


class _Softmaxes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches softmaxes over as many values as there are codewords or classes."""

    def __init__(self, widths: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.widths = widths
        self.largest: list[float] = []  #: the mean of each one's largest probability

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # Any: whatever an operation takes and gives
        """Let the operation run and look at what it gave."""
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("_softmax", "_log_softmax") and out.shape[args[1]] in self.widths:
            p = out if name == "_softmax" else out.exp()
            self.largest.append(float(p.amax(args[1]).mean()))
        return out


def check_perfect_codes_have_the_lower_loss(method: type[Method]) -> None:
    """One code a class costs less with the right labels than with others.

    A loss that knows pairs only is asked before any training: whoever trains by a loss of the wrong
    sign makes codes that please it. One that knows each class is asked when its head is trained.
    One that knows no label is not asked, if what it learns from is a base's embedding: there the
    labels have done their work.
    """
    if method.closed_form:
        return
    head, labels = build_shortest(method), torch.arange(40) % CLASSES
    if method.base and _same_cost(head, labels, labels.sort().values):
        return
    if not _same_cost(head, labels, (labels + 3) % CLASSES):  # it knows more than pairs
        head = trained(head, STEPS)
    toy = toy_for(head)
    _, labels = toy.draw(ITEMS)
    with torch.no_grad():
        own, others = (
            _cost(head.eval(), toy, shown, labels)
            for shown in (labels, labels[torch.randperm(ITEMS, generator=toy.generator)])
        )
    require(method, own < others, f"codes of the right class must cost less, got {own} {others}")


def _codes_as_embeddings(head: Method, features: Tensor) -> Tensor:
    """Return the head's embeddings of features; of binary codes their signs."""
    embedding = head(features)
    binary = isinstance(head.family, Binary)
    return torch.where(embedding > 0, 1.0, -1.0) if binary else embedding


def _same_cost(head: Method, *namings: Tensor) -> bool:
    """Tell whether the loss of the same items is the same whatever they are labelled as."""
    costs: list[Tensor] = []
    for labels in namings:
        begin(head, features_for(head, len(labels)), labels)
        with torch.no_grad():
            costs.append(torch.stack(list(loss_of(head.eval(), labels).values())).sum())
    head.state = {}
    return all(bool(torch.isclose(cost, costs[0], rtol=1e-4)) for cost in costs)


def _cost(head: Method, toy: Toy, shown: Tensor, labels: Tensor) -> float:
    """Return the loss of an epoch of items with the code of class `shown`, labelled otherwise.

    The epoch before it fills what the head keeps of the items.
    """
    features, total = toy.centres[shown], 0.0
    begin(head, features, labels)
    codes = _codes_as_embeddings(head, toy.centres)[shown]
    for step in range(2 * PER_EPOCH):
        if step % PER_EPOCH == 0:
            start_epoch(head, codes, labels, step, 2 * PER_EPOCH)
        rows = torch.arange(BATCH) + step % PER_EPOCH * BATCH
        batch = batch_of_rows(features, labels, rows, step, 2 * PER_EPOCH)
        second = codes[rows] if head.views else None
        teacher = codes[rows] if head.average_decay else None
        terms = head.loss(codes[rows], replace(batch, second=second, teacher=teacher))
        total += float(torch.stack(list(terms.values())).sum()) if step >= PER_EPOCH else 0.0
    head.state = {}
    return total / PER_EPOCH


def check_learns_a_toy_problem(method: type[Method]) -> None:
    """Training or fitting the head on noisy blobs ranks three times as well as chance.

    At each code length it can have, from the trunks' number of features; a fit in closed form
    has no start that depends on it, and few features do. A head on a base may begin with such a
    fit: of it the shortest and the longest code learn, of as few features. So do prefixes of the
    longest codes, where a method says that they are codes.
    """
    few = method.closed_form or bool(method.base)
    heads = list(build_each(method, features=FEATURES if few else SIZE))
    if method.base and not method.closed_form:
        heads = [heads[0], heads[-1]]
    for head in heads:
        longest = trained(head, STEPS)
        _require_learned(method, longest, f"{head.budget.bits} bits")
    for bits in BITS if method.prefix else ():
        with suppress(BudgetError):
            of = f"{bits} bits, a prefix of {longest.budget.bits},"
            _require_learned(method, Prefix(longest, bits), of)


def _require_learned(method: type[Method], head: Method, of: str) -> None:
    found, chance = toy_precision(head)
    least = TIMES_CHANCE * chance
    rule = f"toy mAP at {of} must be {least:.3f} after {STEPS} steps, got {found:.3f}"
    require(method, found >= least, rule)
