"""The webcam tool's sources and threads: real files, real models; only the clock is made where time matters."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
import soundfile

from app.settings import ROOT
from models.inference import SAMPLE_RATE, Box, FaceReading, Int16, VoiceModel
from models.loading import load_voice
from scripts.webcam.board import Board
from scripts.webcam.desk import Desk, Look, Seen
from scripts.webcam.ear import Ear, Voice
from scripts.webcam.faults import DeviceError
from scripts.webcam.pictures import LONGEST_SKIP, Frame, Pictures
from scripts.webcam.portrait import write_portrait
from scripts.webcam.sounds import CHUNK, PATIENCE, Microphone, SoundFile, read_sound
from scripts.webcam.worker import Worker
from tests.models.datasets.trees import write_turned_film

Found = TypeVar("Found")
PATIENT = 20.0
"""Seconds after which a thread is taken for dead."""


def until(look: Callable[[], Found | None]) -> Found:
    end = time.monotonic() + PATIENT
    while time.monotonic() < end:
        if found := look():
            return found
        threading.Event().wait(0.005)
    raise AssertionError("nothing came")


class Clock:
    """Time that passes only where something waits."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now = 100.0
        self._cost = cost

    def __call__(self) -> float:
        self.now += self._cost
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("webcam") / "portrait.mp4"
    write_portrait(path, 4)
    return path


@pytest.fixture(scope="session")
def voice_model() -> VoiceModel:
    return load_voice("audio_bilstm", engine="onnx", weights_dir=ROOT / "weights")


# --- pictures ---


def test_a_files_pictures_come_when_they_are_due(portrait: Path) -> None:
    clock, due = Clock(), []
    pictures: Pictures

    def pause(seconds: float) -> None:
        clock.pause(seconds)
        if (frame := pictures.newest()) is not None:
            due.append((frame.number, frame.at - 100))

    pictures = Pictures(str(portrait), clock=clock, pause=pause)
    pictures.start()
    until(lambda: pictures.ended)
    assert (pictures.fps, pictures.is_camera, pictures.skipped) == (30, False, 0)
    assert [number for number, _ in due] == list(range(120))
    np.testing.assert_allclose([at for _, at in due], np.arange(120) / 30, atol=1e-3)
    assert clock.now == pytest.approx(104, abs=1e-3)  # the last picture has its time
    pictures.close()


def test_a_machine_that_is_too_slow_skips_pictures_and_keeps_time(portrait: Path) -> None:
    clock = Clock(cost=0.02)  # every look at the clock takes so long: five of them make a picture late
    shown: list[Frame] = []
    pictures = Pictures(str(portrait), clock=clock, pause=clock.pause)
    fitted = pictures._fitted
    pictures._fitted = lambda image: (shown.append(Frame(image, 0, clock.now)), fitted(image))[1]  # type: ignore[method-assign]
    pictures.start()
    until(lambda: pictures.ended)
    last = pictures.newest()
    assert last is not None
    assert pictures.skipped > 20
    assert pictures.skipped + len(shown) == 120
    assert clock.now - 100 < 6  # all of them would have taken 7 s and more
    assert np.diff([frame.at for frame in shown]).max() < LONGEST_SKIP + 0.2
    pictures.close()


@pytest.mark.parametrize(("size", "longer"), [((320, 240), 640), ((1920, 1080), 1280), ((800, 600), 800)])
def test_pictures_are_of_a_size_that_can_be_read_and_drawn(tmp_path: Path, size: tuple[int, int], longer: int) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    left_dark = np.full((size[1], size[0], 3), 220, np.uint8)
    left_dark[:, : size[0] // 2] = 20
    writer.write(left_dark)
    writer.release()
    for mirror in (False, True):
        clock = Clock()
        pictures = Pictures(str(path), mirror=mirror, clock=clock, pause=clock.pause)
        pictures.start()
        until(lambda: pictures.ended)  # noqa: B023 - called at once
        frame = pictures.newest()
        pictures.close()
        assert frame is not None
        assert max(frame.image.shape) == longer
        assert (frame.image[:, :50].mean() > 128) == mirror


def test_a_telephones_film_is_upright(tmp_path: Path) -> None:
    path, clock = tmp_path / "clip.mp4", Clock()
    seen = write_turned_film(path, -90)
    pictures = Pictures(str(path), clock=clock, pause=clock.pause)
    pictures.start()
    until(lambda: pictures.ended)
    frame = pictures.newest()
    pictures.close()
    assert frame is not None
    shown = cv2.resize(frame.image, (48, 64), interpolation=cv2.INTER_AREA)
    assert np.quantile(np.abs(shown - seen.astype(float)), 0.9) < 6


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"gone\.mp4: there is no such file"):
        Pictures(str(tmp_path / "gone.mp4"))
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(DeviceError, match=r"text\.mp4: not a video"):
        Pictures(str(text))
    with pytest.raises(DeviceError, match="no camera 97"):
        Pictures("97")


