"""One archive of a suite for a paper's artefact: report, records, splits, settings, citations.

The same files give the same bytes: names are sorted and no entry carries a time.
"""

import hashlib
import io
import json
import shlex
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hashquant.errors import StoreError
from hashquant.machine.filenames import safe_name
from hashquant.machine.files import write_atomic
from hashquant.machine.strictjson import parse_json
from hashquant.records.record import EvalRecord, Provenance, TrainRecord
from hashquant.records.store import SuiteRecords
from hashquant.records.vouching import EVAL, PER_QUERY, TRAIN
from hashquant.report.blocks import records_digest
from hashquant.report.captions import counted
from hashquant.settings.suite import canonical_json

BUNDLE = "bundle.zip"
#: Beginnings of the names of figures that show images of the data sets, which stay here.
PHOTOGRAPHS = ("retrieval",)
#: What lists all splits of a bundle.
SPLITS = "splits.json"
#: The earliest time a zip archive can hold.
NO_TIME = (1980, 1, 1, 0, 0, 0)

#: What lies in a bundle, in the words of its README.
PARTS = {
    "report/": "tables (Markdown, CSV, LaTeX), figures with the CSV of their numbers, `claims.md` "
    "(what the numbers support) and `cards.md` (published beside measured numbers)",
    "results/": "the records that all of it was computed from: `train.json` and `eval.json` of "
    "each cell, `per_query.npz` with the average precision of every query",
    "splits/": "`splits.json` names every split by its digest; splits that are written down as "
    "lists of files lie beside it, the others are made by rule from the data set",
    "configuration/": "the suite: what is equal for all cells; each record holds its settings in "
    "full",
    "environment/": "`machines.json`: commit, versions, device and threads of the records; "
    "`requirements.lock`: the pinned packages",
    "CITATION.bib": "BibTeX of all methods and data sets shown",
    "SHA256SUMS": "checksums: `sha256sum -c SHA256SUMS`",
}


@dataclass(frozen=True)
class Material:
    """Where the files lie that a report does not write: records, settings, splits, versions."""

    results: Path  #: the suite's folder of records
    suite_file: Path | None = None
    lock: Path | None = None
    manifests: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What a README speaks of: the suite, its records, the names of the files, their origin."""

    suite: str
    digest: str
    names: tuple[str, ...]
    commits: tuple[str, ...]
    damaged: int = 0


def write_bundle(
    records: SuiteRecords, written: Iterable[Path], out: Path, material: Material
) -> Path:
    """Write `out/bundle.zip` with the files that a report has `written` below `out`.

    All lies in one folder named by suite and records. Codes and weights are left out, as are
    damaged records and every image of a data set.

    Raises:
        StoreError: if a file cannot be read or the archive not be written.
    """
    files = _report(written, out) | _records(records, material) | _environment(records, material)
    splits = _splits(records, material.manifests)
    files |= splits
    if material.suite_file is not None:
        files[f"configuration/{material.suite_file.name}"] = _read(material.suite_file)
    digest = records_digest(records)
    contents = Contents(
        records.suite, digest, tuple(sorted(files)), _commits(records), len(records.damaged)
    )
    files["README.md"] = _readme(contents).encode()
    files["SHA256SUMS"] = _sums(files)
    write_atomic(out / BUNDLE, _zipped(files, f"{safe_name(records.suite)}-{digest}"))
    return out / BUNDLE


def _report(written: Iterable[Path], out: Path) -> dict[str, bytes]:
    """Return a report's files by name, without those that show photographs."""
    kept = [path for path in written if not path.name.startswith(PHOTOGRAPHS)]
    names = {path: path.relative_to(out).as_posix() for path in kept}
    found = {
        name if name == "CITATION.bib" else f"report/{name}": _read(path)
        for path, name in names.items()
    }
    return {name: data for name, data in found.items() if not _holds_photographs(name, data)}


def _holds_photographs(name: str, data: bytes) -> bool:
    """Tell whether a page has images set into it: its plots are drawn as lines, not pixels."""
    return name.endswith(".html") and b"data:image/" in data


def _records(records: SuiteRecords, material: Material) -> dict[str, bytes]:
    """Return every readable record and its queries' values, as they lie in the results.

    Values that their record does not vouch for are left out.
    """
    damaged = {Path(path) for path in records.damaged}
    whole = {records.folders.get((r.run_id, r.target)) for r in records.evals
             if records.per_query(r)}  # fmt: skip
    found = {}
    for path in sorted(material.results.rglob("*")):
        kept = path.parent in whole if path.name == PER_QUERY else path not in damaged
        if path.name in (TRAIN, EVAL, PER_QUERY) and kept and path.is_file():
            inside = path.relative_to(material.results).as_posix()
            found[f"results/{records.suite}/{inside}"] = _read(path)
    return found


