"""One file from a web server: continued after interruptions, checked, kept.

Pooch keeps the files, checks their hashes and puts them in place when they are complete. What it
lacks, continuing an interrupted transfer, is the downloader here, on top of requests.
"""

import json
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

from smrestore.support.errors import InputError
from smrestore.support.files import raise_if_full
from smrestore.support.progress import progress_bar

logger = logging.getLogger(__name__)

CHUNK_BYTES = 2**14
"""What has arrived of a piece is lost when the transfer breaks off, so pieces are small."""
TIMEOUT_S = (15.0, 60.0)
"""For the connection, and between two pieces of data."""
ATTEMPTS = 4
"""Attempts in a row without any new data."""
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that may pass by themselves."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz")
"""Files whose own compression servers may declare as that of the transfer."""
FREE_BYTES = 2**26
"""Space that a download leaves free."""


class _InterruptedError(Exception):
    """The transfer broke off and may be continued."""


def default_cache() -> Path:
    """Return where downloads are kept if nothing else is configured."""
    return Path(pooch.os_cache("smrestore"))


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    max_bytes: int | None = None,
    wait_s: float = 1.0,
) -> Path:
    """Fetch a file unless it is there already.

    A file that exists, and has the right hash if one is known, is used without asking any server.
    So a file that was fetched by other means can be put in its place. An interrupted transfer
    continues after the part that has arrived, also in a later run, if the server supports this and
    the file is still the same. Otherwise it starts over.

    Parameters
    ----------
    url
        Address; redirects are followed.
    path
        Where the file is kept.
    sha256
        Known hash; None accepts what comes, and logs its hash.
    max_bytes
        Larger files are refused.
    wait_s
        Pause before the second attempt; doubles with each.

    Returns
    -------
    ``path``.

    Raises
    ------
    InputError
        If the server cannot be reached or refuses, if the hash is wrong, or if the file is too
        large for the limit or the disk.
    """
    path = Path(path)
    downloader = _Resuming(path, max_bytes, wait_s)
    fresh = not path.exists()
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}" if sha256 else None,
            fname=path.name,
            path=path.parent,
            downloader=downloader,
        )
    except ValueError as error:
        if isinstance(error, InputError) or "hash" not in str(error):
            raise
        downloader.start_over()
        raise InputError(
            f"what {url} gave has another SHA-256 than the known {sha256}",
            path=path,
            remedy="run again; if this stays, the file was changed or the connection is tampered "
            "with",
        ) from None
    downloader.start_over()
    if sha256 is None and fresh:
        logger.info("%s: sha256 %s, not compared as none is known", path, pooch.file_hash(path))
    return path


