"""The benchmark's own reckoning, and one small run of it against the real server."""

import json
import os
from collections import deque
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from app import protocol
from app.settings import Settings
from models.datasets.layout import DataLayoutError
from scripts.bench import measure, networks, report, stages, wire
from scripts.bench.material import CHUNK, Material, NoMaterialError, gather, without_pauses
from scripts.bench.observed import Quantiles, Step, memory_per_viewer, summarise
from scripts.bench.search import largest
from scripts.bench.subject import OPEN, Subject, started
from scripts.bench.viewer import Envelopes, Log

INTERVAL = 0.5


@pytest.fixture(scope="module")
def material() -> Material:
    return gather(None, None)


# --- what is sent ---


def test_without_data_there_is_a_face_and_a_voice_to_send(material: Material) -> None:
    assert len(material.frames) > 20
    assert all(frame.startswith(b"\xff\xd8") for frame in material.frames)
    assert len(set(material.frames)) > 20
    sound = np.frombuffer(b"".join(material.chunks), "<i2")
    windows = sound[: len(sound) // (10 * CHUNK) * 10 * CHUNK].reshape(-1, 10 * CHUNK).astype(float) / 32768
    assert np.sqrt((windows**2).mean(axis=1)).min() > 0.01  # no window is silence


def test_each_camera_shows_one_take_in_its_own_time_over_and_over() -> None:
    takes = tuple(tuple(bytes([camera, at]) for at in range(3)) for camera in range(2))
    envelopes = Envelopes(Material(takes, (), ""), binary=True)
    shown = [[envelopes.picture(camera, at)[1] for at in (4, 5, 6)] for camera in (7, 8)]
    assert shown == [[takes[1][1], takes[1][2], takes[1][0]], [takes[0][1], takes[0][2], takes[0][0]]]


def test_pauses_are_left_out_and_speech_is_not() -> None:
    rng = np.random.default_rng(0)
    spoken, pause = (rng.normal(0, amplitude, 5 * CHUNK).astype(np.int16) for amplitude in (1500, 30))
    kept = without_pauses(np.concatenate([spoken, pause, spoken[: 2 * CHUNK], pause]))
    np.testing.assert_array_equal(kept, np.concatenate([spoken, spoken[: 2 * CHUNK]]))


def test_a_folder_without_films_or_speech_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NoMaterialError, match="no MP4"):
        gather(tmp_path, None)
    with pytest.raises(DataLayoutError, match="no RAVDESS"):
        gather(None, tmp_path)


@pytest.mark.parametrize("binary", [True, False])
def test_what_a_viewer_sends_is_understood_by_a_websocket_server_and_by_the_protocol(
    material: Material, binary: bool
) -> None:
    envelopes = Envelopes(material, binary=binary)
    server = ServerProtocol(max_size=None)
    request = wire.request("127.0.0.1", 8000)
    sent = (
        request
        + envelopes.message(envelopes.sound(3, 2), 17)
        + envelopes.message(envelopes.picture(0, 1), 4_000_000_000)
    )
    server.receive_data(sent)
    opening, sound, picture = server.events_received()
    server.send_response(server.accept(opening))
    for event, number in ((sound, 17), (picture, 4_000_000_000)):
        assert event.opcode == (Opcode.BINARY if binary else Opcode.TEXT)
        message = bytes(event.data) if binary else bytes(event.data).decode()
        decoded = protocol.decode(message)
        assert decoded.id == number
        if isinstance(decoded, protocol.Audio):
            assert decoded.pcm16 == material.chunks[3] + material.chunks[4]
        else:
            assert decoded.jpeg == material.frames[1]


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.integers(1, 5000))
def test_messages_come_whole_however_they_are_cut(payloads: list[bytes], step: int) -> None:
    stream = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    stream += b"".join(Frame(Opcode.TEXT, payload).serialize(mask=False) for payload in payloads)
    reader = wire.Reader()
    got = [m for at in range(0, len(stream), step) for m in reader.feed(stream[at : at + step])]
    assert got == [(wire.TEXT, payload) for payload in payloads]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"])
