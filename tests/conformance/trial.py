"""Each client that is here against both real servers, directly and through nginx, with compression and without."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from tests.conformance.sample import FACE, VOICE, write
from tests.deploy.proxying import Proxy
from tests.deploy.proxying import missing as missing_proxy
from tests.e2e.serving import Module, Server

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
MODULES = HERE / "node_modules"
GO_SOURCES = Path("/usr/share/gocode")
SECONDS = 60
AT_ONCE = 4


@dataclass(frozen=True)
class Client:
    """One client: how it is started, and what it can do.

    Attributes:
        name: What it is called.
        version: Returns its version, or None where it is not here.
        command: Returns what to run for an address, a folder, a certificate, and whether it offers compression.
        offers: Whether it can be made to offer compression, and not to.
        tls: Whether it can speak TLS.
    """

    name: str
    version: Callable[[], str | None]
    command: Callable[[str, Path, Path | None, bool], list[str]]
    offers: tuple[bool, ...] = (False, True)
    tls: bool = True


@dataclass(frozen=True)
class Kind:
    """A server: the command that starts it, what does so here, and whether it takes permessage-deflate."""

    command: str
    start: Callable[[], Server]
    deflates: bool


@dataclass(frozen=True)
class Case:
    """A client, the server that it meets, the way that it takes, and whether it offers compression."""

    client: Client
    kind: Kind
    through_nginx: bool
    deflate: bool

    def __str__(self) -> str:
        way = "nginx" if self.through_nginx else "direct"
        return f"{self.client.name}, {self.kind.command}, {way}, {'deflate' if self.deflate else 'plain'}"


@dataclass
class Outcome:
    """What a client printed: each message of the server, and how it ended."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    closed: dict[str, Any] | None = None
    status: int = 0
    errors: str = ""

    def faults(self, case: Case) -> list[str]:
        """Return what is not as the protocol says."""
        kinds = [message["type"] for message in self.messages]
        results = [message for message in self.messages if message["type"] == "result"]
        found = []
        if self.status:
            found.append(f"it ended with {self.status}: {self.errors[-300:]}")
        if kinds[:1] != ["ready"] or set(kinds) - {"ready", "result"}:
            found.append(f"it was told {kinds}")
        best = next((result for result in results if result["fused"]["state"] == "ok"), None)
        if best is None:
            found.append("no result told of voice and face together")
        elif abs(sum(best["fused"]["probs"].values()) - 1) > 1e-3 or not best["used"]["audio"]:
            found.append(f"the result is {best}")
        if self.closed is not None:
            if self.closed["code"] != 1000:
                found.append(f"it was closed with {self.closed['code']}")
            agreed = case.deflate and case.kind.deflates
            if ("permessage-deflate" in (self.closed["extensions"] or "")) is not agreed:
                found.append(f"its extensions are {self.closed['extensions']!r}")
        return found


# --- the clients ---


def _said(command: list[str], word: int = -1) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).split()[word] if said.returncode == 0 else None


def _arguments(url: str, folder: Path, certificate: Path | None, deflate: bool) -> list[str]:
    return [url, str(folder), str(certificate or "-"), "yes" if deflate else "no"]


def _run(*program: str | Path) -> Callable[[str, Path, Path | None, bool], list[str]]:
    return lambda *case: [*map(str, program), *_arguments(*case)]


def _of_python(package: str) -> str | None:
    return metadata.version(package) if find_spec(package) else None


def _node() -> Path:
    """Return the Node that Playwright brings along."""
    package = find_spec("playwright")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "driver" / "node"


def _of_npm(package: str) -> str | None:
    description = MODULES / package / "package.json"
    return json.loads(description.read_text())["version"] if description.is_file() else None


def _of_gorilla() -> str | None:
    if shutil.which("go") is None or not (GO_SOURCES / "src/github.com/gorilla/websocket").is_dir():
        return None
    return _said(["dpkg-query", "-W", "-f", "${Version}", "golang-github-gorilla-websocket-dev"])


def _build_gorilla(folder: Path) -> Path:
    program = folder / "with_gorilla"
    if not program.exists():
        subprocess.run(
            ["go", "build", "-o", str(program), str(CLIENTS / "with_gorilla.go")],  # noqa: S607
            env={**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_SOURCES), "GOCACHE": str(folder / "go")},
            check=True,
        )
    return program


def _gorilla(url: str, folder: Path, certificate: Path | None, deflate: bool) -> list[str]:
    return [str(folder / "with_gorilla"), *_arguments(url, folder, certificate, deflate)]


