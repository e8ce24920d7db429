"""How many threads compute: pools of single ones, and blocks that keep to one."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


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


def ahead(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """Yield what `work` returns for each item, in their order, computed while results are used.

    Besides the result in use no more than one for each thread, and one to spare, is held or made.
    """
    with workers(threads) as pool:
        under_way: deque[Future[R]] = deque()
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


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
