"""Pools of threads that each compute with one thread of torch."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def workers(count: int) -> ThreadPoolExecutor:
    """Return a pool of threads, each of which lets torch use one thread.

    Torch would start a team of its own inside each thread for long arrays, and teams that share
    a core wait for each other. The setting is a thread's own once it is settled there; the
    caller's is put back when all threads have started.
    """
    before = torch.get_num_threads()
    started = Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # settles it for this thread
        started.wait()

    pool = ThreadPoolExecutor(count, initializer=start)
    for _ in range(count):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool
