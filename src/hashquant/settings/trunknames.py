"""How trunks are called, and what a name means: the one place that takes it apart; no torch.

A trunk is `NAME` (from scratch), `NAME:PATH` (local weights, sealed as `NAME:PATH@digest`), or
pretrained by name: `NAME@TAG` of torchvision, `package:NAME` of an installed package.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.paths import regular_file
from hashquant.settings.trunkcards import PACKAGE, is_pretrained, trunk_card

#: A trunk's weights are below a tenth of it: no more is read.
MOST_WEIGHT_BYTES = 4 << 30

#: The trunk of vectors that somebody brings: what comes in goes to the head as it is.
NONE = "none"

#: name → one line
TRUNKS: dict[str, str] = {
    "sphere20": "20-layer residual net for faces, 64-512 channels (OPQN's), from scratch",
    "sphere20-narrow": "the same with 16-128 channels: quick on a CPU",
    "sphere64": "64-layer residual net for faces, 64-512 channels, from scratch",
    "resnet18": "torchvision's ResNet-18; 3x3 stem without pooling up to 64 pixels",
    "resnet50": "torchvision's ResNet-50; 3x3 stem without pooling up to 64 pixels",
    "alexnet": "torchvision's AlexNet with its two 4096-unit layers, from 63 pixels",
    NONE: "no trunk: embeddings as they come, which have this one whatever is asked for",
}
#: name → what readers call it
DISPLAY: dict[str, str] = {
    "sphere20": "SphereFace-20",
    "sphere20-narrow": "SphereFace-20 (narrow)",
    "sphere64": "SphereFace-64",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "alexnet": "AlexNet",
    NONE: "none",
}
#: the same of architectures that are pretrained only; all others are called as torchvision does
_PRETRAINED = {
    "vit_b_16": "ViT-B/16",
    "vit_b_32": "ViT-B/32",
    "efficientnet_lite0": "EfficientNet-Lite0",
}


def sealed(trunk: str) -> str:
    """Return how a run names its trunk: as it was asked, and local weights as `name:PATH@digest`.

    Raises:
        UsageError: for an unknown name, or local weights that cannot be read.
    """
    card = trunk_card(trunk)
    if card is not None:
        return card.name
    name, colon, path = trunk.partition(":")
    if name not in TRUNKS:
        raise unknown_name("trunk", name, TRUNKS)
    if not colon:
        return name
    file = regular_file(path, f"weights of trunk {name}")
    try:
        size = file.stat().st_size
        if not 0 < size <= MOST_WEIGHT_BYTES:
            raise UsageError(
                f"weights of trunk {name} must be 1 to {MOST_WEIGHT_BYTES:,} bytes, got {size:,}: "
                f"{path}"
            )
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"weights of trunk {name} cannot be read: {path}: {error.strerror}"
        ) from error
    return f"{name}:{file}@{digest[:12]}"


def unsealed(trunk: str) -> tuple[str, Path | None]:
    """Return name and weight file of a trunk as `sealed` wrote it.

    >>> unsealed("sphere20")
    ('sphere20', None)
    """
    name, colon, rest = trunk.partition(":")
    if is_pretrained(trunk) or not colon:
        return trunk, None
    return name, Path(rest.rpartition("@")[0])


def asked(trunk: str) -> str:
    """Return what a user gave to get a trunk that `sealed` wrote.

    >>> asked("resnet18:w.pt@0123456789ab"), asked("resnet50@IMAGENET1K_V2")
    ('resnet18:w.pt', 'resnet50@IMAGENET1K_V2')
    """
    name, weights = unsealed(trunk)
    return name if weights is None else f"{name}:{weights}"


def learned_before(trunk: str) -> bool:
    """Tell whether a trunk as `sealed` wrote it starts from weights, its own or a card's.

    >>> learned_before("resnet50@IMAGENET1K_V2"), learned_before("resnet50")
    (True, False)
    """
    return is_pretrained(trunk) or unsealed(trunk)[1] is not None


def spoken(trunk: str, display: Mapping[str, str] = DISPLAY) -> str:
    """Return what readers call a trunk, with its weights; one that is not known as it is.

    >>> spoken("resnet18:w.pt@0123456789ab"), spoken("resnet50@IMAGENET1K_V2")
    ('ResNet-18, weights 0123456789ab', 'ResNet-50, weights IMAGENET1K_V2')
    """
    if is_pretrained(trunk):
        name, _, tag = trunk.removeprefix(PACKAGE).partition("@")
        return f"{display.get(name, _PRETRAINED.get(name, name))}, weights {tag or 'of a package'}"
    name, colon, weights = trunk.partition(":")
    if name not in display:
        return trunk
    return f"{display[name]}, weights {weights.rpartition('@')[2]}" if colon else display[name]
