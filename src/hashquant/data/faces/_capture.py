"""How a person is shown: everything that changes from image to image, by capture domain."""

from typing import Final

import torch

from hashquant.data.faces._chance import Keys, Parameter, Parameters, colours, span, uniform

DOMAINS: Final = ("studio", "street")
OCCLUDERS: Final = ("hat", "scarf", "hand", "bar", "shades")

# name: (studio range, street range). Pose slopes are drawn from the sum of two uniforms, so that
# extremes are rare; `turn` is the tangent of half the in-plane angle.
POSE: Final = {
    "turn": ((-0.10, 0.10), (-0.18, 0.18)),
    "shift_x": ((-0.16, 0.16), (-0.18, 0.18)),
    "shift_y": ((-0.06, 0.17), (-0.12, 0.20)),
    "zoom": ((0.72, 0.92), (0.68, 0.96)),
    "yaw": ((-0.50, 0.50), (-0.60, 0.60)),
    "pitch": ((-0.22, 0.22), (-0.28, 0.28)),
    "gaze": ((-0.04, 0.04), (-0.06, 0.06)),
}
FACE: Final = {
    "smile": ((-0.4, 1.1), (-0.6, 1.2)),
    "raise": ((-0.03, 0.06), (-0.05, 0.09)),
    "frown": ((-0.14, 0.14), (-0.18, 0.18)),
    "open_eyes": ((0.60, 1.15), (0.40, 1.20)),
}
LIGHT: Final = {
    "light_x": ((-1.0, 1.0), (-1.2, 1.2)),
    "light_y": ((-1.0, 0.1), (-1.1, 0.4)),
    "ambient": ((0.38, 0.66), (0.32, 0.64)),
    "exposure": ((0.74, 1.20), (0.68, 1.26)),
    "contrast": ((0.72, 1.15), (0.68, 1.20)),
    "tone": ((-0.30, 0.30), (-0.40, 0.40)),
    "blur": ((0.0, 0.12), (0.0, 0.20)),
    "smear": ((0.0, 0.0), (0.0, 0.18)),
    "noise": ((0.008, 0.030), (0.010, 0.042)),
}
CAST: Final = {"studio": 0.08, "street": 0.15}
OCCLUDED: Final = {"studio": 0.06, "street": 0.24}
OPEN_MOUTH: Final = {"studio": 0.30, "street": 0.45}


def draw_capture(key: Keys, domain: str) -> Parameters:
    """Return the conditions of each key's image in a capture domain, (b, 1, 1)."""
    side = DOMAINS.index(domain)
    shot: Parameters = {}
    for name, ranges in POSE.items():
        both = 0.5 * (uniform(key, name) + uniform(key, f"{name}+"))
        shot[name] = span(both, *ranges[side])
    for name, ranges in (FACE | LIGHT).items():
        shot[name] = span(uniform(key, name), *ranges[side])
    opened = (uniform(key, "open?") < OPEN_MOUTH[domain]).float()
    shot["open_mouth"] = opened * span(uniform(key, "open"), 0.2, 1.0)
    shot["light"] = colours(key, "light", 1.0 - CAST[domain], 1.0 + CAST[domain])
    shot["cloth"] = colours(key, "cloth", 0.05, 0.95)
    shot |= _occlusion(key, domain)
    shot |= _background(key, domain)
    return shot


def _occlusion(key: Keys, domain: str) -> Parameters:
    happens = (uniform(key, "occluded?") < OCCLUDED[domain]).float()
    kind: Parameter = (uniform(key, "occluder") * len(OCCLUDERS)).floor()
    return {
        "occluder": torch.where(happens > 0, kind, torch.full_like(kind, -1.0)),
        "occluder_colour": colours(key, "occluder", 0.05, 0.90),
        "occluder_a": span(uniform(key, "occluder_a"), -1.0, 1.0),
        "occluder_b": span(uniform(key, "occluder_b"), -1.0, 1.0),
    }


def _background(key: Keys, domain: str) -> Parameters:
    low, high = (0.12, 0.95) if domain == "studio" else (0.05, 0.95)
    grey = span(uniform(key, "backdrop"), low, high)[:, None]
    strength = 0.12 if domain == "studio" else 0.35
    backdrop = (grey + colours(key, "backdrop_hue", -strength, strength)).clamp(0.0, 1.0)
    found: Parameters = {
        "backdrop": backdrop,
        "backdrop_fall": span(uniform(key, "fall"), -0.25, 0.25),
        "clutter": torch.full_like(uniform(key, "fall"), float(domain == "street")),
    }
    for i in range(4):
        found[f"thing{i}"] = colours(key, f"thing{i}", 0.0, 1.0)
        found[f"thing{i}_x"] = span(uniform(key, f"thing{i}_x"), -1.1, 1.1)
        found[f"thing{i}_y"] = span(uniform(key, f"thing{i}_y"), -1.1, 1.1)
        found[f"thing{i}_w"] = span(uniform(key, f"thing{i}_w"), 0.08, 0.6)
        found[f"thing{i}_h"] = span(uniform(key, f"thing{i}_h"), 0.1, 1.2)
    return found
