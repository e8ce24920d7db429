"""What surrounds a face: background, clothes, hair, glasses, and what hides it."""

from collections.abc import Callable

import torch

from hashquant.data.faces._capture import OCCLUDERS
from hashquant.data.faces._shapes import (
    Canvas,
    Plane,
    Scene,
    box,
    bump,
    constant,
    cover,
    oval,
    paint,
    ridge,
    wave,
)


def paint_background(scene: Scene, size: int) -> Canvas:
    """Return a backdrop that falls off downwards; in the street also boxes, discs and stripes."""
    shot = scene.shot
    ground = 1.0 + shot["backdrop_fall"] * (scene.y + 0.6 * scene.x)
    canvas = shot["backdrop"].expand(-1, 3, size, size) * ground[:, None]
    if not bool((shot["clutter"] > 0).any()):
        return canvas
    for i in range(4):
        x, y = scene.x - shot[f"thing{i}_x"], scene.y - shot[f"thing{i}_y"]
        width, height = shot[f"thing{i}_w"], shot[f"thing{i}_h"]
        shape = box(x, y, width, height, 0.02 * width) if i % 2 == 0 else oval(x, y, width, width)
        alpha = 0.8 * cover(shape, scene.edge + 0.06)
        canvas = paint(canvas, shot[f"thing{i}"], alpha * shot["clutter"])
    stripes = wave(scene.x * 6.0 * shot["thing0_w"] + scene.y * 4.0 * shot["thing1_x"])
    return canvas * (1.0 + 0.12 * stripes * shot["clutter"])[:, None]


