"""Faults of the server's own, one by one, in the real server: what its viewers see, and that they are served again."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import ROOT, Module, Server
from tests.e2e.watching import BINARY, GoodViewer, connect, frame, has_viewers, watched


class Faulty(Server):
    """The server with models that do as told, see faulty.py, and pings that come and are waited for so long."""

    def __init__(self, folder: Path, pings: int, **environment: str) -> None:
        self._pings = str(pings)
        self._orders = folder / "orders"
        self.tell()
        super().__init__(PYTHONPATH=str(ROOT), FAULTS=str(self._orders), INFERENCE_TIMEOUT="1", **environment)

    def command(self) -> list[str]:
        here = str(Path(__file__).parent)
        pings = ("--ws-ping-interval", self._pings, "--ws-ping-timeout", self._pings)
        return [sys.executable, "-m", "uvicorn", "--app-dir", here, "faulty:app", "--port", str(self.port), *pings]

    def tell(self, **orders: str) -> None:
        """Tell the models what to do from now on."""
        fresh = self._orders.with_suffix(".tmp")
        fresh.write_text(json.dumps(orders))
        fresh.replace(self._orders)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    with Faulty(tmp_path_factory.mktemp("faults"), pings=2) as running:
        yield running


@pytest.fixture
def told(faulty: Faulty) -> Iterator[Faulty]:
    faulty.tell()
    yield faulty
    faulty.tell()


@pytest.mark.parametrize(
    ("part", "fault", "left"),
    [
        ("voice", "raise", "face_only"),
        ("voice", "nan", "face_only"),
        ("face", "hang", "voice_only"),
        ("detector", "raise", "voice_only"),
    ],
)
async def test_a_model_that_fails_costs_its_own_path_until_it_answers_again(
    told: Faulty, part: str, fault: str, left: str
) -> None:
    async with watched(told.stream, "inference_failed") as viewer:
        began = len(viewer.results)
        told.tell(**{part: fault})
        await viewer.until_error()
        await viewer.until(left, began)
        told.tell()
        await viewer.until("ok", len(viewer.results))


async def test_a_thread_that_is_killed_is_replaced_before_anybody_sees_more_than_an_error(told: Faulty) -> None:
    async with watched(told.stream, "inference_failed") as viewer:
        told.tell(voice="exit")
        await viewer.until_error()
        used = viewer.results[-1]["used"]["audio"]
        async with asyncio.timeout(10):
            while viewer.results[-1]["used"]["audio"] <= used:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert "The thread of voice model was killed, and is replaced" in told.log()


async def test_a_wall_clock_that_jumps_is_not_noticed(told: Faulty) -> None:
    async with watched(told.stream) as viewer:
        told.tell(clock="jump")
        seen = len(viewer.results)
        await viewer.wait(5)
        assert {result["fused"]["state"] for result in viewer.results[seen:]} == {"ok"}


async def test_who_does_not_answer_pings_is_let_go(told: Faulty) -> None:
    chunk = frame(BINARY, struct.pack("<BI", 1, 1) + bytes(3200))
    async with watched(told.stream):
        with contextlib.ExitStack() as ending:
            # Their kernels acknowledge, they themselves do nothing; or send, and read nothing.
            _, talker = (ending.enter_context(contextlib.closing(connect(told.stream))) for _ in range(2))
            await has_viewers(told, 3)
            gone = asyncio.create_task(has_viewers(told, 1))
            while not gone.done():
                with contextlib.suppress(ConnectionError):
                    talker.sendall(chunk)
                await asyncio.sleep(0.1)
            await gone


# --- the start ---


class FullDisk(Server):
    """Where no line of the log can be written."""

    def __init__(self) -> None:
        super().__init__(PYTHONPATH=str(ROOT))
        self._log.close()
        self._log = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115, PTH123 - closed by the server


async def test_a_disk_that_is_full_costs_the_log_alone() -> None:
    with FullDisk() as server:
        async with watched(server.stream):
            pass
        async with GoodViewer(server.stream) as viewer:
            assert await asyncio.to_thread(server.stop, signal.SIGINT, 5) == 0
            assert viewer.farewell == ("restart", 1012)


@pytest.mark.parametrize("damage", ["missing", "a bit"])
def test_weights_that_are_missing_or_damaged_stop_the_start_with_one_line(tmp_path: Path, damage: str) -> None:
    for name in ("audio_bilstm.onnx", "fer_resnet.onnx", "SHA256SUMS"):
        shutil.copy(ROOT / "weights" / name, tmp_path)
    path = tmp_path / "fer_resnet.onnx"
    whole = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "a bit":
            middle = len(whole) // 2
            path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(RuntimeError, match="the server did not start") as refused, Server(WEIGHTS_DIR=str(tmp_path)):
        pass
    lines = [line for line in str(refused.value).splitlines() if "fer_resnet" in line]
    assert len(lines) == 1
    assert {"missing": "no model", "a bit": "damaged or was changed"}[damage] in lines[0]
    assert "Traceback" not in str(refused.value)


# --- the end ---


async def test_sigterm_tells_viewers_and_ends_in_time_though_a_model_hangs_and_somebody_reads_nothing(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as ending:
        server = ending.enter_context(Faulty(tmp_path, pings=20, MAX_FAULTS_PER_MINUTE="0"))
        deaf = ending.enter_context(contextlib.closing(connect(server.stream)))
        async with GoodViewer(server.stream) as viewer:
            server.tell(voice="hang")
            await viewer.wait(2)
            for _ in range(20):
                deaf.sendall(frame(BINARY, b"\x09") * 50)
                await asyncio.sleep(0.02)
            assert await asyncio.to_thread(server.stop, signal.SIGTERM, 5) == 0, server.log()
            assert viewer.farewell == ("restart", 1012)
            assert "hangs, and is left behind" in server.log()


async def test_a_process_of_faces_that_is_killed_costs_an_error_and_none_outlives_the_server() -> None:
    with Module(FACE_PROCESSES="1") as server:
        async with watched(server.stream, "inference_failed") as viewer:
            (before,) = faces(server)
            os.kill(before, signal.SIGKILL)
            began = len(viewer.results)
            await viewer.until_error()
            await viewer.until("ok", began + 1)
        (after,) = faces(server)
        assert after != before
        assert await asyncio.to_thread(server.stop, signal.SIGINT, 5) == 0, server.log()
        assert not runs(after)
        server.start()
        (last,) = faces(server)
        server.kill()
        async with asyncio.timeout(5):
            while runs(last):  # noqa: ASYNC110 - it sees by itself that the server is gone
                await asyncio.sleep(0.05)


def faces(server: Server) -> list[int]:
    """Return the processes that look at faces for a server."""
    children = Path(f"/proc/{server.pid}/task").glob("*/children")
    found = [int(pid) for path in children for pid in path.read_text().split()]
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_python_m_app_ends_as_orderly() -> None:
    with Module() as server:
        async with GoodViewer(server.stream) as viewer:
            assert await asyncio.to_thread(server.stop, signal.SIGTERM, 5) == 0, server.log()
            assert viewer.farewell == ("restart", 1012)
        assert "Traceback" not in server.log()
