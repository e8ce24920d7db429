"""What the code runs on: devices, memory, clocks, seeds, threads, files, arrays, JSON, kernels.

It knows no image, no method and no record.
"""

__all__ = [
    "arrays",
    "compiled",
    "environment",
    "filenames",
    "files",
    "hardware",
    "seeds",
    "strictjson",
    "threads",
]
