"""Names that no author of a set gave: litter of file systems, file managers and NAS boxes."""

import re

#: Whole names in lower case; names that begin with a point are litter in any case.
_NAMES = frozenset((
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "@syno", "#recycle",
    "#snapshot", "~snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found",
    "lost.dir", "network trash folder", "temporary items", "desktop db", "desktop df", "icon\r",
    "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    "picasa.ini", "folder.jpg.tmp", "sync.ffs_db", "_gsdata_", "xnview.db",
))  # fmt: skip
#: What Synology and Windows hang on a file's name, and folders that a check of a disk makes.
_PATTERN = re.compile(
    r"syno(photo|file|video|index)_.*|.*@syno(eastream|resource)|.*:zone\.identifier|found\.\d{3}"
)
_STARTS = ("syno", "foun")


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name is no part of a set.

    >>> [is_litter(name) for name in ("@eaDir", ".DS_Store", "SYNOPHOTO_THUMB_M.jpg", "@ann")]
    [True, True, True, False]
    """
    lower = name.lower()
    if lower[:1] == "." or lower in _NAMES:
        return True
    odd = lower[:4] in _STARTS or "@" in lower or ":" in lower  # a pattern costs more than these
    return odd and _PATTERN.fullmatch(lower) is not None
