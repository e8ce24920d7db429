"""How many threads compute: pools of single ones, and blocks that keep to one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and faiss compute on one thread, and give both back their own."""
    import faiss

    before, faiss_before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(faiss_before)
        torch.set_num_threads(before)
