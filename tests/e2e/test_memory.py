"""The memory of the real server under viewers of the worst kind, held against the arithmetic in docs/security.md."""

import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.request import urlopen

import cv2
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from app.settings import ROOT, Settings
from tests.conformance.sample import sample
from tests.deploy.proxying import App

VIEWERS = 20
ONCE_MIB = 64
"""For what is held once whatever the number of viewers, and for what the allocator keeps to use again."""
SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]
PART = 65_536


def documented() -> float:
    """Return the MiB that one viewer costs at most, by the document's table, whose rows have to sum to it."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    table = text[text.index("## Memory by arithmetic") :].partition("**one viewer** | **")
    rows = re.findall(r"^\| [^|]+ \| ([\dx+ ]+) \|", table[0], re.MULTILINE)
    total = int(table[2].partition("**")[0])
    assert len(rows) == 8
    assert sum(_product(term) for row in rows for term in row.split("+")) == total
    return total / 1024


def _product(term: str) -> int:
    return int(np.prod([int(factor) for factor in term.split("x")]))


def largest_picture() -> bytes:
    """Noise, which hardly shrinks, just below the limit."""
    noise = np.random.default_rng(5).integers(0, 256, (700, 900, 3), np.uint8)
    for quality in range(95, 10, -5):
        jpeg = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(jpeg) <= SETTINGS.max_frame_bytes:
            return jpeg
    raise AssertionError("no quality is low enough")


def resident(server: App) -> float:
    """Return the MiB of memory that the server's process has."""
    with urlopen(f"{server.url}metrics", timeout=60) as answer:  # noqa: S310 - http
        (found,) = re.findall(r"^process_resident_memory_bytes (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found) / 2**20


async def burden(socket: ClientConnection, picture: bytes, seconds: float) -> None:
    """Send the most of everything, and leave the longest message unfinished."""
    voice, _ = sample()
    ready = json.loads(await socket.recv())
    assert ready["type"] == "ready"
    for number in range(1, round(seconds * 2) + 1):
        await socket.send(struct.pack("<BI", 1, number) + voice[:16_000])
        await socket.send(struct.pack("<BI", 2, number) + picture)
        await asyncio.sleep(0.5)

    async def without_end() -> AsyncIterator[bytes]:
        for _ in range(2 * SETTINGS.max_message_bytes // PART - 1):
            yield bytes(PART)
        sent.set()
        await asyncio.Event().wait()

    sent = asyncio.Event()
    sending = asyncio.create_task(socket.send(without_end()))
    try:
        await sent.wait()
        await asyncio.Event().wait()
    finally:
        sending.cancel()


async def growth(server: App, count: int, seconds: float) -> float:
    """Return by how many MiB the server grows while so many burden it, at the most."""
    before = most = await asyncio.to_thread(resident, server)
    picture = largest_picture()
    async with AsyncExitStack() as stack:
        url = f"ws://127.0.0.1:{server.port}/ws"
        sockets = [
            await stack.enter_async_context(connect(url, open_timeout=60, max_queue=2, close_timeout=0.1))
            for _ in range(count)
        ]
        tasks = [asyncio.create_task(burden(socket, picture, seconds)) for socket in sockets]
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds + 4
        while loop.time() < end:
            await asyncio.sleep(0.25)
            most = max(most, await asyncio.to_thread(resident, server))
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(tasks)
    return most - before


async def test_the_worst_viewers_cost_what_the_document_says_and_no_more() -> None:
    with App() as server:
        await growth(server, 2, 1)  # what the models keep for themselves once they were used
        base = resident(server)
        grown = await growth(server, VIEWERS, 3)
    allowed = VIEWERS * documented() + ONCE_MIB
    print(f"\n{base:.0f} MiB at rest; {VIEWERS} viewers: {grown:.0f} MiB more; by the arithmetic {allowed:.0f} at most")
    assert grown < allowed
    # They were a burden: each message without its end is held, so that the test sees what it is about.
    assert grown > VIEWERS * 1.9


def test_the_document_says_what_they_cost_in_all() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    each, all_of_them = documented(), documented() * SETTINGS.max_viewers
    found = re.search(r"So ([\d.]+) MiB, or (\d+) MiB for `MAX_VIEWERS` = (\d+)", text)
    assert found is not None
    said = [float(number) for number in found.groups()]
    assert said[2] == SETTINGS.max_viewers
    assert each <= said[0] < each + 0.1
    assert all_of_them <= said[1] < all_of_them + 2
