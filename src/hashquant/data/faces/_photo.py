"""From painted head to photograph: light on the relief, then lens, sensor and tone."""

import torch
from torch import Tensor

from hashquant.data.faces._chance import Keys, Parameter, grain
from hashquant.data.faces._features import nose_line
from hashquant.data.faces._shapes import Canvas, Scene, bump, cover, ridge


def light(canvas: Canvas, scene: Scene) -> Canvas:
    """Shade the head as an ellipsoid with a nose and cheekbones under one light and a sky."""
    who, shot = scene.who, scene.shot
    x, width = nose_line(scene)
    down = scene.fv - who["eye_y"]
    along = cover(-down, 0.2 + scene.edge) * cover(
        down - who["nose_length"] - 0.02, 0.08 + scene.edge
    )
    relief = ridge(x, 1.6 * width) * along * who["nose_relief"]
    nx = scene.u / who["face_width"] + 1.6 * (x / width) * relief
    cheek = bump(scene.fu.abs() - 0.44, scene.fv - 0.12, 0.26, 0.24) * who["cheekbone"]
    ny = 0.8 * scene.v - cheek
    nz = scene.depth + 0.15
    lx, ly = shot["light_x"], shot["light_y"]
    size = (nx * nx + ny * ny + nz * nz).sqrt() * (lx * lx + ly * ly + 1.0).sqrt()
    facing = ((nx * lx + ny * ly + nz) / size).clamp(min=0.0)
    lit = shot["ambient"] + (1.12 - shot["ambient"]) * facing
    shine = facing.square().square().square().square()
    head = cover((scene.face - 1.0) * 0.8, scene.edge)
    around = 0.75 * shot["ambient"] + 0.32
    shade = around + head * (lit - around)
    bright = 0.07 * shine.square() * head
    return (canvas * shade[:, None] + bright[:, None]) * shot["light"] * shot["exposure"][:, None]


def photograph(canvas: Canvas, scene: Scene, key: Keys) -> Canvas:
    """Blur by lens and motion, add the sensor's noise, and set contrast and tone."""
    shot, size = scene.shot, canvas.shape[-1]
    for width in (1.0, 0.6, 0.35):  # unequal steps, so that large images show no comb
        step = max(1, round(width * size / 48))
        canvas = _soften(canvas, shot["blur"] + shot["smear"], step, 3)
        canvas = _soften(canvas, shot["blur"], step, 2)
    canvas = canvas.clamp(0.0, 1.0)
    canvas = canvas + (shot["tone"][:, None] * canvas) * (1.0 - canvas)
    canvas = (canvas - 0.5) * shot["contrast"][:, None] + 0.5
    return canvas + shot["noise"][:, None] * grain(key, 3, size)


def _soften(canvas: Canvas, share: Parameter, step: int, axis: int) -> Canvas:
    """Mix each pixel with its two neighbours `step` away along an axis; edges repeat."""
    share = share[:, None]
    length = canvas.shape[axis]
    places = torch.arange(length)
    before = canvas.index_select(axis, (places - step).clamp(min=0))
    after = canvas.index_select(axis, (places + step).clamp(max=length - 1))
    mixed: Tensor = canvas * (1.0 - 2.0 * share) + (before + after) * share
    return mixed
