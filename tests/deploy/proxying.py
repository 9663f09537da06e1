"""deploy/nginx.conf in a real nginx, with what a user would put into it: a host name, a certificate, ports, folders."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from tests.e2e.serving import ROOT, Server, free_port

HOST = "localhost"
START_SECONDS = 10


def missing() -> str | None:
    """Say which program is not here, if one is not."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    absent = [name for name in ("nginx", "openssl") if shutil.which(name, path=path) is None]
    return f"{' and '.join(absent)} not installed" if absent else None


class App(Server):
    """`python -m app`, which believes no proxy but those in TRUSTED_PROXIES."""

    def __init__(self, **environment: str) -> None:
        super().__init__(PYTHONPATH=str(ROOT), **environment)
        self._environment["PORT"] = str(self.port)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "app"]


class Proxy:
    """nginx before servers on this machine; `certificate` is its own, which clients have to be told of.

    Args:
        upstream: The servers' ports.
        balance: What nginx is told of how to choose one, such as `least_conn;`.
    """

    def __init__(self, *upstream: int, balance: str = "") -> None:
        self.plain_port, self.port = free_port(), free_port()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.certificate = self.folder / "fullchain.pem"
        self._upstream = balance + " ".join(f"server 127.0.0.1:{port};" for port in upstream)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        """What a browser calls the page's origin."""
        return f"https://{HOST}:{self.port}"

    @property
    def stream(self) -> str:
        """The stream's address."""
        return f"wss://{HOST}:{self.port}/ws"

    def trust(self) -> ssl.SSLContext:
        """Return what a client trusts that knows the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def log(self, name: str) -> str:
        """Return what a log of nginx has."""
        return (self.folder / name).read_text("utf-8")

    def configuration(self) -> str:
        """Return deploy/nginx.conf with the names of this machine in it."""
        text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
        for old, new in (
            (r"^ *listen \[::\].*\n", ""),  # a container may have no IPv6
            (r"listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            (r"listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            (r"emotions\.example\.org;", f"{HOST};"),
            (r"/etc/letsencrypt/live/emotions\.example\.org", str(self.folder)),
            (r"/var/log/nginx", str(self.folder)),
            (r"server 127\.0\.0\.1:8000;", self._upstream),
        ):
            text, count = re.subn(old, new, text, flags=re.MULTILINE)
            assert count, f"deploy/nginx.conf has no {old}"
        return text

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
        self._folder.cleanup()

    def _start(self) -> None:
        _make_certificate(self.certificate, self.folder / "privkey.pem")
        (self.folder / "emotions.conf").write_text(self.configuration(), "utf-8")
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # As Debian's nginx.conf includes /etc/nginx/conf.d: within `http`.
        (self.folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/main.error.log;\n"
            f"events {{}}\nhttp {{\n{temporary}include {self.folder}/emotions.conf;\n}}\n",
            "utf-8",
        )
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
        nginx = shutil.which("nginx", path=path)
        assert nginx is not None
        command = [
            nginx,
            "-e",
            f"{self.folder}/main.error.log",
            "-p",
            str(self.folder),
            "-c",
            f"{self.folder}/nginx.conf",
        ]
        said = self.folder / "said"
        with said.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{said.read_text()}")
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _make_certificate(certificate: Path, key: Path) -> None:
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    kind = ["-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", *kind, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
