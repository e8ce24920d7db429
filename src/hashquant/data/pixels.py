"""Images on the device: resident or streamed, cropped and flipped per image in one batch."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from hashquant.data.rowfile import row_file
from hashquant.errors import UsageError
from hashquant.machine.threads import workers

#: Images resized at once: their float copy stays in the cache, and no pixel depends on it.
RESIZE_CHUNK = 32


@dataclass(frozen=True)
class Origin:
    """Where images come from, for whoever keeps what was made of them.

    `content` holds a digest for each of `rows`, of the whole set's; `folder` is the one of the data
    sets; `progress` is told how many of how many are done.
    """

    content: Sequence[str]
    rows: Int64[np.ndarray, " r"]
    folder: Path
    progress: Callable[[int, int], None] | None = None

    def digests(self) -> list[bytes]:
        """Return 16 bytes for each image, in order: equal images, equal bytes."""
        texts = (self.content[row].encode() for row in self.rows.tolist())
        return [hashlib.blake2b(text, digest_size=16).digest() for text in texts]


class ImageSource:
    """Rows of an image array, resized once, kept on the device when they fit, else streamed.

    `images` is uint8 (n, 3, h, w), an array or memory map; `rows` are the ones to serve;
    `resize` the short side in pixels (0 keeps the stored size); `resident_bytes` the most that
    may be kept on `device`. Both ways give the same pixels. `gray` replaces colours by their luma.
    `origin` lets features of a frozen trunk be kept from one run to the next.
    """

    #: what tells its images from others, where that is known
    origin: Origin | None = None

    def __init__(
        self,
        images: UInt8[np.ndarray, "n 3 h w"],
        rows: Int64[np.ndarray, " r"],
        *,
        resize: int,
        device: torch.device,
        resident_bytes: int,
        gray: bool = False,
        origin: Origin | None = None,
    ) -> None:
        self.device = device
        self.origin = origin
        #: what frozen bodies gave for these images, by what they were made with
        self.stored: dict[str, ImageSource] = {}
        #: what decides pixels beside their content and size
        self.made_of = (*images.shape[2:], gray)
        self._gray = gray
        #: what frozen trunks gave for these images, by the trunk's name: (features, how many count)
        self.features: dict[str, list[tuple[Tensor, int]]] = {}
        self._images = images
        self._file = row_file(images)
        self._rows = rows
        self.height, self.width = resized_shape(images.shape[2], images.shape[3], resize)
        self._resident: Tensor | None = None
        if len(rows) * 3 * self.height * self.width <= resident_bytes:
            self._resident = self._load_all()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def resident(self) -> bool:
        """Whether all images are kept on the device."""
        return self._resident is not None

    def take(self, positions: Int64[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
        """Return the images at `positions` (0 … len - 1) on the device, channels last."""
        if self._resident is not None:
            kept = self._resident.index_select(0, positions.to(self.device, non_blocking=True))
            return kept.permute(0, 3, 1, 2)
        return self._load(positions)

    def stream(self, steps: Iterable[Int64[Tensor, " b"]]) -> Iterator[UInt8[Tensor, "b 3 h w"]]:
        """Yield what `take` gives for each of `steps`, the next one loaded meanwhile.

        Images that are not resident are read and resized by a thread of one core; on CUDA they
        are uploaded and resized in a stream beside the caller's.
        """
        if self._resident is not None:
            yield from map(self.take, steps)
            return
        side = _side_stream(self.device) if self.device.type == "cuda" else None
        ahead: Future[_Loaded] | None = None
        with workers(1) as reader:
            for positions in steps:
                following = reader.submit(self._load_beside, positions, side)
                if ahead is not None:
                    yield _arrived(*ahead.result())
                ahead = following
            if ahead is not None:
                yield _arrived(*ahead.result())

    def _load_beside(self, positions: Tensor, side: torch.cuda.Stream | None) -> "_Loaded":
        """Load images in the stream `side`, which reads nothing that another stream writes."""
        if side is None:
            return self._load(positions), None
        with torch.cuda.stream(side):
            return self._load(positions), side.record_event()

    def _load(self, positions: Tensor) -> Tensor:
        return self._upload(self._read(positions))

    def _read(self, positions: Tensor) -> Tensor:
        rows = self._rows[positions.cpu().numpy()]
        shape = (len(rows), *self._images.shape[1:])
        chunk = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        if self._file is None:
            chunk.numpy()[:] = self._images[rows]
        else:
            self._file.read(rows, chunk.numpy())
        return chunk

    def _upload(self, chunk: Tensor) -> Tensor:
        chunk = chunk.to(self.device, non_blocking=True)
        chunk = luma(chunk) if self._gray else chunk
        resized = resize_short_side(chunk, self.height, self.width)
        return resized.contiguous(memory_format=torch.channels_last)

    def _load_all(self) -> Tensor:
        kept = torch.empty(
            (len(self), self.height, self.width, 3), dtype=torch.uint8, device=self.device
        )
        for start in range(0, len(self), RESIZE_CHUNK):
            positions = torch.arange(start, min(start + RESIZE_CHUNK, len(self)))
            kept[start : start + len(positions)] = self._load(positions).permute(0, 2, 3, 1)
        return kept


_Loaded = tuple[Tensor, torch.cuda.Event | None]


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that images come in: one a device, since each keeps memory of its own."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _arrived(images: UInt8[Tensor, "b 3 h w"], event: torch.cuda.Event | None) -> Tensor:
    """Return images that the current stream may use: `event` ends the work of the one beside it."""
    if event is not None:
        current = torch.cuda.current_stream(images.device)
        current.wait_event(event)
        images.record_stream(current)  # the memory is the other stream's: not to be taken back yet
    return images


def resized_shape(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Return height and width once the short side is `short_side`, the aspect kept (0: as is).

    >>> resized_shape(128, 128, 35), resized_shape(100, 201, 50), resized_shape(28, 28, 0)
    ((35, 35), (50, 100), (28, 28))
    """
    if short_side == 0:
        return height, width
    if height <= width:
        return short_side, int(short_side * width / height)
    return int(short_side * height / width), short_side


