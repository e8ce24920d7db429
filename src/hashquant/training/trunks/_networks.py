"""Trunks: what turns pixels into features, the same one for every method of a suite.

`sphere20` is the SphereFace-20 layout of OPQN and DCDH; the others are torchvision's.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.suite import RunSpec
from hashquant.settings.trunknames import NONE, TRUNKS, unsealed
from hashquant.training.trunks._pretrained import pretrained_body
from hashquant.training.trunks._trunk import Embed, Trunk
from hashquant.training.trunks._weights import fitting_weights

#: name → (channels, residual blocks) of the four stages
SPHERE_STAGES = {
    "sphere20": ((64, 128, 256, 512), (1, 2, 4, 1)),
    "sphere20-narrow": ((16, 32, 64, 128), (1, 2, 4, 1)),
    "sphere64": ((64, 128, 256, 512), (3, 8, 16, 3)),
}
SMALL_IMAGE = 64  #: up to this many pixels the first stage keeps the resolution
#: name → least and most pixels: below 63 AlexNet's poolings leave nothing; above 224 the flat
#: sphere body holds more weights in its last layer than in all others
PIXELS = {"alexnet": (63, 448), "resnet18": (16, 448), "resnet50": (16, 448)}
SPHERE_PIXELS = (16, 224)


class PReLU(nn.PReLU):
    """PReLU as relu(x) + a·(x - relu(x)): the same values and gradients, in fewer passes."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply each channel's slope below zero."""
        positive = torch.relu(x)
        slope = self.weight.to(x.dtype)[:, None, None]
        return torch.addcmul(positive, slope, x - positive)


class SphereBlock(nn.Module):
    """Twice Conv3x3 → BN → PReLU, added to its input after the last PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.path = nn.Sequential(*_conv(channels, channels), *_conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + path(x), nothing after the sum."""
        out: Tensor = x + self.path(x)
        return out


def build_trunk(
    name: str, image_size: int, features: int, *, weights: Path | None = None,
    rate: float | None = None,
) -> Trunk | nn.Identity:  # fmt: skip
    """Build the trunk `name` for square images of `image_size` pixels.

    It maps float pixels (n, 3, s, s) to (n, `features`), in any memory format and under autocast.
    `weights` is a local file (safetensors, or what torch.save wrote) for all but the last layers;
    its classifier is ignored. `rate` is that of `Trunk`. "none" hands on vectors as they are.

    Raises:
        UsageError: for an unknown name, a size the trunk cannot take, or weights that do not fit.
    """
    if name not in TRUNKS:
        raise unknown_name("trunk", name, TRUNKS)
    if name == NONE:
        return nn.Identity()
    least, most = PIXELS.get(name, SPHERE_PIXELS)
    if not least <= image_size <= most:
        raise UsageError(
            f"image_size must be {least} to {most} pixels for trunk '{name}', got {image_size}"
        )
    if features < 1:
        raise UsageError(f"features must be at least 1, got {features}")
    body, width = _body(name, image_size)
    if weights is not None:
        body.load_state_dict(fitting_weights(body.state_dict(), name, weights), strict=False)
    return Trunk(body, Embed(width, features), rate)


def trunk_of(spec: RunSpec, features: int) -> Trunk | nn.Identity:
    """Build the trunk of a run that has one of its own, with the weights that it starts from.

    Raises:
        UsageError: as `build_trunk`, or if the weights of a card are not those it names.
        DataError: if they are not there.
    """
    card = spec.card
    if card is not None:
        return Trunk(pretrained_body(card), Embed(card.width, features), spec.trunk_rate)
    name, weights = unsealed(spec.trunk)
    # As ever: at the rate of all, a method's own factor of the trunk is one of all its layers.
    rate = None if spec.trunk_rate == 1 else spec.trunk_rate
    return build_trunk(name, spec.image_size, features, weights=weights, rate=rate)


def check_weights(trunk: str, image_size: int) -> None:
    """Refuse the local weights of a trunk, as a run names it, where they do not fit.

    Raises:
        UsageError: as `build_trunk`; nothing is built for it.
    """
    name, weights = unsealed(trunk)
    if weights is not None:
        with torch.device("meta"):
            own = build_trunk(name, image_size, 1).get_submodule("body").state_dict()
        fitting_weights(own, name, weights)


def _body(name: str, image_size: int) -> tuple[nn.Module, int]:
    """Return a trunk without its last layers, and the width of what it gives."""
    if name in SPHERE_STAGES:
        return _sphere(*SPHERE_STAGES[name], image_size)
    return _torchvision(name, image_size)


def _conv(c_in: int, c_out: int, stride: int = 1, *, bias: bool = False) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=bias)
    return [conv, nn.BatchNorm2d(c_out), PReLU(c_out)]


def _sphere(
    channels: tuple[int, ...], blocks: tuple[int, ...], image_size: int
) -> tuple[nn.Module, int]:
    """Stack four stages, then flatten → BN → dropout; 32 pixels leave 4x4, 112 leave 7x7."""
    stages: list[nn.Module] = []
    c_in, side = 3, image_size
    for i, (c_out, count) in enumerate(zip(channels, blocks, strict=True)):
        stride = 1 if i == 0 and image_size <= SMALL_IMAGE else 2
        side = -(-side // stride)
        stages += _conv(c_in, c_out, stride, bias=True)
        stages += [SphereBlock(c_out) for _ in range(count)]
        c_in = c_out
    width = c_in * side * side
    tail = [nn.Flatten(), nn.BatchNorm1d(width), nn.Dropout(0.5)]
    return nn.Sequential(nn.Sequential(*stages), *tail), width


def _torchvision(name: str, image_size: int) -> tuple[nn.Module, int]:
    from torchvision import models  # a second of import that the sphere trunks do without

    net: Any = getattr(models, name)(weights=None)  # Any: their layers are not annotated
    if name == "alexnet":
        width = net.classifier[6].in_features
        net.classifier[6] = nn.Identity()
        return net, width
    if image_size <= SMALL_IMAGE:
        net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        net.maxpool = nn.Identity()
    width = net.fc.in_features
    net.fc = nn.Identity()
    return net, width
