"""Learned quantization against learned hashing: best against best, and what each keeps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hashquant.report.evidence._halves import Over, crossed, named, over_lengths
from hashquant.report.evidence.queries import Evidence, Key
from hashquant.report.evidence.relative import clear, lead, main_row, uncompressed
from hashquant.settings.suite import RunSpec

#: The families, in the order of the difference.
FAMILIES = ("quantization", "hashing")


@dataclass(frozen=True, eq=False)
class Contest:
    """A difference of the families, its replicates (b,), and which rows were chosen of each."""

    names: Mapping[str, str]
    bits: tuple[int, ...]
    keys: tuple[Key, ...]
    estimate: float
    replicates: np.ndarray


def learned(evidence: Evidence) -> Iterator[str]:
    """Yield the own row of every method that learns its code together with the network.

    Where no row does, those are compared that learn theirs by steps on one frozen embedding.
    """
    alone = heads_only(evidence)
    yield from _rows(evidence, lambda spec: spec.head_only if alone else not spec.base)


def shallow(evidence: Evidence) -> Iterator[str]:
    """Yield the own row of every method that is fitted on the embedding of another one."""
    yield from _rows(evidence, lambda spec: bool(spec.base) and not spec.head_only)


def heads_only(evidence: Evidence) -> bool:
    """Tell whether all codes of a block that are learned by steps are heads on an embedding."""
    block = evidence.block
    whole = (r.spec for r in block.evals if not r.spec.base and block.rivals(r.spec.label))
    return not any(whole) and any(r.spec.head_only for r in block.evals)


def _rows(evidence: Evidence, chosen: Callable[[RunSpec], bool]) -> Iterator[str]:
    methods = dict.fromkeys(r.spec.method for r in evidence.block.evals if chosen(r.spec))
    for method in methods:
        label = main_row(evidence, method)
        if evidence.block.rivals(label):
            yield label


def sides(evidence: Evidence, bits: int) -> dict[str, list[str]]:
    """Return the learned rows of each family that trained at a code length, queries known."""
    rows = [
        label
        for label in sorted(learned(evidence))
        if (label, bits, False) in evidence.cells and evidence.block.competes(label, bits)
    ]
    return {f: [x for x in rows if evidence.block.families[x] == f] for f in FAMILIES}


def best_against_best(evidence: Evidence, bits: int) -> Contest | None:
    """Return mAP(best learned quantizer) - mAP(best learned hash) at one code length.

    Each half of the identities chooses the rows that the other half compares. None where a family
    has no row, or where there is something to choose and the identities are too few to halve.
    """

    def over(label: str, queries: np.ndarray) -> Over:
        return over_lengths(evidence, [(label, bits, False)], queries)

    rows = sides(evidence, bits)
    return _contest(evidence, rows, (bits,), over, over) if all(rows.values()) else None


def kept_beside(home: Evidence, cross: Evidence) -> Contest | None:
    """Return what the best learned quantizer keeps of r minus what the best learned hash keeps.

    Kept is r on `cross` divided by r on `home`, of the same trained runs, in the mean over the
    code lengths that both families have. The rows are chosen by mAP at home.
    """
    lengths = {bits: _comparable(home, cross, bits) for bits in cross.block.bits}
    lengths = {bits: rows for bits, rows in lengths.items() if all(rows.values())}
    rows = {f: _in_all([x[f] for x in lengths.values()]) for f in FAMILIES}
    if not all(rows.values()):
        return None

    def at_home(label: str, queries: np.ndarray) -> Over:
        return over_lengths(home, [(label, bits, False) for bits in lengths], queries)

    def kept(label: str, queries: np.ndarray) -> Over:
        found = [_kept(home, cross, (label, bits, False), queries) for bits in lengths]
        return float(np.mean([mean for mean, _ in found])), np.mean([d for _, d in found], 0)

    return _contest(home, rows, tuple(lengths), at_home, kept)


def _contest(
    evidence: Evidence,
    rows: Mapping[str, Sequence[str]],
    bits: tuple[int, ...],
    chooses_by: Callable[[str, np.ndarray], Over],
    compares_by: Callable[[str, np.ndarray], Over],
) -> Contest | None:
    """Let each half of the identities choose a row of each family, and compare on the other."""
    chosen: dict[str, list[str]] = {family: [] for family in FAMILIES}
    estimate, replicates = 0.0, np.zeros(evidence.replicates)
    for chooses, compares, weight in _parts(evidence, rows.values()):
        for family in FAMILIES:
            scores = {row: chooses_by(row, chooses)[0] for row in rows[family]}
            chosen[family].append(max(scores, key=scores.__getitem__))
        (ours, drawn), (theirs, against) = (compares_by(chosen[f][-1], compares) for f in FAMILIES)
        estimate += weight * (ours - theirs)
        replicates = replicates + weight * (drawn - against)
    if not chosen[FAMILIES[0]]:
        return None
    kept = dict.fromkeys(row for family in FAMILIES for row in chosen[family])
    keys = tuple((row, length, False) for row in kept for length in bits)
    names = {family: named(chosen[family]) for family in FAMILIES}
    return Contest(names, bits, keys, estimate, replicates)


def _parts(
    evidence: Evidence, rows: Iterable[Sequence[str]]
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield halves as `crossed`, or all queries at once where there is nothing to choose."""
    if all(len(part) == 1 for part in rows):
        everyone = np.ones(len(evidence.identity), dtype=bool)
        yield everyone, everyone, 1.0
    else:
        yield from crossed(evidence)


def _comparable(home: Evidence, cross: Evidence, bits: int) -> dict[str, list[str]]:
    """Return the rows of each family whose r can be formed on both targets, of the same runs."""
    here, there = sides(home, bits), sides(cross, bits)
    return {
        family: [x for x in here[family] if x in there[family] and _formed(home, cross, x, bits)]
        for family in FAMILIES
    }


def _formed(home: Evidence, cross: Evidence, label: str, bits: int) -> bool:
    key = (label, bits, False)
    if home.cells[key].runs != cross.cells[key].runs:
        return False
    bases = [(study, uncompressed(study, key)) for study in (home, cross)]
    wholes = [clear(study, lead(study, base)) for study, base in bases if base]
    return wholes == [True, True] and clear(home, lead(home, key))


def _in_all(lists: Sequence[Sequence[str]]) -> list[str]:
    return [x for x in lists[0] if all(x in other for other in lists)] if lists else []


def _kept(home: Evidence, cross: Evidence, key: Key, compares: np.ndarray) -> Over:
    """Return r on cross / r at home of one cell, over some queries of home.

    The replicates are linearised, so that no draw of a denominator comes near zero.
    """
    base = uncompressed(home, key)
    if base is None:
        raise ValueError(f"{key[0]} must stand beside an uncompressed embedding")
    mine, whole = lead(home, key, compares), lead(home, base, compares)
    away, beyond = lead(cross, key), lead(cross, base)
    unit = whole.estimate / (beyond.estimate * mine.estimate)
    kept = away.estimate * unit
    moved = unit * away.moved - kept * (
        beyond.moved / beyond.estimate + mine.moved / mine.estimate - whole.moved / whole.estimate
    )
    return kept, kept + moved
