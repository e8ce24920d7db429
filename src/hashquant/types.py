"""Axis-named tensor types.

Axes: n items, q queries, d features, e embedding, m subspaces, k codewords, s sub-vector,
g tied groups.
"""

from typing import TypeAlias

from jaxtyping import Bool, Float, Float64, Int, Int64, UInt8
from torch import Tensor

Features: TypeAlias = Float[Tensor, "n d"]
Embedding: TypeAlias = Float[Tensor, "n e"]
Labels: TypeAlias = Int64[Tensor, " n"]
Mask: TypeAlias = Bool[Tensor, " n"]
Images: TypeAlias = UInt8[Tensor, "n 3 h w"]
Pixels: TypeAlias = Float[Tensor, "n 3 h w"]
PackedCodes: TypeAlias = UInt8[Tensor, "n bytes"]
Indices: TypeAlias = Int[Tensor, "n m"]
Codebooks: TypeAlias = Float[Tensor, "m k s"]
QueryTable: TypeAlias = Float[Tensor, "q m k"]
SymmetricTable: TypeAlias = Float[Tensor, "m k k"]
Counts: TypeAlias = Int64[Tensor, "q g"]
PerQuery: TypeAlias = Float64[Tensor, " q"]
Scalar: TypeAlias = Float[Tensor, ""]
