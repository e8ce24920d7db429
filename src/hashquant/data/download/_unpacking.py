"""Archives unpacked whole or not at all, and never beyond a bound."""

import io
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashquant.errors import DataError
from hashquant.machine.refusals import refusal

if TYPE_CHECKING:  # a plan, which unpacks nothing, does not wait for it
    import tarfile

#: Whatever an archive is, it may unpack to that much.
_SMALL_BYTES = 64 << 20
#: Beyond: so many times its own bytes. Images hardly shrink; raw pixels halve.
_MOST_TIMES = 50
_MOST_BYTES = 16 << 30
_MOST_FILES = 1_000_000


def unpack_tar(
    archive: Path, member: str, target: Path, *,
    most_bytes: int | None = None, most_files: int = _MOST_FILES,
) -> None:  # fmt: skip
    """Unpack the folder `member` of a tar archive as `target`, whole or not at all.

    A folder that is there is set aside as `target.wrong`. Without `most_bytes` an archive may
    unpack to 64 MiB, or to 50 times its own bytes, and to 16 GiB at most.
    `most_files` counts folders and links too.

    Raises:
        DataError: if the archive is damaged, holds too much or no such folder, or nothing can be
            written.
    """
    import lzma
    import tarfile

    work = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with _Bounded(archive, target, most_bytes) as plain:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                tar.extractall(work, _counted(tar, plain, most_files), filter="data")
            plain.finish()
        if not (work / member).is_dir():
            raise tarfile.TarError(f"no folder {member}")
        if target.exists():
            aside = target.with_name(f"{target.name}.wrong")
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        (work / member).rename(target)
    except (OSError, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(archive, target, f"a tar archive of {member}/", error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unpack_gzip(archive: Path, target: Path, *, most_bytes: int | None = None) -> None:
    """Unpack a file that was compressed by gzip as `target`, whole or not at all.

    `most_bytes` as in `unpack_tar`.

    Raises:
        DataError: if it is damaged or holds too much, or nothing can be written.
    """
    work = target.with_name(f".{target.name}.part")
    try:
        with _Bounded(archive, target, most_bytes) as plain, work.open("wb") as file:
            if not plain.compressed:
                raise EOFError("it is not compressed by gzip")
            shutil.copyfileobj(plain, file)
        work.replace(target)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(archive, target, "a whole gzip file", error) from error
    finally:
        work.unlink(missing_ok=True)


class _Bounded(io.RawIOBase):
    """The bytes of an archive without its compression, so many and no more."""

    def __init__(self, archive: Path, target: Path, most_bytes: int | None) -> None:
        size = archive.stat().st_size
        usual = min(max(_SMALL_BYTES, _MOST_TIMES * size), _MOST_BYTES)
        self.archive, self.target = archive, target
        self.most = self._left = usual if most_bytes is None else most_bytes
        self._inner, self.compressed = _opened(archive)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: a writable buffer, of which no type tells
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self.spend(len(data))
        return len(data)

    def spend(self, count: int) -> None:
        """Count bytes.

        Raises:
            DataError: if they are too many.
        """
        self._left -= count
        if self._left < 0:
            raise self.excess(f"{self.most:,} bytes")

    def excess(self, bound: str) -> DataError:
        """Say that an archive holds more than it may."""
        return DataError(
            f"{self.archive} must unpack to at most {bound}, it holds more; if it is what it "
            f"should be, unpack it by hand, as {self.target}"
        )

    def finish(self) -> None:
        """Read on to the end, so that a checksum there is looked at."""
        while self.read(1 << 20):
            pass

    def close(self) -> None:
        self._inner.close()
        super().close()


def _opened(archive: Path) -> tuple[io.BufferedIOBase, bool]:
    """Open an archive for reading; tell whether gzip compressed it."""
    with archive.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.GzipFile(archive), True
    if head.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(archive), False
    if head.startswith(b"\xfd7zXZ"):
        import lzma

        return lzma.LZMAFile(archive), False
    return archive.open("rb"), False


def _counted(
    tar: "tarfile.TarFile", plain: _Bounded, most_files: int
) -> Iterator["tarfile.TarInfo"]:
    """Yield the members of an archive while they are neither too many nor too large."""
    said = 0
    for number, found in enumerate(tar, 1):
        said += found.size
        if number > most_files:
            raise plain.excess(f"{most_files:,} files")
        if said > plain.most:
            raise plain.excess(f"{plain.most:,} bytes")
        yield found


def _damaged(archive: Path, target: Path, wanted: str, error: Exception) -> DataError:
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{archive} cannot be unpacked as {target}: {refusal(error)}")
    said = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{archive} must be {wanted}, got {said}")
