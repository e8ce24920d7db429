"""Trunks: what turns pixels into features, the same one for every method of a suite.

`sphere20` is the SphereFace-20 layout of OPQN and DCDH; the others are torchvision's.
"""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.trunknames import TRUNKS
from hashquant.types import Features, Pixels

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
#: weight-file keys of the layers that a trunk replaces
CLASSIFIERS = ("embed.", "fc.", "classifier.6.")


class Trunk(nn.Module):
    """A body that ends in flat activations, then Linear and batch norm to `features`.

    No activation and no norm follow: the sub-vectors of the output are what methods quantize.
    """

    def __init__(self, body: nn.Module, width: int, features: int) -> None:
        super().__init__()
        self.body = body
        self.embed = nn.Sequential(nn.Linear(width, features), nn.BatchNorm1d(features))

    def forward(self, pixels: Pixels) -> Features:
        """Return the features of normalised pixels (n, 3, s, s)."""
        features: Tensor = self.embed(self.body(pixels))
        return features


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
    name: str, image_size: int, features: int, *, weights: Path | None = None
) -> nn.Module:
    """Build the trunk `name` for square images of `image_size` pixels.

    It maps float pixels (n, 3, s, s) to (n, `features`), in any memory format and under autocast.
    `weights` is a local file (safetensors, or what torch.save wrote) for all but the last layers;
    its classifier is ignored.

    Raises:
        UsageError: for an unknown name, a size the trunk cannot take, or weights that do not fit.
    """
    if name not in TRUNKS:
        raise unknown_name("trunk", name, TRUNKS)
    least, most = PIXELS.get(name, SPHERE_PIXELS)
    if not least <= image_size <= most:
        raise UsageError(
            f"image_size must be {least} to {most} pixels for trunk '{name}', got {image_size}"
        )
    if features < 1:
        raise UsageError(f"features must be at least 1, got {features}")
    if name in SPHERE_STAGES:
        body, width = _sphere(*SPHERE_STAGES[name], image_size)
    else:
        body, width = _torchvision(name, image_size)
    if weights is not None:
        _load(body, name, weights)
    return Trunk(body, width, features)


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


def _load(body: nn.Module, name: str, path: Path) -> None:
    state = _read_weights(path)
    state = {key.removeprefix("body."): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(CLASSIFIERS)}
    own = body.state_dict()
    for key, value in own.items():
        if key not in state:
            if key.endswith("num_batches_tracked"):  # absent from older files
                continue
            raise UsageError(f"weights {path} must hold '{key}' for trunk '{name}'")
        if state[key].shape != value.shape:
            raise UsageError(
                f"weights {path}: '{key}' must have shape {tuple(value.shape)} for trunk '{name}' "
                f"at this image size, got {tuple(state[key].shape)}"
            )
    extra = sorted(set(state) - set(own))
    if extra:
        raise UsageError(f"weights {path} hold '{extra[0]}', which trunk '{name}' does not know")
    body.load_state_dict(state, strict=False)


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"weights must be a file, got {path}")
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"weights {path} must be a readable weight file: {reason}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UsageError(f"weights {path} must map names to tensors")
    return {str(key).removeprefix("module."): value for key, value in state.items()}
