"""One scan out of a tar archive, safely even if the archive is malicious."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path
from smrestore.support.progress import progress_bar

EXPANSION = 100
"""An archive may hold so many times its own size; scans are noise and hardly shrink."""
SLACK_BYTES = 2**26
PIECE_BYTES = 2**20
MEMBERS = 10**6
"""An archive may hold so many files."""
SHOWN = 20
"""Names that an error lists."""

OPENERS = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x5d\x00\x00": lzma.open,
}
"""By the first bytes of an archive."""


def extract(archive: str | Path, file: str, destination: str | Path) -> None:
    """Copy one file of a tar archive, compressed or not, to ``destination``.

    The names inside never become paths: only the contents of one regular file are read, and written
    to the path given here. Links and devices are no files.

    Parameters
    ----------
    archive
        Is read from its start, twice at the most, in bounded memory.
    file
        Path of the file inside, or the end of it: ``calibrations/13.mdf`` finds
        ``./MDFStore/calibrations/13.mdf``.
    destination
        File to write; it appears when it is complete.

    Raises
    ------
    InputError
        If the archive is damaged or holds no such file, or several, or more data than an archive of
        this size may.
    """
    archive = Path(archive)
    try:
        with _Contents(archive) as contents, tarfile.open(fileobj=contents, mode="r:") as tar:
            member = _find(tar, contents, file)
            with atomic_path(destination) as temporary:
                _copy(tar, member, temporary)
    except InputError:
        raise
    # Headers that contradict themselves raise errors of all kinds.
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OSError) as error:
        # The system's own errors have a number, those about wrong contents have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split())
        raise _error(
            archive, None, f"the archive is damaged ({reason})", "delete it and fetch it again"
        ) from None


class _Contents:
    """The uncompressed contents of an archive, which are read in small pieces up to a limit.

    Archives announce the sizes of names and other descriptions themselves, and the library that
    reads these takes all of them into memory.
    """

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.limit = EXPANSION * archive.stat().st_size + SLACK_BYTES
        with archive.open("rb") as file:
            start = file.read(6)
        opener = next((o for magic, o in OPENERS.items() if start.startswith(magic)), open)
        self._file: BinaryIO = opener(archive, "rb")

    def __enter__(self) -> "_Contents":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        if size > 4 * PIECE_BYTES:
            raise _error(
                self.archive,
                None,
                f"a description inside is said to have {size / 1e6:.0f} MB",
                "check where the archive comes from",
            )
        self.check(self._file.tell(), None)
        return self._file.read(size)

    def seek(self, place: int) -> int:
        self.check(place, None)
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()

    def check(self, place: int, member: str | None) -> None:
        """Raise if a place in the contents lies beyond the limit."""
        if place > self.limit:
            raise _error(
                self.archive,
                member,
                f"holds more than {self.limit / 1e6:.0f} MB, far more than its size lets expect",
                "check where the archive comes from",
            )


def _find(tar: tarfile.TarFile, contents: _Contents, file: str) -> tarfile.TarInfo:
    """Return the regular file that ``file`` means."""
    wanted = PurePosixPath(file).parts
    found: dict[str, tarfile.TarInfo] = {}
    scans: list[str] = []
    count = 0
    while (member := tar.next()) is not None:
        # The library keeps all of them.
        tar.members.clear()
        count += 1
        if count > MEMBERS:
            what = f"holds more than {MEMBERS} files"
            raise _error(contents.archive, None, what, "check where the archive comes from")
        contents.check(member.offset_data + member.size, member.name)
        if not member.isreg() or member.issparse():
            continue
        parts = tuple(part for part in PurePosixPath(member.name).parts if part != ".")
        name = "/".join(parts)
        if name.endswith(".mdf") and len(scans) <= SHOWN:
            scans.append(name)
        if parts[-len(wanted) :] == wanted and (len(found) <= SHOWN or name == file):
            found[name] = member
    # Checksums of compressed archives come at the very end.
    while contents.read(PIECE_BYTES):
        pass
    if file in found:
        return found[file]
    if len(found) != 1:
        raise _not_one(contents.archive, file, list(found), scans)
    return next(iter(found.values()))


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    bar = progress_bar(
        total=member.size, desc=PurePosixPath(member.name).name, unit="B", unit_scale=True
    )
    with source, path.open("wb") as target, bar:
        while piece := source.read(PIECE_BYTES):
            target.write(piece)
            bar.update(len(piece))
    if path.stat().st_size != member.size:
        raise EOFError(f"{member.name} is cut off")


def _not_one(archive: Path, file: str, found: list[str], scans: list[str]) -> InputError:
    if found:
        remedy = f"name one in full: {_shown(found)}"
        return _error(archive, file, f"{len(found)} files have this name", remedy)
    remedy = f"use one of {_shown(scans)}" if scans else "use another store, no MDF files are here"
    return _error(archive, file, "is not in the archive", remedy)


def _shown(names: list[str]) -> str:
    # Names are the archive's own, and must not steer the terminal.
    shown = [
        "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name) for name in names[:SHOWN]
    ]
    return ", ".join(shown) + (", ..." if len(names) > SHOWN else "")


def _error(archive: Path, field: str | None, what: str, remedy: str) -> InputError:
    if field is not None:
        field = _shown([field])
    return InputError(what, path=archive, field=field, remedy=remedy)
