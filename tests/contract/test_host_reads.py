"""No step of an epoch reads a value back from the device: on CUDA each read makes the host wait."""

import traceback

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hashquant.data.items import TrainingSet
from hashquant.data.pixels import ImageSource
from hashquant.plugins import registry
from hashquant.runs.planning import plan
from hashquant.settings.suite import Suite
from hashquant.training import epochs
from hashquant.training.network import Network
from hashquant.training.optimizers import build_optimizer
from hashquant.training.state import allocate

CPU = torch.device("cpu")
CLASSES, IMAGES = 4, 12
#: operations that must know a value, or how many there are, before they return
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_dim",
           "unique_consecutive"}  # fmt: skip


class Reads(TorchDispatchMode):
    """Records the operations that would make a host wait for its device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITING or masks:
            lines = traceback.extract_stack()
            # On CUDA one_hot takes the classes' number as given and reads nothing.
            if not any("one_hot(" in (line.line or "") for line in lines):
                ours = [f for f in lines if "hashquant" in f.filename or "/methods/" in f.filename]
                self.found.append(f"{name} in {ours[-1].line if ours else '?'}")
        return func(*args, **(kwargs or {}))


def test_reads_are_seen():
    x = torch.arange(4.0)
    with Reads() as reads:
        x.sum().item()
        x[x > 1]
        x[x > 1] = 0.0
        bool((x > 1).all())
        x[1:].sum()
    assert [line.split(" in ")[0] for line in reads.found] == [
        "_local_scalar_dense", "index", "index_put_", "_local_scalar_dense"
    ]  # fmt: skip


def ready(name, device):
    """Return a small network of a method, its optimiser, a training set and its specification."""
    suite = Suite(methods=(name,), bits=(16,), image_size=8, resize=0, batch_size=6)
    spec = plan("s", suite, device=device.type)[0].spec
    cls = registry.load_method(name)
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, spec.features))
    config = cls.Config(**spec.settings)
    method = cls(config, cls.budget_for(config, spec.bits), spec.features, CLASSES)
    network = Network(trunk, method).to(device)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, 10, 10), dtype=np.uint8)
    source = ImageSource(pixels, np.arange(IMAGES), resize=0, device=device, resident_bytes=10**6)
    labels = torch.arange(IMAGES) % CLASSES
    training = TrainingSet(source, labels, torch.arange(IMAGES) >= 4, CLASSES)
    allocate(method, IMAGES, CLASSES, device)
    method.initialise(training)
    return network, build_optimizer(network, spec.schedule), training, spec


def outside(reads, function, *args, **kwargs):
    """Call what an epoch does once, at its ends: these may read."""
    kept = len(reads.found)
    result = function(*args, **kwargs)
    del reads.found[kept:]
    return result


#: Methods that must read values back in a step, and what for.
READERS = {
    "dfh": "centres move one after another, as many as the batch has classes",
    "dhd": "each image of a strong view draws its own changes on the host",
    "dtsh": "as many triplets as the batch has pairs of one class",
    "pqn": "as many anchors as the batch has pairs of one class",
    "repconc": "as many rows of its queue as hold an image",
}
TRAINED = [name for name in registry.methods() if not registry.load_method(name).closed_form]


@pytest.mark.parametrize("name", TRAINED)
def test_an_epoch_reads_nothing_from_the_device(name, monkeypatch):
    network, optimizer, training, spec = ready(name, CPU)
    reads = Reads()

    class OfADevice(epochs.Ledger):  # on the CPU, where nothing waits, it looks at each step
        def __init__(self, epoch, device):
            super().__init__(epoch, torch.device("meta"))

        def close(self):
            return outside(reads, super().close)

    plan_epoch, offer = epochs.plan_epoch, epochs._offer_embeddings
    monkeypatch.setattr(epochs, "Ledger", OfADevice)
    monkeypatch.setattr(epochs, "plan_epoch", lambda *a, **k: outside(reads, plan_epoch, *a, **k))
    monkeypatch.setattr(epochs, "_offer_embeddings", lambda *a: outside(reads, offer, *a))
    with reads:
        terms, images = epochs.run_epoch(network, optimizer, training, spec, 0, CPU)
    assert images >= IMAGES - 4
    assert np.isfinite(terms["total"])
    assert bool(reads.found) == (name in READERS), reads.found


@pytest.mark.gpu
@pytest.mark.parametrize("name", [name for name in TRAINED if name not in READERS])
def test_cuda_itself_sees_no_synchronisation_between_steps(name):
    device = torch.device("cuda", 0)
    network, optimizer, training, spec = ready(name, device)
    epochs.run_epoch(network, optimizer, training, spec, 0, device)  # kernels are loaded
    steps = epochs._batches(network, training, spec, 1, device)
    images, parts, batch = next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        terms = epochs._loss_terms(network, images, parts, batch, spec.precision)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        next(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