def luma(images: UInt8[Tensor, "b 3 h w"]) -> UInt8[Tensor, "b 3 h w"]:
    """Return the images as three equal channels of luma (ITU-R BT.601), rounded.

    >>> luma(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).flatten().tolist()
    [76, 76, 76]
    """
    weights = _per_channel((0.299, 0.587, 0.114), images.device)
    gray = (images.float() * weights).sum(dim=1, keepdim=True).round_().clamp_(0, 255)
    return gray.to(torch.uint8).expand_as(images)


def resize_short_side(
    images: UInt8[Tensor, "b 3 h w"], height: int, width: int
) -> UInt8[Tensor, "b 3 h2 w2"]:
    """Return the images at height x width: bilinear with antialiasing, rounded to whole levels."""
    if images.shape[2:] == (height, width):
        return images
    parts = [
        functional.interpolate(
            part.float(), size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for part in torch.split(images, RESIZE_CHUNK)
    ]
    return torch.cat(parts) if parts else images.new_empty((0, 3, height, width))


def random_crop_flip(
    images: UInt8[Tensor, "b 3 h w"],
    size: int,
    *,
    padding: int,
    flip: bool,
    generator: torch.Generator,
) -> UInt8[Tensor, "b 3 s s"]:
    """Cut a `size`-pixel square at each image's own random place, mirrored with chance one half.

    `padding` zero pixels surround an image first. The draws come from `generator`, wherever it
    lives; one gather serves the whole batch, and the result is channels last.

    Raises:
        UsageError: if the padded images are smaller than `size`.
    """
    if padding:
        images = functional.pad(images, (padding, padding, padding, padding))
    count, _, height, width = images.shape
    _check_size(height, width, size)
    home = generator.device
    top = torch.randint(height - size + 1, (count, 1), generator=generator, device=home)
    left = torch.randint(width - size + 1, (count, 1), generator=generator, device=home)
    along = torch.arange(size, device=home).expand(count, size)
    columns = left + along
    if flip:
        mirrored = torch.rand((count, 1), generator=generator, device=home) < 0.5
        columns = torch.where(mirrored, left + size - 1 - along, columns)
    rows = torch.arange(count, device=home)[:, None] * height + top + along  # (b, s)
    index = rows[:, :, None] * width + columns[:, None, :]  # (b, s, s): pixel of the whole batch
    flat = images.permute(0, 2, 3, 1).reshape(-1, 3)
    index = index.reshape(-1).to(images.device, non_blocking=True)
    return flat.index_select(0, index).view(count, size, size, 3).permute(0, 3, 1, 2)


def center_crop(images: UInt8[Tensor, "b 3 h w"], size: int) -> UInt8[Tensor, "b 3 s s"]:
    """Return the central `size`-pixel square of each image.

    Raises:
        UsageError: if the images are smaller than `size`.
    """
    height, width = images.shape[2:]
    _check_size(height, width, size)
    top, left = round((height - size) / 2), round((width - size) / 2)
    return images[:, :, top : top + size, left : left + size]


def normalise(
    images: UInt8[Tensor, "b 3 h w"],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Float[Tensor, "b 3 h w"]:
    """Return (pixel / 255 - mean) / std in fp32, the memory format kept.

    >>> normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8), (0.5,) * 3, (0.5,) * 3)[0, 0, 0]
    tensor([1.])
    """
    shift, scale = (_per_channel(values, images.device) for values in (mean, std))
    return images.float().div_(255.0).sub_(shift).div_(scale)


@functools.cache
def _per_channel(values: tuple[float, ...], device: torch.device) -> Float[Tensor, "3 1 1"]:
    """Return a value a channel, on the device; uploaded once, since each upload makes it wait."""
    with torch.inference_mode(mode=False):
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


def _check_size(height: int, width: int, size: int) -> None:
    if size > min(height, width):
        raise UsageError(
            f"image_size must be at most the images' {height}x{width} pixels "
            f"(after resize and padding), got {size}"
        )
