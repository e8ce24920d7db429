"""A run's checkpoint: one sealed file, replaced atomically, set aside when it cannot be trusted."""

import io
import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch

from hashquant.machine.files import guarded, opened, set_aside, write_atomic
from hashquant.machine.seals import add_seal, unsealed

FORMAT = 1
LOG = logging.getLogger(__name__)

#: What reading a damaged file can raise: truncated archives, foreign pickles, missing keys.
DAMAGE = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError,
          pickle.UnpicklingError, BadZipFile)  # fmt: skip


class _BrokenSealError(ValueError):
    """Bytes that are not those that were saved."""


@dataclass(frozen=True)
class Progress:
    """Where a training run stands after `epochs_done` epochs.

    `network` and `optimizer` are state dictionaries; `losses` holds one mapping of named terms
    per epoch; `seconds` and `images` count all the training so far, over all its sessions;
    `choice` is the state of the epoch's selection; `jobs` the most cells that went side by side
    on the device in any session; `kept` is what the method keeps while training, `average` the
    state of the moving average (empty where there is none).
    """

    epochs_done: int
    network: Mapping[str, Any]  # Any: tensors, as torch's state dictionaries
    optimizer: Mapping[str, Any]  # Any: as above, and numbers
    losses: tuple[Mapping[str, float], ...]
    seconds: float
    images: int
    choice: Mapping[str, Any] = field(default_factory=dict)  # Any: as above
    jobs: int = 1
    kept: Mapping[str, torch.Tensor] = field(default_factory=dict)
    average: Mapping[str, Any] = field(default_factory=dict)  # Any: as above


@dataclass(frozen=True)
class CheckpointFile:
    """The checkpoint of run `run_id` at `path`."""

    path: Path
    run_id: str

    def save(self, progress: Progress) -> None:
        """Write `progress` whole, then put it in the place of the one before.

        Raises:
            StoreError: if the file cannot be written (disk full, no permission).
        """
        content = {"format": FORMAT, "run_id": self.run_id, **vars(progress)}
        content["losses"] = [dict(terms) for terms in progress.losses]
        buffer = io.BytesIO()
        torch.save(content, buffer)
        add_seal(buffer)
        if self.path.is_dir():
            self.set_aside("it is a folder")
        write_atomic(self.path, buffer.getbuffer())

    def load(self) -> Progress | None:
        """Return what was saved last, on the CPU; None without a checkpoint of this run.

        A damaged file, or one of another run, is renamed to `.corrupt` with a logged warning. So
        is one without a seal: torch checks no sums, so a flipped bit in it would train on.
        """
        try:
            with opened(self.path) as handle:
                body = _whole(handle.read())
            content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
            if (content.pop("format"), content.pop("run_id")) != (FORMAT, self.run_id):
                self.set_aside("it belongs to another run")
                return None
            return Progress(**{**content, "losses": tuple(content["losses"])})
        except FileNotFoundError:
            return None
        except OSError as error:
            self.set_aside(f"it cannot be read ({error.strerror})")
        except _BrokenSealError as error:
            self.set_aside(f"it {error}")
        except DAMAGE as error:
            self.set_aside(f"it is damaged ({type(error).__name__})")
        return None

    def remove(self) -> None:
        """Remove the file, if there is one; a folder at its place is set aside.

        Raises:
            StoreError: if it cannot be removed.
        """
        if self.path.is_dir():
            self.set_aside("it is a folder")
        with guarded(self.path):
            self.path.unlink(missing_ok=True)

    def set_aside(self, reason: str) -> None:
        """Rename the file to `.corrupt` and say why: training starts anew.

        Raises:
            StoreError: if the file cannot be renamed.
        """
        aside = set_aside(self.path)
        LOG.warning("checkpoint %s set aside as %s: %s", self.path, aside.name, reason)


def _whole(data: bytes) -> memoryview:
    try:
        return unsealed(data)
    except ValueError as error:
        raise _BrokenSealError(str(error)) from error
