"""A real Ray Serve on this machine: the same answers, and what happens when replicas come, go and die."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import playwright
import pytest
import websockets
from asking import SETTINGS, answers
from cluster import Cluster, small, until
from serving import ROOT, Server
from test_stream import CHUNK, first_picture, sound, view

from app.inference.loading import load_models
from app.inference.local import LocalInference
from models.calibration import REFERENCE
from scripts.fake_devices import Media, nobody, portrait

HERE = Path(__file__).parent
CONNECT = """
from app.inference.loading import LoadingError
from app.inference.ray import connect
from app.settings import Settings
try:
    connect(Settings(_env_file=None, inference_backend="ray"), print)
except LoadingError as refused:
    print(refused)
"""
NODE = Path(playwright.__file__).parent / "driver" / "node"
PAGES = """
import { EmotionStream } from "%s";
for (let page = 0; page < %d; page += 1) {
  const stream = new EmotionStream("%s");
  stream.addEventListener("state", ({ detail }) => console.log(JSON.stringify({ page, ...detail })));
  stream.addEventListener("problem", ({ detail }) => console.log(JSON.stringify({ page, problem: detail.code })));
  stream.open();
}
"""
PLAIN = {"VOICE_SMOOTHING": "1", "FACE_SMOOTHING": "1", "DETECT_EVERY": "1"} | {
    "ADMISSION_LOAD": "0",
    "LOG_FORMAT": "json",
    "FUSION": "concat",
    "TRUSTED_PROXIES": "127.0.0.1",
    "MAX_VIEWERS_PER_ADDRESS": "1",
}
"""A result tells of the last window and the last picture alone, however they fell between the ticks."""
QUICK = {"Ingress": small(2, 2), "Voice": small(1, 1), "Face": small(1, 1)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(PLAIN, QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    return portrait(tmp_path_factory.mktemp("media"))


def refusal(folder: Path, **env: str) -> str:
    """Return why a server cannot be had in Ray, in a process of its own: Ray leaves threads behind."""
    around = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], cwd=ROOT, env={**around, "RAY_TMPDIR": str(folder), **env},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout.strip()


# These two come first: Ray finds any cluster of this machine, and after them there is one.


def test_no_server_in_ray_on_this_machine_stops_the_start_with_one_line(tmp_path: Path) -> None:
    assert re.match(r"(There is no Ray to ask|.*in Ray cannot be reached).*$", refusal(tmp_path))


def test_an_address_where_nobody_listens_stops_the_start_in_seconds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert f"nobody answers at {address}" in refusal(tmp_path, RAY_ADDRESS=address)


def test_the_quick_check_needs_models_of_its_own(tmp_path: Path) -> None:
    assert "QUICK_CHECK" in refusal(tmp_path, QUICK_CHECK="true")


async def test_its_answers_are_those_of_one_process(cluster: Cluster, media: Media, tmp_path: Path) -> None:
    pcm, picture = sound(media), first_picture(media)
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    darker = [cv2.imencode(".jpg", (image * share).astype(np.uint8))[1].tobytes() for share in (0.9, 0.7)]
    questions = {
        "windows": np.stack([np.resize(np.roll(pcm, -start), 16_000) for start in range(0, 40_000, 8_000)]),
        "references": np.random.default_rng(0).normal(0, 0.1, (5, REFERENCE)).astype(np.float32),
        **{f"jpeg{number}": np.frombuffer(jpeg, np.uint8) for number, jpeg in enumerate((picture, *darker))},
    }
    np.savez(tmp_path / "questions.npz", **questions)
    files = tmp_path / "questions.npz", tmp_path / "answers.npz"
    async with asking(cluster, "answers", *files, stderr=asyncio.subprocess.PIPE) as process:
        _, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode() + cluster.log()
    there = dict(np.load(tmp_path / "answers.npz"))
    assert "'Nobody'" in str(there.pop("missing"))  # whom nobody deployed
    local = LocalInference(*load_models(SETTINGS)[:3])
    here = await answers(local, questions)
    local.close()
    assert set(there) == set(here)
    assert (str(there["about"]), str(there["broken"])) == (here["about"], here["broken"])
    for kind in ("voice", "statistics", "face", "box", "crop", "fusion"):
        assert there[kind] == pytest.approx(here[kind], abs=1e-5)


async def test_a_stream_says_the_same_in_a_cluster_and_in_one_process(cluster: Cluster, media: Media) -> None:
    with Server(**PLAIN) as server:
        here, there = await same_stream(server, cluster, media)
    assert await asyncio.to_thread(until, lambda: '"event": "viewer_left"' in cluster.log(), 10)  # as LOG_FORMAT says
    for path in ("voice", "face", "fused"):
        assert there[path]["state"] == here[path]["state"] == "ok"
        assert there[path]["label"] == here[path]["label"]
        assert there[path]["probs"] == pytest.approx(here[path]["probs"], abs=1e-4)  # as rounded on the wire
    late = {
        label: 0.6 * share + 0.4 * there["face"]["probs"][label] for label, share in there["voice"]["probs"].items()
    }
    assert there["fused"]["probs"] != pytest.approx(late, abs=0.02)  # they come of the fusion network


async def test_viewers_are_counted_by_the_addresses_that_a_trusted_proxy_tells(cluster: Cluster) -> None:
    async with AsyncExitStack() as held:

        async def told(address: str) -> str:
            connection = websockets.connect(cluster.stream, additional_headers={"X-Forwarded-For": address})
            first = json.loads(await (await held.enter_async_context(connection)).recv())
            return str(first.get("code", first["type"]))

        assert {await told(f"192.0.2.{number}") for number in range(1, 7)} == {"ready"}
        one = [await told("192.0.2.7") for _ in range(6)]
        assert 1 <= one.count("ready") <= 2  # one in each replica
        assert one.count("address_full") == 6 - one.count("ready")


async def test_load_brings_a_replica_whose_death_costs_no_viewer_and_rest_takes_it_away(
    cluster: Cluster, media: Media, tmp_path: Path
) -> None:
    cluster.change({"Face": small(1, 2, target_ongoing_requests=0.5)})
    wall = tmp_path / "wall.jpg"
    wall.write_bytes(first_picture(nobody(tmp_path)))
    async with asking(cluster, "load", wall):
        assert await asyncio.to_thread(until, lambda: len(cluster.running("Face")) == 2, 60), cluster.log()
        viewing = asyncio.create_task(
            view(cluster.stream, sound(media), first_picture(media), binary=True, seconds=6.0)
        )
        await asyncio.sleep(2.0)
        os.kill(cluster.running("Face")[0], signal.SIGKILL)
        _, results, errors = await viewing
    assert {error["code"] for error in errors} <= {"inference_failed"}
    assert len(errors) <= 3 and all(error["recoverable"] for error in errors)
    assert len(results) >= 9
    assert [result["face"]["state"] for result in results[-2:]] == ["ok", "ok"]
    assert await asyncio.to_thread(until, lambda: len(cluster.replicas("Face")) == 1, 60), cluster.log()


async def test_a_stopped_ingress_closes_with_1012_and_the_page_comes_back_elsewhere(
    cluster: Cluster, tmp_path: Path
) -> None:
    script = tmp_path / "pages.mjs"
    script.write_text(PAGES % ((ROOT / "static/js/emotion-stream.js").as_uri(), 10, cluster.stream))
    log = (tmp_path / "pages.log").open("w+")
    pages = await asyncio.create_subprocess_exec(NODE, script, stdout=log, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with viewers(cluster) as (held, ends):
            assert await asyncio.to_thread(until, lambda: said(log, state="open") == 10, 20)
            cluster.change({"Ingress": small(1, 1)})
            assert await asyncio.to_thread(until, lambda: len(cluster.replicas("Ingress")) == 1, 60), cluster.log()
            gone = said(log, problem="restart")
            assert gone  # of ten pages some had the replica that was stopped
            assert await asyncio.to_thread(until, lambda: said(log, state="open") == 10 + gone, 20)
    finally:
        pages.kill()
        await pages.wait()
        log.close()
    assert {tuple(end) for end in ends} == {("restart", 1012)}
    assert 1 <= len(ends) < len(held)  # one replica is left, and kept those that it had


async def same_stream(server: Server, cluster: Cluster, media: Media) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stream the same to both at once; return the last result of each."""
    again_and_again = np.resize(sound(media), CHUNK)
    (ready, here, faults), (ready_there, there, faults_there) = await asyncio.gather(
        *(view(url, again_and_again, first_picture(media), binary=True) for url in (server.stream, cluster.stream))
    )
    assert not faults and not faults_there
    assert {**ready, "session": None} == {**ready_there, "session": None}
    return here[-1], there[-1]


