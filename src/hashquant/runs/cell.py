"""One cell's training: network built, trained or fitted or loaded, weights and record stored."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from safetensors.torch import load, save

from hashquant.data.items import TrainingSet
from hashquant.errors import HashQuantError, UsageError, one_line
from hashquant.machine.environment import utc_now
from hashquant.machine.files import opened
from hashquant.machine.seeds import seeded
from hashquant.plugins.versions import code_used
from hashquant.records.cellfolder import CellFolder
from hashquant.records.provenance import provenance
from hashquant.records.record import EMBEDDING_SECONDS, TrainRecord
from hashquant.records.store import Store
from hashquant.records.vouching import weights_fault
from hashquant.runs.examination import cost, judged
from hashquant.runs.preparation import Prepared
from hashquant.settings.suite import RunSpec, base_spec, run_id, whole_spec
from hashquant.training.checkpoint import CheckpointFile
from hashquant.training.encoding import embed_all
from hashquant.training.frozen import check_wishes, head_of, takes_steps, whole_of
from hashquant.training.loop import EpochReport, TrainResult, train
from hashquant.training.network import Network, Stacked, build_head, build_network
from hashquant.training.prefix import Prefix
from hashquant.training.selection import EpochChoice
from hashquant.training.trunks.stored import body_values, frozen_trunk, own_tensors

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A network as it is examined, and the record of its training."""

    network: Network
    record: TrainRecord


def _keep_only_tensors(network: Network, spec: RunSpec, device: torch.device) -> None:
    """Build the trained head anew and give it the tensors that are stored, and nothing else.

    A code can then depend on no row of an image that a method kept elsewhere: `__init__`, which
    is told of no image, has made all that it may hold.

    Raises:
        HashQuantError: if the trained head has other tensors than `__init__` makes.
    """
    old = network.method
    new = build_head(spec, type(old), old.config, old.in_features, old.num_classes).to(device)
    try:
        new.load_state_dict(old.state_dict())
    except RuntimeError as error:
        what = one_line(str(error).partition("\n")[2]) or one_line(str(error))
        raise HashQuantError(
            f"{old.name}: what training leaves must be tensors that __init__ made, in their "
            f"final shapes: {what}"
        ) from error
    network.method = new.train(old.training)


