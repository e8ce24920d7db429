"""Measure what bf16 training costs: the suite `precision` in fp32 and in bf16, seed by seed.

Usage: python benchmarks/speed/precision.py --data-dir D [--keep DIR] [--markdown FILE]

Where the processor does not multiply in bf16 its kernels are too slow to train with. The trunk then
computes in fp32 and rounds to bf16 what would have been stored in it: the inputs, weights, outputs
and gradients of every operation. Products are summed in fp32 by either.
"""

import argparse
import copy
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:1] = [str(ROOT / "src"), str(Path(__file__).parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rates import bf16_note  # noqa: E402
from sections import IN_SHORT, leave  # noqa: E402
from tabulate import tabulate  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402

from hashquant.machine.environment import resolve_device  # noqa: E402
from hashquant.machine.hardware import resolve_precision  # noqa: E402
from hashquant.records.provenance import provenance  # noqa: E402
from hashquant.records.store import Store  # noqa: E402
from hashquant.runs.contest import Contest, Surroundings, load  # noqa: E402
from hashquant.runs.examination import stored_codes  # noqa: E402
from hashquant.runs.planning import Cell, plan  # noqa: E402
from hashquant.search.evaluation import evaluate  # noqa: E402
from hashquant.settings.suite import RunSpec, read_suite  # noqa: E402
from hashquant.statistics import paired_difference  # noqa: E402
from hashquant.training.encoding import encode  # noqa: E402
from hashquant.training.loop import train  # noqa: E402
from hashquant.training.network import build_network  # noqa: E402

KINDS = ("fp32", "bf16")


class _Round(torch.autograd.Function):
    """Round to bf16 on the way forward, and the gradient on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # Any: torch's context
        """Return x at bf16's 8 bits of precision, in fp32."""
        return x.bfloat16().float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # Any: torch's context
        """Return the gradient at bf16's precision."""
        return gradient.bfloat16().float()


class _Rounding(TorchFunctionMode):
    """Round what autocast would hand to a product in bf16, and what any operation returns."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func.__name__ in ("conv2d", "linear"):
            args = tuple(_rounded(argument) for argument in args)
        return _rounded(func(*args, **(kwargs or {})))


def _rounded(value: object) -> object:
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return value
    if value.requires_grad:
        return _Round.apply(value)  # type: ignore[no-untyped-call]
    return value.bfloat16().float() if value.dim() == 4 else value  # pixels; statistics stay


class Rounded(nn.Module):
    """A trunk that trains as if in bf16; in evaluation it is the trunk itself."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Return the trunk's features."""
        if not self.training:
            return self.inner(images)  # type: ignore[no-any-return]
        with _Rounding():
            return self.inner(images)  # type: ignore[no-any-return]


def trained_ap(cell: Cell, contest: Contest, kind: str, device: torch.device) -> np.ndarray:
    """Train a cell in one precision; return each query's average precision, encoded in fp32."""
    training = contest.prepared.training
    if training is None:
        raise SystemExit(f"{cell.spec.dataset} has no training images")
    native = resolve_precision("auto", device.type) == "bf16"
    spec = dataclasses.replace(cell.spec, precision=kind if native else "fp32")
    network = build_network(spec, training.num_classes, device)
    if kind == "bf16" and not native:
        network.trunk = Rounded(network.trunk)
    train(network, training, spec, device=device)
    [examination] = contest.examinations.values()
    gallery = encode(network, examination.gallery, spec, device=device)
    queries = encode(network, examination.query, spec, device=device, queries=True)
    comparison, groups = next(stored_codes(network, gallery, queries, examination).rankings())
    return evaluate(groups, comparison).per_query["ap"]


def gradients_apart(spec: RunSpec, device: torch.device) -> tuple[float, float]:
    """Return how far the gradients of a trunk's first three layers lie from torch's own bf16.

    The first of the rounded layers, the second of fp32; both as a part of the gradient's length.
    More layers would tell less: what is rounded up here and down there moves all that follows.
    """
    layers = [m for m in build_network(spec, 10, device).trunk.modules() if not [*m.children()]]
    first = nn.Sequential(*layers[:3]).train()
    pixels = torch.randn(8, 3, spec.image_size, spec.image_size, device=device)
    found = []
    for trunk, bf16 in ((first, True), (Rounded(first), False), (first, False)):
        tried = copy.deepcopy(trunk)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            features = tried(pixels).float()
        weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
        (features * weights.to(device)).sum().backward()
        gradients = [p.grad for p in tried.parameters() if p.grad is not None]
        found.append(torch.cat([gradient.flatten() for gradient in gradients]))
    real, rounded, plain = found
    return float((rounded - real).norm() / real.norm()), float((plain - real).norm() / real.norm())


def kept(folder: Path | None, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return an array from the folder, or make it and keep it there."""
    if folder is None:
        return make()
    file = folder / f"{name}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(file, make())
    return np.asarray(np.load(file))


def section(
    ap: Mapping[str, np.ndarray], identity: np.ndarray, cells: list[Cell], options: Any
) -> str:  # Any: flags
    """Return the section of RESULTS.md on precision."""
    spec, device = cells[0].spec, options.device
    found = paired_difference(ap["bf16"], ap["fp32"], identity, streams=("seed", "seed"))
    rows = [
        [cell.spec.seed, *(f"{np.nanmean(ap[kind][row]):.4f}" for kind in KINDS)]
        for row, cell in enumerate(cells)
    ]
    native = resolve_precision("auto", device.type) == "bf16"
    how = "bf16 is the device's own."
    if not native:
        rounded, plain = gradients_apart(spec, device)
        how = (
            f"{bf16_note()}: bf16 is fp32 arithmetic rounded to bf16 after every "
            f"operation. Gradients of the first three layers lie {rounded:.2%} from torch's own "
            f"bf16, and fp32's {plain:.2%}."
        )
    made = provenance(device)
    return "\n".join(
        [
            "## What bf16 training costs",
            "",
            f"`python benchmarks/speed/precision.py`: {made.cpu}, {made.device}, torch "
            f"{made.versions['torch']}; {spec.method} on {spec.dataset}, {spec.bits} bits, "
            f"{spec.trunk}, {spec.epochs} epochs; codes encoded in fp32 by both. {how}",
            "",
            tabulate(rows, ["seed", *(f"mAP, {k}" for k in KINDS)], tablefmt="github",
                     disable_numparse=True),
            "",
            f"{IN_SHORT}mAP of bf16 - fp32 {found.estimate:+.4f} (95 %: {found.low:+.4f} to "
            f"{found.high:+.4f}, p = {found.p_value:.2f}), paired over "
            f"{len(np.unique(identity))} identities and {len(cells)} seeds.",
        ]
    )  # fmt: skip


def main() -> None:
    """Train every seed in both precisions, print the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--suite", type=Path, default=ROOT / "benchmarks" / "precision.yaml")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--device", type=resolve_device, default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", help="(the suite's)")
    parser.add_argument("--epochs", type=int, help="(the suite's)")
    parser.add_argument("--dataset", help="(the suite's)")
    parser.add_argument("--keep", type=Path, help="folder of finished seeds, to go on from")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    suite, device = read_suite(options.suite), options.device
    suite = dataclasses.replace(
        suite, seeds=tuple(options.seeds or suite.seeds), epochs=options.epochs or suite.epochs,
        datasets=(options.dataset,) if options.dataset else suite.datasets,
    )  # fmt: skip
    cells = plan("precision", suite, device=device.type)
    contest = load(cells[0], Surroundings(Store(Path("unused")), options.data_dir, device))
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    for cell in cells:
        for kind in KINDS:
            name = f"{cell.spec.dataset}-{cell.spec.epochs}-{cell.spec.seed}-{kind}"
            ap = kept(options.keep, name, partial(trained_ap, cell, contest, kind, device))
            found[kind].append(ap)
            print(f"seed {cell.spec.seed} {kind}: mAP {np.nanmean(ap):.4f}", flush=True)
    [examination] = contest.examinations.values()
    stacked = {kind: np.stack(rows) for kind, rows in found.items()}
    text = section(stacked, examination.query_labels.cpu().numpy(), cells, options)
    leave(text, options.markdown)


if __name__ == "__main__":
    main()