# --- sound ---


def test_a_sound_file_is_heard_in_real_time(tmp_path: Path) -> None:
    path, clock = tmp_path / "sound.wav", Clock()
    sound = (np.arange(SAMPLE_RATE * 2 + 100) % 30_000).astype(np.int16)
    soundfile.write(path, sound, SAMPLE_RATE)
    heard, times = [], []
    for chunk in SoundFile(path, epoch=100.0, clock=clock, pause=clock.pause).chunks():
        heard.append(chunk)
        times.append(clock.now - 100)
    np.testing.assert_array_equal(np.concatenate(heard), sound)
    np.testing.assert_allclose(times, np.cumsum([len(chunk) for chunk in heard]) / SAMPLE_RATE, atol=1e-6)


def test_who_opens_a_sound_file_later_hears_what_is_due_then(tmp_path: Path) -> None:
    path, clock = tmp_path / "sound.wav", Clock()
    soundfile.write(path, np.repeat(np.arange(30), CHUNK).astype(np.int16), SAMPLE_RATE)
    clock.now += 1.25
    heard = list(SoundFile(path, epoch=100.0, clock=clock, pause=clock.pause).chunks())
    assert [int(chunk[0]) for chunk in heard] == list(range(12, 30))


def test_a_videos_sound_is_resampled_and_begins_with_its_picture(portrait: Path) -> None:
    sound = np.concatenate(list(read_sound(portrait)))
    assert len(sound) == pytest.approx(4 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert np.abs(sound).max() > 8000


def test_what_has_no_sound_is_named(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    write_portrait(silent, 1, sound=False)
    with pytest.raises(DeviceError, match=r"silent\.mp4: no sound"):
        next(read_sound(silent))
    with pytest.raises(DeviceError, match=r"gone\.wav: No such file"):
        next(read_sound(tmp_path / "gone.wav"))


class Replay:
    """Sound that is there at once."""

    def __init__(self, sound: Int16) -> None:
        self.sound = sound
        self.closed = False

    def chunks(self) -> Iterator[Int16]:
        yield from np.split(self.sound, range(CHUNK, len(self.sound), CHUNK))

    def close(self) -> None:
        self.closed = True


def news(ear: Ear, count: int) -> list[Voice | DeviceError]:
    got: list[Voice | DeviceError] = []
    until(lambda: got.extend(ear.news()) or len(got) >= count)
    return got


def test_the_key_records_two_seconds_and_says_what_the_model_says(portrait: Path, voice_model: VoiceModel) -> None:
    sound = np.concatenate(list(read_sound(portrait)))
    opened: list[Replay] = []

    def open_sound() -> Replay:
        opened.append(Replay(sound))
        return opened[-1]

    ear = Ear(open_sound, voice_model, silence_rms=0.002)
    ear.start()
    assert not opened  # the microphone is off until the key is pressed
    assert ear.recording is None
    ear.record()
    assert ear.recording is not None
    (voice,) = news(ear, 1)
    assert isinstance(voice, Voice)
    assert voice.kind == "recording"
    assert voice.probs is not None
    windows = np.stack([sound[start : start + SAMPLE_RATE] for start in (0, 8000, 16000)])
    expected = voice_model.predict(windows).mean(axis=0)
    assert voice.probs.argmax() == expected.argmax()
    assert voice.probs.sum() == pytest.approx(1, abs=1e-5)
    until(lambda: ear.recording is None)
    ear.record()
    assert len(news(ear, 1)) == 1
    assert len(opened) == 2
    ear.close()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(3.0, "Voice(kind='recording', probs=None)"), (0.1, "nothing recorded: the sound has ended")],
)
def test_silence_and_a_sound_that_has_ended_are_told(voice_model: VoiceModel, seconds: float, expected: str) -> None:
    ear = Ear(lambda: Replay(np.zeros(round(seconds * SAMPLE_RATE), np.int16)), voice_model, silence_rms=0.002)
    ear.start()
    ear.record()
    assert [str(item) for item in news(ear, 1)] == [expected]
    ear.close()


