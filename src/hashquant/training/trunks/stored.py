"""What a frozen body gives for images, computed once and kept: one file for all who ask.

A folder `ROOT/.cache/features-<key>/` holds `features.bin`, rows of float32, and `index.bin`, for
each row the digest of its image and one of the row. The key is of weights, network, preprocessing,
kind of device and torch's version. An image is found by its own digest, so methods,
code lengths, seeds, splits and sets share its row. Rows are appended under a lock and then named in
the index: what a killed process left behind them is cut off, and the next goes on from there.
"""

import hashlib
import logging
import mmap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from hashquant.data.imagecache import writable_cache
from hashquant.data.pixels import ImageSource, Origin
from hashquant.errors import DataError
from hashquant.machine.files import guarded, set_aside, sync
from hashquant.machine.locks import locked
from hashquant.machine.seeds import repeatable
from hashquant.settings.suite import RunSpec, digest
from hashquant.training.network import Network, Stacked, entering, memory_format
from hashquant.training.trunks._trunk import Trunk
from hashquant.types import Features

log = logging.getLogger(__name__)

#: Images of one pass. Fixed, the last pass filled up: kernels may depend on the batch size.
EMBED_BATCH = 64
_IMAGE, _ROW = 16, 8  # bytes of the two digests
_ATTEMPTS = 3  # to find rows: as they are, what was missing made, what was damaged made anew
FEATURES, INDEX = "features.bin", "index.bin"

Give = Callable[[Int64[Tensor, " b"]], Features]


class StoredSource(ImageSource):
    """Images of which a frozen body's values are asked for, served as others serve pixels."""

    def __init__(
        self, values: Float[np.ndarray, "n width"], rows: Int64[np.ndarray, " r"],
        device: torch.device,
    ) -> None:  # fmt: skip
        self.device = device
        self.features = {}
        self._values = values
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def resident(self) -> bool:
        """Whether all are kept on the device: none is."""
        return False

    def take(self, positions: Int64[Tensor, " b"]) -> Features:
        """Return the values of the images at `positions`, on the device."""
        rows = self._rows[positions.cpu().numpy()]
        return torch.from_numpy(self._values[rows]).to(self.device)

    def stream(self, steps: Iterable[Int64[Tensor, " b"]]) -> Iterator[Features]:
        """Yield what `take` gives for each of `steps`."""
        yield from map(self.take, steps)


def frozen_trunk(network: Network) -> Trunk | None:
    """Return the trunk below a network, and below all that it stands on, where its body is frozen.

    None where it is not.
    """
    trunk = network.trunk
    while isinstance(trunk, Stacked):
        trunk = trunk.base.trunk
    return trunk if isinstance(trunk, Trunk) and trunk.frozen else None


def stored_source(
    network: Network, source: ImageSource, spec: RunSpec, device: torch.device
) -> ImageSource:
    """Return what a frozen body gives for the images of a source, made now where it is missing.

    The source itself is returned where no body is frozen, or nothing tells its images by digests.

    Raises:
        DataError: if nothing can be written.
    """
    trunk = frozen_trunk(network)
    origin = None if trunk is None else source.origin
    if trunk is None or origin is None:
        return source
    key = _key(spec, source, device)
    if key not in source.stored:
        give = _giver(trunk, source, spec, device)
        source.stored[key] = _open(origin, key, give, trunk.width, device)
    return source.stored[key]


def body_values(
    network: Network, source: ImageSource, spec: RunSpec, device: torch.device
) -> Features:
    """Return what the frozen body below a network gives for all images of a source, in order.

    Raises:
        DataError: as `stored_source`.
    """
    found, trunk = stored_source(network, source, spec, device), frozen_trunk(network)
    positions = torch.arange(len(source))
    if trunk is None or isinstance(found, StoredSource):
        return found.take(positions)
    give = _giver(trunk, source, spec, device)
    with repeatable(device), torch.inference_mode():
        parts = [give(part) for part in torch.split(positions, EMBED_BATCH)]
    return torch.cat(parts).clone()


def own_tensors(network: Network) -> dict[str, torch.Tensor]:
    """Return the tensors of a network but those of a frozen body, which lie in a file already."""
    trunk = frozen_trunk(network)
    body = {id(v) for v in trunk.body.state_dict(keep_vars=True).values()} if trunk else set()
    state = network.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if id(value) not in body}


def _key(spec: RunSpec, source: ImageSource, device: torch.device) -> str:
    weights = spec.card.naming if spec.card else spec.trunk.rpartition("@")[2]
    pixels = spec.image_size, spec.resize, spec.mean, spec.std, source.made_of
    name = spec.trunk.partition(":")[0]
    return digest([name, weights, *pixels, device.type, str(torch.__version__)])