@asynccontextmanager
async def asking(
    cluster: Cluster, *arguments: str | Path, stderr: int | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ask the cluster's models from another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, HERE / "asking.py", *arguments,
        env={**os.environ, **cluster.environment}, stderr=stderr,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def viewers(cluster: Cluster) -> AsyncIterator[tuple[list[asyncio.Task[None]], list[list[Any]]]]:
    """Hold connections, as many as it takes until each replica has one: Serve draws the replica by lot.

    Yields:
        The connections, and a list that fills with the last error and the close code of those that end.
    """
    sessions: set[str] = set()
    ends: list[list[Any]] = []

    async def hold() -> None:
        async with websockets.connect(cluster.stream) as socket:
            code = None
            with suppress(websockets.ConnectionClosed):
                async for text in socket:
                    message = json.loads(text)
                    code = message.get("code", code)
                    sessions.add(message.get("session"))
            ends.append([code, socket.close_code])

    def is_spread() -> bool:
        return len(there := cluster.hosts(sessions)) == 2 and there == set(cluster.running("Ingress"))

    held: list[asyncio.Task[None]] = []
    try:
        while not await asyncio.to_thread(until, is_spread, 2):
            assert len(held) < 20, cluster.log()
            held += [asyncio.create_task(hold()) for _ in range(2)]
        yield held, ends
    finally:
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


def said(log: Any, **wanted: str) -> int:
    """Count the lines of the pages' log that say something."""
    log.seek(0)
    lines = [json.loads(line) for line in log.read().splitlines() if line.endswith("}")]
    return sum(wanted.items() <= line.items() for line in lines)
