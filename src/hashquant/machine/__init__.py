"""What the code runs on: devices, memory, clocks, seeds, threads, files, locks, kernels.

It knows no image, no method and no record.
"""

__all__ = [
    "arrays",
    "compiled",
    "environment",
    "filenames",
    "files",
    "hardware",
    "locks",
    "plaintext",
    "processwide",
    "refusals",
    "seals",
    "seeds",
    "strictjson",
    "threads",
]
