"""How trunks are called: their names, and the seal of local weights; no torch."""

import hashlib
from pathlib import Path

from hashquant.errors import UsageError, unknown_name
from hashquant.settings.paths import regular_file

#: A trunk's weights are below a tenth of it: no more is read.
MOST_WEIGHT_BYTES = 4 << 30

#: The trunk of vectors that somebody brings: what comes in goes to the head as it is.
NONE = "none"

#: name → one line
TRUNKS: dict[str, str] = {
    "sphere20": "20-layer residual net for faces, 64-512 channels (OPQN's), from scratch",
    "sphere20-narrow": "the same with 16-128 channels: quick on a CPU",
    "sphere64": "64-layer residual net for faces, 64-512 channels, from scratch",
    "resnet18": "torchvision's ResNet-18; 3x3 stem without pooling up to 64 pixels",
    "resnet50": "torchvision's ResNet-50; 3x3 stem without pooling up to 64 pixels",
    "alexnet": "torchvision's AlexNet with its two 4096-unit layers, from 63 pixels",
    NONE: "no trunk: embeddings as they come, which have this one whatever is asked for",
}
#: name → what readers call it
DISPLAY: dict[str, str] = {
    "sphere20": "SphereFace-20",
    "sphere20-narrow": "SphereFace-20 (narrow)",
    "sphere64": "SphereFace-64",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "alexnet": "AlexNet",
    NONE: "none",
}


def sealed(trunk: str) -> str:
    """Return how a run names its trunk: `name`, or `name:PATH@digest` with local weights.

    Raises:
        UsageError: for an unknown name, or weights that cannot be read.
    """
    name, colon, path = trunk.partition(":")
    if name not in TRUNKS:
        raise unknown_name("trunk", name, TRUNKS)
    if not colon:
        return name
    file = regular_file(path, f"weights of trunk {name}")
    try:
        size = file.stat().st_size
        if not 0 < size <= MOST_WEIGHT_BYTES:
            raise UsageError(
                f"weights of trunk {name} must be 1 to {MOST_WEIGHT_BYTES:,} bytes, got {size:,}: "
                f"{path}"
            )
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"weights of trunk {name} cannot be read: {path}: {error.strerror}"
        ) from error
    return f"{name}:{file}@{digest[:12]}"


def unsealed(trunk: str) -> tuple[str, Path | None]:
    """Return name and weight file of a trunk as `sealed` wrote it.

    >>> unsealed("sphere20")
    ('sphere20', None)
    """
    name, colon, rest = trunk.partition(":")
    return name, Path(rest.rpartition("@")[0]) if colon else None