def _environment(records: SuiteRecords, material: Material) -> dict[str, bytes]:
    """Return what the records were made with: each setting once, and how many records it made."""
    made = Counter(canonical_json(provenance) for provenance in _provenances(records))
    machines = [json.loads(text) | {"records": count} for text, count in sorted(made.items())]
    found = {"environment/machines.json": _json(machines)}
    if material.lock is not None:
        found[f"environment/{material.lock.name}"] = _read(material.lock)
    return found


def _splits(records: SuiteRecords, manifests: Iterable[Path]) -> dict[str, bytes]:
    """Return the written-down splits that were examined, and a list of all of them by digest."""
    listed = _by_digest(manifests)
    rows = {
        (record.target, record.protocol, record.split_digest): {
            "examined": record.target,
            "protocol": record.protocol,
            "sha256": record.split_digest,
            "queries": record.queries,
            "gallery": record.gallery,
            "listed_in": listed.get(record.split_digest, ("", b""))[0],
        }
        for record in records.evals
    }
    used = {record.split_digest for record in records.evals} & listed.keys()
    found = {f"splits/{listed[digest][0]}": listed[digest][1] for digest in used}
    return found | {f"splits/{SPLITS}": _json([rows[key] for key in sorted(rows)])}


def _by_digest(manifests: Iterable[Path]) -> dict[str, tuple[str, bytes]]:
    """Return name and text of each manifest by its digest, names that two share told apart."""
    read = [(path, _read(path)) for path in manifests]
    times = Counter(path.name.casefold() for path, _ in read)
    found = {}
    for path, data in read:
        digest = _digest_in(data)
        alone = times[path.name.casefold()] == 1 and path.name != SPLITS
        name = path.name if alone else f"{path.stem}-{digest[:12]}{path.suffix}"
        found[digest] = name, data
    return found


def _digest_in(manifest: bytes) -> str:
    """Return the digest that seals a manifest, or nothing where it is none."""
    try:
        raw = parse_json(manifest.decode())
    except ValueError:
        return ""
    return str(raw.get("sha256", "")) if isinstance(raw, Mapping) else ""


def _commits(records: SuiteRecords) -> tuple[str, ...]:
    """Return the commits that made the records; a + marks changes that were not committed."""
    made = {made.commit + ("+" if made.dirty else "") for made in _provenances(records)}
    return tuple(sorted(made - {""}))


def _provenances(records: SuiteRecords) -> list[Provenance]:
    stored: tuple[EvalRecord | TrainRecord, ...] = (*records.trains, *records.evals)
    return [record.provenance for record in stored if record.provenance is not None]


def _sums(files: Mapping[str, bytes]) -> bytes:
    """Return what `sha256sum -c` reads."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return "".join(lines).encode()


def _zipped(files: Mapping[str, bytes], folder: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, anywhere
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _readme(contents: Contents) -> str:
    """Return the README of a bundle."""
    kinds = [
        f"- `{part}`: {said}."
        for part, said in PARTS.items()
        if part == "SHA256SUMS" or any(name.startswith(part) for name in contents.names)
    ]
    left_out = "Codes, weights and images of the data sets are not here."
    if contents.damaged:
        left_out += f" Left out of the results: {counted(contents.damaged, 'damaged file')}."
    made = ", ".join(contents.commits) or "an unknown commit"
    return f"""# Suite {contents.suite}, records {contents.digest}

Tables, figures and records of a HashQuant suite, made by commit {made}
(a + marks a tree with changes that were not committed).

{chr(10).join(kinds)}

{left_out}

## Commands

With HashQuant, from this folder:

{chr(10).join(_commands(contents))}
"""


def _commands(contents: Contents) -> list[str]:
    """Return each command with what it does, as Markdown."""
    suite = shlex.quote(contents.suite)
    found = {
        f"report --suite {suite} --results-dir results --reports-dir again --bundle": "writes this "
        "report and this archive again",
        f"verify --suite {suite} --results-dir results": "computes each score again from the "
        "values of its queries",
        "explain CELL --results-dir results": "prints all that made a cell, and the command that "
        "repeats it with the flags it was run with",
    }
    for name in contents.names:
        if name.startswith("configuration/"):
            anew = f"--suite {shlex.quote(name)} --data-dir DATA --results-dir anew"
            found[anew] = "trains, searches and scores the suite as its file says"
    return [f"- `run_bench.py {command}` {does}." for command, does in found.items()]
