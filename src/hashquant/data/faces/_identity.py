"""Who is shown: everything that stays the same between two images of one person."""

from typing import Final

import torch

from hashquant.data.faces._chance import (
    Keys,
    Parameter,
    Parameters,
    colours,
    pick,
    span,
    spans,
    uniform,
)

# Lengths are in units of half a face's height; angles are slopes.
GEOMETRY: Final = {
    "face_width": (0.66, 0.86),
    "face_length": (0.90, 1.08),
    "jaw_taper": (0.02, 0.36),
    "jaw_square": (0.0, 0.6),
    "skull_square": (0.0, 0.6),
    "ear_size": (0.10, 0.20),
    "ear_out": (-0.03, 0.07),
    "eye_gap": (0.28, 0.40),
    "eye_y": (-0.20, -0.02),
    "eye_width": (0.13, 0.20),
    "eye_round": (0.38, 0.80),
    "eye_slant": (-0.30, 0.30),
    "eye_socket": (0.0, 0.50),
    "lash": (0.010, 0.040),
    "crease": (0.0, 0.6),
    "brow_gap": (0.18, 0.32),
    "brow_length": (0.15, 0.25),
    "brow_thickness": (0.018, 0.060),
    "brow_arch": (0.0, 0.12),
    "brow_slant": (-0.30, 0.30),
    "brow_density": (0.45, 1.0),
    "nose_length": (0.34, 0.56),
    "nose_width": (0.09, 0.20),
    "nose_bridge": (0.35, 0.75),
    "nose_relief": (0.6, 1.5),
    "nostril": (0.3, 1.0),
    "mouth_gap": (0.20, 0.32),
    "mouth_width": (0.19, 0.34),
    "lip_upper": (0.025, 0.075),
    "lip_lower": (0.035, 0.105),
    "lip_bow": (0.0, 0.6),
    "mouth_droop": (-0.5, 0.4),
    "cheekbone": (0.0, 0.5),
    "fold": (0.0, 0.55),
    "blush": (0.0, 0.35),
    "mole_a_x": (-0.6, 0.6),
    "mole_a_y": (-0.6, 0.8),
    "mole_b_x": (-0.6, 0.6),
    "mole_b_y": (0.0, 0.8),
    "hair_top": (0.04, 0.26),
    "hair_side": (0.03, 0.14),
    "hair_sweep": (-0.40, 0.40),
    "hair_part": (-0.45, 0.45),
    "hair_recede": (0.0, 0.30),
    "hair_strand": (4.0, 9.0),
    "hair_phase": (0.0, 1.0),
    "glasses_size": (0.19, 0.27),
    "glasses_round": (0.0, 1.0),
    "glasses_thick": (0.022, 0.055),
}
SKIN: Final = torch.tensor(
    [
        [0.97, 0.83, 0.74],
        [0.93, 0.75, 0.62],
        [0.85, 0.65, 0.50],
        [0.72, 0.52, 0.38],
        [0.55, 0.38, 0.27],
        [0.38, 0.26, 0.19],
    ]
)
HAIR: Final = torch.tensor(
    [
        [0.07, 0.06, 0.07],
        [0.14, 0.10, 0.08],
        [0.24, 0.15, 0.10],
        [0.36, 0.23, 0.14],
        [0.55, 0.38, 0.20],
        [0.80, 0.64, 0.38],
        [0.58, 0.25, 0.12],
        [0.58, 0.57, 0.57],
        [0.86, 0.85, 0.83],
    ]
)
IRIS: Final = torch.tensor(
    [
        [0.16, 0.09, 0.06],
        [0.33, 0.19, 0.09],
        [0.42, 0.36, 0.14],
        [0.25, 0.48, 0.30],
        [0.22, 0.45, 0.72],
        [0.50, 0.58, 0.64],
    ]
)
FRAME: Final = torch.tensor(
    [[0.06, 0.06, 0.07], [0.35, 0.16, 0.08], [0.55, 0.10, 0.12], [0.62, 0.56, 0.40]]
)


