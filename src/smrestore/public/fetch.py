"""From a public store to a scan of the workflow."""

import contextlib
import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from smrestore.mdf.imported import import_scan
from smrestore.public.archive import extract
from smrestore.public.download import default_cache, download
from smrestore.public.registry import Store, check_file
from smrestore.support.errors import InputError

logger = logging.getLogger(__name__)

MARGIN = 4
"""A download may be so many times as large as its store is known to be."""


def fetch_file(store: Store, file: str, cache: str | Path | None = None) -> Path:
    """Return a scan of a public store, from the cache if it is there.

    Parameters
    ----------
    store, file
        Store, and path of the scan within it.
    cache
        Folder of downloads, the user's cache folder by default. ``{cache}/{store}/`` holds the
        archive or the files as they were fetched, ``{cache}/{store}/extracted/{hash}/`` what was
        taken out of the archive of this hash. Several processes may use it.

    Raises
    ------
    InputError
        See :func:`smrestore.public.download.download` and :func:`smrestore.public.archive.extract`.
    """
    fault = check_file(file)
    if fault:
        raise InputError(f"{file!r} {fault}", field="file", remedy="see the files of the store")
    folder = (Path(cache).expanduser() if cache else default_cache()) / store.name
    limit = None if store.size_MB is None else int(MARGIN * store.size_MB * 1e6)
    url = store.address(file)
    if store.kind == "archive":
        kept = folder / PurePosixPath(unquote(urlsplit(url).path)).name
    else:
        kept = folder / file
    with _alone(folder):
        extracted = folder / "extracted" / (store.hash_of(file) or "unchecked")[:12] / file
        if store.kind == "archive" and extracted.is_file():
            return extracted
        kept.parent.mkdir(parents=True, exist_ok=True)
        logger.info("%s: %s, license %s", store.title, store.citation, store.license)
        download(url, kept, sha256=store.hash_of(file), max_bytes=limit)
        if store.kind == "folder":
            return kept
        extract(kept, file, extracted)
        return extracted


def fetch_scan(
    store: Store,
    file: str,
    destination: str | Path,
    *,
    kind: str,
    cache: str | Path | None = None,
    slice_index: int | None = None,
) -> None:
    """Fetch a scan and put it where the workflow looks for scans.

    Parameters
    ----------
    store, file, cache
        See :func:`fetch_file`.
    destination, kind, slice_index
        See :func:`smrestore.mdf.imported.import_scan`.

    Raises
    ------
    InputError
        As both functions do.
    """
    import_scan(fetch_file(store, file, cache), destination, kind=kind, slice_index=slice_index)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches from the same store, so that each file comes once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: waiting for another download from this store", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            logger.warning(
                "%s: cannot be locked (%s): fetch from one process at a time", folder, error
            )
        yield
