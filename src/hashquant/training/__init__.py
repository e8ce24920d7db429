"""From a training set to a trained network, and from images to codes.

The one loop, its epochs, checkpoints and trunks. No query can be reached from here.
"""

__all__ = [
    "checkpoint",
    "coding",
    "encoding",
    "epochs",
    "frozen",
    "loop",
    "network",
    "normstats",
    "optimizers",
    "prefix",
    "selection",
    "state",
    "trunks",
]
