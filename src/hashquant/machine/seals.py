"""Seals: the SHA-256 of stored bytes, kept with them, so that a changed bit is found (ADR 0019).

A seal finds damage and foreign files. Whoever changes a file on purpose can seal it anew.
"""

import hashlib
import re
from io import BytesIO
from pathlib import Path

from hashquant.machine.files import opened

BROKEN = "does not match its seal: its bytes are not those that were written"

#: What ends a sealed binary file: this word, and the digest of all bytes before it.
_MARK = b"HQSEAL01"
_TRAILER = len(_MARK) + hashlib.sha256().digest_size
#: What ends a sealed JSON object: its last field, on a line of its own.
_FIELD = ' "seal": "{}"\n}}\n'
_SEALED = re.compile(r' "seal": "([0-9a-f]{64})"\n\}\n\Z')
_FIELD_LENGTH = len(_FIELD.format("0" * 64))


def digest(data: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes, 64 hex digits.

    >>> digest(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read piece by piece.

    Raises:
        OSError: if it cannot be read, or is no file.
    """
    with opened(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sealed_json(text: str) -> str:
    r"""Return an indented JSON object with a seal over all text before it as its last field.

    >>> sealed_json('{\n "bits": 16\n}')[:24]
    '{\n "bits": 16,\n "seal": '
    """
    head = text.removesuffix("\n}") + ",\n"
    return head + _FIELD.format(digest(head.encode()))


def seal_holds(text: str) -> bool:
    r"""Tell whether a JSON object ends in a seal, and the seal is that of the text before it.

    >>> text = sealed_json('{\n "bits": 16\n}')
    >>> seal_holds(text), seal_holds(text.replace("16", "24"))
    (True, False)
    """
    found = _SEALED.match(text, max(len(text) - _FIELD_LENGTH, 0))
    return found is not None and digest(text[: found.start()].encode()) == found[1]


def add_seal(buffer: BytesIO) -> None:
    """Write the seal of all that a buffer holds at its end."""
    seal = hashlib.sha256(buffer.getbuffer()).digest()
    buffer.seek(0, 2)
    buffer.write(_MARK + seal)


def unsealed(data: bytes) -> memoryview:
    """Return sealed bytes without their seal.

    Raises:
        ValueError: if they have none, or it is not theirs; the message follows a file's name.
    """
    body, trailer = memoryview(data)[:-_TRAILER], data[-_TRAILER:]
    if trailer[: len(_MARK)] != _MARK:
        raise ValueError("has no seal: it is cut off, or an older version wrote it")
    if hashlib.sha256(body).digest() != trailer[len(_MARK) :]:
        raise ValueError(BROKEN)
    return body
