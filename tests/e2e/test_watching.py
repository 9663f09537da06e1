"""What the real server shows of itself to those who run it."""

import json
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from serving import ROOT, Server
from websockets.sync.client import connect

from models.labels import LABELS

MARK = "d0-not-wr1te-this"


def figures(server):
    with urlopen(f"{server.url}metrics", timeout=10) as answer:  # noqa: S310 - http, made above
        assert answer.headers["content-type"].startswith("text/plain; version=")
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_a_visit_is_in_the_figures_and_in_the_log_and_nothing_of_it_is_written():
    with Server(LOG_FORMAT="json") as server:
        with connect(f"ws://127.0.0.1:{server.port}/ws?{MARK}") as viewer:
            ready = json.loads(viewer.recv(timeout=10))
            viewer.send(f'{{"type": "{MARK}"}}')
            viewer.send(b"\x02\x01\x00\x00\x00\xff\xd8" + MARK.encode())
            codes = set()
            while codes != {"unknown_type", "invalid_image"}:
                message = json.loads(viewer.recv(timeout=10))
                if message["type"] == "error":
                    codes.add(message["code"])
            during = figures(server)
        with urlopen(f"{server.url}readyz?{MARK}", timeout=10):  # noqa: S310 - http, made above
            pass
        after = during
        while after["emotion_viewers"] != "0.0":  # the figures are made once a second
            time.sleep(0.1)
            after = figures(server)
        text = server.log()
    assert (during["emotion_viewers"], after["emotion_viewers"]) == ("1.0", "0.0")
    assert after['emotion_errors_total{code="unknown_type"}'] == "1.0"
    assert after['emotion_batch_size_count{path="face"}'] == "1.0"
    assert float(after["process_resident_memory_bytes"]) > 1e6
    lines = [json.loads(line) for line in text.splitlines()]
    (came,) = [line for line in lines if line["event"] == "viewer_connected"]
    (left,) = [line for line in lines if line["event"] == "viewer_left"]
    assert came["session"] == left["session"] == ready["session"]
    assert left["code"] == 1000
    assert left["errors"] == {"unknown_type": 1, "invalid_image": 1}
    assert {"request"} == {line["event"] for line in lines if line["logger"] == "uvicorn.access"}
    assert "/readyz" in {line.get("path") for line in lines}
    for word in (MARK, *LABELS):
        assert word not in text
        assert word not in "\n".join(after)
    assert "127.0.0.1" not in text.replace(f"http://127.0.0.1:{server.port}", "")


def test_no_figures_are_shown_where_nobody_wants_them():
    with Server(METRICS="false") as server, pytest.raises(OSError, match="404"):
        urlopen(f"{server.url}metrics", timeout=10)  # noqa: S310 - http, made above


@pytest.mark.parametrize("command", [["uvicorn", "app:app"], ["app"]])
def test_with_json_every_line_of_a_start_is_json(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json", "PORT": "0", "WEIGHTS_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert "Waiting for application startup." in [line["event"] for line in lines]
    assert [line["level"] for line in lines if "cannot be loaded" in line["event"]] == ["error"]
    assert not done.stdout
