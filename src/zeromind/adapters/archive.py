"""Tar archives from anywhere, compressed or not, unpacked without harm.

Only ordinary files and folders with plain relative names come out; links, devices and sparse files, too many or too large members,
and archives that swell out of proportion are refused. Cf. CVE-2007-4559 and CVE-2025-4517, which is why tarfile's own extraction
is not used.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from zeromind.errors import ErrorKind, ZeroMindError
from zeromind.limits import ARCHIVES

_CHUNK = 1 << 20
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@contextlib.contextmanager
def unpacked(path: Path, most_bytes: int = ARCHIVES.size) -> Iterator[Path]:
    """A fresh folder with what the archive holds, gone at the end. Raises LOAD_FAILED for what is refused, or damaged."""
    with tempfile.TemporaryDirectory(prefix="zeromind-") as name:
        folder = Path(name)
        try:
            with _opened(path, most_bytes) as reader:
                for member, parts in _members(reader):
                    target = folder.joinpath(*parts)
                    if member.isdir():
                        target.mkdir(mode=0o700, parents=True, exist_ok=True)
                        continue
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    reader.write(member, target)
                reader.drain()
        except _DAMAGE as error:
            raise _refusal(path, f"is no whole archive ({type(error).__name__}: {error})") from error
        yield folder


def names(path: Path) -> frozenset[str]:
    """The files that the archive would give, as far as its first 64 MiB tell; none where it is no archive, or refused."""
    found: set[str] = set()
    try:
        with _opened(path, ARCHIVES.listed) as reader:
            for member, parts in _members(reader):
                if member.isreg():
                    found.add("/".join(parts))
                reader.allow(member.size)
    except (ZeroMindError, *_DAMAGE):
        # What came before the end of the allowance is listed all the same: large members come last or have been named already.
        return frozenset(found)
    return frozenset(found)


class _Reader:
    """The archive's bytes, decompressed, with an allowance: whoever reads beyond it is refused."""

    def __init__(self, path: Path, stream: IO[bytes], total: int) -> None:
        self.path = path
        self._stream = stream
        self._total = total
        self._allowance = ARCHIVES.header
        self.tar: tarfile.TarFile

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._allowance -= len(data)
        self._total -= len(data)
        if self._total < 0:
            raise _refusal(self.path, "unpacks to more than it may")
        if self._allowance < 0:
            raise _refusal(self.path, "has a member with an oversized header")
        return data

    def allow(self, size: int) -> None:
        """Allow the next ``size`` bytes of a member beside the header that follows them."""
        self._allowance = ARCHIVES.header + size

    def drain(self) -> None:
        """Read what is left, which lets a compressed file check its sums."""
        while self.read(_CHUNK):
            pass

    def write(self, member: tarfile.TarInfo, target: Path) -> None:
        """Copy the member's bytes into a new file."""
        self.allow(member.size)
        source = self.tar.extractfile(member)
        if source is None:
            raise _refusal(self.path, f"has no bytes for {member.name!r}")
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with source, os.fdopen(descriptor, "wb") as copy:
            while chunk := source.read(_CHUNK):
                copy.write(chunk)


@contextlib.contextmanager
def _opened(path: Path, most_bytes: int) -> Iterator[_Reader]:
    total = min(most_bytes, max(ARCHIVES.unrated, ARCHIVES.ratio * path.stat().st_size))
    with path.open("rb") as file, _decompressed(file) as stream:
        reader = _Reader(path, stream, total)
        # As a stream, since seeking back in a compressed file would decompress it again.
        with tarfile.open(fileobj=reader, mode="r|") as reader.tar:  # type: ignore[call-overload]  # any reader will do for a stream
            yield reader


def _decompressed(file: IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]  # it reads as a file does
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
        return lzma.LZMAFile(file)
    return contextlib.nullcontext(file)


def _members(reader: _Reader) -> Iterator[tuple[tarfile.TarInfo, tuple[str, ...]]]:
    for count, member in enumerate(reader.tar):
        if count == ARCHIVES.members:
            raise _refusal(reader.path, f"has more than {ARCHIVES.members} members")
        ordinary = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) and not member.issparse()
        if not ordinary:
            raise _refusal(reader.path, f"holds {member.name!r}, which is a link or another special file")
        parts = tuple(part for part in member.name.split("/") if part != ".")
        fault = _fault(member.name, parts)
        if fault and not (member.isdir() and not parts):
            raise _refusal(reader.path, f"holds {member.name[: ARCHIVES.name]!r}, {fault}")
        yield member, parts


def _fault(name: str, parts: tuple[str, ...]) -> str:
    if not parts or any(part in ("", "..") for part in parts) or set(name) & set("\\:\0"):
        return "which is no plain name beneath the archive"
    if len(parts) > ARCHIVES.depth:
        return f"which lies more than {ARCHIVES.depth} folders deep"
    if len(os.fsencode(name)) > ARCHIVES.name or any(len(os.fsencode(part)) > ARCHIVES.part for part in parts):
        return "whose name is too long"
    return ""


def _refusal(path: Path, text: str) -> ZeroMindError:
    return ZeroMindError(
        ErrorKind.LOAD_FAILED, f"the archive {path.name} {text}: pack plain files anew, or point the task at the model itself", path.name
    )