def _wscat(url: str, folder: Path, certificate: Path | None, deflate: bool) -> list[str]:
    """A tool for people: it sends lines, so this is the protocol's JSON; it neither waits for results nor tells all."""
    import base64

    voice, face = (base64.b64encode((folder / name).read_bytes()).decode() for name in (VOICE, FACE))
    messages = [
        json.dumps({"type": "audio", "pcm16": voice[:51_200], "id": 1}),  # 1.2 s
        json.dumps({"type": "frame", "jpeg": face, "id": 2}),
    ]
    trust = [] if certificate is None else ["--ca", str(certificate)]
    said = [part for message in messages for part in ("-x", message)]
    return [str(_node()), str(MODULES / "wscat/bin/wscat"), "--no-color", "-w", "2", *trust, "-c", url, *said]


CLIENT_LIST = (
    Client(
        "websockets (Python)", lambda: _of_python("websockets"), _run(sys.executable, CLIENTS / "with_websockets.py")
    ),
    Client("aiohttp (Python)", lambda: _of_python("aiohttp"), _run(sys.executable, CLIENTS / "with_aiohttp.py")),
    Client("ws (npm)", lambda: _of_npm("ws"), _run(_node(), CLIENTS / "with_ws.mjs")),
    Client("wscat (npm)", lambda: _of_npm("wscat"), _wscat, offers=(True,)),
    Client(
        "WebSocket (built into Node, as in browsers)",
        lambda: _said([str(_node()), "--version"]),
        _run(_node(), CLIENTS / "built_in.mjs"),
        offers=(True,),
    ),
    Client("gorilla/websocket (Go)", _of_gorilla, _gorilla),
    Client(
        "Mojo::UserAgent (Perl)",
        lambda: _said(["perl", "-MMojolicious", "-e", "print Mojolicious->VERSION"]),
        _run("perl", CLIENTS / "with_mojolicious.pl"),
        tls=False,
    ),
    Client(
        "java.net.http (Java)",
        lambda: _said(["java", "--version"], 1),
        _run("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", CLIENTS / "BuiltIn.java"),
        offers=(False,),
    ),
)


KINDS = (
    Kind("uvicorn app:app", Server, deflates=True),
    Kind("python -m app", lambda: Module(TRUSTED_PROXIES="127.0.0.1"), deflates=False),
)


def cases(clients: tuple[Client, ...] = CLIENT_LIST) -> list[Case]:
    """Return all that can be tried of some clients: each server, each way, each offer that the client can make."""
    return [
        Case(client, kind, through_nginx, deflate)
        for client in clients
        for kind, through_nginx, deflate in product(KINDS, (False, True), client.offers)
        if client.tls or not through_nginx
    ]


# --- the trial ---


@contextmanager
def stage(folder: Path) -> Iterator[Callable[[Case], Outcome]]:
    """Start the servers and, where it is here, an nginx before each; give what runs a case."""
    write(folder)
    if _of_gorilla() is not None:
        _build_gorilla(folder)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(kind.start()) for kind in KINDS}
        proxies = {
            kind: stack.enter_context(Proxy(server.port)) for kind, server in servers.items() if missing_proxy() is None
        }

        def run(case: Case) -> Outcome:
            if case.through_nginx:
                assert proxies, missing_proxy()
                proxy = proxies[case.kind]
                return _run_client(case, proxy.stream, folder, proxy.certificate)
            return _run_client(case, servers[case.kind].stream, folder, None)

        yield run


def run_all(run: Callable[[Case], Outcome], which: list[Case]) -> dict[Case, Outcome]:
    """Run cases, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(which, pool.map(run, which), strict=True))


def _run_client(case: Case, url: str, folder: Path, certificate: Path | None) -> Outcome:
    trust = {} if certificate is None else {"NODE_EXTRA_CA_CERTS": str(certificate)}
    nothing, keyboard = os.pipe()  # wscat leaves when its keyboard does
    try:
        done = subprocess.run(
            case.client.command(url, folder, certificate, case.deflate),
            env={**os.environ, **trust},
            cwd=HERE,
            stdin=nothing,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(status=-1, errors=f"it did not end within {late.timeout:g} s")
    finally:
        os.close(nothing)
        os.close(keyboard)
    outcome = Outcome(status=done.returncode, errors=done.stderr)
    for line in done.stdout.splitlines():
        at = line.find("{")  # wscat writes `< ` before
        if at >= 0:
            message = json.loads(line[at:])
            if message["type"] == "closed":
                outcome.closed = message
            else:
                outcome.messages.append(message)
    return outcome