def _giver(trunk: Trunk, source: ImageSource, spec: RunSpec, device: torch.device) -> Give:
    """Return a function that gives a body's values of images, in passes of one size."""
    layout = memory_format(device, "fp32")

    def give(positions: Tensor) -> Tensor:
        filled = torch.arange(EMBED_BATCH).clamp_max(len(positions) - 1)
        pixels = entering(source.take(positions[filled]), spec, layout)
        values: Tensor = trunk.body(pixels)[: len(positions)]
        return values.float()

    trunk.body.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
    return give


def _open(origin: Origin, key: str, give: Give, width: int, device: torch.device) -> StoredSource:
    folder = writable_cache(origin.folder) / f"features-{key}"
    wanted = origin.digests()
    with guarded(folder):
        folder.mkdir(exist_ok=True)
    rows = _rows(folder, wanted, width)
    if rows is None:
        with locked(folder / "lock"):  # another process may just be making them
            for _ in range(_ATTEMPTS):
                rows = _rows(folder, wanted, width, mend=True)
                if rows is not None:
                    break
                _append(folder, wanted, give, width, device, origin)
    if rows is None:
        raise DataError(f"{folder} must keep what is written to it, and does not")
    return StoredSource(_values(folder, width), rows, device)


def _rows(
    folder: Path, wanted: list[bytes], width: int, *, mend: bool = False
) -> Int64[np.ndarray, " r"] | None:
    """Return the row of each image, or None where one is missing or damaged.

    To `mend` is to set aside what is damaged, for whoever holds the lock.
    """
    known = _known(folder)
    if not all(image in known for image in wanted):
        return None
    rows = np.array([known[image][0] for image in wanted], dtype=np.int64)
    values = _values(folder, width)
    for row, image in zip(rows.tolist(), wanted, strict=True):
        if row < len(values) and _row_digest(values[row]) == known[image][1]:
            continue
        if mend:
            log.warning("%s is damaged in row %d: set aside, made again", folder / FEATURES, row)
            for path in (folder / INDEX, folder / FEATURES):  # without the first nothing is there
                if path.exists():
                    set_aside(path)
        return None
    return rows


def _known(folder: Path) -> dict[bytes, tuple[int, bytes]]:
    """Return digest of an image → its row, and the digest of that row."""
    try:
        data = (folder / INDEX).read_bytes()
    except FileNotFoundError:
        return {}
    size = _IMAGE + _ROW
    lines = (data[at : at + size] for at in range(0, len(data) - size + 1, size))
    return {line[:_IMAGE]: (row, line[_IMAGE:]) for row, line in enumerate(lines)}


def _values(folder: Path, width: int) -> Float[np.ndarray, "n width"]:
    """Map the rows that are there; copied when they are changed, and so never changed on disk."""
    path = folder / FEATURES
    count = path.stat().st_size // (4 * width) if path.is_file() else 0
    if not count:
        return np.empty((0, width), dtype=np.float32)
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), count * 4 * width, access=mmap.ACCESS_COPY)
    return np.frombuffer(whole, dtype=np.float32).reshape(count, width)


def _append(
    folder: Path, wanted: list[bytes], give: Give, width: int, device: torch.device, origin: Origin
) -> None:
    """Make and keep what is missing, pass by pass; what was left behind the index is cut off."""
    known = _known(folder)
    places = {image: place for place, image in enumerate(wanted) if image not in known}
    log.info("embedding %d images once, into %s", len(places), folder)
    missing = list(places.items())
    with (
        guarded(folder),
        (folder / FEATURES).open("ab") as values,
        (folder / INDEX).open("ab") as index,
    ):
        values.truncate(4 * width * len(known))
        index.truncate((_IMAGE + _ROW) * len(known))
        for start in range(0, len(missing), EMBED_BATCH):
            part = missing[start : start + EMBED_BATCH]
            with repeatable(device), torch.inference_mode():
                found = give(torch.tensor([place for _, place in part])).cpu().numpy()
            values.write(np.ascontiguousarray(found).tobytes())
            values.flush()
            sync(values.fileno())
            lines = (image + _row_digest(row) for (image, _), row in zip(part, found, strict=True))
            index.write(b"".join(lines))
            index.flush()
            if origin.progress is not None:
                origin.progress(start + len(part), len(missing))


def _row_digest(row: Float[np.ndarray, " width"]) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=_ROW).digest()
