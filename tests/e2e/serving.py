"""The real server as a process of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


class Server:
    """`uvicorn app:app` on a free port; `kill` and `start` again keep the port.

    It has the default settings and the embedded face model, whatever is set on this machine: no setting
    reaches it from the environment, nor from a `.env`, which is read from the working directory. And it admits
    viewers however busy this machine is with other things.
    """

    def __init__(self, **environment: str) -> None:
        self.port = free_port()
        names = {name.upper() for name in Settings.model_fields}
        inherited = {name: value for name, value in os.environ.items() if name.upper() not in names}
        self._environment = {**inherited, "FACE_MODEL": "fer_resnet", "ADMISSION_LOAD": "0", **environment}
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """The page."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def stream(self) -> str:
        """The WebSocket."""
        return f"ws://127.0.0.1:{self.port}/ws"

    def command(self) -> list[str]:
        """Return what is started."""
        return [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), "app:app", "--port", str(self.port)]

    def start(self) -> None:
        """Start the process and wait until it answers that the models are loaded."""
        self._process = subprocess.Popen(
            self.command(), cwd=self._folder.name, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()}")
            time.sleep(0.1)

    def stop(self, number: int, seconds: float) -> int:
        """Send a signal, and return the process's exit code when it has ended, in so many seconds."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(seconds)

    def log(self) -> str:
        """Return all that the process printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def kill(self) -> None:
        """End the process without a farewell, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill()
        self._log.close()
        self._folder.cleanup()

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}readyz", timeout=1) as answer:  # noqa: S310 - http, made above
                return bool(answer.status == 200)
        except (URLError, TimeoutError, ConnectionError):
            return False


class Module(Server):
    """The server as `python -m app`, with the protocols of `app.guard`."""

    def __init__(self, **environment: str) -> None:
        super().__init__(PYTHONPATH=str(ROOT), **environment)
        self._environment["PORT"] = str(self.port)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "app"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