def train_cell(
    spec: RunSpec, prepared: Prepared, store: Store, device: torch.device, on_epoch: EpochReport,
    *, fresh: bool = False, jobs: int = 1,
) -> Trained:  # fmt: skip
    """Train a cell, or load it where it was trained before; store weights, then the record.

    A method with a base learns from that one's embedding, which is trained or loaded first: one in
    closed form is fitted, the head of another is trained, and no image is read after the base's
    embeddings are made. Codes that are a prefix are cut from longer ones, whose run is trained or
    loaded. `fresh` makes the cell anew whatever is stored; its base only if it is missing. `jobs`
    says how many cells go side by side meanwhile: it is kept beside the times.

    Raises:
        DivergedError: if a loss or gradient is no longer finite.
        FrozenError: if the method wants more of the images than a frozen base's embeddings.
        HashQuantError: if the method left tensors that a rebuilt one would not have.
        StoreError: if the results cannot be written.
    """
    training = prepared.training
    if training is None:
        raise UsageError(f"{spec.dataset} has no training images: it can be examined only")
    if spec.prefix:
        return _cut_cell(spec, prepared, store, device, on_epoch, fresh=fresh, jobs=jobs)
    name = run_id(spec, prepared.version)
    folder = store.cell(spec, name)
    network = build_network(spec, training.num_classes, device)
    stored = None if fresh else _finished(folder, name, prepared)
    if stored is not None and _load_weights(network, folder, stored):
        on_epoch(spec.epochs - 1, {})
        return Trained(network, stored)
    if not network.method.closed_form:
        check_wishes(network)  # before its base is trained, or an image embedded
    folder.clear()
    checkpoint = CheckpointFile(folder.checkpoint, name)
    if fresh:
        checkpoint.remove()
    started, choice, embedded = utc_now(), EpochChoice(), 0.0
    base_run = _take_base(network, spec, prepared, store, device, on_epoch, jobs)
    if not takes_steps(network.method, spec):
        result = _fit(network, training, spec, device, base_run, jobs)
        on_epoch(spec.epochs - 1, {})
    else:
        learner, given, embedded = _learner(network, training, spec, device, base_run)
        choice = EpochChoice(spec.selection, _judge(network, prepared, spec, device, base_run))
        result = train(learner, given, spec, device=device, checkpoint=checkpoint,
                       on_epoch=on_epoch, choice=choice, jobs=jobs)  # fmt: skip
    _keep_only_tensors(network, spec, device)
    files = _save_weights(network, folder)
    record = TrainRecord(
        run_id=name, status="done", spec=spec, started_at=started, notes=prepared.notes,
        dataset_version=prepared.version, split_digest=prepared.split.digest,
        training_images=len(training.labels), classes=training.num_classes,
        cost=cost(network), losses=tuple(result.losses), selected_epoch=result.selected_epoch,
        validation=tuple(choice.scores) if spec.selection == "validation" else (),
        base_run=base_run, positive_rate=result.positive_rate,
        timing={"train_seconds": result.seconds + embedded,
                "images_per_second": result.images_per_second,
                "jobs_per_device": float(result.jobs),
                **({EMBEDDING_SECONDS: embedded} if embedded else {})},
        provenance=provenance(device), files=files, code=code_used(spec),
    )  # fmt: skip
    folder.save_train(record)
    checkpoint.remove()
    return Trained(network, record)


def _cut_cell(
    spec: RunSpec, prepared: Prepared, store: Store, device: torch.device, on_epoch: EpochReport,
    *, fresh: bool, jobs: int,
) -> Trained:  # fmt: skip
    """Cut a cell's codes from the run that was trained at the longest length, or load its record.

    Weights, losses and times are that run's alone: they are stored with it. `fresh` trains it anew
    once for all cells that are cut from it: where it is no younger than the one that asks.
    """
    name, whole = run_id(spec, prepared.version), whole_spec(spec)
    folder = store.cell(spec, name)
    stored, longest = _finished(folder, name, prepared), run_id(whole, prepared.version)
    made = _finished(store.cell(whole, longest), longest, prepared) if fresh else None
    again = bool(made and stored and made.started_at <= stored.started_at)
    trained = train_cell(whole, prepared, store, device, on_epoch, fresh=again, jobs=jobs)
    network = Network(trained.network.trunk, Prefix(trained.network.method, spec.bits))
    if stored is not None and not fresh:
        return Trained(network, stored)
    record = replace(
        trained.record, run_id=name, spec=spec, started_at=utc_now(), cost=cost(network),
        losses=(), selected_epoch=0, validation=(), positive_rate=None, gate=None, files={},
        base_run=longest, timing={"train_seconds": 0.0, "jobs_per_device": float(jobs)},
    )  # fmt: skip
    folder.save_train(record)
    return Trained(network, record)


def is_of(record: TrainRecord, name: str, prepared: Prepared) -> bool:
    """Tell whether a record is of a finished training of a run, on these training images.

    A data set that draws its split anew would examine a model with what it was trained on.
    """
    same = record.run_id == name and record.split_digest == prepared.split.digest
    return same and record.status == "done"


def _take_base(
    network: Network, spec: RunSpec, prepared: Prepared, store: Store, device: torch.device,
    on_epoch: EpochReport, jobs: int,
) -> str:  # fmt: skip
    """Put the trained base below a method that has one; return the base's run."""
    if not isinstance(network.trunk, Stacked):
        return ""
    base = train_cell(base_spec(spec), prepared, store, device, on_epoch, jobs=jobs)
    network.trunk.base = base.network
    return base.record.run_id