def test_listening_all_the_time_gives_a_reading_every_half_second(portrait: Path, voice_model: VoiceModel) -> None:
    sound = np.concatenate(list(read_sound(portrait)))[: 3 * SAMPLE_RATE]
    ear = Ear(lambda: Replay(sound), voice_model, silence_rms=0.002, continuous=True)
    ear.record()
    ear.start()
    voices = [voice for voice in news(ear, 6) if isinstance(voice, Voice)]
    ear.close()
    assert [voice.kind for voice in voices].count("window") == 5
    assert [voice.kind for voice in voices].count("recording") == 1


def test_a_microphone_that_is_not_there_is_told_and_asked_again_at_the_next_key(voice_model: VoiceModel) -> None:
    tries = []

    def open_sound() -> Replay:
        tries.append(1)
        if len(tries) == 1:
            raise DeviceError("no microphone")
        return Replay(np.zeros(2 * SAMPLE_RATE, np.int16))

    ear = Ear(open_sound, voice_model, silence_rms=0.002, continuous=True)
    ear.start()
    assert str(news(ear, 1)[0]) == "no microphone"
    ear.record()
    assert any(isinstance(item, Voice) and item.kind == "recording" for item in news(ear, 4))
    ear.close()


# --- the microphone: PortAudio as it fails, and as its drivers differ ---


def hear(folder: Path, sounddevice: str) -> subprocess.CompletedProcess[str]:
    (folder / "sounddevice.py").write_text(sounddevice)
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from scripts.webcam.sounds import Microphone\n"
        "import numpy as np\n"
        "heard = 0\n"
        "for chunk in Microphone().chunks():\n"
        "    heard += len(chunk)\n"
        "    if heard > 16000: break\n"
        "print(chunk.dtype, chunk.ndim, heard)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_portaudio_it_says_what_to_install(tmp_path: Path) -> None:
    done = hear(tmp_path, "raise OSError('PortAudio library not found')")
    assert done.stderr.splitlines()[-1].endswith(
        "DeviceError: no microphone: PortAudio is missing (Debian: apt install libportaudio2)"
    )


def test_without_a_device_portaudios_own_words_are_passed_on(tmp_path: Path) -> None:
    done = hear(
        tmp_path,
        "class PortAudioError(Exception): pass\n"
        "def query_devices(kind): raise PortAudioError('Error querying device -1')\n",
    )
    assert done.stderr.splitlines()[-1].endswith(
        "DeviceError: no microphone is there, or it cannot be opened (Error querying device -1)"
    )


def test_a_device_that_takes_no_16_khz_is_resampled(tmp_path: Path) -> None:
    done = hear(
        tmp_path,
        "import numpy as np\n"
        "class PortAudioError(Exception): pass\n"
        "def query_devices(kind): return {'default_samplerate': 48000.0}\n"
        "class InputStream:\n"
        "    def __init__(self, samplerate, channels, dtype, callback):\n"
        "        if samplerate != 48000: raise PortAudioError('Invalid sample rate')\n"
        "        self.callback = callback\n"
        "    def __enter__(self):\n"
        "        for k in range(12): self.callback(np.ones((4800, 1), dtype='int16'), 4800, None, None)\n"
        "    def __exit__(self, *fault): pass\n",
    )
    assert done.stderr == ""
    kind, dimensions, heard = done.stdout.split()
    assert (kind, dimensions) == ("int16", "1")
    assert 16000 < int(heard) < 19200


