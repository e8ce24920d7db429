"""The contract of a method as small checks, for every method here and for anybody's own.

`for name, check in yield_checks(MyMethod): check()` raises a ContractError with the first
violation. Each check builds the method afresh, with its default configuration, on the CPU.
"""

from collections.abc import Callable, Iterator
from functools import partial

from hashquant.checks import behaviour, declaration
from hashquant.checks.trial import ContractError
from hashquant.method import Method

__all__ = ["Check", "ContractError", "yield_checks"]

Check = Callable[[], None]


def yield_checks(method: type[Method]) -> Iterator[tuple[str, Check]]:
    """Yield each check of the contract with its name; calling it may raise ContractError.

    They are the functions named `check_…` of the two modules, in the order they stand there.
    """
    for module in (declaration, behaviour):
        for name, check in vars(module).items():
            if name.startswith("check_"):
                yield name.removeprefix("check_"), partial(check, method)