def test_a_server_that_opens_no_websocket_is_said_so(answer: bytes) -> None:
    with pytest.raises(ConnectionError):
        list(wire.Reader().feed(answer))


@given(st.sampled_from([wire.TEXT, wire.BINARY, wire.PONG]), st.binary(max_size=70_000))
def test_a_header_says_how_long_the_message_is(opcode: int, payload: bytes) -> None:
    stream = StreamReader()
    stream.feed_data(wire.header(opcode, len(payload)) + payload)
    parsing = Frame.parse(stream.read_exact, mask=True, max_size=None)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)
    frame = parsed.value.value
    assert (frame.opcode, bytes(frame.data), frame.fin) == (opcode, payload, True)


# --- what follows from what came ---


def steady(count: int, start: float = 100.0, late: float = 0.05) -> Log:
    """A log of results that come each `INTERVAL`."""
    return Log([(start + INTERVAL * n, late, 0.25 + late, 0) for n in range(count)])


def test_a_steady_stream_holds() -> None:
    step = summarise([steady(40), steady(40, 100.2)], 104.0, 114.0, INTERVAL)
    assert (step.viewers, step.served, step.results, step.missed) == (2, 2, 40, 0)
    assert step.delay == step.sound == Quantiles(50.0, 50.0, 50.0)
    assert step.frame.p95 == 300.0
    assert step.holds


def test_a_gap_is_as_many_missed_results_as_fit_into_it() -> None:
    log = steady(40)
    del log.results[20:23]
    step = summarise([log], 104.0, 114.0, INTERVAL)
    assert step.missed == 3
    assert step.failure == "missed ticks"
    late = steady(40)
    late.results[20] = (late.results[20][0] + 0.24, 0.29, None, 0)  # late, but not missed
    assert summarise([late], 104.0, 114.0, INTERVAL).missed == 0


def test_results_that_stop_are_missed_to_the_end() -> None:
    assert summarise([steady(20)], 104.0, 114.0, INTERVAL).missed in (8, 9)


def test_what_the_server_says_it_owes_counts() -> None:
    log = steady(40)
    log.results = [(at, heard, seen, 2 * (at > 108)) for at, heard, seen, _ in log.results]
    assert summarise([log], 104.0, 114.0, INTERVAL).missed == 2


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (lambda log: log.results.clear(), "viewers lost"),
        (lambda log: setattr(log, "closed", 1006), "viewers lost"),
        (lambda log: log.errors.append("inference_failed"), "errors"),
        (lambda log: log.results.__setitem__(slice(None), [(a, 0.3, 0.3, 0) for a, *_ in log.results]), "delay"),
        (
            lambda log: log.results.__setitem__(slice(None), [(a, 0.1, None, 0) for a, *_ in log.results]),
            "late answers",
        ),
    ],
)
def test_each_way_not_to_hold_has_its_name(change, failure: str) -> None:
    log = steady(40)
    change(log)
    step = summarise([steady(40), log], 104.0, 114.0, INTERVAL)
    assert step.failure == failure
    assert not step.holds


def test_who_came_late_counts_from_when_a_window_is_full() -> None:
    step = summarise([steady(40, 110.0)], 104.0, 120.0, INTERVAL)
    assert step.results == 16
    assert step.missed == 0


def test_who_came_too_late_to_count_misses_nothing() -> None:
    assert summarise([steady(2, 113.0)], 104.0, 114.0, INTERVAL).missed == 0


def test_memory_is_the_slope_over_what_held_before_anything_larger() -> None:
    def step(viewers: int, memory: float | None, *, late: bool = False) -> Step:
        delay = Quantiles.of([0.3 if late else 0.1])
        return Step(viewers, viewers, 1, 0, delay, delay, delay, 0.0, 0.0, {}, memory_mb=memory)

    rising = [step(10, 105.0), step(20, 110.0), step(40, 120.0)]
    assert memory_per_viewer(rising) == pytest.approx(0.5)
    overload = [step(80, 400.0, late=True), step(80, 390.0), step(60, 380.0)]
    assert memory_per_viewer([*rising, *overload]) == pytest.approx(0.5)
    assert memory_per_viewer([step(10, 105.0), step(10, 106.0), step(20, None)]) is None


