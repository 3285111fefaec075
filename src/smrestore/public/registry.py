"""Which public stores of scans there are. Nothing here asks any server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

import yaml

from smrestore.support.errors import InputError

# The C loader is ten times faster, and missing from some builds of PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

STORES = Path(__file__).with_name("stores.yaml")
KINDS = ("archive", "folder")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True)
class Store:
    """A public store of scans.

    Attributes
    ----------
    name, title
        For the configuration, and for readers.
    url
        Of the archive, or of the folder with a slash at the end.
    kind
        ``archive``: a tar archive with the scans inside. ``folder``: each scan has its address.
    license, citation
        To respect when the data are used.
    setting
        Setting of the study that the store serves.
    sha256
        Of the archive; for a folder, by file. None or absent where nobody has published it.
    size_MB
        Of the whole store, None if unknown.
    doi
        Of record or publication.
    files
        Scans that are known to be there, and what they are.
    """

    name: str
    title: str
    url: str
    kind: str
    license: str
    citation: str
    setting: str = "none"
    sha256: str | Mapping[str, str] | None = None
    size_MB: float | None = None  # noqa: N815 (the unit belongs to the key)
    doi: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def address(self, file: str) -> str:
        """Return the address to ask for a scan: that of the archive, or its own."""
        return self.url if self.kind == "archive" else self.url + quote(file)

    def hash_of(self, file: str) -> str | None:
        """Return the hash of what this address gives, None if it is unknown."""
        return self.sha256 if self.kind == "archive" else (self.sha256 or {}).get(file)


def read_stores(own: str | Path | None = None) -> dict[str, Store]:
    """Return the stores by name.

    Parameters
    ----------
    own
        Further stores, or mirrors of known ones under the same name: a file like ``stores.yaml``.

    Raises
    ------
    InputError
        If this file is missing or faulty.
    """
    stores = _read(STORES)
    return stores if own is None else {**stores, **_read(Path(own))}


def check_file(file: str) -> str | None:
    """Return what is wrong with the path of a scan within a store, None if nothing is."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or "\\" in file or not path.name:
        return "is no path within a store"
    return None


def _read(path: Path) -> dict[str, Store]:
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot be read: {reason}", path=path, remedy="mend it") from None
    if not isinstance(entries, dict):
        raise InputError("holds no stores", path=path, remedy="write name: {url: ...}")
    return {str(name): _store(path, str(name), entry) for name, entry in entries.items()}


def _store(path: Path, name: str, entry: object) -> Store:
    def error(what: str, remedy: str) -> InputError:
        return InputError(what, path=path, field=name, remedy=remedy)

    try:
        store = Store(name=name, **entry)
    except TypeError as reason:
        what = str(reason).replace("Store.__init__() ", "")
        raise error(what, "compare with the stores that come with smrestore") from None
    if store.kind not in KINDS:
        raise error(f"unknown kind {store.kind!r}", f"use one of {', '.join(KINDS)}")
    if urlsplit(store.url).scheme not in ("http", "https"):
        raise error(f"{store.url!r} is no web address", "give one with https:// or http://")
    if store.kind == "folder" and not store.url.endswith("/"):
        raise error(f"the folder {store.url} does not end with a slash", "add it")
    if not _NAME.fullmatch(name):
        raise error("is no name of a folder", "use letters, digits, hyphens and dots")
    if not (store.size_MB is None or (_is_number(store.size_MB) and store.size_MB > 0)):
        raise error(f"size_MB is {store.size_MB!r}", "give a number above 0, or leave it out")
    by_file = store.sha256 if store.kind == "folder" else {"archive": store.sha256}
    if not isinstance(by_file, dict | None):
        raise error("sha256 of a folder is no list of files", "write file: sha256")
    for digest in (by_file or {}).values():
        if not (digest is None or (isinstance(digest, str) and _SHA256.fullmatch(digest))):
            raise error(f"{digest!r} is no SHA-256", "give 64 hexadecimal digits in quotes")
    if not isinstance(store.files, dict):
        raise error("files are no list", "write file: what it is")
    return store


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
