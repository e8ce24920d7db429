"""What a claim is tested by: differences of mAP or of retention, with their replicates."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hashquant.report.evidence.queries import Evidence, Key

#: Rows that learn their code in closed form or not at all: no side of "learned" methods.
CONTROLS = ("lsh", "itq", "pq", "opq")
LEARNED = ("quantization", "hashing")


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


def leads(method: str, *, cross: bool) -> Contrasts:
    """Return the differences of a method to the best rival of each block, and their mean.

    The best rival is the row, of another method and no reference, that is nearest to the method
    or furthest above it in the mean over the code lengths both have.
    """

    def found(studies: Sequence[Evidence]) -> list[Contrast]:
        contrasts = []
        for evidence in _of(studies, cross=cross):
            own = main_row(evidence, method)
            rivals = [
                label
                for label, family in evidence.block.families.items()
                if family != "reference" and label.partition(" ")[0] != method
            ]
            against = [_between(evidence, own, rival) for rival in rivals] if own else []
            known = [contrast for contrast in against if contrast is not None]
            if known:
                contrasts.append(min(known, key=lambda contrast: contrast.estimate))
        return pooled(contrasts, f"{method} − best rival of each")

    return found


def beats(method: str, key: str, value: object) -> Contrasts:
    """Return the differences of a method to its variant with `key` at `value`, and their mean."""

    def found(studies: Sequence[Evidence]) -> list[Contrast]:
        contrasts = []
        for evidence in [*_of(studies, cross=False), *_of(studies, cross=True)]:
            own = main_row(evidence, method)
            other = _variant(evidence, own, key, value) if own else ""
            contrast = _between(evidence, own, other) if other else None
            contrasts += [contrast] if contrast else []
        return pooled(contrasts, f"{method} − {method} {key}={value}")

    return found


def retains(studies: Sequence[Evidence]) -> list[Contrast]:
    """Return retention (cross / single-domain mAP) of quantization minus that of hashing.

    Each family is the mean over its learned methods that were examined on both targets with the
    same trained runs; each code length that both families have counts alike.
    """
    single = {study.block.dataset: study for study in _of(studies, cross=False)}
    contrasts = []
    for cross in _of(studies, cross=True):
        home = single.get(cross.block.dataset)
        contrast = _retained(home, cross) if home else None
        contrasts += [contrast] if contrast else []
    return pooled(contrasts, "quantization − hashing")


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


def main_row(evidence: Evidence, method: str) -> str:
    """Return a method's own row: of all its rows in the block, the one that changes least."""
    found = _overrides(evidence, method)
    return min(found, key=lambda label: (len(found[label]), label), default="")


def _of(studies: Sequence[Evidence], *, cross: bool) -> list[Evidence]:
    """Return the blocks of one kind, examined as they were trained."""
    return [
        study
        for study in studies
        if not study.block.option
        and (study.block.cross_domain if cross else study.block.single_domain)
    ]


def _overrides(evidence: Evidence, method: str) -> dict[str, Mapping[str, Any]]:  # Any: settings
    return {
        record.spec.label: record.spec.overrides
        for record in evidence.block.evals
        if record.spec.method == method
    }


def _variant(evidence: Evidence, own: str, key: str, value: object) -> str:
    found = _overrides(evidence, own.partition(" ")[0])
    wanted = {**found[own], key: value}
    return next((label for label, settings in found.items() if dict(settings) == wanted), "")


def _between(evidence: Evidence, own: str, rival: str) -> Contrast | None:
    """Return the mean difference over the code lengths that both rows have."""
    pairs = [
        ((own, bits, False), (rival, bits, False))
        for bits in evidence.block.bits
        if {(own, bits, False), (rival, bits, False)} <= evidence.cells.keys()
    ]
    if not pairs:
        return None
    return Contrast(
        where=evidence.block.identifier,
        compared=f"{own} − {rival}",
        bits=tuple(key[1] for key, _ in pairs),
        seeds=_seeds(evidence, (key for pair in pairs for key in pair)),
        estimate=statistics.fmean(evidence.mean(a) - evidence.mean(b) for a, b in pairs),
        replicates=np.mean([evidence.draws(a) - evidence.draws(b) for a, b in pairs], axis=0),
    )


def retention(here: Evidence, home: Evidence, key: Key) -> tuple[float, np.ndarray]:
    """Return the mAP of one cell here divided by that of the same runs at home, with replicates.

    The replicates are linearised: with few seeds some draws of the denominator reach zero.
    """
    base = home.mean(key)
    ratio = here.mean(key) / base
    moved = here.draws(key) - here.mean(key) - ratio * (home.draws(key) - base)
    return ratio, ratio + moved / base


def _retained(home: Evidence, cross: Evidence) -> Contrast | None:
    rows = {family: [*_learned(home, family)] for family in LEARNED}
    shared = {
        bits: {family: _shared(home, cross, rows[family], bits) for family in LEARNED}
        for bits in cross.block.bits
    }
    shared = {bits: found for bits, found in shared.items() if all(found.values())}
    if not shared:
        return None
    estimates, replicates = [], []
    for found in shared.values():
        sides = [[retention(cross, home, key) for key in found[family]] for family in LEARNED]
        ours, theirs = ([statistics.fmean(m for m, _ in side), np.mean([r for _, r in side], 0)]
                        for side in sides)  # fmt: skip
        estimates.append(ours[0] - theirs[0])
        replicates.append(ours[1] - theirs[1])
    keys = [key for found in shared.values() for family in found.values() for key in family]
    names = {f: ", ".join(dict.fromkeys(k[0] for s in shared.values() for k in s[f]))
             for f in LEARNED}  # fmt: skip
    return Contrast(
        where=f"{cross.block.identifier} beside {home.block.identifier}",
        compared=f"({names['quantization']}) − ({names['hashing']})",
        bits=tuple(shared),
        seeds=_seeds(cross, keys),
        estimate=statistics.fmean(estimates),
        replicates=np.mean(replicates, axis=0),
    )


def _learned(evidence: Evidence, family: str) -> Iterator[str]:
    methods = {r.spec.method: r.spec for r in evidence.block.evals if not r.spec.base}
    for method in methods:
        label = main_row(evidence, method)
        if method not in CONTROLS and evidence.block.families[label] == family:
            yield label


def _shared(home: Evidence, cross: Evidence, rows: Iterable[str], bits: int) -> list[Key]:
    """Return the cells of these rows that the same trained runs have on both targets."""
    keys = [(label, bits, False) for label in rows]
    return [
        key
        for key in keys
        if {key} <= home.cells.keys() & cross.cells.keys()
        and home.cells[key].runs == cross.cells[key].runs
        and home.mean(key) > 0
    ]


def _seeds(evidence: Evidence, keys: Iterable[Key]) -> tuple[int, ...]:
    return _once(len(evidence.cells[key].seeds) for key in keys)


def _once(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(numbers)))
