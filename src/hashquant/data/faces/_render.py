"""Render faces: each image from its domain, identity and number alone, in bounded memory."""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from hashquant.data.faces import _attire as attire
from hashquant.data.faces import _features as features
from hashquant.data.faces._capture import DOMAINS, draw_capture
from hashquant.data.faces._chance import keys
from hashquant.data.faces._identity import draw_identity
from hashquant.data.faces._photo import light, photograph
from hashquant.data.faces._shapes import stage
from hashquant.errors import UsageError, unknown_name

#: raised whenever a rendered pixel changes
GENERATOR_VERSION: Final = 1
MIN_SIZE, MAX_SIZE = 16, 1024
#: pixels painted at once: a working set of some tens of megabytes at any image size
CHUNK_PIXELS: Final = 1 << 17

Numbers = Int64[np.ndarray, " n"]


def render_faces(
    domain: str, identity: Numbers, image: Int64[np.ndarray, " m"], size: int = 48
) -> UInt8[np.ndarray, "m 3 size size"]:
    """Return one face per row: person `identity[i]` of a domain in capture number `image[i]`.

    An image depends on its domain, identity, number and size only, not on the other rows. No two
    domains share a person.

    >>> render_faces("studio", np.array([0, 0]), np.array([0, 1]), size=16).shape
    (2, 3, 16, 16)

    Raises:
        UsageError: if the domain is unknown, the size is not within 16 … 1024, or `identity` and
            `image` differ in length or hold negative numbers.
    """
    if domain not in DOMAINS:
        raise unknown_name("capture domain", domain, DOMAINS)
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"image size must be within {MIN_SIZE} … {MAX_SIZE} pixels, got {size}")
    if len(identity) != len(image):
        raise UsageError(
            f"identity and image must have equal lengths, got {len(identity)} and {len(image)}"
        )
    if len(image) and min(identity.min(), image.min()) < 0:
        raise UsageError("identity and image numbers must be 0 or more, got a negative one")
    images = np.empty((len(image), 3, size, size), dtype=np.uint8)
    chunk = max(1, CHUNK_PIXELS // size**2)
    for start in range(0, len(image), chunk):
        rows = slice(start, start + chunk)
        images[rows] = _render(domain, identity[rows], image[rows], size).numpy()
    return images


def _render(domain: str, identity: Numbers, image: Numbers, size: int) -> UInt8[Tensor, "b 3 s s"]:
    """Render one chunk, back to front."""
    with torch.no_grad():
        # the domain is part of both keys: its people and its captures are its own
        who = draw_identity(keys(f"person of {domain}", {"identity": identity}))
        key = keys(f"capture of {domain}", {"identity": identity, "image": image})
        scene = stage(who, draw_capture(key, domain), size)
        canvas = attire.paint_background(scene, size)
        for layer in (
            attire.paint_back_hair,
            attire.paint_body,
            features.paint_skin,
            features.paint_nose,
            features.paint_mouth,
            features.paint_beard,
            features.paint_eyes,
            features.paint_brows,
            attire.paint_hair,
            attire.paint_glasses,
        ):
            canvas = layer(canvas, scene)
        canvas = attire.paint_occluder(light(canvas, scene), scene)
        return _to_bytes(photograph(canvas, scene, key))


def _to_bytes(canvas: Float[Tensor, "b 3 s s"]) -> UInt8[Tensor, "b 3 s s"]:
    return (canvas.clamp(0.0, 1.0) * 255.0 + 0.5).floor().to(torch.uint8)