@given(st.integers(0, 3000), st.integers(1, 64))
def test_the_search_finds_the_largest_that_holds(limit: int, first: int) -> None:
    tried = []

    def holds(viewers: int) -> bool:
        tried.append(viewers)
        return viewers <= limit

    found = largest(holds, first, 1024)
    assert found <= min(limit, 1024)
    assert min(limit, 1024) - found <= max(1, 0.06 * found)
    assert len(tried) == len(set(tried)) <= 22


# --- several servers ---


@pytest.mark.parametrize(
    ("count", "processes", "servers", "viewers"),
    [
        (None, 1, [{0, 2, 3, 5}], {0, 2, 3, 5}),
        (None, 3, [{0}, {2}, {3}], {0, 2, 3, 5}),
        (None, 5, [{0, 2, 3, 5}] * 5, {0, 2, 3, 5}),
        (1, 1, [{0}], {2, 3, 5}),
        (1, 3, [{0}, {2}, {3}], {5}),
        (2, 2, [{0, 2}, {3, 5}], {0, 2, 3, 5}),
    ],
)
def test_servers_get_cores_of_their_own_as_far_as_there_are_any(
    monkeypatch: pytest.MonkeyPatch, count: int | None, processes: int, servers: list[set[int]], viewers: set[int]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 3, 2, 0})
    assert measure.cores(count, processes) == (servers, viewers)


@pytest.mark.parametrize(("count", "processes"), [(3, 2), (5, 1), (0, 1), (None, 0)])
def test_more_cores_than_there_are_cannot_be_given(
    monkeypatch: pytest.MonkeyPatch, count: int | None, processes: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    with pytest.raises(ValueError, match=str(processes)):
        measure.cores(count, processes)


def test_tables_say_how_many_processes_there_were() -> None:
    def shown(**said: object) -> str:
        found = {"viewers": 0, "steps": [], "memory_per_viewer_mb": None, "start_seconds": 1.0}
        common = {"machine": {"processor": "p", "cores": 8}, "face": "f", "messages": "binary", "source": "made",
                  "seconds": 2.0, "settings": [], "commit": "c", "server": found, "baseline": found}  # fmt: skip
        return report.tables([{**common, **said}])

    several = shown(processes=4, server_cores=1)
    assert several.startswith("### This server in 4 processes and textbook server in one, face model")
    assert ", 4 processes of the server, each on 1 core; " in several
    assert "| this server in 4 processes |" in several and "| textbook server in one |" in several
    assert "each on all cores; " in shown(processes=4, server_cores=None)
    for one in (shown(processes=1, server_cores=None), shown(server_cores=None)):  # as saved before, too
        assert one.startswith("### This server and textbook server, face model") and ", server on all cores; " in one


@pytest.mark.parametrize(
    ("face", "voice", "differ"),
    [
        (networks.EMBEDDED, networks.VOICE, False),
        (networks.INTEGERS, networks.VOICE, True),
        (networks.EMBEDDED, networks.VOICE_INTEGERS, True),
    ],
)
def test_a_ratio_says_where_the_textbook_servers_networks_are_not_quite_the_same(
    face: str, voice: str, differ: bool
) -> None:
    found = {"viewers": 3, "steps": [], "memory_per_viewer_mb": None, "start_seconds": 1.0}
    run = {"machine": {"processor": "p", "cores": 8}, "face": face, "voice": voice, "messages": "binary",
           "source": "made", "server_cores": None, "seconds": 2.0, "settings": [], "commit": "c",
           "server": {**found, "viewers": 6}, "baseline": found}  # fmt: skip
    text = report.tables([run])
    assert "Viewers, ratio: 2.0" in text
    assert ("in floating point" in text) == differ


# --- the real thing ---


def visited(server: Subject) -> int:
    """Return how many viewers a server has let in."""
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith("emotion_visits_total "))
    return int(float(line.split()[1]))


