"""A web server on this computer that misbehaves on demand."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

LONGEST = 200
"""Requests after which the server answers no more."""


@dataclass
class Site:
    """What a server offers, and how it behaves.

    Attributes
    ----------
    files
        Path -> contents.
    redirects
        Path -> address that it redirects to.
    statuses
        Statuses of the next answers, before any file is given.
    cuts
        Bytes after which the next transfers break off.
    ranges, validators
        Whether parts of files can be asked for, and whether files have a tag.
    announces_size
        Whether it tells the size of a file.
    encoding
        Encoding that the server declares, None for none.
    requests
        (path, Range header) of each request.
    """

    files: dict[str, bytes]
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    validators: bool = True
    announces_size: bool = True
    encoding: str | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextlib.contextmanager
def served(files: dict[str, bytes]) -> Iterator[Site]:
    """Serve files on a free port of 127.0.0.1."""
    site = Site(files)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = unquote(self.path)
            asked = self.headers.get("Range")
            site.requests.append((path, asked))
            if len(site.requests) > LONGEST:
                self.send_error(403)
            elif site.statuses:
                self.send_error(site.statuses.pop(0))
            elif path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif path not in site.files:
                self.send_error(404)
            else:
                self.give(site.files[path], asked)

        def give(self, contents: bytes, asked: str | None) -> None:
            tag = f'"{hashlib.md5(contents).hexdigest()}"'
            same = self.headers.get("If-Range") in (None, tag)
            start = (
                int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and site.ranges and same else 0
            )
            if start and start >= len(contents):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(contents)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                last = len(contents) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(contents)}")
            if site.validators:
                self.send_header("ETag", tag)
            if site.encoding:
                self.send_header("Content-Encoding", site.encoding)
            if site.announces_size:
                self.send_header("Content-Length", str(len(contents) - start))
            self.end_headers()
            body = contents[start:]
            self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)
            # The connection closes here, whatever was announced.
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
