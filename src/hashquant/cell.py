"""One cell from specification to records: build, train or load, encode, search, evaluate."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import torch
from safetensors.torch import load_file, save

from hashquant import registry
from hashquant.checkpoint import CheckpointFile
from hashquant.codes.family import Binary
from hashquant.codes.product import unpack_indices
from hashquant.config import RunSpec, build, comparability_key
from hashquant.encoding import Encoded, encode
from hashquant.environment import Timer, provenance
from hashquant.evaluation import Evaluation, evaluate
from hashquant.files import set_aside, write_atomic
from hashquant.metrics.health import binary_health, product_health
from hashquant.metrics.ties import TieGroups
from hashquant.network import Network
from hashquant.preparation import Examination, Prepared
from hashquant.record import Cost, EvalRecord, TrainRecord
from hashquant.search import Gallery, hamming_groups, table_groups
from hashquant.seeds import seeded
from hashquant.store import CellFolder
from hashquant.training import EpochReport, train
from hashquant.trunks import build_trunk, unsealed

#: the largest query look-up tables that are stored beside the codes, in bytes
STORED_TABLES = 64 * 2**20


def build_network(spec: RunSpec, num_classes: int, device: torch.device) -> Network:
    """Return trunk and head of a cell, initialised from its seed alone.

    Raises:
        BudgetError: if the method cannot meet the bits.
        UsageError: if trunk and image size do not fit.
    """
    cls = registry.load_method(spec.method)
    config = build(cls.Config, spec.settings, f"settings of {spec.method}")
    with seeded(spec.seed, "trunk"):
        name, weights = unsealed(spec.trunk)
        trunk = build_trunk(name, spec.image_size, spec.features, weights=weights)
    with seeded(spec.seed, "head"):
        method = cls(config, cls.budget_for(config, spec.bits), spec.features, num_classes)
    return Network(trunk, method).to(device)


def train_cell(
    spec: RunSpec, run_id: str, prepared: Prepared, folder: CellFolder, device: torch.device,
    on_epoch: EpochReport, *, fresh: bool = False,
) -> tuple[Network, TrainRecord]:  # fmt: skip
    """Train a cell, or load it where it was trained before; store weights, then the record.

    `fresh` trains anew whatever is stored.

    Raises:
        DivergedError: if a loss or gradient is no longer finite.
        StoreError: if the results cannot be written.
    """
    training = prepared.training
    if training is None:
        raise registry.PluginError(f"{spec.dataset} has no training images: examine it only")
    network = build_network(spec, training.num_classes, device)
    stored = None if fresh else folder.train_record()
    trained = stored is not None and stored.status == "done" and stored.run_id == run_id
    if stored is not None and trained and _load_weights(network, folder):
        on_epoch(spec.epochs - 1, {})
        return network, stored
    if fresh:
        folder.checkpoint.unlink(missing_ok=True)
    started = now()
    result = train(
        network, training, spec, device=device,
        checkpoint=CheckpointFile(folder.checkpoint, run_id), on_epoch=on_epoch,
    )  # fmt: skip
    state = {k: v.detach().contiguous().cpu() for k, v in network.state_dict().items()}
    write_atomic(folder.model, save(state))
    record = TrainRecord(
        run_id=run_id, status="done", spec=spec, started_at=started,
        dataset_version=prepared.version, split_digest=prepared.split.digest,
        training_images=len(training.labels), classes=training.num_classes,
        notes=prepared.examination.notes, cost=_cost(network), losses=tuple(result.losses),
        timing={"train_seconds": result.seconds, "images_per_second": result.images_per_second},
        provenance=provenance(device),
    )  # fmt: skip
    folder.save_train(record)
    folder.checkpoint.unlink(missing_ok=True)
    return network, record


def examine(
    network: Network, record: TrainRecord, examination: Examination, folder: CellFolder,
    device: torch.device,
) -> EvalRecord:  # fmt: skip
    """Judge a trained network on one target and store what was found.

    Raises:
        StoreError: if the results cannot be written.
    """
    spec, started = record.spec, now()
    with Timer(device) as encoding:
        codes = encode(network, examination.gallery, spec, device=device)
        queries = encode(network, examination.query, spec, device=device, queries=True)
    gallery = Gallery(codes.packed, examination.gallery_labels, network.method.budget)
    with Timer(device) as scoring:
        found = evaluate(_search(network, queries, gallery, examination), _comparison(network))
    images = len(examination.gallery_labels) + len(examination.query_labels)
    evaluation = EvalRecord(
        run_id=record.run_id, spec=spec, target=examination.target, protocol=examination.protocol,
        split_digest=examination.split_digest,
        comparability_key=comparability_key(
            spec, record.dataset_version, examination.split_digest
        ),
        queries=found.queries, queries_excluded=found.excluded,
        gallery=len(examination.gallery_labels), scores=found.scores, curves=(found.curve,),
        cost=record.cost or _cost(network), notes=examination.notes,
        health=_health(network, codes),
        timing={
            "encode_images_per_second": images / encoding.seconds,
            "score_seconds": scoring.seconds,
        },
        provenance=provenance(device), started_at=started,
    )  # fmt: skip
    folder.save_eval(
        evaluation, _per_query(found, examination), _stored_codes(codes, queries, examination)
    )
    return evaluation


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _load_weights(network: Network, folder: CellFolder) -> bool:
    try:
        network.load_state_dict(load_file(folder.model))
    except FileNotFoundError:
        return False
    except Exception:  # whatever is wrong with the file, training again mends it
        set_aside(folder.model)
        return False
    return True


def _search(
    network: Network, queries: Encoded, gallery: Gallery, examination: Examination
) -> Iterator[TieGroups]:
    family = network.method.family
    if isinstance(family, Binary) or queries.table is None:
        return hamming_groups(queries.packed, examination.query_labels, gallery)
    return table_groups(
        queries.table, examination.query_labels, gallery, larger_is_closer=family.larger_is_closer
    )


def _comparison(network: Network) -> str:
    return "hamming" if isinstance(network.method.family, Binary) else "adc"


def _health(network: Network, codes: Encoded) -> dict[str, float]:
    budget = network.method.budget
    if isinstance(network.method.family, Binary):
        found = binary_health(codes.packed, budget)
    else:
        found = product_health(unpack_indices(codes.packed, budget), budget)
    if math.isfinite(codes.quantization_error):
        found = found | {"quantization_error": codes.quantization_error}
    return found


def _cost(network: Network) -> Cost:
    budget, method = network.method.budget, network.method
    product = not isinstance(method.family, Binary)
    books = method.codebooks().numel() * 4 if product else 0
    return Cost(
        code_bits=budget.bits, code_bytes=budget.code_bytes, codebook_bytes=books,
        query_form="table" if product else "bits",
        subspaces=budget.subspaces, codewords=budget.codewords,
        trunk_parameters=sum(p.numel() for p in network.trunk.parameters()),
        head_parameters=sum(p.numel() for p in method.parameters()),
    )  # fmt: skip


def _per_query(found: Evaluation, examination: Examination) -> dict[str, np.ndarray]:
    return {**found.per_query, "label": examination.query_labels.cpu().numpy()}


def _stored_codes(
    codes: Encoded, queries: Encoded, examination: Examination
) -> dict[str, np.ndarray]:
    """Return codes and labels in the split's order, so that they stay traceable to images."""
    arrays = {
        "gallery": codes.packed.cpu().numpy(),
        "gallery_label": examination.gallery_labels.cpu().numpy(),
        "query": queries.packed.cpu().numpy(),
    }
    table = queries.table
    if table is not None and table.numel() * table.element_size() <= STORED_TABLES:
        arrays["query_table"] = table.cpu().numpy()
    return arrays


def save_failure(
    folder: CellFolder, spec: RunSpec, run_id: str, status: str, reason: str
) -> TrainRecord:
    """Record why a cell could not be made, unless a finished training stands there already.

    Raises:
        StoreError: if it cannot be written.
    """
    record = TrainRecord(run_id=run_id, status=status, spec=spec, reason=reason, started_at=now())
    stored = folder.train_record()
    if stored is None or stored.status != "done":
        folder.save_train(record)
    return record