def test_a_microphone_that_falls_silent_for_good_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead:
        PortAudioError = RuntimeError

        @staticmethod
        def query_devices(kind: str) -> dict[str, float]:
            return {"default_samplerate": 16000.0}

        class InputStream:
            def __init__(self, **wish: object) -> None: ...
            def __enter__(self) -> None: ...
            def __exit__(self, *fault: object) -> None: ...

    monkeypatch.setitem(sys.modules, "sounddevice", Dead)  # type: ignore[arg-type]
    monkeypatch.setattr("scripts.webcam.sounds._POLL", PATIENCE / 5)
    waiting = []
    with pytest.raises(DeviceError, match="gives nothing"):
        waiting.extend(Microphone().chunks())
    assert 3 < len(waiting) < 7
    assert not any(len(chunk) for chunk in waiting)


# --- threads ---


def test_a_worker_answers_one_question_at_a_time_and_passes_faults_on() -> None:
    worker = Worker[int, float]("test", lambda question: 1 / question)
    assert worker.free
    worker.ask(4)
    with pytest.raises(RuntimeError, match="open"):
        worker.ask(5)
    assert until(worker.answer) == 0.25
    assert worker.free
    worker.ask(0)
    with pytest.raises(ZeroDivisionError):
        until(worker.answer)
    worker.ask(2)
    assert until(worker.answer) == 0.5
    worker.close()


class Wall:
    """A window without a screen: counts pictures, presses keys when told."""

    def __init__(self, key_at: Callable[[int], str | None]) -> None:
        self.shown = 0
        self.closed = False
        self._key_at = key_at

    def show(self, picture: np.ndarray) -> None:
        self.shown += 1

    def key(self, milliseconds: int) -> str | None:
        threading.Event().wait(milliseconds / 1000)
        return self._key_at(self.shown)


def test_pictures_go_on_while_a_model_thinks(portrait: Path, voice_model: VoiceModel) -> None:
    thinks, asked = threading.Event(), []

    def slow(look: Look) -> Seen:
        asked.append(look)
        assert thinks.wait(PATIENT)
        return Seen(look, FaceReading(Box(0.1, 0.1, 0.5, 0.5), np.full(7, 1 / 7, np.float32)), 0.0)

    faces = Worker[Look, Seen]("faces", slow)
    ear = Ear(lambda: Replay(np.zeros(3 * SAMPLE_RATE, np.int16)), voice_model, silence_rms=0.002)
    pictures = Pictures(str(portrait))
    board = Board(confidence=0.4, hold=0.7, smoothing=5, interval=1 / 3, weight=0.6)
    wall = Wall(lambda shown: "q" if shown >= 40 else "a" if shown == 10 else None)
    pictures.start()
    ear.start()
    Desk(pictures, faces, ear, board, wall, every=10).run()
    assert wall.shown == 40
    assert len(asked) == 1  # the model was still at the first picture
    assert board.view(time.monotonic()).recorded == "silence"  # and the recording was made meanwhile
    thinks.set()
    pictures.close()
    ear.close()
    faces.close()


def test_the_end_of_the_file_and_a_closed_window_end_the_loop(portrait: Path, voice_model: VoiceModel) -> None:
    faces = Worker[Look, Seen]("faces", lambda look: Seen(look, FaceReading(), 0.0))
    ear = Ear(lambda: Replay(np.zeros(0, np.int16)), voice_model, silence_rms=0.002)
    ear.start()
    for close in (False, True):
        clock = Clock()
        pictures = Pictures(str(portrait), clock=clock, pause=clock.pause) if not close else Pictures(str(portrait))
        board = Board(confidence=0.4, hold=0.7, smoothing=5, interval=1 / 3, weight=0.6)
        wall = Wall(lambda shown: None)
        pictures.start()
        if close:
            wall.closed = True
        Desk(pictures, faces, ear, board, wall).run()
        assert pictures.ended is not close
        pictures.close()
    faces.close()
    ear.close()