def draw_identity(key: Keys) -> Parameters:
    """Return the fixed parameters of each key's person, (b, 1, 1); colours are (b, 3, 1, 1)."""
    who = spans(key, GEOMETRY)
    build = uniform(key, "build")  # 0 … 1: from fine to heavy features, so that they go together
    who["jaw_square"] = who["jaw_square"] + 0.4 * build
    who["brow_thickness"] = who["brow_thickness"] * (0.7 + 0.6 * build)
    who |= _colouring(key, build)
    who |= _hair(key, build)
    who |= _beard(key, build)
    who["glasses"] = _happens(key, "glasses", 0.25)
    who["mole_a"] = _happens(key, "mole_a", 0.35)
    who["mole_b"] = _happens(key, "mole_b", 0.25)
    who["freckles"] = _happens(key, "freckles", 0.2) * span(uniform(key, "freckle"), 0.2, 0.5)
    return who


def _colouring(key: Keys, build: Parameter) -> Parameters:
    tone = uniform(key, "tone").flatten() * (len(SKIN) - 1)
    below = tone.long()
    part = (tone - below).view(-1, 1)
    skin = (SKIN[below] + part * (SKIN[below + 1] - SKIN[below])).view(-1, 3, 1, 1)
    skin = skin * colours(key, "undertone", 0.95, 1.05)
    dark = (tone > 2.6).view(-1, 1, 1)
    # dark skin comes with dark hair and eyes, mostly: colours alone must not name a person
    shade = torch.where(dark, uniform(key, "hair") * 0.3, uniform(key, "hair"))
    grey = _happens(key, "grey", 0.12)
    shade = torch.where(grey > 0, 0.8 + 0.19 * uniform(key, "hair"), shade * 0.77)
    iris = torch.where(dark, uniform(key, "iris") * 0.33, uniform(key, "iris"))
    hair = pick(shade, HAIR) * colours(key, "hair_tint", 0.93, 1.07)
    red = span(uniform(key, "lip_red"), 0.1, 0.9) * (1.0 - 0.6 * build)
    tint = torch.tensor([0.74, 0.20, 0.24]).view(1, 3, 1, 1)
    lip = skin * torch.tensor([0.86, 0.66, 0.66]).view(1, 3, 1, 1)
    return {
        "skin": skin,
        "hair": hair,
        "iris": pick(iris, IRIS) * colours(key, "iris_tint", 0.85, 1.15),
        "lip": lip + red[:, None] * (tint - lip),
        "frame": pick(uniform(key, "frame"), FRAME),
    }


def _hair(key: Keys, build: Parameter) -> Parameters:
    long = (uniform(key, "long") < 0.85 - 0.8 * build).float()
    bald = (uniform(key, "bald") < 0.25 * build).float()
    fringe = _happens(key, "fringe", 0.35)
    high, low = (span(uniform(key, "hairline"), *r) for r in ((-0.78, -0.58), (-0.52, -0.34)))
    short_end, long_end = (span(uniform(key, "end"), *r) for r in ((-0.35, 0.0), (0.35, 1.5)))
    long = long * (1.0 - bald)
    hairline = high + fringe * (low - high)
    return {
        "long": long,
        "bald": bald,
        "hairline": hairline + bald * (-1.5 - hairline),
        "hair_end": short_end + long * (long_end - short_end),
        "curl": _happens(key, "curly", 0.3) * span(uniform(key, "curl"), 0.04, 0.11),
        "curtain": span(uniform(key, "curtain"), 0.72, 0.95),
    }


def _beard(key: Keys, build: Parameter) -> Parameters:
    kind = uniform(key, "beard") + 0.9 * (1.0 - build)  # only heavy builds reach the small values
    density = span(uniform(key, "density"), 0.45, 0.95)
    full = ((kind >= 0.10) & (kind < 0.42)).float() * density
    chin = (kind < 0.22).float() * density
    lip = ((kind < 0.34) | ((kind >= 0.42) & (kind < 0.56))).float() * density
    return {
        "beard_full": full,
        "beard_chin": chin,
        "beard_lip": lip,
        "beard_length": full * span(uniform(key, "beard_length"), 0.0, 0.16),
    }


def _happens(key: Keys, name: str, probability: float) -> Parameter:
    return (uniform(key, f"{name}?") < probability).float()