def _learner(
    network: Network, training: TrainingSet, spec: RunSpec, device: torch.device, frozen: str
) -> tuple[Network, TrainingSet, float]:
    """Return what takes the steps, and on what: what lies above a frozen part, on its embeddings.

    Beside them stand the seconds that the embeddings took: next to nothing where another cell of
    the same base or trunk had them made.
    """
    began = time.perf_counter()
    if frozen:
        embeddings = embed_all(network, training.images, spec, device=device, frozen=frozen)
    elif frozen_trunk(network) is not None:
        embeddings = body_values(network, training.images, spec, device)
    else:
        return network, training, 0.0
    seconds = time.perf_counter() - began
    return head_of(network), replace(training, embeddings=embeddings), seconds


def _fit(
    network: Network, training: TrainingSet, spec: RunSpec, device: torch.device, frozen: str,
    jobs: int,
) -> TrainResult:  # fmt: skip
    """Fit a method in closed form on the embeddings of all training images."""
    began = time.perf_counter()
    features = embed_all(network, training.images, spec, device=device, frozen=frozen)
    with seeded(spec.seed, "fit", device=device), torch.no_grad():
        network.method.fit(features, training.labels.to(device, copy=True))
    seconds = time.perf_counter() - began
    return TrainResult((), seconds, len(features) / seconds, 0, 0, jobs)


def _judge(
    whole: Network, prepared: Prepared, spec: RunSpec, device: torch.device, frozen: str
) -> Callable[[torch.nn.Module], float] | None:
    """Return what scores a network on validation images; a head is judged on its frozen base."""
    validation = prepared.validation
    if validation is None:
        return None
    learner_apart = bool(frozen) or frozen_trunk(whole) is not None

    def judge(network: torch.nn.Module) -> float:
        if not isinstance(network, Network):
            raise TypeError(f"a network must be judged, got {type(network).__name__}")
        if learner_apart:
            network = whole_of(whole, network)
        return judged(network, validation, spec, device, frozen=frozen).scores[0].value

    return judge


def _save_weights(network: Network, folder: CellFolder) -> dict[str, str]:
    state = {k: v.detach().contiguous().cpu() for k, v in own_tensors(network).items()}
    return folder.save_model(save(state))


def _finished(folder: CellFolder, name: str, prepared: Prepared) -> TrainRecord | None:
    """Return the record of a finished training of run `name`; what is damaged is set aside."""
    record = folder.train_record(name)
    return record if record is not None and is_of(record, name, prepared) else None


def _load_weights(network: Network, folder: CellFolder, record: TrainRecord) -> bool:
    """Put stored weights into a network; those that their record does not vouch for are refused.

    They stay where they are, and so are found again by the next run, until others replace them.
    """
    reason = weights_fault(record, folder.path)
    try:
        if not reason:
            with opened(folder.model) as handle:
                state = load(handle.read())
            own = {name: value.shape for name, value in own_tensors(network).items()}
            if own == {name: value.shape for name, value in state.items()}:
                network.load_state_dict({**network.state_dict(), **state})
                return True
            reason = "does not fit the network"
    except FileNotFoundError:
        return False
    except Exception as error:  # whatever is wrong with the file, training again mends it
        reason = f"cannot be loaded ({type(error).__name__})"
    LOGGER.warning("%s %s: it is trained anew", folder.model, reason)
    return False


def save_failure(folder: CellFolder, spec: RunSpec, name: str, status: str, reason: str) -> None:
    """Record why a cell could not be made, unless a finished training stands there already.

    Raises:
        StoreError: if it cannot be written.
    """
    stored = folder.train_record(name)
    if stored is None or stored.status != "done":
        folder.save_train(
            TrainRecord(run_id=name, status=status, spec=spec, reason=reason, started_at=utc_now())
        )
