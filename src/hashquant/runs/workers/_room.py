"""How many cells a device holds at once, from numbers alone."""

#: More would not pay: processes take turns on a device, each filling what the others' starts of
#: kernels leave idle, and each needs a core of its own to start them.
MOST = 4
#: What a process takes of a CUDA device before its first tensor: context and libraries.
CONTEXT_BYTES = 1 << 30
#: Share of the free memory that is given out: cells differ, and none may fail for want of room.
SHARE = 0.8


def side_by_side(*, cells: int, cores: int, free_bytes: int, cell_bytes: int) -> int:
    """Return how many of `cells` run at once on a CUDA device: at least one.

    `cell_bytes` is the most that a cell before them has held, images included, and `free_bytes`
    what is free beside it. At most half of the processor's cores are kept busy.

    >>> side_by_side(cells=48, cores=16, free_bytes=70 << 30, cell_bytes=20 << 30)
    3
    """
    beside = int(free_bytes * SHARE) // (cell_bytes + CONTEXT_BYTES)
    return max(1, min(cells, cores // 2, 1 + beside, MOST))
