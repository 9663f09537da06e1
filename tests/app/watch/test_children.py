"""The figures of a server's own processes, against what the processes do."""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection

from prometheus_client.parser import text_string_to_metric_families

from app.settings import Settings
from app.watch.children import used
from app.watch.telemetry import Telemetry

MIB = 2**20


def figures() -> dict[str, float]:
    text, _ = Telemetry(Settings(_env_file=None)).metrics.exposition("")
    return {
        sample.name.removeprefix("emotion_face_processes_"): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("emotion_face_processes_")
    }


def _work(line: Connection) -> None:
    held = bytearray(b"x" * 64 * MIB)
    while time.process_time() < 0.5:
        pass
    line.send(len(held))
    line.recv()


def test_what_a_process_uses_is_told_while_it_lives_and_its_time_after_that() -> None:
    before = figures()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(there,))
    process.start()
    assert here.poll(60)
    during = figures()
    assert during["cpu_seconds_total"] - before["cpu_seconds_total"] >= 0.4
    assert during["memory_bytes"] - before["memory_bytes"] >= 64 * MIB
    here.send(None)
    process.join()
    after = figures()
    assert after["memory_bytes"] == before["memory_bytes"]
    assert after["cpu_seconds_total"] >= during["cpu_seconds_total"] - 0.05  # counted in hundredths
    assert used(process.pid or 0) is None


def test_this_very_process_uses_something() -> None:
    its = used(os.getpid())
    assert its is not None
    assert its.seconds > 0
    assert its.memory > 10 * MIB
