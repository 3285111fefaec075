"""One scan out of a tar archive, whatever the archive tries."""

import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from smrestore.errors import InputError
from smrestore.files import atomic_path
from smrestore.progress import progress_bar

EXPANSION = 100
"""An archive may hold so many times its own size; scans are noise and hardly shrink."""
SLACK_BYTES = 2**26
PIECE_BYTES = 2**20


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
    limit = EXPANSION * archive.stat().st_size + SLACK_BYTES
    try:
        with tarfile.open(archive, "r:*") as tar:
            member = _find(tar, archive, file, limit)
            with atomic_path(destination) as temporary:
                _copy(tar, member, temporary)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        # The system's own errors have a number, those about wrong contents have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _error(
            archive, None, f"the archive is damaged ({error})", "delete it and fetch it again"
        ) from None


def _find(tar: tarfile.TarFile, archive: Path, file: str, limit: int) -> tarfile.TarInfo:
    """Return the regular file that ``file`` means."""
    wanted = PurePosixPath(file).parts
    found: dict[str, tarfile.TarInfo] = {}
    names = []
    for member in tar:
        if member.offset_data + member.size > limit:
            what = f"holds more than {limit / 1e6:.0f} MB, far more than its size lets expect"
            raise _error(archive, member.name, what, "check where the archive comes from")
        if not member.isreg() or member.issparse():
            continue
        parts = tuple(part for part in PurePosixPath(member.name).parts if part != ".")
        names.append("/".join(parts))
        if parts[-len(wanted) :] == wanted:
            found[names[-1]] = member
    # Checksums of compressed archives come at the very end.
    while tar.fileobj.read(PIECE_BYTES):
        if tar.fileobj.tell() > limit:
            raise _error(archive, None, "does not end", "check where the archive comes from")
    if file in found:
        return found[file]
    if len(found) != 1:
        raise _not_one(archive, file, list(found), names)
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


def _not_one(archive: Path, file: str, found: list[str], names: list[str]) -> InputError:
    if found:
        remedy = f"name one in full: {', '.join(found)}"
        return _error(archive, file, f"{len(found)} files have this name", remedy)
    scans = [name for name in names if name.endswith(".mdf")]
    shown = ", ".join(scans[:20]) + (", ..." if len(scans) > 20 else "")
    remedy = f"use one of {shown}" if scans else "use another store, this one holds no MDF files"
    return _error(archive, file, "is not in the archive", remedy)


def _error(archive: Path, field: str | None, what: str, remedy: str) -> InputError:
    return InputError(what, path=archive, field=field, remedy=remedy)
