"""The parts of a face that are painted on the head: skin, eyes, brows, nose, mouth, beard."""

import torch

from hashquant.data.faces._shapes import (
    Canvas,
    Plane,
    Scene,
    bump,
    constant,
    cover,
    oval,
    paint,
    ridge,
    wave,
)


def paint_skin(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint ears and face with their soft tones, folds, freckles and moles."""
    who, shot = scene.who, scene.shot
    skin = who["skin"]
    shadow = skin * constant(0.62, 0.50, 0.46)
    # an ear turns away with its side of the head
    side = torch.where(scene.u < 0, -1.0, 1.0)
    size = who["ear_size"] * (1.0 + 0.8 * side * shot["yaw"]).clamp(0.1, 1.3)
    x = scene.u.abs() - who["face_width"] - who["ear_out"]
    y = scene.v - who["eye_y"] - 0.12 + 0.3 * shot["pitch"]
    ears = oval(x, y, size, 1.5 * who["ear_size"])
    canvas = paint(canvas, skin * constant(0.95, 0.86, 0.84), cover(ears, scene.edge))
    canvas = paint(canvas, shadow, 0.5 * cover(ears + 0.06, scene.edge + 0.03))
    canvas = paint(canvas, skin, cover((scene.face - 1.0) * 0.8, scene.edge))
    across, fv = scene.fu.abs(), scene.fv
    blush = bump(across - 0.40, fv - 0.22, 0.30, 0.24) * who["blush"]
    canvas = paint(canvas, skin * constant(1.0, 0.68, 0.66), blush)
    fold = bump(across - who["mouth_width"] - 0.06, fv - 0.42, 0.07, 0.20) * who["fold"]
    socket = bump(across - who["eye_gap"], fv - who["eye_y"], 0.26, 0.20) * who["eye_socket"]
    canvas = paint(canvas, shadow, torch.maximum(fold, socket))
    dots = wave(fv * 5.3 + scene.fu * 2.1) * wave(scene.fu * 6.1 - fv * 1.7)
    freckles = (dots > 0.35).float() * bump(across - 0.28, fv - 0.12, 0.42, 0.30)
    canvas = paint(canvas, shadow, freckles * who["freckles"])
    for mole in ("mole_a", "mole_b"):
        spot = oval(scene.fu - who[f"{mole}_x"], fv - who[f"{mole}_y"], 0.04, 0.04)
        canvas = paint(canvas, skin * 0.25, cover(spot, scene.edge) * who[mole])
    return canvas


def paint_eyes(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint white, iris, pupil, glint, lashes and the crease of the lid; both eyes at once."""
    who, shot = scene.who, scene.shot
    side = torch.where(scene.fu < 0, -1.0, 1.0)
    x = scene.fu.abs() - who["eye_gap"]
    y = scene.fv - who["eye_y"] + who["eye_slant"] * x
    lid = 1.0 - (x / who["eye_width"]).square()
    half = who["eye_width"] * who["eye_round"]
    upper = half * shot["open_eyes"] * lid
    lower = 0.7 * half * (0.5 + 0.5 * shot["open_eyes"]) * lid
    inside = cover(torch.maximum(-y - upper, y - lower), scene.edge)
    canvas = paint(canvas, constant(0.93, 0.92, 0.90), inside)
    ix, iy = x * side - shot["gaze"], y + 0.12 * half
    radius = 0.40 * who["eye_width"] + 0.35 * half
    gaze = (ix.square() + iy.square()).sqrt()
    canvas = paint(canvas, who["iris"], cover(gaze - radius, scene.edge) * inside)
    canvas = paint(
        canvas, constant(0.02, 0.02, 0.02), cover(gaze - 0.4 * radius, scene.edge) * inside
    )
    glint = oval(ix + 0.4 * radius, iy + 0.4 * radius, 0.022, 0.022)
    canvas = paint(canvas, constant(1.0, 1.0, 1.0), 0.8 * cover(glint, scene.edge) * inside)
    reach = cover(x.abs() - 1.12 * who["eye_width"], scene.edge)
    lash = cover((y + upper).abs() - who["lash"], scene.edge) * reach
    canvas = paint(canvas, constant(0.08, 0.06, 0.06), 0.9 * lash)
    rim = cover((y - lower).abs() - 0.004, scene.edge) * reach
    crease = cover((y + upper + 0.07).abs() - 0.008, scene.edge) * reach * who["crease"]
    return paint(canvas, who["skin"] * 0.45, torch.maximum(0.5 * rim, crease))


def paint_brows(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint both brows in a darker hair colour, raised or frowning as the image asks."""
    who, shot = scene.who, scene.shot
    x = (scene.fu.abs() - who["eye_gap"] - 0.02) / who["brow_length"]
    slope = (who["brow_slant"] + shot["frown"]) * who["brow_length"]
    height = who["eye_y"] - who["brow_gap"] - shot["raise"]
    y = scene.fv - height + slope * x + who["brow_arch"] * (1.0 - x.square())
    thick = who["brow_thickness"] * (1.0 - 0.4 * x.clamp(-1.0, 1.0))
    distance = torch.maximum(y.abs() - thick, (x.abs() - 1.0) * who["brow_length"])
    return paint(canvas, who["hair"] * 0.75, cover(distance, scene.edge) * who["brow_density"])


def nose_line(scene: Scene) -> tuple[Plane, Plane]:
    """Return (offset from the ridge, half-width there); the tip stands out, so it moves most."""
    who = scene.who
    down = ((scene.fv - who["eye_y"]) / who["nose_length"]).clamp(0.0, 1.0)
    x = scene.fu - 0.16 * scene.shot["yaw"] * down
    return x, who["nose_width"] * (who["nose_bridge"] + (1.0 - who["nose_bridge"]) * down.square())


def paint_nose(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint what light does not: nostrils, wings and the shadow below the tip."""
    who = scene.who
    x, _ = nose_line(scene)
    y = scene.fv - who["eye_y"] - who["nose_length"] + 0.10 * scene.shot["pitch"]
    across, width = x.abs(), who["nose_width"]
    shadow = who["skin"] * constant(0.58, 0.45, 0.42)
    canvas = paint(canvas, shadow, 0.55 * bump(x, y - 0.06, 1.3 * width, 0.09))
    wing = bump(across - width, y + 0.02, 0.06, 0.09)
    canvas = paint(canvas, shadow, 0.75 * wing)
    hole = cover(oval(across - 0.5 * width, y - 0.01, 0.34 * width, 0.035), scene.edge)
    canvas = paint(canvas, who["skin"] * 0.22, hole * who["nostril"])
    tip = bump(x, y + 0.10, 0.7 * width, 0.10)
    return paint(canvas, who["skin"] * 1.12, 0.5 * tip)


def paint_mouth(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint lips, and between them the line, the teeth or the open mouth."""
    who, shot = scene.who, scene.shot
    x = scene.fu / (who["mouth_width"] * (1.0 + 0.22 * shot["smile"].clamp(min=0.0)))
    bend = 0.09 * (shot["smile"] + who["mouth_droop"])
    y = scene.fv - _mouth_y(scene) + bend * (x.square() - 0.35)
    swell = 1.0 - x.square()
    gap = 0.11 * shot["open_mouth"] * swell
    bow = 1.0 - who["lip_bow"] * ridge(x, 0.30)
    lips = torch.maximum(
        -y - gap - who["lip_upper"] * swell * bow, y - gap - who["lip_lower"] * swell
    )
    below = bump(x, y - 2.0 * gap - who["lip_lower"] - 0.07, 0.85, 0.07)
    canvas = paint(canvas, who["skin"] * constant(0.66, 0.54, 0.50), 0.5 * below)
    canvas = paint(canvas, who["lip"], cover(lips, scene.edge))
    upper = cover(torch.maximum(lips, y), scene.edge)
    canvas = paint(canvas, who["lip"] * 0.75, 0.5 * upper)
    ends = cover((x.abs() - 1.0) * who["mouth_width"], scene.edge)
    line = cover(y.abs() - 0.012, scene.edge) * ends
    canvas = paint(canvas, who["lip"] * 0.30, 0.75 * line)
    inside = cover(y.abs() - gap + 0.02, scene.edge) * (shot["open_mouth"] > 0)
    canvas = paint(canvas, constant(0.20, 0.06, 0.06), inside)
    teeth = inside * cover(y - 0.15 * gap, scene.edge)
    return paint(canvas, constant(0.92, 0.90, 0.86), 0.9 * teeth)


def paint_beard(canvas: Canvas, scene: Scene) -> Canvas:
    """Paint beard, chin tuft and moustache, leaving the lips free."""
    who = scene.who
    mouth = _mouth_y(scene)
    across = scene.fu / who["face_width"]
    y = scene.fv - mouth
    line = scene.fv - (mouth - 0.10) + 0.75 * across.square()
    skin = cover((scene.face - 1.0) * 0.8 - who["beard_length"], scene.edge)
    # beyond the face a beard is seen against the background: no skin shines through
    beyond = cover((1.0 - scene.face) * 0.8, scene.edge) * (who["beard_full"] > 0)
    density = torch.maximum(who["beard_full"], beyond)
    full = cover(-line, scene.edge + 0.12) * skin * density
    tuft = cover(oval(scene.fu, y - 0.30, who["mouth_width"] * 0.75, 0.20), scene.edge + 0.08)
    lip = oval(scene.fu, y + 0.115, who["mouth_width"] * 1.05, 0.065)
    lip = cover(lip, scene.edge + 0.02) * who["beard_lip"]
    hair = torch.maximum(torch.maximum(full, tuft * who["beard_chin"]), lip)
    curls = 0.88 + 0.12 * wave(scene.fu * 7.0) * wave(scene.fv * 9.0)
    free = 1.0 - cover(oval(scene.fu, y, who["mouth_width"], 0.07), scene.edge + 0.04)
    return paint(canvas, who["hair"] * 0.9, hair * curls * free)


def _mouth_y(scene: Scene) -> Plane:
    who = scene.who
    return who["eye_y"] + who["nose_length"] + who["mouth_gap"] + 0.03 * scene.shot["open_mouth"]
