"""What a claim is tested by: differences of mAP or of what is kept, with their replicates."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hashquant.report.evidence._halves import crossed, named, over_lengths
from hashquant.report.evidence.families import FAMILIES, heads_only, kept_beside, learned, shallow
from hashquant.report.evidence.queries import Evidence, Key
from hashquant.report.evidence.relative import main_row, overrides


@dataclass(frozen=True, eq=False)
class Contrast:
    """One difference: its estimate, its bootstrap replicates (b,), and what it was taken from."""

    where: str
    compared: str
    bits: tuple[int, ...]
    seeds: tuple[int, ...]  #: how many each of the compared cells has, each number once
    estimate: float
    replicates: np.ndarray


Contrasts = Callable[[Sequence[Evidence]], list[Contrast]]


def leads(method: str, *, cross: bool, deep: bool) -> Contrasts:
    """Return the differences of a method to the best rival of each block, and their mean.

    Rivals are the other learned methods (`deep`), or the codes fitted on an embedding. The best is
    the one that the method is least ahead of in the mean over the code lengths both have, chosen
    on half of the identities and compared on the others, each half in turn.
    """

    def found(studies: Sequence[Evidence]) -> list[Contrast]:
        contrasts = []
        for evidence in _of(studies, cross=cross):
            own = main_row(evidence, method)
            rivals = [*learned(evidence)] if deep else [*shallow(evidence)]
            pairs = {
                rival: pairs
                for rival in rivals
                if own and rival.partition(" ")[0] != method
                and (pairs := _pairs(evidence, own, rival))
            }  # fmt: skip
            contrast = _against_best(evidence, own, pairs) if pairs else None
            contrasts += [contrast] if contrast else []
        return pooled(contrasts, f"{method} − best rival of each")

    return found


def beats(method: str, key: str, value: object) -> Contrasts:
    """Return the differences of a method to its variant with `key` at `value`, and their mean."""

    def found(studies: Sequence[Evidence]) -> list[Contrast]:
        contrasts = []
        for evidence in [*_of(studies, cross=False), *_of(studies, cross=True)]:
            own = main_row(evidence, method)
            other = _variant(evidence, own, key, value) if own else ""
            pairs = _pairs(evidence, own, other) if other else []
            contrasts += [_between(evidence, own, other, pairs)] if pairs else []
        return pooled(contrasts, f"{method} − {method} {key}={value}")

    return found


def keeps(studies: Sequence[Evidence]) -> list[Contrast]:
    """Return what the best learned quantizer keeps minus what the best learned hash keeps.

    A code keeps r on the other target divided by r on the training set's own split, of the same
    trained runs; the best of each family is chosen by mAP on the training set's own split, on the
    half of its identities that r there is not computed on.
    """
    single = {study.block.dataset: study for study in _of(studies, cross=False)}
    contrasts = []
    for cross in _of(studies, cross=True):
        home = single.get(cross.block.dataset)
        found = kept_beside(home, cross) if home else None
        if home and found:
            where = f"{cross.block.identifier} beside {home.block.identifier}"
            compared = f"{found.names[FAMILIES[0]]} − {found.names[FAMILIES[1]]}"
            seeds = _seeds(cross, found.keys)
            contrasts.append(
                Contrast(where, compared, found.bits, seeds, found.estimate, found.replicates)
            )
    return pooled(contrasts, "best quantizer − best hash")


def pooled(contrasts: list[Contrast], compared: str) -> list[Contrast]:
    """Return the contrasts and, if there are several, their mean as one more."""
    if len(contrasts) < 2:
        return contrasts
    together = Contrast(
        where=f"mean of {len(contrasts)}",
        compared=compared,
        bits=tuple(sorted({bits for contrast in contrasts for bits in contrast.bits})),
        seeds=_once(n for contrast in contrasts for n in contrast.seeds),
        estimate=statistics.fmean(contrast.estimate for contrast in contrasts),
        replicates=np.mean([contrast.replicates for contrast in contrasts], axis=0),
    )
    return [*contrasts, together]


Pairs = Sequence[tuple[Key, Key]]


def _of(studies: Sequence[Evidence], *, cross: bool) -> list[Evidence]:
    """Return the blocks of one kind, examined as they were trained.

    Without those where heads on a frozen embedding were trained alone: no paper claims it of them.
    """
    return [
        study
        for study in studies
        if not study.block.option
        and not heads_only(study)
        and (study.block.cross_domain if cross else study.block.single_domain)
    ]


def _variant(evidence: Evidence, own: str, key: str, value: object) -> str:
    found = overrides(evidence, own.partition(" ")[0])
    wanted = {**found[own], key: value}
    return next((label for label, settings in found.items() if dict(settings) == wanted), "")


def _pairs(evidence: Evidence, own: str, rival: str) -> Pairs:
    """Return the cells of two rows at the code lengths at which both trained and are known."""
    return [
        ((own, bits, False), (rival, bits, False))
        for bits in evidence.block.bits
        if {(own, bits, False), (rival, bits, False)} <= evidence.cells.keys()
        and evidence.block.competes(own, bits)
        and evidence.block.competes(rival, bits)
    ]


def _between(evidence: Evidence, own: str, rival: str, pairs: Pairs) -> Contrast:
    """Return the mean difference of two rows over some code lengths."""
    return Contrast(
        where=evidence.block.identifier,
        compared=f"{own} − {rival}",
        bits=tuple(key[1] for key, _ in pairs),
        seeds=_seeds(evidence, (key for pair in pairs for key in pair)),
        estimate=statistics.fmean(evidence.mean(a) - evidence.mean(b) for a, b in pairs),
        replicates=np.mean([evidence.draws(a) - evidence.draws(b) for a, b in pairs], axis=0),
    )


def _against_best(evidence: Evidence, own: str, rivals: Mapping[str, Pairs]) -> Contrast | None:
    """Return the difference to the best of several rows, chosen by the other half each."""

    def ahead(rival: str, over: np.ndarray) -> tuple[float, np.ndarray]:
        ours, theirs = zip(*rivals[rival], strict=True)
        a, b = over_lengths(evidence, ours, over), over_lengths(evidence, theirs, over)
        return a[0] - b[0], a[1] - b[1]

    if len(rivals) == 1:
        rival, pairs = next(iter(rivals.items()))
        return _between(evidence, own, rival, pairs)
    chosen, estimate, replicates = [], 0.0, np.zeros(evidence.replicates)
    for chooses, compares, weight in crossed(evidence):
        leads = {rival: ahead(rival, chooses)[0] for rival in rivals}
        chosen.append(min(leads, key=leads.__getitem__))
        mean, drawn = ahead(chosen[-1], compares)
        estimate, replicates = estimate + weight * mean, replicates + weight * drawn
    if not chosen:
        return None
    keys = [key for rival in chosen for pair in rivals[rival] for key in pair]
    bits = tuple(sorted({key[1] for key in keys}))
    compared = f"{own} − {named(chosen)}"
    where, seeds = evidence.block.identifier, _seeds(evidence, keys)
    return Contrast(where, compared, bits, seeds, estimate, replicates)


def _seeds(evidence: Evidence, keys: Iterable[Key]) -> tuple[int, ...]:
    return _once(len(evidence.cells[key].seeds) for key in keys)


def _once(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(numbers)))