@pytest.mark.e2e
@pytest.mark.parametrize(("binary", "processes"), [(True, 1), (False, 2)])
def test_viewers_of_the_real_server_get_their_results(
    material: Material, tmp_path: Path, binary: bool, processes: int
) -> None:
    ours, _ = networks.prepare(networks.INTEGERS, networks.VOICE, tmp_path)
    conditions = measure.Conditions(material, 2.0, binary, None, 1, lambda _: None)
    places = [frozenset(os.sched_getaffinity(0))] * processes  # a core each may be one that other tests keep busy
    with started("app", {**OPEN, **ours}, places) as servers:
        found = measure.given(servers, conditions, [2])
        visits = [visited(server) for server in servers]
        memories = [server.memory_mb() for server in servers]
        used = sum(server.cpu_seconds() for server in servers)
    assert visits == [2 // processes] * processes
    (step,) = found["steps"]
    assert (step["viewers"], step["served"], step["errors"]) == (2, 2, {})
    assert step["results"] >= 4
    assert step["without_voice"] < 0.5 and step["without_face"] < 0.5
    assert 0 < step["cpu_ms"] * step["results"] / 1000 <= used
    assert step["memory_mb"] == pytest.approx(sum(memories), rel=0.2) and min(memories) > 50
    run = {
        "machine": {"processor": "a processor", "cores": 2}, "face": "f", "messages": "binary", "server_cores": None,
        "processes": 1,
        "source": "made", "seconds": 2.0, "settings": ["MAX_BATCH=8"], "commit": "c",
        "server": found, "baseline": {**found, "viewers": 1},
    }  # fmt: skip
    text = report.tables([json.loads(json.dumps(run))])
    assert "| this server |" in text and "| textbook server |" in text and "`MAX_BATCH=8`; commit c" in text
    document = f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nmore\n"
    assert report.between_marks(document, text) == f"# Title\n\n{report.BEGIN}\n\n{text}\n\n{report.END}\n\nmore\n"
    with pytest.raises(ValueError, match="no marks"):
        report.between_marks("# Title", text)
    report.plot(run, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.e2e
def test_a_server_that_does_not_start_is_told_with_its_own_words() -> None:
    with pytest.raises(RuntimeError, match="ONNX_PROVIDERS=quantum"):
        Subject("app", {"FACE_MODEL": "fer_resnet", "ONNX_PROVIDERS": "quantum"})


def test_every_part_of_a_result_costs_something(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SECONDS", 0.02)
    monkeypatch.setattr(stages, "BATCHES", (1, 2))
    ours, _ = networks.prepare(networks.INTEGERS, networks.VOICE, tmp_path)
    found = stages._measure(ours, material)
    assert min(found["parts"].values()) > 0
    assert found["floor"] == pytest.approx(
        found["parts"]["detector"] + min(found["face"].values()) + min(found["voice"].values()), abs=1e-3
    )


def test_the_textbook_server_says_what_this_one_says(material: Material) -> None:
    from models.face_path import load_face_path
    from models.loading import load_voice
    from scripts.bench.baseline import Recogniser

    settings = Settings(_env_file=None, face_model="fer_resnet")
    textbook = Recogniser(settings)
    window = np.frombuffer(b"".join(material.chunks[:10]), "<i2")
    voice = load_voice("audio_bilstm", engine="onnx", weights_dir=settings.weights_dir)
    np.testing.assert_allclose(textbook.hear(deque(window.tolist())), voice.predict(window[None])[0], atol=5e-3)
    path, _ = load_face_path("fer_resnet", engine="onnx", weights_dir=settings.weights_dir, detector_confidence=0.5)
    (reading,) = path.analyse(material.frames[:1])
    box, probs = textbook.see(material.frames[0])
    assert box == reading.box
    np.testing.assert_allclose(probs, reading.probs, atol=1e-3)
    path.close()
