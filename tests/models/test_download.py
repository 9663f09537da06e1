import http.server
import itertools
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.download import (
    DamagedFileError,
    Limits,
    Published,
    Response,
    UnavailableError,
    _HttpsOnly,
    git_blob_id,
    obtain,
    open_https,
)

CONTENT = b"GOOD" + bytes(range(256)) * 400


def check(path: Path) -> None:
    """The structure in these tests: it begins with a magic word and has a certain length."""
    content = path.read_bytes()
    if content[:4] != b"GOOD" or len(content) != len(CONTENT):
        raise DamagedFileError("not a GOOD file")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves each kind of answer that a download may meet, by the first part of its path."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            return
        body = b"<!DOCTYPE html><title>Sign in</title>" if kind == "html" else CONTENT
        self.send_response(200)
        if kind != "undeclared":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


_numbers = itertools.count()


@pytest.fixture
def published(server: str) -> Callable[..., Published]:
    """A file at a URL that no other test has, since failures are remembered by URL."""

    def make(kind: str, *, max_bytes: int = 1 << 20, git_blob: str | None = None) -> Published:
        return Published(f"{server}/{kind}/{next(_numbers)}", "net.bin", git_blob, max_bytes)

    return make


def plain(url: str, timeout: float) -> Response:
    """The loopback server speaks no TLS, so the tests bring their own client."""
    try:
        response: Response = urllib.request.urlopen(url, timeout=timeout)  # noqa: S310 - loopback
    except urllib.error.HTTPError as error:
        error.close()
        raise
    return response


def unreachable(url: str, timeout: float) -> Response:
    raise AssertionError("nothing was to be downloaded")


def nothing_left_in(folder: Path) -> bool:
    return not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("kind", ["good", "undeclared"])
def test_a_file_is_fetched_once_and_then_taken_from_the_cache(
    published: Callable[..., Published], tmp_path: Path, kind: str
) -> None:
    file, folder = published(kind), tmp_path / "new" / "cache"
    path = obtain(file, folder, check, opener=plain)
    assert path == folder / "net.bin"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    assert obtain(file, folder, check, opener=unreachable) == path


def test_progress_is_shown(
    published: Callable[..., Published], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    obtain(published("good"), tmp_path, check, opener=plain)
    shown = capsys.readouterr().err
    assert "net.bin" in shown
    assert "100%" in shown


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("html", "not a GOOD file"), ("cut", "bytes arrived"), ("missing", "404")],
)
def test_what_is_not_the_file_never_reaches_its_name(
    published: Callable[..., Published], tmp_path: Path, kind: str, reason: str
) -> None:
    with pytest.raises(UnavailableError, match=reason):
        obtain(published(kind), tmp_path, check, opener=plain)
    assert nothing_left_in(tmp_path)


@pytest.mark.parametrize("kind", ["good", "undeclared"])
def test_too_large_a_file_is_refused(published: Callable[..., Published], tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnavailableError, match="more than 1000"):
        obtain(published(kind, max_bytes=1000), tmp_path, check, opener=plain)
    assert nothing_left_in(tmp_path)


def test_only_the_published_content_is_kept(published: Callable[..., Published], tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    sample.write_bytes(b"hello\n")
    assert git_blob_id(sample) == "ce013625030ba8dba906f756967f9e9ca394464a"  # as `git hash-object` prints it
    sample.write_bytes(CONTENT)
    right = git_blob_id(sample)
    folder = tmp_path / "cache"
    with pytest.raises(UnavailableError, match="not the published file"):
        obtain(published("good", git_blob=right[::-1]), folder, check, opener=plain)
    assert nothing_left_in(folder)
    assert obtain(published("good", git_blob=right), folder, check, opener=plain).is_file()


def test_a_damaged_cached_file_is_named_and_replaced(
    published: Callable[..., Published], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(CONTENT[:50])
    with caplog.at_level(logging.WARNING):
        obtain(published("good"), tmp_path, check, opener=plain)
    assert str(path) in caplog.text
    assert path.read_bytes() == CONTENT


def test_a_damaged_cached_file_stays_unused_where_no_other_can_be_had(
    published: Callable[..., Published], tmp_path: Path
) -> None:
    (tmp_path / "net.bin").write_bytes(CONTENT[:50])
    with pytest.raises(UnavailableError, match="404"):
        obtain(published("missing"), tmp_path, check, opener=plain)


def test_a_file_that_the_user_put_there_is_used_and_said_to_be_another(
    published: Callable[..., Published], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "net.bin").write_bytes(CONTENT)
    with caplog.at_level(logging.WARNING):
        obtain(published("good", git_blob="0" * 40), tmp_path, check, opener=unreachable)
    assert "not the published file" in caplog.text


def test_a_failure_is_remembered(published: Callable[..., Published], tmp_path: Path) -> None:
    file = published("missing")
    with pytest.raises(UnavailableError, match="404"):
        obtain(file, tmp_path, check, opener=plain)
    with pytest.raises(UnavailableError, match="404"):
        obtain(file, tmp_path, check, opener=unreachable)


def test_a_name_look_up_that_hangs_costs_no_more_than_the_limit(
    published: Callable[..., Published], tmp_path: Path
) -> None:
    released = threading.Event()

    def hang(url: str, timeout: float) -> Response:
        released.wait()
        raise OSError("too late")

    with pytest.raises(UnavailableError, match="no answer within"):
        obtain(published("good"), tmp_path, check, opener=hang, limits=Limits(connect=0.01))
    released.set()


class Stream:
    """A response that gives `chunks`, and raises those that are exceptions."""

    def __init__(self, chunks: Iterator[bytes | Exception]) -> None:
        self.headers: dict[str, str] = {}
        self.closed = False
        self._chunks = chunks

    def read1(self, n: int = -1, /) -> bytes:
        chunk = next(self._chunks)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("chunks", "limits", "reason"),
    [
        ([b"GOOD", TimeoutError("timed out")], Limits(), "timed out"),
        ([b"GOOD", ConnectionResetError("reset by peer")], Limits(), "reset by peer"),
        (itertools.repeat(b"G"), Limits(total=0), "took too long"),
    ],
)
def test_a_stalled_broken_or_endless_transfer_is_given_up(
    published: Callable[..., Published],
    tmp_path: Path,
    chunks: Iterator[bytes | Exception],
    limits: Limits,
    reason: str,
) -> None:
    stream = Stream(iter(chunks))
    with pytest.raises(UnavailableError, match=reason):
        obtain(published("good"), tmp_path, check, opener=lambda *_: stream, limits=limits)
    assert stream.closed
    assert nothing_left_in(tmp_path)


def test_plain_http_is_refused(published: Callable[..., Published], server: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="not https"):
        obtain(published("good"), tmp_path, check)
    with pytest.raises(UnavailableError, match="not https"):
        open_https("file:///etc/hostname", 1.0)
    with pytest.raises(OSError, match="not https"):
        urllib.request.build_opener(_HttpsOnly).open(f"{server}/redirect")
