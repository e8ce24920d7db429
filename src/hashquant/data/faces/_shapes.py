"""Masks, colours and waves on a pixel grid, from exactly rounded arithmetic only.

Everything drawn uses +, -, ×, ÷, square root, comparison and rounding, which IEEE 754 rounds the
same way on every machine and at every place in a batch; so do the images.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hashquant.data.faces._chance import Parameter, Parameters

#: a value for each pixel; parameters (b, 1, 1) and single rows or columns broadcast against it
Plane = Float[Tensor, "_ _ _"]
Colour = Float[Tensor, "_ 3 _ _"]
Canvas = Float[Tensor, "b 3 size size"]


@dataclass(frozen=True)
class Scene:
    """One chunk of images: who, how, and where each pixel falls on the head.

    `x`, `y` are image coordinates (-1 … 1, y down); `u`, `v` those of the head; `face` is 1 on
    the outline of the face and 0 in its middle; `depth` 1 in the middle and 0 on the outline;
    `fu`, `fv` follow the features round the head as it turns; `edge` is a pixel's width.
    """

    who: Parameters
    shot: Parameters
    x: Tensor
    y: Tensor
    u: Plane
    v: Plane
    face: Plane
    depth: Plane
    fu: Plane
    fv: Plane
    edge: Parameter


def stage(who: Parameters, shot: Parameters, size: int) -> Scene:
    """Lay the pixel grid over the head: shift, scale, turn, then yaw and pitch as parallax."""
    line = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    x, y = line.view(1, 1, size), line.view(1, size, 1)
    square = shot["turn"] * shot["turn"]
    cosine, sine = (1.0 - square) / (1.0 + square), 2.0 * shot["turn"] / (1.0 + square)
    dx, dy = x - shot["shift_x"], y - shot["shift_y"]
    u = (dx * cosine + dy * sine) / shot["zoom"]
    v = (dy * cosine - dx * sine) / shot["zoom"]
    face = _outline(who, shot, u, v)
    depth = (1.0 - face * face).clamp(min=0.0).sqrt()
    fu = u - shot["yaw"] * who["face_width"] * depth
    fv = v - shot["pitch"] * depth
    edge = 2.0 / size / shot["zoom"]
    return Scene(who, shot, x, y, u, v, face, depth, fu, fv, edge)


def _outline(who: Parameters, shot: Parameters, u: Plane, v: Plane) -> Plane:
    """Return a norm that is 1 on the face's outline: between an ellipse and a rounded square."""
    below = v.clamp(min=0.0)
    width = who["face_width"] * (1.0 - who["jaw_taper"] * below)
    length = torch.where(v < 0, torch.ones_like(v), who["face_length"] + 0.08 * shot["open_mouth"])
    across, along = (u / width).square(), (v / length).square()
    round_ = (across + along).sqrt()
    square = (across.square() + along.square()).sqrt().sqrt()
    share = torch.where(v < 0, who["skull_square"], who["jaw_square"])
    return round_ + share * (square - round_)


def cover(distance: Plane, edge: Plane) -> Plane:
    """Return how much of each pixel lies inside (distance < 0), softened over `edge`.

    >>> cover(torch.tensor([[[-1.0, 0.0, 1.0]]]), torch.tensor([[[1.0]]])).tolist()
    [[[1.0, 0.5, 0.0]]]
    """
    return (0.5 - distance / edge).clamp(0.0, 1.0)


def oval(x: Plane, y: Plane, width: Plane | float, height: Plane | float) -> Plane:
    """Return the approximate signed distance to an ellipse of these half-axes."""
    a, b = torch.as_tensor(width), torch.as_tensor(height)
    return ((x / a).square() + (y / b).square()).sqrt().sub(1.0) * torch.minimum(a, b)


def box(x: Plane, y: Plane, width: Plane, height: Plane, corner: Plane) -> Plane:
    """Return the signed distance to a box of these half-sides, its corners rounded."""
    dx, dy = x.abs() - width + corner, y.abs() - height + corner
    outside = (dx.clamp(min=0.0).square() + dy.clamp(min=0.0).square()).sqrt()
    return outside + torch.maximum(dx, dy).clamp(max=0.0) - corner


def bump(x: Plane, y: Plane, width: Plane | float, height: Plane | float) -> Plane:
    """Return a smooth hill: 1 in the middle, 0 from these half-axes on."""
    return (1.0 - (x / width).square() - (y / height).square()).clamp(min=0.0).square()


def ridge(x: Plane, width: Plane | float) -> Plane:
    """Return a smooth ridge along the vertical: 1 at x = 0, 0 from `width` on either side."""
    return (1.0 - (x / width).square()).clamp(min=0.0).square()


def wave(phase: Plane) -> Plane:
    """Return a triangle wave of period 1 between -1 and 1.

    >>> wave(torch.tensor([[[0.0, 0.25, 0.5]]])).tolist()
    [[[-1.0, 0.0, 1.0]]]
    """
    return 1.0 - 4.0 * (phase - phase.floor() - 0.5).abs()


def paint(canvas: Canvas, colour: Colour, alpha: Plane) -> Canvas:
    """Lay a colour over the canvas where `alpha` says."""
    return canvas + alpha[:, None] * (colour - canvas)


def constant(red: float, green: float, blue: float) -> Float[Tensor, "1 3 1 1"]:
    """Return one colour for all images."""
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1)
