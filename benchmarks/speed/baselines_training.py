"""The plain side of the training ratios: ImageFolder, DataLoader, PIL transforms, fp32 NCHW."""

import copy
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from hashquant.settings.suite import RunSpec
from hashquant.training import trunks
from hashquant.training.network import Network

WORKERS = 4


def plain_loader(folder: Path, spec: RunSpec) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return shuffled batches of a folder of images, resized and augmented one by one by PIL."""
    steps = [
        transforms.Resize(spec.resize),
        transforms.RandomCrop(spec.image_size, spec.padding),
        transforms.RandomHorizontalFlip(),
        *pixel_transforms(spec),
    ]
    found = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    return DataLoader(
        found, spec.batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )


def pixel_transforms(spec: RunSpec) -> list[nn.Module]:
    """Return what makes numbers of a PIL image."""
    return [transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]


def plain_network(network: Network) -> Network:
    """Return a copy with the same weights, of torch's own layers, in NCHW."""
    found = copy.deepcopy(network)
    found.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    _use_torch_layers(found)
    return found


def _use_torch_layers(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, trunks.PReLU):
            layer = nn.PReLU(child.num_parameters, device=child.weight.device)
            layer.load_state_dict(child.state_dict())
            setattr(module, name, layer)
        else:
            _use_torch_layers(child)


def plain_epoch(
    network: Network,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> list[float]:
    """Train one epoch as tutorials do; return each step's loss, read step by step."""
    network.train()
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = opqn_loss(network, network.trunk(images.to(device)), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def opqn_loss(network: Network, features: Tensor, labels: Tensor) -> Tensor:
    """Return OPQN's loss, one book after the other: both margin losses, and the entropy."""
    method, config = network.method, network.method.config
    weights = method.get_parameter("class_weight")
    projections, words = method.get_parameter("projection"), method.get_buffer("codewords")
    total, count = torch.zeros((), device=features.device), len(weights)
    for m, x in enumerate(features.chunk(count, dim=1)):
        p = torch.softmax(x @ projections[m], dim=1)
        for part in (x, p @ words[m].T):
            cosine = linear(normalize(part), normalize(weights[m])).clamp(-1, 1)
            margin = torch.zeros_like(cosine).scatter_(1, labels[:, None], config.margin)
            total = total + 0.5 * cross_entropy(config.scale * (cosine - margin), labels)
        total = total - config.entropy_weight * (p * torch.log(p)).sum(dim=1).mean()
    return total / count
