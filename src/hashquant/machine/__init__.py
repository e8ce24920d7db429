"""What the code runs on: devices, memory, clocks, seeds, threads, files, JSON, kernels.

It knows no image, no method and no record.
"""

__all__ = [
    "compiled",
    "environment",
    "files",
    "hardware",
    "seals",
    "seeds",
    "strictjson",
    "threads",
]
