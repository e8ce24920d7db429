"""What this program writes, told by what is in it: results, reports, and the data folder."""

import re
from pathlib import Path

#: A decoded set in the cache of a data folder, or its lock: name, geometry and files as digests.
_DECODED = re.compile(r".+-[0-9a-f]{8}(-[0-9a-f]{16}(\.part|\.corrupt)?|\.lock)")
#: A split that was written down, or drawn faces.
_KEPT = re.compile(r".+-[0-9a-f]{12}\.json|[0-9a-f]{16}\.npy")


def is_own_output(folder: Path) -> bool:
    """Return whether a folder is one of results, of reports, or of data sets, or of one suite."""
    try:
        return any(told(folder) for told in (_is_results, _is_report, _is_data, _is_kept))
    except OSError:
        return False


def _is_results(folder: Path) -> bool:
    """SUITE/.lock, there before the first cell is, or SUITE/DATASET/METHOD/24bit/seed0-1a2b3c/."""
    suites = [folder, *(path for path in folder.iterdir() if path.is_dir())]
    return any(
        [path.name for path in suite.iterdir()] == [".lock"] or _any(suite, "*/*/*bit/seed*-*")
        for suite in suites
    )


def _is_report(folder: Path) -> bool:
    """SUITE/tables/map.csv, or the claims over all suites."""
    claims = (folder / "claims.csv").is_file() and (folder / "claims.tex").is_file()
    return claims or _any(folder, "tables/map.*") or _any(folder, "*/tables/map.*")


def _is_data(folder: Path) -> bool:
    cache = folder / ".cache"
    return cache.is_dir() and any(_DECODED.fullmatch(path.name) for path in cache.iterdir())


def _is_kept(folder: Path) -> bool:
    names = [path.name for path in folder.iterdir()]
    return bool(names) and all(_KEPT.fullmatch(name) for name in names)


def _any(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None
