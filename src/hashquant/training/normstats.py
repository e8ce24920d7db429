"""Batch-norm statistics of another domain: estimated on a target's gallery, without labels."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hashquant.data.pixels import ImageSource
from hashquant.machine.seeds import repeatable
from hashquant.settings.suite import RunSpec
from hashquant.training.network import Network, entering, memory_format
from hashquant.training.trunks.stored import frozen_trunk, stored_source
from hashquant.types import Features

#: Images of one pass; statistics are averaged over passes.
PASS = 256

Norm = nn.BatchNorm1d | nn.BatchNorm2d


@contextmanager
def target_statistics(
    network: Network, gallery: ImageSource | Features, spec: RunSpec, *, device: torch.device
) -> Iterator[None]:
    """Give every batch norm the statistics of the gallery's images; put the old ones back.

    A head that is trained without its base has that base's embeddings for a gallery.

    The plain mean over passes of 256 images, each normalised by its own pass; dropout is off, and
    weights, codewords, what was fitted in closed form and a frozen body stay as they were.
    """
    trunk = frozen_trunk(network)
    fixed = set(trunk.body.modules()) if trunk is not None else set()
    norms = [m for m in network.modules()
             if isinstance(m, Norm) and m.track_running_stats and m not in fixed]  # fmt: skip
    kept = [({k: v.clone() for k, v in norm.named_buffers()}, norm.momentum) for norm in norms]
    network.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative mean
            norm.train()
        _pass_all(network, gallery, spec, device)
        network.eval()
        yield
    finally:
        for norm, (buffers, momentum) in zip(norms, kept, strict=True):
            norm.momentum = momentum
            for name, value in norm.named_buffers():
                value.copy_(buffers[name])
        network.eval()


def _pass_all(
    network: Network, gallery: ImageSource | Features, spec: RunSpec, device: torch.device
) -> None:
    layout = memory_format(device, "fp32")
    network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    passes = torch.arange(len(gallery)).tensor_split(-(-len(gallery) // PASS))
    with repeatable(device), torch.no_grad():
        if isinstance(gallery, torch.Tensor):
            for rows in passes:
                network.embed(gallery.index_select(0, rows.to(gallery.device)))
            return
        gallery = stored_source(network, gallery, spec, device)
        for images in gallery.stream(passes):
            network.embed(entering(images, spec, layout))
