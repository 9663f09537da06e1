"""What the server tells of itself, against what its viewers were told, in virtual time."""

import asyncio
import json
import logging
import re

import numpy as np
import pytest
from arithmetic_models import BROKEN, FACE
from prometheus_client.parser import text_string_to_metric_families
from test_streaming import Answers, FusedAnswers, Viewer
from virtual_time import run

from app.guard.admission import FULL
from app.inference.interface import InferenceError
from app.settings import Settings
from app.streaming import Streaming
from app.watch.logs import JsonFormatter
from app.watch.telemetry import Telemetry
from models.inference import Traits
from models.labels import LABELS


class House:
    """A server of which the figures can be read."""

    def __init__(self, answers=None, **changes):
        settings = Settings(_env_file=None, **changes)
        clock = asyncio.get_running_loop().time
        self.telemetry = Telemetry(settings, clock=clock)
        self.streaming = Streaming(settings, answers or Answers(), telemetry=self.telemetry, clock=clock)

    def visitor(self):
        return Viewer(self.streaming)

    def figures(self):
        return figures(self.telemetry)


def figures(telemetry):
    """Return every sample, by name and labels as Prometheus writes them."""
    text, _ = telemetry.metrics.exposition("")
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def drops(told):
    """Return what was lost at all, by what and why."""
    name = "emotion_drops_total"
    counts = {tuple(label.split("=")[1] for label in key.split()[1:]): n for key, n in told.items() if name in key}
    return {f"{what} {cause}": n for (cause, what), n in counts.items() if n}


def visit(answers=None, *, seconds=4, talk=None, **changes):
    """Be one viewer for a while; return it, the figures while it was there, and those after it has left."""

    async def main():
        house = House(answers, **changes)
        viewer = house.visitor()
        await viewer.talk(seconds, **(talk or {}))
        await asyncio.sleep(0)
        before = house.figures()
        await viewer.leave()
        return viewer, before, house.figures()

    return run(main())


def test_viewers_are_counted_while_they_are_there_and_by_how_they_left():
    _, during, after = visit()
    assert (during["emotion_viewers"], after["emotion_viewers"]) == (1, 0)
    assert during["emotion_visits_total"] == after["emotion_visits_total"] == 1
    assert during["emotion_closes_total code=1000"] == 0
    assert after["emotion_closes_total code=1000"] == 1


def test_what_came_and_what_was_told_are_counted_as_the_viewer_counts_them():
    viewer, _, told = visit(FusedAnswers(voice_delay=0.01, face_delay=0.02, fusion_delay=0.03), seconds=6)
    last = viewer.results[-1]
    assert told["emotion_messages_total type=audio"] == told["emotion_messages_total type=frame"] == 24
    assert told["emotion_results_total"] == len(viewer.results)
    for path in ("voice", "face", "fused"):
        states = [result[path]["state"] for result in viewer.results]
        for state in set(states):
            assert told[f"emotion_{path}_states_total state={state}"] == states.count(state)
        assert sum(v for name, v in told.items() if name.startswith(f"emotion_{path}_states_total")) == len(states)
    assert drops(told) == {"frames replaced": last["dropped"]["frames"]}
    assert last["dropped"]["frames"] > 0
    for path, millis in (("voice", 10), ("face", 20), ("fusion", 30)):
        answers = sum(result["ms"][path] is not None for result in viewer.results)
        assert told[f"emotion_inference_seconds_count path={path}"] == answers > 0
        assert told[f"emotion_inference_seconds_sum path={path}"] == pytest.approx(answers * millis / 1000)


def test_results_are_lost_because_a_viewer_does_not_read_or_because_the_server_is_late():
    async def main():
        house = House()
        slow, quick = house.visitor(), house.visitor()
        await asyncio.sleep(0.1)
        slow.reads.clear()
        await asyncio.sleep(10)  # 20 results
        slow.reads.set()
        await asyncio.sleep(0.5)
        unread = drops(house.figures())
        asyncio.get_running_loop()._now += 2.2  # nothing else has its turn meanwhile
        await asyncio.sleep(1)
        await asyncio.gather(slow.leave(), quick.leave())
        return unread, drops(house.figures()), slow.results[-1]["dropped"], quick.results[-1]["dropped"]

    unread, both, slow, quick = run(main())
    assert unread == {"results unread": 18}
    assert both == {"results unread": 18, "results late": 4}  # two for each
    assert (slow["results"], quick["results"]) == (20, 2)


def test_every_type_of_message_is_counted_be_it_of_no_use():
    async def main():
        house = House()
        viewer = house.visitor()
        for message in ({"type": "configure"}, {"type": "authenticate", "token": "not asked for"}):
            viewer.send(json.dumps(message))
        await viewer.talk(2)
        await viewer.leave()
        return viewer, house.figures()

    viewer, told = run(main())
    assert viewer.of_type("error") == []
    counts = [told[f"emotion_messages_total type={kind}"] for kind in ("audio", "frame", "configure", "authenticate")]
    assert counts == [8, 8, 1, 1]


