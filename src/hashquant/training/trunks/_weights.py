"""Local weights of a trunk: tensors and no code, refused in one sentence where they do not fit."""

import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TypeGuard
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hashquant.errors import UsageError, one_line
from hashquant.machine.refusals import is_out_of_memory
from hashquant.settings.paths import regular_file
from hashquant.settings.trunknames import MOST_WEIGHT_BYTES

#: weight-file keys of the layers that a trunk replaces
CLASSIFIERS = ("embed.", "fc.", "classifier.6.")
#: What a file begins with that was taken for weights, and what it is.
_NO_WEIGHTS = {
    b"<!doctype html": "it is a web page",
    b"<html": "it is a web page",
    b"version https://git-lfs": "it is a pointer of Git LFS: git lfs pull fetches the file",
}
_DAMAGED = "it is cut short or damaged, or of another kind"
#: What torch and safetensors raise, whatever is wrong with a file.
_UNREADABLE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
    MemoryError, OSError, RuntimeError, TypeError, ValueError, BadZipFile, SafetensorError,
    UnpicklingError, struct.error,
)  # fmt: skip


def fitting_weights(
    own: Mapping[str, Tensor], trunk: str, path: Path, classifiers: tuple[str, ...] = CLASSIFIERS
) -> dict[str, Tensor]:
    """Return what a file holds for a trunk whose tensors are `own`, by their names there.

    The file is safetensors, or what torch.save wrote of a state_dict, on its own or as the one
    entry of a mapping that is a state_dict ("state_dict" before others). Prefixes of parallel
    training and the classifier, whose keys begin with `classifiers`, are left out. No code in it
    is ever run.

    Raises:
        UsageError: if it cannot be read, holds no weights, several, others than the trunk's, or
            values that are not finite.
    """
    state = {str(key).removeprefix("module."): value for key, value in stored_state(path).items()}
    state = {key.removeprefix("body."): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(classifiers)}
    for key, value in own.items():
        if key in state:
            _check(state[key], value, f"weights {path}: '{key}'", trunk)
        elif not key.endswith("num_batches_tracked"):  # absent from older files
            raise UsageError(f"weights {path} must hold '{key}' for trunk '{trunk}'")
    extra = sorted(set(state) - set(own))
    if extra:
        name = one_line(extra[0])
        raise UsageError(f"weights {path} hold '{name}', which trunk '{trunk}' does not know")
    return state


def _check(found: Tensor, own: Tensor, name: str, trunk: str) -> None:
    """Refuse a tensor that cannot take the place of a trunk's own."""
    if found.shape != own.shape:
        raise UsageError(
            f"{name} must have shape {tuple(own.shape)} for trunk '{trunk}' at this image size, "
            f"got {tuple(found.shape)}"
        )
    plain = found.layout is torch.strided and not found.is_quantized and not found.is_meta
    if not plain or found.is_floating_point() != own.is_floating_point():
        got = "no values" if found.is_meta else f"{found.dtype}, {found.layout}"
        raise UsageError(f"{name} must be plain {own.dtype}, got {got}")
    if own.is_floating_point() and not bool(found.float().isfinite().all()):
        raise UsageError(f"{name} must be finite, got a NaN or an infinity")


def stored_state(path: Path) -> Mapping[object, Tensor]:
    regular_file(str(path), "weights")
    try:
        state = _read(path)
    except _UNREADABLE as error:
        raise UsageError(
            f"weights {path} must be a readable weight file: {_reason(error)}"
        ) from error
    if _is_state(state):
        return state
    inner: dict[object, Mapping[object, Tensor]] = {}
    if isinstance(state, Mapping):
        inner = {key: value for key, value in state.items() if _is_state(value)}
    if len(inner) > 1 and "state_dict" not in inner:
        names = one_line(", ".join(f"'{key}'" for key in inner))
        raise UsageError(f"weights {path} must hold one state_dict, got several: {names}")
    if not inner:
        got = one_line(list(state)) if isinstance(state, Mapping) else f"a {type(state).__name__}"
        raise UsageError(f"weights {path} must map names to tensors, got {got}")
    return inner["state_dict"] if "state_dict" in inner else next(iter(inner.values()))


def _is_state(value: object) -> TypeGuard[Mapping[object, Tensor]]:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(entry, Tensor) for entry in value.values())


class _Foreign(ValueError):  # noqa: N818  # a reason, told as one
    """Why a file is no weight file, in words."""


def _read(path: Path) -> object:
    with path.open("rb") as file:
        head = file.read(256)
    for start, words in _NO_WEIGHTS.items():
        if head.lstrip().lower().startswith(start):
            raise _Foreign(words)
    if not head:
        raise _Foreign("it is empty")
    if head[8:9] == b"{" and not head.startswith(b"PK"):
        return load_file(path)
    if head.startswith(b"PK"):
        with ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_WEIGHT_BYTES:
                raise _Foreign(f"it unpacks to more than {MOST_WEIGHT_BYTES:,} bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they are about is refused, or of no matter here
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, instead of torch's advice on how to run its code."""
    if isinstance(error, _Foreign):
        return str(error)
    if is_out_of_memory(error):
        return "it does not fit in memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = str(error)
    held = re.search(r"GLOBAL ([\w.]+)", said)
    if held or "TorchScript" in said:
        what = held[1] if held else "TorchScript"
        return f"it holds more than tensors ({what}): save the model's state_dict() instead"
    return _DAMAGED
