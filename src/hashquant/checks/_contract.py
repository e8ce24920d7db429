"""The checks of the contract, in order.

Each builds the method afresh, with its default configuration, on the CPU.
"""

from collections.abc import Callable, Iterator
from functools import partial

from hashquant.checks import _behaviour, _declaration, _learning
from hashquant.plugins.method import Method

Check = Callable[[], None]


def yield_checks(method: type[Method]) -> Iterator[tuple[str, Check]]:
    """Yield each check of the contract with its name; calling it may raise ContractError.

    They are the functions named `check_…` of the three modules, in the order they stand there.
    """
    for module in (_declaration, _behaviour, _learning):
        for name, check in vars(module).items():
            if name.startswith("check_"):
                yield name.removeprefix("check_"), partial(check, method)
