"""Vectors on the device, in the place of images: resident where they fit, else read as asked."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from hashquant.data.pixels import ImageSource
from hashquant.data.vectors.rows import VectorRows, rows_a_chunk


class VectorSource(ImageSource):
    """Rows of a set of vectors, float32 on the device; nothing is cut, mirrored or normalised.

    `resident_bytes` is the most that may be kept on `device`. Both ways give the same values.
    """

    def __init__(
        self,
        vectors: VectorRows,
        rows: Int64[np.ndarray, " r"],
        *,
        device: torch.device,
        resident_bytes: int,
    ) -> None:
        self.device = device
        #: what frozen trunks gave for these vectors, by the trunk's name
        self.features = {}
        self._vectors, self._rows = vectors, rows
        self._resident: Tensor | None = None
        if len(rows) * vectors.width * 4 <= resident_bytes:
            self._resident = self._load_all()

    def take(self, positions: Int64[Tensor, " b"]) -> Float[Tensor, "b d"]:
        """Return the vectors at `positions` (0 … len - 1) on the device."""
        if self._resident is not None:
            return self._resident.index_select(0, positions.to(self.device, non_blocking=True))
        return self._load(positions)

    def stream(self, steps: Iterable[Int64[Tensor, " b"]]) -> Iterator[Float[Tensor, "b d"]]:
        """Yield what `take` gives for each of `steps`."""
        yield from map(self.take, steps)

    def _load(self, positions: Tensor) -> Tensor:
        rows = self._rows[positions.cpu().numpy()]
        return torch.from_numpy(self._vectors[rows]).to(self.device)

    def _load_all(self) -> Tensor:
        kept = torch.empty((len(self), self._vectors.width), device=self.device)
        for part in torch.split(torch.arange(len(self)), rows_a_chunk(self._vectors.width)):
            kept[part[0] : part[-1] + 1] = self._load(part)
        return kept
