"""RaBitQ: one bit a dimension of the rotated float embedding, and the scalar that unbiases it.

Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for
Approximate Nearest Neighbor Search", SIGMOD 2024: with o = P(x - c), o_bar = sign(o) / sqrt(d) and
f = |o| / <o_bar, o/|o|>, the product <x, q> is <c, q> + f <o_bar, Pq>, unbiased over rotations P.
It is linear in q: an item is decoded to c + f P'o_bar, and compared with the raw query.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import hashquant.api as hq

WHOLE = {16: (torch.float16, torch.int16), 32: (torch.float32, torch.int32)}


class RaBitQ(hq.Method):
    """Signs of unit embeddings in a random rotation of their principal axes, and a scalar."""

    name = "rabitq"
    display = hq.Name("RaBitQ of the float embedding", short="RaBitQ (float emb.)", words={
        "scalar_bits=0": "signs only", "scalar_bits": "{}-bit scalar", "centre=False": "uncentred",
        "dims": "{} dimensions"})  # fmt: skip
    family = hq.Decoded()
    kind = "fitted"
    base = "float"
    closed_form = True
    reference = hq.Reference(
        title="RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for "
        "Approximate Nearest Neighbor Search",
        authors="Jianyang Gao, Cheng Long",
        venue="SIGMOD",
        year=2024,
        url="https://arxiv.org/abs/2405.12497",
    )

    @dataclass(frozen=True)
    class Config:
        """All bits are counted: 64 are 48 signs and a half-precision scalar, or 64 signs."""

        # Paper: D signs, two or three float32 scalars an item. One is enough for inner products.
        scalar_bits: Annotated[int, hq.Range(0, 32)] = 16  #: of f; 0: one f for all items
        dims: hq.Natural = 0  #: signs of a code; 0: what the bits leave, else their own length
        centre: bool = True  #: c is the mean of the training images' embeddings, or 0

        def agree(self) -> None:
            """Refuse a scalar that is no float of the machine."""
            if self.scalar_bits not in (0, *WHOLE):
                raise hq.UsageError(f"scalar_bits must be 0, 16 or 32, got {self.scalar_bits}")

    def __init__(
        self, config: Config, budget: hq.CodeBudget, in_features: int, num_classes: int
    ) -> None:
        super().__init__(config, budget, in_features, num_classes)
        self.dims = budget.bits - config.scalar_bits
        if self.dims > in_features:
            limit = f"signs must be at most the embedding's size ({in_features})"
            raise hq.BudgetError(f"{limit}, got {self.dims}")
        self.centre = nn.Buffer(torch.zeros(in_features))
        self.axes = nn.Buffer(torch.eye(in_features, self.dims))  # P' as columns
        self.factor = nn.Buffer(torch.ones(()))  # f of all items, where none is stored

    @classmethod
    def budget_for(cls, config: Config, bits: int) -> hq.CodeBudget:
        """Return the budget of `bits`, or of `dims` signs and the scalar, whatever is asked for.

        Raises:
            BudgetError: if the scalar leaves no sign.
        """
        if config.dims:
            return cls.family.budget(config.dims + config.scalar_bits)
        if bits <= config.scalar_bits:
            raise hq.BudgetError(
                f"bits must be more than the {config.scalar_bits} of the scalar, got {bits}"
            )
        return cls.family.budget(bits)

    def fit(self, features: hq.Features, labels: hq.Labels) -> None:
        """Take the mean, the principal axes where signs are fewer, and draw the rotation.

        Q of a Gaussian matrix, with the signs of R, is uniform over all rotations.
        """
        unit = normalize(features.double().cpu(), dim=1)
        size = unit.shape[1]
        axes = torch.eye(size, dtype=torch.float64)
        if self.dims < size:
            axes = hq.principal_axes(unit)[1][:, : self.dims]
        q, r = torch.linalg.qr(torch.randn(self.dims, self.dims, dtype=torch.float64))
        self.axes.copy_(axes @ (q * r.diagonal().sign()))
        if self.config.centre:
            self.centre.copy_(unit.mean(dim=0))
        self.factor.copy_(self._factors(self._turned(unit.to(self.axes))).mean())

    def forward(self, features: hq.Features) -> hq.Embedding:
        """Return unit embeddings, since their baseline compares them by cosine."""
        return normalize(features.float(), dim=1)

    def encode(self, embedding: hq.Embedding) -> hq.PackedCodes:
        """Return the signs of o, then the bits of f, the highest first."""
        turned = self._turned(embedding)
        bits = turned > 0
        if self.config.scalar_bits:
            kept, whole = WHOLE[self.config.scalar_bits]
            places = torch.arange(self.config.scalar_bits - 1, -1, -1, device=bits.device)
            stored = self._factors(turned).to(kept).view(whole).long()
            bits = torch.cat([bits, (stored[:, None] >> places & 1).bool()], dim=1)
        return hq.pack_bits(bits)

    def decode(self, codes: hq.PackedCodes) -> hq.Embedding:
        """Return c + f P'o_bar, f as it is stored."""
        bits = hq.unpack_bits(codes, self.budget.bits)
        signs = bits[:, : self.dims].double() * 2 - 1
        factor = self.factor.double()
        if self.config.scalar_bits:
            kept, whole = WHOLE[self.config.scalar_bits]
            places = torch.arange(self.config.scalar_bits - 1, -1, -1, device=bits.device)
            stored = (bits[:, self.dims :].long() << places).sum(1).to(whole)
            factor = stored.view(kept).double()[:, None]
        turned_back = signs @ self.axes.double().T / math.sqrt(self.dims)
        return (self.centre.double() + factor * turned_back).float()

    @property
    def decoder_bytes(self) -> int:
        """Centre, axes and factor: the rotation is kept as it is, not as its seed."""
        return sum(tensor.nbytes for tensor in (self.centre, self.axes, self.factor))

    def _turned(self, embedding: Tensor) -> Tensor:
        """Return o in float64: a sign depends on no neighbour's rounding."""
        return (embedding.double() - self.centre.double()) @ self.axes.double()

    def _factors(self, turned: Tensor) -> Tensor:
        """Return f = |o|^2 sqrt(d) / |o|_1 of each o, 0 for o = 0."""
        length = turned.abs().sum(dim=1).clamp_min(torch.finfo(turned.dtype).tiny)
        return turned.square().sum(dim=1) * math.sqrt(self.dims) / length
