"""Pretrained bodies by their cards: the network without its classifier, and its weights."""

import re
from collections import OrderedDict
from pathlib import Path

from torch import nn

from hashquant.errors import UsageError, one_line
from hashquant.settings.trunkcards import TrunkCard
from hashquant.training.trunks._efficientnet import EfficientNetLite0
from hashquant.training.trunks._files import weights_file
from hashquant.training.trunks._weights import fitting_weights, stored_state

#: What a classifier gives that was trained on ImageNet.
CLASSES = 1000
#: How older files of DenseNets name what torchvision now names without the last dot.
_DENSE = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


def pretrained_body(card: TrunkCard) -> nn.Module:
    """Build the network that a card names, with its weights and without its last layer.

    Raises:
        DataError: if the file of weights is not there.
        UsageError: if it is not the file that the card names, or torchvision has no such network.
    """
    file = weights_file(card)
    if card.source == "package":
        body = EfficientNetLite0()
        body.load_state_dict(fitting_weights(body.state_dict(), card.name, file, ("_fc.",)))
        return body
    return _without_classifier(_torchvision(card, file), card)


def _torchvision(card: TrunkCard, file: Path) -> nn.Module:
    """Return torchvision's whole network, which knows how its older files named their tensors."""
    from torchvision import models  # a second of import that other trunks do without

    sizes = {"image_size": card.image_size} if card.architecture.startswith("vit_") else {}
    try:
        net: nn.Module = models.get_model(card.architecture, weights=None, **sizes)
    except ValueError as error:
        raise UsageError(
            f"trunk '{card.name}' is not known to the installed torchvision: {error}"
        ) from error
    state = stored_state(file)
    if card.architecture.startswith("densenet"):
        state = OrderedDict((_DENSE.sub(r"\1\2", str(key)), state[key]) for key in state)
    try:
        net.load_state_dict(state)  # type: ignore[arg-type]  # names are text
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"weights {file} do not fit torchvision's {card.architecture}: {one_line(error)}"
        ) from error
    return net


def _without_classifier(net: nn.Module, card: TrunkCard) -> nn.Module:
    layers = dict(net.named_modules())
    last = {k: m.in_features for k, m in layers.items()
            if isinstance(m, nn.Linear) and m.out_features == CLASSES}  # fmt: skip
    if list(last.values()) != [card.width]:
        raise UsageError(
            f"trunk '{card.name}' must end in one linear layer of {card.width} values, the "
            f"installed torchvision's has {list(last.values()) or 'none'}"
        )
    owner, _, name = next(iter(last)).rpartition(".")
    setattr(net.get_submodule(owner), name, nn.Identity())
    return net