def test_the_delay_runs_from_the_arrival_of_what_is_used_to_the_result_that_shows_it_first():
    async def main():
        house = House(Answers(voice_delay=0.01, face_delay=0.04))
        viewer = house.visitor()
        for number in range(1, 5):
            viewer.send_audio(np.full(4000, 1000, np.int16), number)
        await asyncio.sleep(0.4)
        viewer.send_frame(FACE, 5)
        await asyncio.sleep(5)
        await viewer.leave()
        return house.figures()

    told = run(main())
    assert told["emotion_delay_seconds_count of=audio"] == told["emotion_delay_seconds_count of=frame"] == 1
    assert told["emotion_delay_seconds_sum of=audio"] == pytest.approx(0.54)  # asked at 0.5, with the slower face
    assert told["emotion_delay_seconds_sum of=frame"] == pytest.approx(0.14)


def test_errors_are_counted_by_code_and_refusals_by_cause():
    async def main():
        house = House(Answers(voice_error=InferenceError("no")), max_viewers=1, max_message_bytes=16_384)
        first, second = house.visitor(), house.visitor()
        await second.end()
        first.send("nonsense")
        first.send_frame(BROKEN, 1)
        await first.talk(2, face=None)
        first.send(bytes(16_385))
        await first.end()
        return first, house.figures()

    first, told = run(main())
    heard = [error["code"] for error in first.of_type("error")]
    assert set(heard) == {"invalid_json", "invalid_image", "inference_failed", "too_big"}
    for code in set(heard):
        assert told[f"emotion_errors_total code={code}"] == heard.count(code)
    assert told["emotion_errors_total code=full"] == told["emotion_refusals_total cause=full"] == 1
    assert told["emotion_refusals_total cause=load"] == 0
    assert told["emotion_closes_total code=1009"] == told["emotion_visits_total"] == 1


def test_a_fault_of_the_server_is_counted_too(caplog):
    async def main():
        house = House(Answers(voice_error=KeyError("a bug")))
        viewer = house.visitor()
        await viewer.talk(3)
        await viewer.end()
        return house.figures()

    told = run(main())
    assert told["emotion_errors_total code=internal"] == told["emotion_closes_total code=1011"] == 1
    assert told["emotion_viewers"] == 0


def test_a_tick_that_is_late_and_those_that_are_missed_are_counted():
    async def main():
        house = House()
        visit = house.telemetry.visit("someone")
        with visit:
            for late, missed in ((0.0, 0), (0.049, 0), (0.3, 2)):
                visit.ticked(late, missed)
        return house.figures()

    told = run(main())
    assert told["emotion_late_ticks_total"] == 1
    assert told["emotion_missed_ticks_total"] == 2
    assert told["emotion_tick_lateness_seconds_count"] == 3
    assert told["emotion_tick_lateness_seconds_sum"] == pytest.approx(0.349)


def test_who_cannot_be_told_of_a_fault_because_it_reads_nothing_makes_no_load():
    async def main():
        house = House()
        stuck, good = house.visitor(), house.visitor()
        await good.talk(1)
        stuck.reads.clear()
        await asyncio.gather(stuck.talk(8, face=BROKEN), good.talk(8))
        load = house.figures()["emotion_load"]
        stuck.reads.set()
        await asyncio.gather(stuck.leave(), good.leave())
        return load, stuck.of_type("error")

    load, errors = run(main())
    assert {error["code"] for error in errors} == {"invalid_image"}
    assert load < 0.1


def test_calls_of_the_models_are_measured_and_make_the_load():
    async def main():
        house = House()
        house.telemetry.called("face", 8, 0.5)
        house.telemetry.called("voice", 1, 0.01)
        return house.figures()

    told = run(main())
    assert told["emotion_batch_size_sum path=face"] == 8
    assert told["emotion_batch_seconds_sum path=face"] == 0.5
    assert told["emotion_batch_seconds_count path=voice"] == 1
    assert 0.1 < told["emotion_load"] * FULL < 0.125


def test_close_codes_that_a_client_thinks_up_do_not_become_figures_of_their_own():
    async def main():
        house = House()
        before = set(house.figures())
        for code in (4000, 4999, None, 1001):
            house.telemetry.metrics.count_close(code)
        assert set(house.figures()) == before
        return house.figures()

    told = run(main())
    assert told["emotion_closes_total code=other"] == 2
    assert told["emotion_closes_total code=none"] == 1
    assert told["emotion_closes_total code=1001"] == 1


@pytest.mark.parametrize("code", [1005, 1006])
def test_who_is_cut_off_has_left_without_a_code(code):
    async def main():
        house = House()
        viewer = house.visitor()
        await asyncio.sleep(1)
        await viewer.leave(code)
        return house.figures()

    assert run(main())["emotion_closes_total code=none"] == 1


def test_two_servers_in_one_process_count_apart():
    async def main():
        one, other = House(), House()
        viewer = one.visitor()
        await asyncio.sleep(1)
        await viewer.leave()
        return one.figures(), other.figures()

    one, other = run(main())
    assert one["emotion_visits_total"] == 1
    assert other["emotion_visits_total"] == other["emotion_results_total"] == 0


