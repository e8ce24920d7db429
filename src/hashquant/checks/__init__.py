"""The contract of a method as small checks, for every method here and for anybody's own.

`for name, check in yield_checks(MyMethod): check()` raises a ContractError with the first
violation. A check knows no image and no trunk: it builds heads and gives them drawn features.
"""

from hashquant.checks._contract import Check, yield_checks
from hashquant.checks._trial import ContractError

__all__ = ["Check", "ContractError", "yield_checks"]