def paint_back_hair(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint the hair that hangs behind the neck."""
    who = scene.who
    return paint(canvas, who["hair"] * 0.6, cover(_mane(scene), scene.edge) * who["long"])


def paint_body(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint neck and clothes."""
    who, shot = scene.who, scene.shot
    neck = (
        (scene.u + 0.15 * shot["yaw"]).abs()
        - 0.62 * who["face_width"]
        - 0.25 * (scene.v - 1.0).clamp(min=0.0)
    )
    neck = torch.maximum(neck, 0.3 - scene.v)
    canvas = paint(canvas, who["skin"] * constant(0.70, 0.62, 0.58), cover(neck, scene.edge))
    collar = 1.22 + 0.25 * (scene.u.abs() - 0.35).clamp(min=0.0) - scene.v
    return paint(canvas, shot["cloth"], cover(collar, scene.edge))


def paint_hair(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint the hair in front: crown, fringe, sides and, when long, the curtains."""
    who = scene.who
    mask = front_hair(scene)
    across = scene.fu - 0.5 * who["hair_part"]
    strands = wave(who["hair_strand"] * (across + 0.35 * scene.v * across) + who["hair_phase"])
    fine = wave(2.7 * who["hair_strand"] * (across - 0.2 * scene.v) + 0.4 * who["hair_phase"])
    sheen = bump(scene.u + 0.25 * scene.shot["light_x"], scene.v + 0.85, 0.7, 0.35)
    tone = 0.92 + 0.10 * strands + 0.06 * fine + 0.28 * sheen
    colour = who["hair"] * tone[:, None] + 0.05 * sheen[:, None]
    return paint(canvas, colour, mask)


def front_hair(scene: Scene) -> Plane:
    """Return how much of each pixel is covered by hair in front of the face."""
    who = scene.who
    across = scene.fu.abs() / who["face_width"]
    part = scene.fu - who["hair_part"]
    # the line rises from the part to both sides, recedes at the temples and drops at the ears
    line = who["hairline"] + who["hair_sweep"] * part * 0.5 + 0.25 * part.square()
    line = line - who["hair_recede"] * ridge(across - 0.55, 0.35)
    drop = ((across - 0.72) * 5.0).clamp(0.0, 1.0)
    line = line + drop * (who["hair_end"].clamp(max=0.1) - line)
    curls = who["curl"] * wave(scene.u * 2.3 + who["hair_phase"]) * wave(scene.v * 2.9)
    above = cover(scene.fv - line - 0.7 * curls, scene.edge + 0.02)
    curtain = cover(who["curtain"] - across, scene.edge + 0.03) * who["long"]
    outside = cover(1.0 - scene.face, scene.edge)
    long = torch.maximum(curtain, outside * who["long"]) * cover(_mane(scene), scene.edge)
    return torch.maximum(above * cover(_crown(scene), scene.edge), long)


def _crown(scene: Scene) -> Plane:
    """Return the distance to the outline of the hair on the skull."""
    who = scene.who
    u = scene.u + 0.10 * scene.shot["yaw"]
    thick = 1.0 - 0.75 * who["bald"]
    width = who["face_width"] + thick * who["hair_side"]
    shape = oval(u, scene.v + 0.05, width, 0.96 + thick * who["hair_top"])
    return shape - _curls(scene)


def _mane(scene: Scene) -> Plane:
    """Return the distance to the outline of long hair: a rounded box from crown to its end."""
    who = scene.who
    u = scene.u + 0.10 * scene.shot["yaw"]
    flare = 0.10 * (scene.v + 0.2).clamp(min=0.0)
    width = who["face_width"] + who["hair_side"] + 0.04 + flare
    half = 0.5 * (who["hair_end"] + 0.35)
    hang = box(u, scene.v + 0.35 - half, width, half, 0.5 * half)
    return torch.minimum(hang, _crown(scene)) - _curls(scene)


def _curls(scene: Scene) -> Plane:
    who = scene.who
    return who["curl"] * wave(scene.u * 3.1 + who["hair_phase"]) * wave(scene.v * 3.3 + 0.2)


def paint_glasses(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint frames, bridge and temples, and a faint reflection in the lenses."""
    who = scene.who
    x = scene.fu.abs() - who["eye_gap"] - 0.01
    y = scene.fv - who["eye_y"] - 0.02
    size = who["glasses_size"]
    round_ = oval(x, y, size, 0.85 * size)
    square = torch.maximum(x.abs() - size, y.abs() - 0.72 * size)
    rim = square + who["glasses_round"] * (round_ - square)
    frame = cover(rim.abs() - 0.5 * who["glasses_thick"], scene.edge)
    bar = torch.maximum((y + 0.04).abs() - 0.4 * who["glasses_thick"], -rim)
    bar = cover(bar, scene.edge) * cover(scene.face - 1.02, scene.edge)
    lens = cover(rim, scene.edge) * (0.10 + 0.15 * cover(x + y, 0.3 + scene.edge))
    canvas = paint(canvas, constant(0.85, 0.90, 0.95), lens * who["glasses"])
    return paint(canvas, who["frame"], torch.maximum(frame, bar) * who["glasses"])


def paint_occluder(canvas: Canvas, scene: Scene) -> Canvas:
    """Hide part of the face where an image asks for it: hat, scarf, hand, bar or dark glasses."""
    kind = scene.shot["occluder"]
    colour = scene.shot["occluder_colour"]
    for number, name in enumerate(OCCLUDERS):
        here = kind == number
        if bool(here.any()):
            alpha = SHAPES[name](scene) * here
            ink = colour
            if name == "hand":
                ink = scene.who["skin"] * 0.92
            if name == "shades":
                ink = colour * 0.15
            folds = 1.0 - 0.15 * wave(scene.u * 1.3 + scene.v * 1.9 + scene.shot["occluder_a"])
            canvas = paint(canvas, ink * folds[:, None], alpha)
    return canvas


def _hat(scene: Scene) -> Plane:
    low = -0.50 + 0.10 * scene.shot["occluder_a"]
    crown = torch.maximum(oval(scene.u, scene.v + 0.35, 0.95, 0.95), scene.v - low)
    brim = oval(scene.u - 0.25 * scene.shot["occluder_b"], scene.v - low, 1.05, 0.11)
    return cover(torch.minimum(crown, brim), scene.edge)


def _scarf(scene: Scene) -> Plane:
    top = 0.42 + 0.15 * scene.shot["occluder_a"] + 0.10 * scene.u * scene.shot["occluder_b"]
    shape = torch.maximum(top - scene.v - 0.12 * scene.u.square(), scene.u.abs() - 1.0)
    return cover(shape, scene.edge)


def _hand(scene: Scene) -> Plane:
    """Return three fingers and a palm that reach in from below at one side."""
    shot = scene.shot
    x = scene.u - 0.55 * shot["occluder_a"]
    y = scene.v - 0.55 - 0.25 * shot["occluder_b"]
    palm = oval(x, y - 0.45, 0.38, 0.40)
    fingers = torch.maximum((x.abs() - 0.20).abs() - 0.085, (y - 0.1).abs() - 0.42)
    middle = torch.maximum(x.abs() - 0.085, (y - 0.1).abs() - 0.50)
    return cover(torch.minimum(torch.minimum(palm, fingers), middle), scene.edge)


def _bar(scene: Scene) -> Plane:
    slope = 0.8 * scene.shot["occluder_b"]
    return cover(
        (scene.u + slope * scene.v - 0.6 * scene.shot["occluder_a"]).abs() - 0.13, scene.edge
    )


def _shades(scene: Scene) -> Plane:
    who = scene.who
    x, y = scene.fu.abs() - who["eye_gap"], scene.fv - who["eye_y"] - 0.02
    lens = oval(x, y, 0.26, 0.19)
    bridge = torch.maximum((y + 0.06).abs() - 0.03, scene.fu.abs() - who["eye_gap"])
    return cover(torch.minimum(lens, bridge), scene.edge)


SHAPES: dict[str, Callable[[Scene], Plane]] = {
    "hat": _hat,
    "scarf": _scarf,
    "hand": _hand,
    "bar": _bar,
    "shades": _shades,
}
