"""A trained network judged on one target: encoded, searched, scored, timed, stored."""

import math

import numpy as np
import torch

from hashquant.codes.centers import center_distances
from hashquant.codes.family import Additive, Binary, Decoded, ProductQuantized, Real
from hashquant.codes.product import unpack_indices
from hashquant.machine.environment import Timer, utc_now
from hashquant.metrics.health import binary_health, product_health
from hashquant.plugins.method import Method
from hashquant.records.cellfolder import CellFolder
from hashquant.records.gate import floor_from
from hashquant.records.provenance import provenance
from hashquant.records.record import Cost, EvalRecord, TrainRecord
from hashquant.runs.preparation import Examination
from hashquant.search.comparisons import StoredCodes, evaluate_all, merged
from hashquant.search.distributions import distributions
from hashquant.search.evaluation import Evaluation, evaluate
from hashquant.search.latency import search_times
from hashquant.settings.suite import RunSpec, comparability_key
from hashquant.training.coding import coding_speed
from hashquant.training.encoding import Encoded, encode
from hashquant.training.network import Network
from hashquant.training.normstats import target_statistics


def examine(
    network: Network, record: TrainRecord, examination: Examination, folder: CellFolder,
    device: torch.device, *, jobs: int = 1,
) -> EvalRecord:  # fmt: skip
    """Judge a trained network on one target by every comparison and store what was found.

    `jobs` says how many cells go side by side meanwhile: it is kept beside the times.

    Raises:
        StoreError: if the results cannot be written.
    """
    spec = record.spec
    started = utc_now()
    with Timer(device) as encoding:
        gallery, queries = _encode(network, examination, spec, device, record.base_run)
    codes = stored_codes(network, gallery, queries, examination)
    with Timer(device) as scoring:
        found = merged(evaluate_all(codes))
    images = len(examination.gallery_labels) + len(examination.query_labels)
    evaluation = EvalRecord(
        run_id=record.run_id, spec=spec, target=examination.target, protocol=examination.protocol,
        split_digest=examination.split_digest,
        comparability_key=comparability_key(
            spec, record.dataset_version, examination.split_digest, examination.examined
        ),
        queries=found.queries, queries_excluded=found.excluded,
        gallery=len(examination.gallery_labels), scores=found.scores, curves=found.curves,
        cost=record.cost or cost(network),
        notes=(*examination.notes, *(spec.card.seen(examination.target) if spec.card else ())),
        health=_health(network, gallery),
        timing={
            "encode_images_per_second": images / encoding.seconds,
            "code_images_per_second": coding_speed(network.method, gallery.sample, device),
            "score_seconds": scoring.seconds,
            **search_times(codes, _codebooks(network), queries.embedding),
            "jobs_per_device": float(jobs),
        },
        provenance=provenance(device), started_at=started,
        target_version=examination.version, adapter=examination.adapter,
        floor=floor_from(found.per_query, len(examination.gallery_labels)),
    )  # fmt: skip
    labels = {"label": examination.query_labels.cpu().numpy()}
    folder.save_eval(
        evaluation, {**found.per_query, **labels}, codes.arrays(), distributions(codes)
    )
    return evaluation


def judged(
    network: Network, examination: Examination, spec: RunSpec, device: torch.device,
    *, frozen: str = "",
) -> Evaluation:  # fmt: skip
    """Return the headline's scores, the mAP first, without storing anything.

    `frozen` names a trunk that several methods share.
    """
    gallery, queries = _encode(network, examination, spec, device, frozen)
    codes = stored_codes(network, gallery, queries, examination)
    comparison, groups = next(codes.rankings())
    return evaluate(groups, comparison)


def _encode(
    network: Network, examination: Examination, spec: RunSpec, device: torch.device,
    frozen: str = "",
) -> tuple[Encoded, Encoded]:  # fmt: skip
    """Encode gallery and queries; `frozen` names a trunk that several methods share."""

    def both(frozen: str) -> tuple[Encoded, Encoded]:
        gallery = encode(network, examination.gallery, spec, device=device, frozen=frozen)
        query = encode(network, examination.query, spec, device=device, queries=True, frozen=frozen)
        return gallery, query

    if examination.norm_stats == "source":
        return both(frozen)
    with target_statistics(network, examination.gallery, spec, device=device):
        return both("")


def stored_codes(
    network: Network, gallery: Encoded, queries: Encoded, examination: Examination
) -> StoredCodes:
    """Return codes, labels and what every comparison needs, in the split's order."""
    method = network.method
    additive, decoded = (isinstance(method.family, kind) for kind in (Additive, Decoded))
    product = isinstance(method.family, ProductQuantized)
    with torch.no_grad():
        symmetric = method.symmetric_table().float() if product and not additive else None
    books = _codebooks(network) if additive else None
    return StoredCodes(
        form=query_form(network), budget=method.budget,
        gallery=gallery.packed, gallery_labels=examination.gallery_labels,
        query=queries.packed, query_labels=examination.query_labels,
        query_embedding=queries.embedding if isinstance(method.family, Binary | Decoded) else None,
        query_table=queries.table, symmetric_table=symmetric,
        codebooks=None if books is None else books.float(),
        gallery_decoded=gallery.decoded if decoded else None,
        query_decoded=queries.decoded if decoded else None,
        larger_is_closer=isinstance(method.family, ProductQuantized)
        and method.family.larger_is_closer,
    )  # fmt: skip


def query_form(network: Network) -> str:
    """Return how a query meets the stored codes, a word of `search.comparisons.FORMS`."""
    forms = {Real: "float", Decoded: "decoded", Additive: "additive", ProductQuantized: "table"}
    return next((w for kind, w in forms.items() if isinstance(network.method.family, kind)), "bits")


def cost(network: Network) -> Cost:
    """Return what a network's codes cost to keep and to compare."""
    budget = network.method.budget
    return Cost(
        code_bits=budget.bits, code_bytes=budget.code_bytes,
        codebook_bytes=_shared_bytes(network.method),
        query_form=query_form(network), subspaces=budget.subspaces, codewords=budget.codewords,
        trunk_parameters=sum(p.numel() for p in network.trunk.parameters()),
        head_parameters=sum(p.numel() for p in network.method.parameters()),
    )  # fmt: skip


def _shared_bytes(method: Method) -> int:
    """Return the bytes that all items share: those of codewords, or of what decodes."""
    if isinstance(method.family, Decoded):
        return method.decoder_bytes
    return method.codebook_bytes if isinstance(method.family, ProductQuantized) else 0


def _codebooks(network: Network) -> torch.Tensor | None:
    if not isinstance(network.method.family, ProductQuantized):
        return None
    with torch.no_grad():
        return network.method.codebooks().detach()


def _health(network: Network, codes: Encoded) -> dict[str, float]:
    budget, family = network.method.budget, network.method.family
    if isinstance(family, Binary):
        found = binary_health(codes.packed, budget)
        if (centers := network.method.hash_centers) is not None:
            found |= center_distances(centers)
    elif isinstance(family, ProductQuantized):
        found = product_health(unpack_indices(codes.packed, budget), budget)
    else:
        distinct = float(len(np.unique(codes.packed.cpu().numpy(), axis=0)))
        found = {"distinct_codes": distinct, "distinct_fraction": distinct / len(codes.packed)}
    if math.isfinite(codes.quantization_error):
        found = found | {"quantization_error": codes.quantization_error}
    return found
