"""Views: what is done to an image before a network sees it, drawn for each image on its own.

The operations are torchvision's (transforms.v2), on the images' device; they draw from torch's
global generator, which the engine seeds for every epoch.
"""

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from hashquant.data.pixels import random_crop_flip


@dataclass(frozen=True)
class View:
    """How one view of an image is made; by default as the suite says, cut and mirrored.

    `crop` is the least share of the image's area that a random crop keeps before it is resized
    (0: the suite's own crop of fixed size). `jitter` is the strength of changes of brightness,
    contrast and saturation and `hue` that of hue, made with chance `jitter_chance`; with chance
    `gray_chance` the colours are taken away. `flip` is the chance to be mirrored, where `crop`
    is given.
    """

    crop: float = 0.0
    flip: float = 0.5
    jitter: float = 0.0
    hue: float = 0.0
    jitter_chance: float = 0.8
    gray_chance: float = 0.0


#: As the suite says: what every method sees that asks for no views.
PLAIN = View()
#: At least half of the image, mirrored or not.
WEAK = View(crop=0.5)
#: SimCLR's changes (Chen et al. 2020) but for the blur, which 32 pixels do not bear.
STRONG = View(crop=0.2, jitter=0.4, hue=0.1, gray_chance=0.2)


def seen(
    images: UInt8[Tensor, "b 3 h w"],
    view: View,
    size: int,
    *,
    padding: int,
    flip: bool,
    generator: torch.Generator,
) -> UInt8[Tensor, "b 3 s s"]:
    """Return the images as `view` shows them, `size` pixels square.

    `padding`, `flip` and `generator` are those of the suite's own crop (`random_crop_flip`).

    Raises:
        UsageError: if the suite's own crop is larger than the padded images.
    """
    if not view.crop:
        images = random_crop_flip(images, size, padding=padding, flip=flip, generator=generator)
    if view == PLAIN:
        return images
    from torchvision.transforms import v2  # a second of import that most runs do without

    steps: list[torch.nn.Module] = []
    if view.crop:
        steps += [v2.RandomResizedCrop(size, scale=(view.crop, 1.0), antialias=True)]
        steps += [v2.RandomHorizontalFlip(view.flip)]
    if view.jitter or view.hue:
        jitter = v2.ColorJitter(view.jitter, view.jitter, view.jitter, view.hue)
        steps += [v2.RandomApply([jitter], view.jitter_chance)]
    if view.gray_chance:
        steps += [v2.RandomGrayscale(view.gray_chance)]
    change = v2.Compose(steps)
    changed = torch.stack([change(image) for image in images])  # each draws its own
    return changed.contiguous(memory_format=torch.channels_last)
