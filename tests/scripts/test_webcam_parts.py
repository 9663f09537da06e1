"""The webcam tool's pure parts: time and sound are passed in."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inference import SAMPLE_RATE, Box, FaceReading, Float32, Traits
from models.labels import LABELS
from scripts.webcam.board import RECORDING_SHOWN, Board, Entry, Verdict, View
from scripts.webcam.drawing import GREY, HELP, WHITE, Meters, draw, lines, text_size
from scripts.webcam.ear import Voice
from scripts.webcam.faults import DeviceError
from scripts.webcam.hearing import RECORDING, SHORTEST, Hearing
from scripts.webcam.hold import FaceHold
from scripts.webcam.log import COLUMNS, CsvLog
from scripts.webcam.pace import FOLLOW, Pace, Rate

BOX = Box(0.3, 0.2, 0.3, 0.4)


def probs(label: str, share: float = 0.7) -> Float32:
    rest = (1 - share) / (len(LABELS) - 1)
    return np.array([share if name == label else rest for name in LABELS], np.float32)


def board(**wish: object) -> Board:
    usual = {"confidence": 0.4, "hold": 0.7, "smoothing": 5, "interval": 1 / 3, "weight": 0.6}
    return Board(**(usual | wish))  # type: ignore[arg-type]


# --- which pictures are looked at ---


@given(st.integers(1, 40), st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_labels_come_every_n_pictures_or_as_soon_as_the_thread_is_free(every: int, steps: list[int]) -> None:
    pace, number, labelled = Pace(every), 0, []
    for step in steps:
        if pace.wants(number, number / 30) and pace.look(number, number / 30):
            labelled.append(number)
        number += step
    assert labelled[0] == 0
    gaps = np.diff([*labelled, number])
    assert (gaps[:-1] >= every).all()
    assert (gaps < every + 9).all()


def test_between_two_labels_the_face_is_followed_but_not_in_every_picture() -> None:
    pace = Pace(every=30)
    looks = []
    for number in range(30):
        if pace.wants(number, number / 30):
            pace.look(number, number / 30)
            looks.append(number / 30)
    assert np.diff(looks).min() >= FOLLOW - 1e-9
    assert np.diff(looks).max() <= FOLLOW + 1 / 30 + 1e-9


def test_a_rate_is_of_the_last_seconds() -> None:
    rate = Rate(seconds=2)
    assert rate.per_second(0) == 0
    for k in range(100):
        rate.tick(k / 25)
    assert rate.per_second(4) == pytest.approx(25)
    assert rate.per_second(10) == 0


# --- hold ---


def test_a_lost_face_is_held_and_then_gone() -> None:
    hold = FaceHold(0.7)
    assert hold.face(0) == ("waiting", None)
    hold.see(BOX, 1.0)
    assert hold.face(1.1) == ("face", BOX)
    hold.see(None, 1.15)
    assert hold.face(1.15) == ("face", BOX)  # one look that missed changes nothing
    hold.see(None, 1.3)
    assert hold.face(1.6) == ("held", BOX)
    hold.see(None, 1.8)
    assert hold.face(1.8) == ("no face", None)
    assert hold.face(1.5) == ("no face", None)  # what is gone does not come back by itself
    hold.see(BOX, 2.0)
    assert hold.face(2.0) == ("face", BOX)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_no_gap_shorter_than_the_hold_is_ever_shown(found: list[bool]) -> None:
    hold, step, last = FaceHold(0.5), 0.1, -np.inf
    for k, there in enumerate(found):
        now = k * step
        hold.see(BOX if there else None, now)
        last = now if there else last
        assert (hold.face(now)[1] is not None) == (now - last <= 0.5)


# --- cutting sound ---

chunkings = st.lists(st.integers(0, 5000), min_size=1, max_size=60)


def in_chunks(sound: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return [part for part in np.split(sound, np.cumsum(sizes)) if len(part)]


@given(chunkings, st.integers(0, 10))
def test_a_recording_is_the_two_seconds_after_the_key_however_they_are_cut(sizes: list[int], before: int) -> None:
    sound = (np.arange(4 * RECORDING) % 30_000).astype(np.int16)
    hearing, recordings, position = Hearing(SAMPLE_RATE, 0), [], 0
    for k, chunk in enumerate(in_chunks(sound, sizes)):
        if k == before:
            hearing.record()
            start = position
        recordings += hearing.take(chunk)
        position += len(chunk)
        if k > before and not recordings:
            assert hearing.recorded == position - start
    for heard in recordings:
        assert heard.kind == "recording"
        np.testing.assert_array_equal(heard.samples, sound[start : start + RECORDING])
    assert len(recordings) <= 1


@given(chunkings)
def test_windows_are_the_same_however_the_sound_is_cut(sizes: list[int]) -> None:
    sound = (np.arange(sum(sizes)) % 30_000).astype(np.int16)
    hearing = Hearing(16_000, 8_000)
    heard = [each for chunk in in_chunks(sound, sizes) for each in hearing.take(chunk)]
    starts = range(0, len(sound) - 16_000 + 1, 8_000)
    assert len(heard) == len(starts)
    for window, start in zip(heard, starts, strict=True):
        assert window.kind == "window"
        np.testing.assert_array_equal(window.samples, sound[start : start + 16_000])


def test_a_sound_that_ends_gives_what_it_gave() -> None:
    hearing = Hearing(16_000, 0)
    hearing.record()
    hearing.take(np.ones(SHORTEST - 1, np.int16))
    assert hearing.finish() == []
    assert hearing.recorded is None
    hearing.record()
    hearing.take(np.ones(SHORTEST, np.int16))
    hearing.record()  # the key again, meanwhile: the recording goes on
    hearing.take(np.ones(5, np.int16))
    assert [len(heard.samples) for heard in hearing.finish()] == [SHORTEST + 5]


# --- the board ---


def test_labels_are_smoothed_held_and_forgotten() -> None:
    desk = board()
    desk.saw(FaceReading(BOX, probs("happy")), 0.0, 0.0)
    desk.saw(FaceReading(BOX, probs("happy")), 0.3, 0.3)
    desk.saw(FaceReading(BOX, probs("sad")), 0.6, 0.6)
    view = desk.view(0.6)
    assert view.face is not None
    assert view.face.label == "happy"
    assert view.face.confidence == pytest.approx((0.7 + 0.7 + 0.05) / 3)
    desk.saw(FaceReading(), 0.7, 0.7)
    held = desk.view(1.2)
    assert held.face_state == "held"
    assert held.box == BOX
    assert held.face is not None
    desk.saw(FaceReading(), 1.5, 1.5)
    gone = desk.view(1.5)
    assert (gone.face_state, gone.box, gone.face) == ("no face", None, None)
    desk.saw(FaceReading(BOX, probs("angry")), 1.6, 1.6)
    fresh = desk.view(1.6)
    assert fresh.face is not None
    assert fresh.face.confidence == pytest.approx(0.7)  # nothing of who was there before


def test_a_held_face_keeps_its_label_also_where_labels_come_slowly() -> None:
    desk = board(interval=3.0, hold=2.0)
    desk.saw(FaceReading(BOX, probs("happy")), 0.0, 0.0)
    desk.saw(FaceReading(BOX), 2.9, 2.9)
    desk.saw(FaceReading(), 3.0, 3.0)
    assert desk.view(4.8).face is not None


def test_under_the_threshold_it_says_unsure() -> None:
    desk = board(confidence=0.5)
    desk.saw(FaceReading(BOX, probs("fear", 0.49)), 0, 0)
    view = desk.view(0)
    assert str(view.face) == "unsure"
    desk = board(confidence=0.5)
    desk.saw(FaceReading(BOX, probs("fear", 0.51)), 0, 0)
    assert str(desk.view(0).face) == "fear 51%"


def test_voice_and_face_are_fused_where_both_are_there() -> None:
    desk = board(continuous=True)
    assert desk.view(0).voice_state == "waiting"
    desk.heard(Voice("window", probs("sad", 0.9)), 0.0)
    assert desk.view(0.1).fused is None
    desk.saw(FaceReading(BOX, probs("happy", 0.9)), 0.1, 0.1)
    fused = desk.view(0.2).fused
    assert fused is not None
    assert fused.label == "sad"
    assert fused.confidence == pytest.approx(0.6 * 0.9 + 0.4 * 0.1 / 6, abs=1e-5)
    assert desk.view(5.0).voice is None  # an old mood does not stay


def test_a_label_that_only_the_voice_can_say_keeps_its_odds() -> None:
    four = ("angry", "happy", "neutral", "sad")
    desk = board(continuous=True, face=Traits(labels=four))
    heard = probs("fear", 0.5)
    desk.heard(Voice("window", heard), 0.0)
    seen = np.array([0.25 * (name in four) for name in LABELS], np.float32)
    desk.saw(FaceReading(BOX, seen), 0.0, 0.0)
    fused = desk.view(0.0).fused
    assert fused is not None
    assert fused.label == "fear"
    assert fused.confidence == pytest.approx(0.5, abs=1e-5)  # a face that cannot say it takes nothing from it


def test_silence_is_a_state_and_no_label() -> None:
    desk = board(continuous=True)
    desk.heard(Voice("window", None), 0.0)
    view = desk.view(0)
    assert (view.voice_state, view.voice, view.fused) == ("silence", None, None)
    desk.heard(Voice("recording", None), 0.0)
    assert desk.view(1).recorded == "silence"


def test_a_recordings_label_stays_for_a_while() -> None:
    desk = board()
    desk.heard(Voice("recording", probs("happy")), 1.0)
    recorded = desk.view(1 + RECORDING_SHOWN).recorded
    assert isinstance(recorded, Verdict)
    assert recorded.label == "happy"
    assert desk.view(1.01 + RECORDING_SHOWN).recorded is None
    assert desk.view(1).voice_state == "off"


def test_the_models_own_sharpening_is_used() -> None:
    plain, sharp = board(), board(face=Traits(sharpening=1.0))
    for desk in (plain, sharp):
        for k in range(3):
            desk.saw(FaceReading(BOX, probs("happy", 0.5)), k / 3, k / 3)
    blunt, sure = plain.view(0.7).face, sharp.view(0.7).face
    assert blunt is not None
    assert sure is not None
    assert sure.confidence > blunt.confidence + 0.2


# --- the log ---


def test_the_log_holds_what_is_new_and_nothing_twice(tmp_path: Path) -> None:
    desk, path = board(continuous=True), tmp_path / "log.csv"
    log = CsvLog(path)
    entries: list[Entry] = []
    entries += desk.saw(FaceReading(), 0.0, 0.0)
    entries += desk.saw(FaceReading(), 0.1, 0.1)
    entries += desk.saw(FaceReading(BOX), 0.2, 0.2)
    entries += desk.saw(FaceReading(BOX, probs("happy")), 0.3, 0.3)
    entries += desk.saw(FaceReading(BOX), 0.4, 0.4)
    entries += desk.saw(FaceReading(), 0.5, 0.5)
    entries += desk.saw(FaceReading(), 0.7, 0.7)
    entries += desk.saw(FaceReading(), 1.3, 1.3)
    entries += desk.heard(Voice("window", None), 1.4)
    entries += desk.heard(Voice("window", None), 1.9)
    entries += desk.heard(Voice("recording", probs("sad", 0.3)), 2.0)
    for entry in entries:
        log.add(entry, datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), 1.5)
    rows = list(csv.DictReader(path.read_text().splitlines()))  # before it is closed: written as it comes
    log.close()
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["part"], row["state"], row["label"], row["sure"]) for row in rows] == [
        ("face", "no face", "", ""),
        ("face", "face", "happy", "yes"),
        ("face", "held", "happy", "yes"),
        ("face", "no face", "", ""),
        ("voice", "silence", "", ""),
        ("recording", "voice", "sad", "no"),
    ]
    assert rows[1]["time"] == "2026-01-02T03:04:05.678+00:00"
    assert rows[1]["seconds"] == "1.500"
    assert [float(rows[1][name]) for name in ("x", "y", "width", "height")] == [0.3, 0.2, 0.3, 0.4]
    assert sum(float(rows[1][label]) for label in LABELS) == pytest.approx(1, abs=1e-3)


def test_no_log_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("mine")
    with pytest.raises(DeviceError, match="not overwritten"):
        CsvLog(path)
    assert path.read_text() == "mine"
    with pytest.raises(DeviceError, match="No such file or directory"):
        CsvLog(tmp_path / "nowhere" / "log.csv")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full: /dev/full")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode, **rest: opened(Path("/dev/full"), "w", **rest))
    with pytest.raises(DeviceError, match="No space left"):
        CsvLog(tmp_path / "log.csv")


# --- drawing ---


def view_of(**parts: object) -> View:
    empty = {"box": None, "face": None, "voice": None, "fused": None, "recorded": None, "note": None}
    return View(**({"face_state": "no face", "voice_state": "off"} | empty | parts))  # type: ignore[arg-type]


FULL = view_of(
    face_state="held",
    box=BOX,
    face=Verdict(probs("happy"), True),
    voice_state="voice",
    voice=Verdict(probs("sad", 0.3), False),
    fused=Verdict(probs("happy", 0.5), True),
    recorded="silence",
    note="no microphone: PortAudio is missing (Debian: apt install libportaudio2)",
)


def luminance(bgr: np.ndarray) -> np.ndarray:
    """Relative luminance (WCAG 2.1) of sRGB."""
    linear = np.where(bgr <= 0.04045 * 255, bgr / 255 / 12.92, ((bgr / 255 + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.0722, 0.7152, 0.2126])


@pytest.mark.parametrize("level", [0, 128, 255])
def test_text_is_legible_on_any_background(level: int) -> None:
    image = np.full((480, 640, 3), level, np.uint8)
    width, height = text_size("30 fps", 0.63)
    drawn = draw(image, view_of(), Meters(fps=30))
    plate = luminance(drawn[9 : 9 + height + 8, 9 : 9 + width].reshape(-1, 3).astype(float))
    assert (plate.max() + 0.05) / (plate.min() + 0.05) > 4.5
    assert plate.min() < 0.2
    white = luminance(np.array(WHITE, float))
    assert (white + 0.05) / (luminance(np.full(3, int(level * 0.28), float)) + 0.05) > 7


@given(
    st.builds(Box, *[st.floats(-1, 1)] * 2, *[st.floats(0.01, 2)] * 2),
    st.sampled_from([(360, 640), (480, 640), (720, 1280), (1280, 720), (640, 100)]),
)
def test_any_box_in_any_picture_can_be_drawn_and_the_picture_is_left_alone(box: Box, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    parts = {name: getattr(FULL, name) for name in View.__slots__} | {"box": box}
    drawn = draw(image, View(**parts), Meters(30, 3, 9, 1.0))
    assert drawn.shape == image.shape
    assert (image == 90).all()
    assert (drawn != 90).any()


def test_a_label_that_no_model_knows_is_grey_and_has_no_bar() -> None:
    image = np.zeros((480, 640, 3), np.uint8)

    def bars(sad: float) -> np.ndarray:
        rest = np.array([0.0 if name == "sad" else (1 - sad) / 6 for name in LABELS])
        shares = (rest + [sad * (name == "sad") for name in LABELS]).astype(np.float32)
        return draw(image, view_of(face_state="face", face=Verdict(shares, True)), Meters())[:, 460:].astype(int)

    unknown, improbable = bars(0.0), bars(1e-3)
    rows = np.flatnonzero((unknown != improbable).any(axis=(1, 2)))
    assert 0 < np.ptp(rows) < 30  # one row of the seven
    assert 100 < unknown[rows].max() <= GREY[0] < improbable[rows].max() == WHITE[0]


def test_the_label_of_a_face_at_the_edge_stays_in_the_picture() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    for box in (Box(0.9, 0.6, 0.2, 0.2), Box(-0.1, 0.6, 0.2, 0.2), Box(0.4, -0.1, 0.2, 0.3), Box(0.1, 0, 0.8, 1)):
        with_label = draw(image, view_of(face_state="face", box=box, face=Verdict(probs("happy"), True)), Meters())
        unlabelled = draw(image, view_of(face_state="face", box=box), Meters())
        changed = cv2.absdiff(with_label, unlabelled).any(axis=2)
        changed[:80, :250] = changed[:180, 450:] = False  # the lines and the bars at the top
        assert changed.sum() > 200, box


def test_the_lines_tell_every_state() -> None:
    def told(view: View, **meters: float) -> str:
        return " | ".join(text for text, _ in lines(view, Meters(**meters)))

    assert told(view_of(face_state="waiting")) == "0 fps    0.0 labels/s | face: ..."
    assert told(view_of()).endswith("face: no face")
    full = told(FULL, fps=29.7, labels=3, milliseconds=8.6)
    assert full.startswith("30 fps    3.0 labels/s, 9 ms | face: happy 70% (held) | voice: unsure | both: happy 50%")
    assert full.endswith("recorded: silence")
    assert told(FULL, recording=1.23).endswith("recording 1.2 of 2 s")
    assert "voice: ... (silence)" in told(view_of(voice_state="silence"))
    assert "q: quit" in HELP
