"""The server that is measured: a process of its own, what it costs, how fast it starts. Linux, by `/proc`."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.request import urlopen

from app.settings import ROOT, Settings

START_SECONDS: Final = 180
OPEN: Final[Mapping[str, str]] = {
    "ADMISSION_LOAD": "0",
    "MAX_VIEWERS": "100000",
    "MAX_VIEWERS_PER_ADDRESS": "0",
    "MAX_CONNECTS_PER_ADDRESS": "0",
    "MAX_CONNECTIONS_PER_ADDRESS": "0",
    "MAX_REQUESTS_PER_ADDRESS": "0",
    "MAX_MESSAGES_PER_SECOND": "0",
    "MAX_BYTES_PER_SECOND": "0",
    "MAX_AUDIO_RATE": "0",
    "MAX_FAULTS_PER_MINUTE": "0",
}
"""Settings that let everybody in: what the benchmark is to find is where that no longer works."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Subject:
    """A server, from its start to its end.

    Args:
        module: What `python -m` runs; it listens on the PORT of its environment and answers at `/readyz`.
        settings: Its environment, beside what is no setting of the server in this one.
        cores: Those that it may use; None for all.
    """

    def __init__(self, module: str, settings: Mapping[str, str], cores: frozenset[int] | None = None) -> None:
        self.port = _free_port()
        names = {name.upper() for name in Settings.model_fields}
        inherited = {name: value for name, value in os.environ.items() if name.upper() not in names}
        # Its folder is empty, so that no `.env` speaks to it.
        self._folder = tempfile.TemporaryDirectory()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        path = os.pathsep.join(filter(None, (str(ROOT), inherited.get("PYTHONPATH"))))
        started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, and a module of this project
            [sys.executable, "-m", module],
            cwd=self._folder.name,
            env={**inherited, **settings, "PORT": str(self.port), "PYTHONPATH": path},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=None if cores is None else lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - no threads
        )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - started
        """From the start of the process until it answered that it is ready."""

    def cpu_seconds(self) -> float:
        """Return what it and its processes have used of processors so far."""
        return cpu_seconds(family(self._process.pid))

    def memory_mb(self) -> float:
        """Return its resident memory and that of its processes; what these share counts for each."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family(self._process.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def log(self) -> str:
        """Return what it printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()}")
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def started(
    module: str, settings: Mapping[str, str], places: Sequence[frozenset[int] | None]
) -> Iterator[list[Subject]]:
    """Start a server for each of these sets of cores, one after the other, and end them all."""
    with ExitStack() as stack:
        yield [stack.enter_context(Subject(module, settings, cores)) for cores in places]


def family(pid: int) -> list[int]:
    """Return a process and all that it or one of them has started."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return [pid, *(one for child in children for one in family(child))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used so far; one that has ended counts as nothing."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / _TICKS


def machine_seconds() -> float:
    """Return the processor time that everything on this machine has used so far."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
