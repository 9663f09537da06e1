"""Faults of the server's own, one by one, in the real server: what its viewers see, and that they are served again."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import ROOT, Server
from tests.e2e.watching import BINARY, GoodViewer, connect, frame, watched


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
    ],
)
async def test_a_model_that_fails_costs_its_own_path_until_it_answers_again(
    told: Faulty, part: str, fault: str, left: str
) -> None:
    async with watched(told.stream, "inference_failed") as viewer:
        began = len(viewer.results)
        told.tell(**{part: fault})
        await viewer.until(left, began)
        told.tell()
        await viewer.until("ok", len(viewer.results))


async def fails_and_is_used_again(viewer: GoodViewer, medium: str) -> None:
    """Wait for an error, and then for an answer about something newer."""
    async with asyncio.timeout(10):
        while not viewer.errors:  # noqa: ASYNC110 - nor has this
            await asyncio.sleep(0.05)
        used = viewer.results[-1]["used"][medium]
        while viewer.results[-1]["used"][medium] <= used:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_thread_that_is_killed_is_replaced_before_anybody_sees_more_than_an_error(told: Faulty) -> None:
    async with watched(told.stream, "inference_failed") as viewer:
        told.tell(voice="exit")
        await fails_and_is_used_again(viewer, "audio")
    assert "The thread of voice model was killed, and is replaced" in told.log()


async def test_a_detector_that_dies_is_replaced(told: Faulty) -> None:
    async with watched(told.stream, "inference_failed") as viewer:
        told.tell(detector="die")
        await fails_and_is_used_again(viewer, "frame")


async def test_a_wall_clock_that_jumps_is_not_noticed(told: Faulty) -> None:
    async with watched(told.stream) as viewer:
        told.tell(clock="jump")
        seen = len(viewer.results)
        await viewer.wait(5)
        assert {result["fused"]["state"] for result in viewer.results[seen:]} == {"ok"}


# --- the end ---


class Module(Server):
    """`python -m app`."""

    def __init__(self) -> None:
        super().__init__(PYTHONPATH=str(ROOT))
        self._environment["PORT"] = str(self.port)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "app"]


async def test_sigterm_tells_viewers_and_ends_in_time_though_a_model_hangs_and_somebody_reads_nothing(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as ending:
        server = ending.enter_context(Faulty(tmp_path, pings=20, MAX_FAULTS_PER_MINUTE="0"))
        deaf = ending.enter_context(contextlib.closing(connect(server.stream)))
        async with GoodViewer(server.stream) as viewer:
            server.tell(voice="hang")
            for _ in range(20):
                deaf.sendall(frame(BINARY, b"\x09") * 50)
                await asyncio.sleep(0.02)
            assert await asyncio.to_thread(server.stop, signal.SIGTERM, 5) == 0, server.log()
            assert viewer.farewell == ("restart", 1012)
            assert "hangs, and is left behind" in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_python_m_app_ends_as_orderly(number: int) -> None:
    with Module() as server:
        async with GoodViewer(server.stream) as viewer:
            assert await asyncio.to_thread(server.stop, number, 5) == 0, server.log()
            assert viewer.farewell == ("restart", 1012)
        assert "Traceback" not in server.log()
