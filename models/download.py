"""Fetch a published file once, check it, keep it: a half or wrong file never reaches its final name."""

import contextlib
import hashlib
import http.client
import logging
import os
import queue
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from tqdm import tqdm

logger = logging.getLogger(__name__)

CHUNK: Final = 1 << 16


class UnavailableError(RuntimeError):
    """The file cannot be had: no network, too slow, or not what was published."""


class DamagedFileError(ValueError):
    """A file is not what its name promises."""


class Response(Protocol):
    """The part of `http.client.HTTPResponse` that is used here."""

    headers: Any

    def read1(self, n: int = -1, /) -> bytes:
        """Return what has arrived, at most `n` bytes; empty at the end."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


Opener = Callable[[str, float], Response]
"""Opens a URL with a time limit in seconds for each socket operation."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file on the web.

    Attributes:
        url: where it lies (https).
        filename: its name in the cache.
        git_blob: its content's id in the git repository that publishes it: SHA-1 over a short header and the bytes.
            None where no id is published.
        max_bytes: more than this is refused.
    """

    url: str
    filename: str
    git_blob: str | None
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        connect: from the first look-up to the first byte of the answer, redirects included.
        stall: the longest pause within the transfer.
        total: the whole transfer.
    """

    connect: float = 3.0
    stall: float = 5.0
    total: float = 120.0


_failures: dict[str, str] = {}
"""Why a URL could not be had, for the life of the process: offline, only the first attempt costs time."""


def obtain(
    published: Published,
    folder: Path,
    check: Callable[[Path], None],
    *,
    limits: Limits | None = None,
    opener: Opener | None = None,
) -> Path:
    """Return the path of a published file, downloading it where the cache has no sound copy.

    Args:
        published: what to fetch.
        folder: the cache; made if missing.
        check: raises `DamagedFileError` where a file's structure is wrong. It must not execute anything in it.
        limits: time limits.
        opener: replaces the https client.

    Raises:
        UnavailableError: there is no sound copy and none could be had; the message says why.
    """
    path = folder / published.filename
    if path.is_file():
        try:
            check(path)
        except DamagedFileError as error:
            logger.warning("%s is damaged (%s) and will be downloaded again", path, error)
        else:
            if published.git_blob and git_blob_id(path) != published.git_blob:
                logger.warning("%s is not the published file; it is used as it is", path)
            return path
    if published.url in _failures:
        raise UnavailableError(_failures[published.url])
    try:
        _download(published, path, check, limits or Limits(), opener or open_https)
    except (OSError, ValueError, http.client.HTTPException, UnavailableError) as error:
        _failures[published.url] = f"{published.filename} could not be downloaded: {error}"
        raise UnavailableError(_failures[published.url]) from error
    return path


def git_blob_id(path: Path) -> str:
    """Return the id that git gives a file's content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_https(url: str, timeout: float) -> Response:
    """Open a URL over https, following redirects to https alone."""
    if not url.startswith("https://"):
        raise UnavailableError(f"{url} is not https")
    request = urllib.request.Request(url, headers={"User-Agent": "emotion-server"})  # noqa: S310 - https, above
    try:
        response: Response = urllib.request.build_opener(_HttpsOnly).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise
    return response


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(published: Published, path: Path, check: Callable[[Path], None], limits: Limits, opener: Opener) -> None:
    started = time.monotonic()
    response = _open_within(opener, published.url, limits)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=published.filename, suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with contextlib.closing(response), os.fdopen(descriptor, "wb") as file:
            _receive(response, file, published, started + limits.total)
        if published.git_blob and git_blob_id(part) != published.git_blob:
            raise DamagedFileError("what arrived is not the published file")
        check(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _open_within(opener: Opener, url: str, limits: Limits) -> Response:
    """Open a URL within `limits.connect` seconds.

    In a thread of its own, because no time limit of the socket covers a name look-up that hangs.
    """
    answers: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()
    given_up = threading.Event()

    def work() -> None:
        try:
            answer = opener(url, limits.stall)
        except Exception as error:  # handed to the waiting thread
            answers.put(error)
        else:
            answers.put(answer)
            if given_up.is_set():
                answer.close()

    threading.Thread(target=work, name="download", daemon=True).start()
    try:
        answer = answers.get(timeout=limits.connect)
    except queue.Empty:
        given_up.set()
        raise UnavailableError(f"no answer within {limits.connect:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _receive(response: Response, file: IO[bytes], published: Published, deadline: float) -> None:
    declared = response.headers.get("Content-Length")
    expected = int(declared) if declared else None
    if expected is not None and expected > published.max_bytes:
        raise DamagedFileError(f"it is {expected} bytes, more than {published.max_bytes}")
    received = 0
    with tqdm(total=expected, desc=published.filename, unit="B", unit_scale=True) as bar:
        while chunk := response.read1(CHUNK):
            received += len(chunk)
            if received > published.max_bytes:
                raise DamagedFileError(f"it is more than {published.max_bytes} bytes")
            if time.monotonic() > deadline:
                raise UnavailableError("the transfer took too long")
            file.write(chunk)
            bar.update(len(chunk))
    if expected is not None and received != expected:
        raise DamagedFileError(f"{received} of {expected} bytes arrived")
