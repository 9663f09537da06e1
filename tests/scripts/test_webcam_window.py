"""The webcam tool as its user sees it: a real window on a virtual desktop, real keys, a real video, real models."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from app.settings import ROOT
from models.inference import UInt8
from models.labels import LABELS
from scripts.webcam.drawing import AMBER, GREEN, RED
from scripts.webcam.portrait import write_portrait
from scripts.webcam.screen import NO_DISPLAY, TITLE
from scripts.webcam.virtual_desktop import VirtualDesktop, missing, virtual_desktop

CLIPS = ROOT.parent / "shared" / "data" / "ravdess_av" / "clips"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
]


@pytest.fixture(autouse=True, scope="module")
def control_c_is_heard() -> Iterator[None]:
    """A job that a shell put into the background ignores SIGINT, and so would what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def desktop() -> Iterator[VirtualDesktop]:
    with virtual_desktop() as running:
        yield running


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of a portrait with a voice; nobody is there for half a second."""
    path = tmp_path_factory.mktemp("window") / "portrait.mp4"
    write_portrait(path, 30, faceless=(2.0, 2.5))
    return path


@contextmanager
def started(desktop: VirtualDesktop, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.webcam", *arguments],
        cwd=ROOT,
        env=desktop.environment | {"FACE_MODEL": "fer_resnet"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as tool:
        try:
            yield tool
        finally:
            tool.kill()


def ended(tool: subprocess.Popen[str]) -> str:
    """Wait for the tool's end, and return what it said."""
    return tool.communicate(timeout=60)[1]


def until(see: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not see():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.03)


def has_colour(desktop: VirtualDesktop, bgr: tuple[int, int, int], rows: slice = slice(None)) -> bool:
    away = np.abs(desktop.picture()[rows].astype(int) - bgr[::-1]).max(axis=2)
    return bool((away < 25).sum() > 60)


def changed(desktop: VirtualDesktop, before: UInt8) -> bool:
    return bool((desktop.picture() != before).any())


def rows_of(path: Path, part: str) -> list[dict[str, str]]:
    return [row for row in csv.DictReader(path.read_text().splitlines()) if row["part"] == part]


def test_a_face_is_labelled_and_held_and_the_key_a_records(
    desktop: VirtualDesktop, video: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    with started(desktop, str(video), "--csv", str(log), "--hold", "1") as tool:
        desktop.window(TITLE)
        until(lambda: has_colour(desktop, GREEN))
        until(lambda: has_colour(desktop, AMBER))  # held
        desktop.press("a")
        until(lambda: has_colour(desktop, RED))  # recording
        first = desktop.picture()
        until(lambda: changed(desktop, first))  # the picture goes on
        until(lambda: rows_of(log, "recording"))
        desktop.press("q")
        ended(tool)
    assert tool.returncode == 0
    faces, (recording,) = rows_of(log, "face"), rows_of(log, "recording")
    assert [row["state"] for row in faces].count("held") == 1
    assert "no face" not in {row["state"] for row in faces}
    labelled = [row for row in faces if row["state"] == "face"]
    assert {row["label"] for row in labelled} == {"happy"}
    gaps = np.diff([float(row["seconds"]) for row in labelled])
    assert np.median(gaps) == pytest.approx(10 / 30, abs=0.06)
    assert 0.3 < float(labelled[0]["x"]) < 0.6
    assert recording["label"] in LABELS
    assert recording["state"] == "voice"
    assert not rows_of(log, "voice")  # nobody listens without --voice


def test_voice_and_face_are_fused_and_the_file_ends_the_tool(desktop: VirtualDesktop, tmp_path: Path) -> None:
    clips = sorted(CLIPS.glob("*.mp4"))
    if clips:
        clip = clips[-1]
    else:
        clip = tmp_path / "portrait.mp4"
        write_portrait(clip, 4)
    log = tmp_path / "log.csv"
    with started(desktop, str(clip), "--voice", "--detector", "haar", "--every", "5", "--csv", str(log)) as tool:
        ended(tool)
    assert tool.returncode == 0
    assert {row["state"] for row in rows_of(log, "face")} >= {"face"}
    assert "voice" in {row["state"] for row in rows_of(log, "voice")}
    for row in rows_of(log, "fused"):
        assert sum(float(row[label]) for label in LABELS) == pytest.approx(1, abs=2e-3)
    assert rows_of(log, "fused")


def test_closing_the_window_ends_it(desktop: VirtualDesktop, video: Path) -> None:
    with started(desktop, str(video)) as tool:
        window = desktop.window(TITLE)
        until(lambda: has_colour(desktop, GREEN))
        desktop.close(window)
        ended(tool)
    assert tool.returncode == 0


def test_control_c_ends_it_and_a_missing_microphone_is_said_in_the_window(
    desktop: VirtualDesktop, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    with started(desktop, str(video), "--sound", "mic", PYTHONPATH=str(tmp_path)) as tool:
        desktop.window(TITLE)
        until(lambda: has_colour(desktop, GREEN))
        lower = slice(400, 480)
        assert not has_colour(desktop, AMBER, lower)
        desktop.press("a")
        until(lambda: has_colour(desktop, AMBER, lower))
        first = desktop.picture()
        until(lambda: changed(desktop, first))
        tool.send_signal(signal.SIGINT)
        said = ended(tool)
    assert tool.returncode == 130
    assert "Traceback" not in said


# --- what is told in plain words, before any window opens ---


def refused(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.webcam", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (1, 2)
    (*_, last) = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    return last


@pytest.mark.parametrize("display", ["", ":98765"])
@pytest.mark.skipif(sys.platform != "linux", reason="only there can the display be taken away")
def test_without_a_display_it_says_so(video: Path, display: str) -> None:
    assert refused(str(video), DISPLAY=display) == NO_DISPLAY


def test_wrong_sources_and_options_are_named(desktop: VirtualDesktop, video: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.touch()
    display = {"DISPLAY": desktop.environment["DISPLAY"]}
    assert refused("gone.mp4", **display) == "gone.mp4: there is no such file"
    assert refused("97", **display).startswith("no camera 97: is it plugged in")
    assert refused(str(video), "--sound", "gone.wav", **display) == "gone.wav: there is no such file"
    assert refused(str(video), "--csv", str(there), **display).startswith(f"{there} is there already")
    assert "no model 'nobody'" in refused(str(video), "--face-model", "nobody", **display)
    assert "must be 1 or more" in refused("--every", "0")
    assert "between 0 and 1" in refused("--confidence", "7")
