"""What a run is asked to do: suites, recipes, run specifications, and their strict reading.

Frozen values and their names; nothing that computes with images, and no torch.
"""

__all__ = [
    "adapted",
    "names",
    "paths",
    "ranges",
    "reading",
    "recipe",
    "reference",
    "suite",
    "trunkcards",
    "trunknames",
    "words",
]
