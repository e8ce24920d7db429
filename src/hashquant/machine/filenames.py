"""Any text as the name of a file or folder: safe on every system, and never that of another text.

Folders of results, figures, labels in LaTeX and what a bundle holds are all named here.
"""

import hashlib
import os
import re
import unicodedata
from pathlib import Path

#: Letters that a name may be made of, as a regular expression's class.
LETTERS = r"\w.+-"
#: Letters of a label in LaTeX.
LABEL = "A-Za-z0-9.+-"
#: The longest name, in bytes of UTF-8: two of them and what stands around them are one file's name.
MOST_BYTES = 80
#: Hexadecimal digits that tell a text from all others whose letters read alike.
DIGITS = 8
#: How a name with digits ends: a text that ends so itself gets digits too.
_ENDS_IN_DIGITS = re.compile(rf".*-[0-9a-f]{{{DIGITS}}}", re.DOTALL)
#: What Windows keeps for its devices, whatever follows a dot.
_DEVICES = re.compile(r"(con|nul|prn|aux|com\d|lpt\d)(\..*)?", re.DOTALL)


def safe_name(text: str, letters: str = LETTERS) -> str:
    r"""Return `text` as one name of at most `MOST_BYTES`, another one for each text.

    What is a safe name already stays as it is. Where anything was replaced, stripped or cut, or
    would be lost by a file system that takes two spellings for one (capitals, composed accents),
    digits of the whole text's SHA-256 follow. No name holds two hyphens in a row, so that names
    joined by `--` stay apart too.

    >>> safe_name("lfw-unseen"), safe_name("a b"), safe_name("a-b"), safe_name("A-b")
    ('lfw-unseen', 'a-b-c8687a08', 'a-b', 'A-b-b05dd069')
    """
    composed = unicodedata.normalize("NFC", text)
    read = re.sub(rf"(?:[^{letters}]|-)+", "-", composed).strip("-.") or "unnamed"
    if read == text == text.casefold() and not _needs_digits(text):
        return text
    return _with_digits(read, text, MOST_BYTES)


def short_name(name: str, most: int = MOST_BYTES) -> str:
    """Return a file's name as it is where it has at most `most` bytes, else cut, with digits.

    >>> short_name("lfw"), short_name("x" * 300, 20)
    ('lfw', 'xxxxxxxxxxx-0d4e2ca9')
    """
    return name if _bytes(name) <= most else _with_digits(name, name, most)


def former_name(text: str) -> str:
    """Return the name that a text had before names had digits: two texts may share it.

    >>> former_name("folder:/home/a b/faces")
    'folder-home-a-b-faces'
    """
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "unnamed"


def is_file(path: Path) -> bool:
    """Tell whether a file is there: none is under a name that the system cannot have.

    >>> is_file(Path("x" * 300))
    False
    """
    return os.path.isfile(path)  # noqa: PTH113  # Path.is_file raises where a name is too long


def _needs_digits(name: str) -> bool:
    """Tell whether a name made of safe letters is no name that may stand as it is."""
    taken = _ENDS_IN_DIGITS.fullmatch(name) or _DEVICES.fullmatch(name)
    return bool(taken) or _bytes(name) > MOST_BYTES


def _with_digits(read: str, text: str, most: int) -> str:
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    kept = read.encode("utf-8", "surrogatepass")[: most - DIGITS - 1].decode("utf-8", "ignore")
    if _DEVICES.fullmatch(kept.casefold()):
        kept = re.sub(r"[.-]+", "-", kept)  # a device's name ends at its first dot
    return f"{kept.rstrip('-.')}-{digits}"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