def test_figures_are_labelled_with_words_of_the_servers_own_and_never_with_an_answer():
    viewer, _, told = visit(FusedAnswers())
    (ready,) = viewer.of_type("ready")
    text = "\n".join(told)
    assert ready["session"] not in text
    assert not [label for label in LABELS if re.search(rf"\b{label}\b", text)]
    before = set(figures(Telemetry(Settings(_env_file=None))))
    assert {name for name in told if name.startswith("emotion_")} == {n for n in before if n.startswith("emotion_")}


# --- the log ---


@pytest.fixture
def lines(caplog):
    """Return a function that gives each line that was logged, as JSON and as text."""

    def written():
        texts = [JsonFormatter().format(record) for record in caplog.records if record.name.startswith("app")]
        assert not [text for text in texts if "\n" in text]
        return [json.loads(text) for text in texts], "\n".join(texts)

    with caplog.at_level(logging.INFO):
        yield written


def test_a_visit_is_a_line_at_its_begin_and_one_at_its_end(lines):
    async def main():
        house = House()
        viewer = house.visitor()
        viewer.send("nonsense")
        await viewer.talk(2.75)  # not to leave in the moment of a result
        await viewer.leave()
        return viewer

    viewer = run(main())
    (came, left), _ = lines()
    (ready,) = viewer.of_type("ready")
    assert {key: came[key] for key in ("level", "logger", "event", "session")} == {
        "level": "info", "logger": "app.events", "event": "viewer_connected", "session": ready["session"]
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", came["time"])
    assert {key: left[key] for key in left if key not in ("time", "level", "logger")} == {
        "event": "viewer_left",
        "session": ready["session"],
        "seconds": 2.75,
        "code": 1000,
        "reason": None,
        "received": {"audio": 11, "frame": 11},
        "results": len(viewer.results),
        "lost": {
            "frames_replaced": viewer.results[-1]["dropped"]["frames"],
            "frames_stale": 0,
            "audio_unheard": 0,
            "results_late": 0,
            "results_unread": 0,
        },
        "errors": {"invalid_json": 1},
    }


@pytest.mark.parametrize(
    ("changes", "code", "reason"), [({"idle_timeout": 3}, 1008, "idle"), ({"session_length": 2}, 1008, "session_over")]
)
def test_who_has_to_go_is_logged_with_the_reason(lines, changes, code, reason):
    async def main():
        house = House(**changes)
        await house.visitor().end()

    run(main())
    (_, left), _ = lines()
    assert (left["code"], left["reason"]) == (code, reason)


SECRETS = ("s3cret-in-a-name", "nonsense-of-a-viewer", "happy", "angry", "10.1.2.3", "/9j", "0.0625")


def test_nothing_of_what_viewers_send_or_are_told_is_in_any_line(lines):
    """Also where it is in an exception's own words, which it never is meant to be."""
    face = b"\xff\xd8 s3cret-in-a-name"

    async def main():
        house = House(Answers(face_error=KeyError("happy", "10.1.2.3"), voice=Traits(adaptive=True)))
        viewer = house.visitor()
        for text in (
            "nonsense-of-a-viewer",
            '{"type": "nonsense-of-a-viewer"}',
            '{"type": "configure", "id": "s3cret-in-a-name"}',
        ):
            viewer.send(text)
        viewer.send('{"type": "configure", "fusion_weight": 0.0625}')
        viewer.send('{"type": "calibrate", "action": "start"}')
        await viewer.talk(2, face=face)
        await viewer.end()

    run(main())
    written, text = lines()
    assert [line["event"] for line in written] == ["viewer_connected", "viewer_left", "A viewer's stream failed"]
    assert not [secret for secret in SECRETS if secret in text]
    fault = written[-1]
    assert fault["exception"] == "KeyError"
    assert any(re.search(r"app/streaming\.py:\d+ \w+$", place) for place in fault["raised"])


def test_a_request_is_logged_by_method_path_and_status_alone():
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d',
        ("10.1.2.3:5555", "GET", "/readyz?s3cret-in-a-name", "1.1", 200), None,
    )  # fmt: skip
    text = JsonFormatter().format(record)
    line = json.loads(text)
    assert {key: line[key] for key in ("event", "method", "path", "status")} == {
        "event": "request", "method": "GET", "path": "/readyz", "status": 200
    }  # fmt: skip
    assert not [secret for secret in SECRETS if secret in text]


def test_the_figures_are_made_once_a_second_however_often_they_are_asked_for():
    now = 0.0
    telemetry = Telemetry(Settings(_env_file=None), clock=lambda: now)
    texts = []
    for step in range(25):
        now = step / 10
        telemetry.metrics.visits.inc()
        for accept in ("", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain", f"text/plain;version={step}"):
            text, media_type = telemetry.figures(accept)
            assert media_type.startswith("application/openmetrics-text" if "open" in accept else "text/plain")
            texts.append(text)
    assert len(set(texts)) == 2 * 3  # two formats, three seconds