@dataclass
class _Resuming:
    """A downloader for Pooch that continues from ``{name}.part``.

    Attributes
    ----------
    path
        The final file; parts lie beside it.
    max_bytes, wait_s
        See :func:`download`.
    """

    path: Path
    max_bytes: int | None
    wait_s: float

    def __post_init__(self) -> None:
        self.part = self.path.with_name(f".{self.path.name}.part")
        self.state = self.path.with_name(f".{self.path.name}.part.json")

    def __call__(self, url: str, output_file: str, _: Any, check_only: bool = False) -> None:
        # Some servers start over each time: only what never arrived before is new.
        fruitless, most = 0, self._arrived()
        while True:
            try:
                self._transfer(url)
                break
            except (requests.ConnectionError, requests.Timeout, _InterruptedError) as error:
                fruitless = 0 if self._arrived() > most else fruitless + 1
                most = max(most, self._arrived())
                if fruitless == ATTEMPTS:
                    raise self._unreachable(url, error) from None
                pause = self.wait_s * 2 ** max(fruitless - 1, 0)
                logger.info("%s: %s; again in %g s", url, _reason(error), pause)
                time.sleep(pause)
            except requests.RequestException as error:
                raise InputError(
                    f"{url} cannot be fetched: {_reason(error)}",
                    path=self.path,
                    remedy="check the address",
                ) from None
        self._hand_over(Path(output_file))

    def _hand_over(self, output_file: Path) -> None:
        """Give what has arrived to Pooch, and keep it until Pooch has checked it.

        Large files take minutes to check, and a process that is killed meanwhile must not lose
        them.
        """
        output_file.unlink(missing_ok=True)
        try:
            output_file.hardlink_to(self.part)
        except OSError:
            # Not every file system has hard links.
            self.part.replace(output_file)

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def start_over(self) -> None:
        """Forget what has arrived."""
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _transfer(self, url: str) -> None:
        """Fetch what is missing, in one request."""
        # Compressed transfers would make sizes and ranges those of something else.
        headers = {"Accept-Encoding": "identity"}
        state = self._read_state(url)
        if state is None:
            self.start_over()
        offset = self._arrived()
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": state["validator"]}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            if response.status_code == 416:
                # Nothing is left beyond what has arrived, or the file has shrunk.
                if state and state.get("size") == offset:
                    return
                self.start_over()
                raise _InterruptedError("the file on the server has changed")
            self._check_status(url, response)
            if response.status_code == 206 and _range_start(response) != offset:
                self.start_over()
                raise _InterruptedError("the server sent another part than asked for")
            if response.status_code == 200:
                self.start_over()
                offset = 0
            size = _size(response, offset)
            self._check_size(url, size, offset)
            self._check_encoding(url, response)
            self._write_state(url, response, size)
            self._receive(url, response, offset, size)
        if size is not None and self._arrived() != size:
            raise _InterruptedError(f"the transfer ended after {self._arrived()} of {size} bytes")

    def _check_status(self, url: str, response: requests.Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        reason = f"the server answers {status} {response.reason}".rstrip()
        if status in TRANSIENT:
            raise _InterruptedError(reason)
        raise InputError(
            f"{url} cannot be fetched: {reason}",
            path=self.path,
            remedy="check the address; it may have moved",
        )

    def _check_size(self, url: str, size: int | None, offset: int) -> None:
        if self.max_bytes is not None and (size or 0) > self.max_bytes:
            raise self._too_large(url)
        free = shutil.disk_usage(self.path.parent).free
        if size is not None and size - offset > free - FREE_BYTES:
            raise InputError(
                f"{url} needs {(size - offset) / 1e6:.0f} MB more, {free / 1e6:.0f} MB are free",
                path=self.path,
                remedy="free some, or set downloads.cache to another disk",
            )

    def _check_encoding(self, url: str, response: requests.Response) -> None:
        """Refuse transfers that are compressed although this is not wanted.

        Servers often declare the compression of archives themselves as one of the transfer; these
        are kept as they come.
        """
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity" and self.path.suffix not in COMPRESSED:
            raise InputError(
                f"the server gives {url} in the encoding {encoding}, which it was asked not to",
                path=self.path,
                remedy="fetch it elsewhere and put it here",
            )

    def _receive(
        self, url: str, response: requests.Response, offset: int, size: int | None
    ) -> None:
        bar = progress_bar(
            total=size,
            initial=offset,
            desc=self.path.name,
            unit="B",
            unit_scale=True,
            unit_divisor=1000,
        )
        with self.part.open("ab") as file, bar:
            try:
                for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                    self._keep(file, chunk)
                    bar.update(len(chunk))
                    if self.max_bytes is not None and file.tell() > self.max_bytes:
                        raise self._too_large(url)
            except urllib3.exceptions.HTTPError as error:
                raise _InterruptedError(_reason(error)) from None

    def _keep(self, file: BinaryIO, chunk: bytes) -> None:
        try:
            file.write(chunk)
        except OSError as error:
            # The size was not told, or others filled the disk meanwhile.
            raise_if_full(error, self.path)
            raise

    def _read_state(self, url: str) -> dict | None:
        """Return what is known about the part that has arrived, None if it cannot be continued."""
        try:
            state = json.loads(self.state.read_text())
        except (OSError, ValueError):
            return None
        usable = isinstance(state, dict) and state.get("url") == url and state.get("validator")
        return state if usable else None

    def _write_state(self, url: str, response: requests.Response, size: int | None) -> None:
        # A weak tag says that two files mean the same, not that they are the same.
        tag = response.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else None
        validator = validator or response.headers.get("Last-Modified")
        self.state.write_text(json.dumps({"url": url, "validator": validator, "size": size}))

    def _too_large(self, url: str) -> InputError:
        self.start_over()
        return InputError(
            f"{url} gives more than {self.max_bytes / 1e6:.0f} MB, which is not what is expected",
            path=self.path,
            remedy="check the address and size_MB of the store",
        )

    def _unreachable(self, url: str, error: Exception) -> InputError:
        kept = f"; {self._arrived() / 1e6:.1f} MB are kept" if self._arrived() else ""
        return InputError(
            f"{urlsplit(url).hostname} cannot be reached ({_reason(error)}){kept}",
            path=self.path,
            remedy=f"check the network and run again, or fetch {url} elsewhere and put it here",
        )


def _size(response: requests.Response, offset: int) -> int | None:
    """Return the size of the whole file, None if the server does not tell."""
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if response.status_code == 206 and total.isdecimal():
        return int(total)
    length = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdecimal() else None


def _range_start(response: requests.Response) -> int | None:
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    start = rest.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdecimal() else None


def _reason(error: Exception) -> str:
    """Return the innermost reason of an error of requests, which wraps several others."""
    reason: object = error
    while isinstance(reason, Exception):
        inner = getattr(reason, "reason", None) or next(
            (a for a in reason.args if isinstance(a, Exception)), None
        )
        if inner is None or isinstance(inner, str):
            break
        reason = inner
    text = str(reason).rpartition(": ")[2] if ">: " in str(reason) else str(reason)
    return " ".join(text.split())
