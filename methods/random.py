"""Random: a code that is a pseudo-random function of the image and nothing else: the floor.

After Carter and Wegman, "Universal Classes of Hash Functions", JCSS 1979. An image's own features
are hashed by integer mixing with constants drawn from the run's seed: equal images share a code,
different ones meet by chance.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

import hashquant.api as hq

WORD = 2**32 - 1
#: An odd number below 2^31 whose products with 32-bit words fit int64 and stir their bits.
MULTIPLIER = 0x45D9F3B


def mixed(words: Tensor) -> Tensor:
    """Return 32-bit words, kept in int64, scrambled one to one: each bit depends on all.

    >>> mixed(torch.tensor([0, 1, 2])).unique().numel()
    3
    """
    for _ in range(2):
        words = (words ^ (words >> 16)) * MULTIPLIER & WORD
    return words ^ (words >> 16)


class Random(hq.Method):
    """Bits of a hash of the trunk's output, which is never trained."""

    name = "random"
    display = hq.Name("random codes")
    family = hq.Binary()
    closed_form = True
    known_failures: ClassVar[Mapping[str, str]] = {
        "learns_a_toy_problem": "its codes hold no information about the image, on purpose"
    }
    reference = hq.Reference(
        title="Universal Classes of Hash Functions",
        authors="J. Lawrence Carter, Mark N. Wegman",
        venue="Journal of Computer and System Sciences 18(2)",
        year=1979,
        url="https://doi.org/10.1016/0022-0000(79)90044-8",
    )

    def __init__(
        self, config: object, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.feature_keys = nn.Buffer(torch.randint(2**32, (in_features,)))
        self.bit_keys = nn.Buffer(torch.randint(2**32, (budget.bits,)))

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return ±1, whatever the features mean."""
        values = features.float() + 0.0  # -0 and 0 are equal, and become the same word
        words = values.contiguous().view(torch.int32).long() & WORD
        hashed = mixed(words ^ self.feature_keys).sum(dim=1) & WORD  # whole numbers: any order
        bits = mixed(hashed[:, None] ^ self.bit_keys) & 1
        return 2.0 * bits.float() - 1.0
