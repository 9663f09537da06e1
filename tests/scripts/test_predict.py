"""Files, folders and devices to answers: real models, real media files, the session that serves."""

import contextlib
import csv
import io
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.settings import ROOT, Settings
from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.face_path import DetectedFacePath, load_face_path
from models.inference import SAMPLE_RATE, Float32, FusionModel, Int16, InvalidImageError, Traits, UInt8, VoiceModel
from models.labels import LABELS
from models.loading import load_fusion, load_voice
from models.pooling import sharpened
from models.registry import build, entry
from models.torch_engine import Calibrated
from models.windows import stream_windows
from scripts.evaluate import voice as evaluated
from scripts.evaluate.live import stream
from scripts.predict import __main__ as command
from scripts.predict.answer import Answer, Fault
from scripts.predict.moment import take
from scripts.predict.outputs import OutputError, Outputs
from scripts.predict.plots import draw
from scripts.predict.predictor import Predictor, in_order, read_picture
from scripts.predict.sources import find, kind
from scripts.predict.tables import COLUMNS, write_csv, write_json
from scripts.predict.text import table
from scripts.predict.whole import LONGEST, SHORTEST, Together, whole_voice
from scripts.stream_file import media
from scripts.webcam.faults import DeviceError
from scripts.webcam.pictures import Pictures
from scripts.webcam.portrait import write_portrait
from scripts.webcam.sounds import SoundFile

SETTINGS = Settings(_env_file=None, face_model="fer_resnet")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def voice() -> VoiceModel:
    return load_voice("audio_bilstm", engine="onnx", weights_dir=ROOT / "weights")


@pytest.fixture(scope="module")
def predictor(voice: VoiceModel, face: DetectedFacePath) -> Predictor:
    return Predictor(SETTINGS, voice, face)


@pytest.fixture(scope="module")
def face() -> DetectedFacePath:
    path, _ = load_face_path(
        "fer_resnet", engine="onnx", weights_dir=ROOT / "weights", detector_confidence=0.5,
        detect_every=SETTINGS.detect_every,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models, and `concat`, a fusion model of six labels that was never trained."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("audio_bilstm", "fer_resnet"):
        shutil.copy(ROOT / "weights" / f"{name}.onnx", folder)
    torch.manual_seed(0)
    options = {**entry("concat").tiny, "classes": 6}
    info = ArtefactInfo("concat", "fusion", "concat", options, labels=LABELS[:6], size=48, channels=1, geometry=FER2013)
    export_onnx(Calibrated(build("concat", options), info).eval(), folder / "concat.onnx")
    return folder


@pytest.fixture(scope="module")
def fusion(weights: Path) -> FusionModel:
    return load_fusion("concat", engine="onnx", weights_dir=weights)


@pytest.fixture(scope="module")
def cropping(weights: Path, fusion: FusionModel) -> DetectedFacePath:
    """The face path that gives the fusion model's crops."""
    path, _ = load_face_path(
        "fer_resnet", engine="onnx", weights_dir=weights, detector_confidence=0.5, fusion=fusion  # type: ignore[arg-type]
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def fusing(voice: VoiceModel, cropping: DetectedFacePath, fusion: FusionModel) -> Predictor:
    return Predictor(SETTINGS, voice, cropping, fusion)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with sound, one without, its sound alone, a picture."""
    folder = tmp_path_factory.mktemp("files")
    write_portrait(folder / "both.mp4", 3)
    write_portrait(folder / "silent.mp4", 1, sound=False)
    with av.open(str(folder / "both.mp4")) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        parts = [p.to_ndarray().ravel() for frame in container.decode(audio=0) for p in resampler.resample(frame)]
    soundfile.write(folder / "voice.wav", np.concatenate(parts), SAMPLE_RATE)
    picture = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(folder / "face.jpg"), picture)
    cv2.imwrite(str(folder / "face.png"), picture)
    return folder


def said(outcome: Answer | Fault) -> Answer:
    assert isinstance(outcome, Answer), outcome
    return outcome


def fault(outcome: Answer | Fault) -> str:
    assert isinstance(outcome, Fault), outcome
    return outcome.message


# --- pictures ---


def test_a_picture_is_the_face_alone(predictor: Predictor, files: Path) -> None:
    answer = said(predictor.file(files / "face.jpg"))
    assert (answer.voice.state, answer.face.state, answer.fused.state) == ("absent", "ok", "face_only")
    assert answer.fused.probs == answer.face.probs
    assert math.isclose(sum(answer.face.probs.values()), 1, abs_tol=1e-3)
    assert answer.top5[0].label == str(answer.face.label).capitalize()
    assert len(answer.top5) == 5
    assert answer.timeline == ()
    x, y, width, height = answer.face.box or (0, 0, 0, 0)
    assert x * 512 < 224 < (x + width) * 512  # the astronaut's nose
    assert y * 512 < 120 < (y + height) * 512
    assert str(answer.used) == "voice: no sound; face: in 1 of 1 picture"


@pytest.mark.parametrize("ending", [".png", ".webp", ".bmp", ".tif"])
def test_other_formats_say_the_same(predictor: Predictor, tmp_path: Path, ending: str) -> None:
    picture = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    path = tmp_path / f"face{ending}"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == ".webp" else [])
    np.testing.assert_array_equal(read_picture(path), skimage.data.astronaut())
    assert said(predictor.file(path)).face.state == "ok"


@pytest.mark.parametrize(("ending", "options"), [(".gif", {}), (".avif", {"quality": 95})])
def test_what_opencv_does_not_read_is_read(
    predictor: Predictor, tmp_path: Path, ending: str, options: dict[str, int]
) -> None:
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / f"face{ending}", **options)
    assert said(predictor.file(tmp_path / f"face{ending}")).face.state == "ok"


def test_a_photograph_may_be_larger_than_a_frame(predictor: Predictor, tmp_path: Path) -> None:
    Image.fromarray(skimage.data.astronaut()).resize((6000, 4500)).save(tmp_path / "camera.jpg")
    assert read_picture(tmp_path / "camera.jpg").shape == (3072, 4096, 3)
    answer = said(predictor.file(tmp_path / "camera.jpg"))
    x, y, width, height = answer.face.box or (0, 0, 0, 0)
    assert x < 224 / 512 < x + width
    assert y < 120 / 512 < y + height


def test_a_telephones_photograph_is_upright_and_may_have_a_film_behind_it(predictor: Predictor, tmp_path: Path) -> None:
    on_its_side = Image.fromarray(np.rot90(skimage.data.astronaut()).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    jpeg = io.BytesIO()
    on_its_side.save(jpeg, "JPEG", exif=exif, quality=95)
    film = b"\0\0\0\x18ftypmp42" + bytes(100) + b"\xff\xda" * 100
    (tmp_path / "motion.jpg").write_bytes(jpeg.getvalue() + film)
    seen = read_picture(tmp_path / "motion.jpg").astype(float)
    assert np.abs(seen - skimage.data.astronaut()).mean() < 6
    assert said(predictor.file(tmp_path / "motion.jpg")).face.state == "ok"


def test_sixteen_bits_are_as_eight(tmp_path: Path) -> None:
    grey = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(tmp_path / "grey.png"), grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_picture(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))


def test_a_wall_has_no_face(predictor: Predictor, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((240, 320, 3), 128, np.uint8))
    answer = said(predictor.file(tmp_path / "wall.png"))
    assert (answer.face.state, answer.fused.state, answer.top5) == ("no_face", "none", ())
    assert "no face" in table(answer)


# --- sound and films ---


def test_a_sound_is_heard_moment_by_moment_and_whole(predictor: Predictor, voice: VoiceModel, files: Path) -> None:
    answer = said(predictor.file(files / "voice.wav"))
    sound, _ = soundfile.read(files / "voice.wav", dtype="int16")
    assert [result.t for result in answer.timeline[:3]] == [0.5, 1.0, 1.5]
    assert answer.timeline[0].voice.state == "warming"
    assert {result.face.state for result in answer.timeline} == {"absent"}
    assert (answer.face.state, answer.fused.state) == ("absent", "voice_only")
    said_of_windows = voice.predict(stream_windows(np.asarray(sound), 2.0, 0.25))
    beside = 1 + (len(said_of_windows) - 1) / 8  # how many windows of 2 s would lie side by side
    expected = sharpened(said_of_windows.mean(axis=0), beside, voice.traits.sharpening)
    np.testing.assert_allclose(list(answer.voice.probs.values()), expected, atol=1e-4)
    assert answer.used.windows == len(said_of_windows) > 1


def test_a_film_says_what_its_stream_would_show(
    predictor: Predictor, voice: VoiceModel, face: DetectedFacePath, files: Path
) -> None:
    seen: list[float] = []
    answer = said(predictor.file(files / "both.mp4", seen.append))
    events = list(media(files / "both.mp4", SETTINGS.result_interval))
    events.sort(key=lambda event: event[0])
    assert answer.timeline == tuple(stream(SETTINGS, events, voice, face))
    assert [result.t for result in answer.timeline][:5] == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert answer.timeline[-1].fused.state == "ok"
    assert (answer.used.pictures, answer.used.faces) == (5, 5)
    assert seen == [result.t for result in answer.timeline]
    both = SETTINGS.fusion_weight
    for label in LABELS:
        mixed = both * answer.voice.probs[label] + (1 - both) * answer.face.probs[label]
        assert answer.fused.probs[label] == pytest.approx(mixed, abs=2e-4)


def test_a_film_without_sound_is_the_face_alone(predictor: Predictor, files: Path) -> None:
    answer = said(predictor.file(files / "silent.mp4"))
    assert (answer.voice.state, answer.fused.state) == ("absent", "face_only")
    assert answer.used.pictures == 1  # the first is replaced before the first result is due, as in the stream
    assert "no sound" in str(answer.used)


def test_a_film_without_picture_is_the_voice_alone(predictor: Predictor, files: Path, tmp_path: Path) -> None:
    path = tmp_path / "voice.mp4"
    with av.open(str(files / "both.mp4")) as source, av.open(str(path), "w") as target:
        track = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = track
                target.mux(packet)
    answer = said(predictor.file(path))
    assert (answer.face.state, answer.fused.state) == ("absent", "voice_only")


def test_silence_is_no_mood(predictor: Predictor, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.flac", np.zeros(2 * SAMPLE_RATE, np.int16), SAMPLE_RATE)
    answer = said(predictor.file(tmp_path / "quiet.flac"))
    assert (answer.voice.state, answer.voice.label, answer.fused.state) == ("silence", None, "none")
    assert "silence" in table(answer)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 5.3, 21.0])
def test_the_whole_is_measured_as_the_model_cards_measure_it(voice: VoiceModel, seconds: float) -> None:
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 2000, round(seconds * SAMPLE_RATE)).astype(np.int16)
    sound[: len(sound) // 2] = 0  # silent windows are left out
    probs, count, _ = whole_voice(voice, sound, SETTINGS.silence_rms)
    expected = evaluated.views(SETTINGS)[evaluated.WHOLE](voice, None, sound)[0]  # type: ignore[arg-type]
    assert probs is not None
    assert count >= 1
    np.testing.assert_allclose(probs, expected, atol=1e-5)


@given(st.lists(st.floats(0, 100), max_size=40))
def test_tracks_that_lie_apart_come_in_order(times: list[float]) -> None:
    times.sort()
    one, other = [(at, 1, b"") for at in times], [(at, 2, b"") for at in times]
    # The second track lies four seconds behind the first in the file.
    mixed = [event for _, event in sorted([*((e[0], e) for e in one), *((e[0] + 4, e) for e in other)])]
    ordered = list(in_order(mixed))
    assert sorted(ordered) == sorted(mixed)
    assert [event[0] for event in ordered] == sorted(event[0] for event in mixed)


# --- feature fusion ---


def listed(probs: dict[str, float]) -> Float32:
    return np.array(list(probs.values()), np.float32)


def test_one_picture_and_four_seconds_are_heard_and_seen_together(
    fusing: Predictor, cropping: DetectedFacePath, fusion: FusionModel
) -> None:
    picture = skimage.data.astronaut()
    sound = np.random.default_rng(0).normal(0, 2000, LONGEST).astype(np.int16)
    answer = fusing.moment("x", picture, sound)
    crop = cropping.look(picture).crop
    assert crop is not None
    np.testing.assert_allclose(listed(answer.fused.probs), fusion.predict(sound[None], crop[None])[0], atol=1e-4)
    assert (answer.fused.state, answer.fused.by, answer.used.fusion) == ("ok", "model", "concat")
    assert table(answer).splitlines()[0].endswith("; face: in 1 of 1 picture; fusion: concat")
    assert "Surprise" not in [ranked.label for ranked in answer.top5]
    # Where one of the two has nothing to say, nothing is fused.
    wall = np.full((240, 320, 3), 128, np.uint8)
    for seen, heard, state in ((wall, sound, "voice_only"), (picture, 0 * sound, "face_only"), (wall, None, "none")):
        alone = fusing.moment("x", seen, heard)
        assert (alone.fused.state, alone.fused.by, alone.used.fusion) == (state, None, None)


def test_a_short_sound_is_one_window(fusing: Predictor, cropping: DetectedFacePath, fusion: FusionModel) -> None:
    picture = skimage.data.astronaut()
    crop = cropping.look(picture).crop
    assert crop is not None
    for length in (SHORTEST // 2, 2 * SHORTEST):
        sound = np.random.default_rng(1).normal(0, 2000, length).astype(np.int16)
        window = np.pad(sound, (max(0, SHORTEST - length), 0))
        said_of_both = listed(fusing.moment("x", picture, sound).fused.probs)
        np.testing.assert_allclose(said_of_both, fusion.predict(window[None], crop[None])[0], atol=1e-4)


def test_a_film_is_heard_and_seen_together(
    fusing: Predictor, voice: VoiceModel, cropping: DetectedFacePath, fusion: FusionModel, files: Path
) -> None:
    answer = said(fusing.file(files / "both.mp4"))
    assert answer.used.fusion == "concat"
    events = sorted(media(files / "both.mp4", SETTINGS.result_interval), key=lambda event: event[0])
    assert answer.timeline == tuple(stream(SETTINGS, events, voice, cropping, fusion))
    assert answer.timeline != tuple(stream(SETTINGS, events, voice, cropping))
    assert answer.fused.probs["surprise"] == 0.0 < answer.voice.probs["surprise"]
    assert said(fusing.file(files / "face.jpg")).used.fusion is None


class Note:
    """A fusion model that only tells which windows and faces it was asked about: sample and pixel, as 'labels'."""

    name, heard, size, channels, traits = "note", frozenset[str](), 1, 1, Traits()

    def predict(self, windows: Int16, crops: UInt8) -> Float32:
        told = np.zeros((len(windows), 7), np.float32)
        told[:, 0], told[:, 1], told[:, 2] = windows[:, 0], crops[:, 0, 0, 0], windows.shape[1]
        return told


@given(st.lists(st.integers(1, 40_000), max_size=12), st.lists(st.floats(0, 20), max_size=12))
def test_each_window_goes_with_the_face_nearest_to_its_middle_however_the_sound_is_cut(
    sizes: list[int], times: list[float]
) -> None:
    times.sort()
    sound = (1000 + np.arange(sum(sizes)) // 16).astype(np.int16)
    together, heard, seen = Together(Note(), 0.5, 0.0), 0, 0
    for part in np.split(sound, np.cumsum(sizes)):
        heard += len(part)
        while seen < len(times) and times[seen] <= heard / SAMPLE_RATE:
            together.see(np.full((1, 1, 1), seen, np.uint8), times[seen])
            seen += 1
        together.hear(part)
    expected = []
    length = min(LONGEST, len(sound))
    for start in range(0, len(sound) - length + 1, SAMPLE_RATE // 2):
        middle, half = (start + length / 2) / SAMPLE_RATE, length / 2 / SAMPLE_RATE
        near = [number for number in range(seen) if abs(times[number] - middle) <= half + 1e-9]
        if near and length:
            face = min(near, key=lambda number: abs(times[number] - middle))
            padded = np.pad(sound[start : start + length], (max(0, SHORTEST - length), 0))
            expected.append([padded[0], face, len(padded)])
    mean = together.finish()
    if expected:
        assert mean is not None
        np.testing.assert_allclose(mean[:3], np.mean(expected, axis=0), rtol=1e-5)
    else:
        assert mean is None


# --- what is wrong with a file ---


@pytest.mark.parametrize("name", ["text.jpg", "text.png", "text.wav", "text.mp3", "text.mp4", "text.xyz"])
def test_text_under_another_name_is_a_fault(predictor: Predictor, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no picture, no sound, only words " * 20)
    message = fault(predictor.file(tmp_path / name))
    assert message
    assert str(tmp_path) not in message  # the source says it already


def test_a_picture_of_no_known_kind_says_what_to_do(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(1000))
    assert [path.name for path in find([tmp_path]).files] == ["photo.HEIC"]
    assert fault(predictor.file(tmp_path / "photo.HEIC")) == "not a picture that can be decoded: save it as JPEG"


def test_a_program_under_a_pictures_name_is_not_run(tmp_path: Path) -> None:
    header = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"
    (tmp_path / "photo.jpg").write_text(header + "(hello) show\n%%EOF\n")
    with pytest.raises(InvalidImageError, match="not a picture that can be decoded"):
        read_picture(tmp_path / "photo.jpg")


@pytest.mark.parametrize("side", [10_001, 30_000])
def test_a_picture_that_memory_might_not_hold_is_not_decoded(predictor: Predictor, tmp_path: Path, side: int) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "huge.png").write_bytes(PNG + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    assert "larger than 100000000 pixels" in fault(predictor.file(tmp_path / "huge.png"))


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "both.mp4", "voice.wav"])
def test_a_file_that_is_cut_short_is_a_fault_or_what_is_left(
    predictor: Predictor, files: Path, tmp_path: Path, name: str
) -> None:
    data = (files / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    outcome = predictor.file(tmp_path / name)
    if name == "voice.wav":
        assert said(outcome).used.seconds == pytest.approx(1.5, abs=0.1)
    else:
        assert fault(outcome)


def test_a_click_is_no_sound(predictor: Predictor, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", np.ones(100, np.int16), SAMPLE_RATE)
    assert fault(predictor.file(tmp_path / "click.wav")) == "less than 0.1 s of sound in it"


def test_missing_and_empty_files_are_named_and_folders_searched(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.wav", "deep/c.MP4", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty.png").touch()
    (tmp_path / "deep" / "none").mkdir()
    found = find([tmp_path, tmp_path / "b.jpg", tmp_path / "gone.wav", tmp_path / "deep" / "none"])
    assert [str(path.relative_to(tmp_path)) for path in found.files] == ["a.wav", "b.jpg", "deep/c.MP4"]
    assert [(Path(f.source).name, f.message) for f in found.faults] == [
        ("empty.png", "the file is empty"),
        ("gone.wav", "there is no such file"),
        ("none", "no picture, sound or video in this folder"),
    ]
    assert found.others == 1
    assert [kind(path) for path in found.files] == ["sound", "picture", "film"]


# --- outputs ---


def test_csv_and_json_parse_back(predictor: Predictor, files: Path) -> None:
    answers = [said(predictor.file(files / name)) for name in ("face.jpg", "voice.wav")]
    text = io.StringIO()
    write_csv(text, answers)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 3 * (2 + len(answers[1].timeline))
    whole = [row for row in rows if not row["seconds"] and row["part"] == "fused"]
    assert [row["label"] for row in whole] == [answer.fused.label for answer in answers]
    for row in rows:
        if row["label"]:
            probs = {label: float(row[label]) for label in LABELS}
            assert max(probs, key=probs.__getitem__) == row["label"]
    assert [float(row["seconds"]) for row in rows if row["seconds"]][::3] == [r.t for r in answers[1].timeline]

    text = io.StringIO()
    write_json(text, answers, [Fault("x.jpg", "bad")], {"voice": "v", "face": "f"}, SETTINGS)
    read = json.loads(text.getvalue())
    assert read["faults"] == [{"source": "x.jpg", "message": "bad"}]
    assert read["settings"]["fusion_weight"] == SETTINGS.fusion_weight
    assert [a["fused"]["probs"] for a in read["answers"]] == [answer.fused.probs for answer in answers]
    assert [r["seconds"] for r in read["answers"][1]["timeline"]] == [r.t for r in answers[1].timeline]


@pytest.mark.parametrize("name", ["face.jpg", "voice.wav"])
def test_a_plot_is_a_png(predictor: Predictor, files: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / f"$odd_{name}"  # dollars are no formula
    shutil.copy(files / name, source)
    draw(said(predictor.file(source)), tmp_path / "plot")
    assert (tmp_path / "plot").read_bytes().startswith(PNG)
    picture = read_picture(tmp_path / "plot")
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 100  # something is drawn in it


def test_no_input_is_ever_overwritten(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PNG)
    with pytest.raises(OutputError, match="is one of the files"):
        Outputs(plot=tmp_path / "." / "photo.png").prepare([photo], 1)
    with pytest.raises(OutputError, match="2 files need a folder"):
        Outputs(plot=tmp_path / "plot.png").prepare([photo, photo], 2)
    with pytest.raises(OutputError, match="both have the standard output"):
        Outputs(json=Path("-"), csv=Path("-")).prepare([], 1)
    with pytest.raises(OutputError, match="the same name"):
        Outputs(json=tmp_path / "x", csv=tmp_path / "x").prepare([], 1)
    with pytest.raises(OutputError, match="is a folder"):
        Outputs(csv=tmp_path).prepare([], 1)
    with pytest.raises(OutputError, match=r"photo\.png"):
        Outputs(csv=photo / "x.csv").prepare([], 1)


# --- camera and microphone ---


class Clock:
    """Time that passes only where something waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def player(path: Path) -> Callable[[], SoundFile]:
    clock = Clock()
    return lambda: SoundFile(path, 100.0, clock=clock, pause=clock.pause)


def film(path: Path) -> Callable[[], Pictures]:
    clock = Clock()
    return lambda: Pictures(str(path), mirror=False, clock=clock, pause=clock.pause)


def absent(what: str) -> Callable[[], Pictures]:
    def opened() -> Pictures:
        raise DeviceError(what)

    return opened


def test_one_picture_and_some_seconds_of_sound(predictor: Predictor, files: Path) -> None:
    heard: list[float] = []
    moment = take(film(files / "both.mp4"), player(files / "voice.wav"), 2.0, pause=wait, watch=heard.append)
    assert moment.faults == ()
    assert moment.sound is not None
    assert moment.picture is not None
    sound, _ = soundfile.read(files / "voice.wav", dtype="int16")
    np.testing.assert_array_equal(moment.sound, sound[: 2 * SAMPLE_RATE])
    assert heard == sorted(heard)
    assert heard[-1] == 2.0
    answer = predictor.moment("devices", moment.picture, moment.sound)
    assert (answer.voice.state, answer.face.state, answer.fused.state) == ("ok", "ok", "ok")
    assert str(answer.used) == (
        "voice: 2.0 s of sound (the whole: 1 window of 2.0 s); face: in 1 of 1 picture; fusion: late"
    )


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_what_is_absent_is_told_and_the_other_goes_on(predictor: Predictor, files: Path) -> None:
    moment = take(absent("no camera 0"), player(files / "voice.wav"), 1.0, pause=wait)
    assert [str(told) for told in moment.faults] == ["no camera 0"]
    assert predictor.moment("x", moment.picture, moment.sound).fused.state == "voice_only"
    moment = take(film(files / "both.mp4"), absent("no microphone"), 1.0, pause=wait)  # type: ignore[arg-type]
    assert [str(told) for told in moment.faults] == ["no microphone"]
    assert predictor.moment("x", moment.picture, moment.sound).fused.state == "face_only"
    moment = take(absent("no camera 0"), absent("no microphone"), 1.0, pause=wait)  # type: ignore[arg-type]
    assert (moment.picture, moment.sound, len(moment.faults)) == (None, None, 2)


# --- the command ---


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command in this process, as `python -m` would; return its exit status."""
    monkeypatch.setenv("FACE_MODEL", "fer_resnet")
    monkeypatch.setattr("sys.argv", ["predict", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_folder_with_one_bad_file(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("face.jpg", "voice.wav"):
        shutil.copy(files / name, folder)
    (folder / "lies.jpg").write_text("no picture")
    status = run(
        monkeypatch,
        folder,
        "--json",
        tmp_path / "out" / "x.json",
        "--csv",
        tmp_path / "x.csv",
        "--plot",
        tmp_path / "p",
    )
    assert status == 1
    printed = capsys.readouterr()
    assert f"{folder / 'lies.jpg'}: not a picture that can be decoded\n" in printed.err
    assert printed.out.count("top 5:") == 2
    read = json.loads((tmp_path / "out" / "x.json").read_text())
    assert [Path(answer["source"]).name for answer in read["answers"]] == ["face.jpg", "voice.wav"]
    assert [Path(bad["source"]).name for bad in read["faults"]] == ["lies.jpg"]
    assert read["models"] == {"voice": "audio_bilstm", "face": "fer_resnet", "fusion": "late"}
    assert (tmp_path / "x.csv").read_text().startswith("source,seconds,part,")
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["face.jpg.png", "voice.wav.png"]


class Terminal:
    """What a terminal so many columns wide shows of what is written to it, as far as progress bars need it."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0

    def write(self, text: str) -> None:
        for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|.", text, re.DOTALL):
            match part:
                case "\r":
                    self._column = 0
                case "\n":
                    self._down()
                case "\x1b[A":
                    self._row = max(0, self._row - 1)
                case _:
                    assert part.isprintable(), f"not understood: {part!r}"
                    if self._column == self._columns:
                        self._column = 0
                        self._down()
                    row = self._rows[self._row]
                    row += " " * (self._column - len(row))
                    row[self._column : self._column + 1] = part
                    self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append([])

    def __str__(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self._rows).rstrip()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("stdout_too", [True, False])
def test_progress_is_shown_on_a_terminal_and_leaves_nothing_behind(
    predictor: Predictor, files: Path, tmp_path: Path, stdout_too: bool
) -> None:
    import pty
    import termios

    folder = tmp_path / "a name so long that no line of a terminal can hold it, so that it would wrap"
    folder.mkdir()
    for name in ("both.mp4", "face.jpg"):
        shutil.copy(files / name, folder)
    (folder / "lies.jpg").write_text("no picture")
    tables = "".join(table(said(predictor.file(folder / name))) + "\n\n" for name in ("both.mp4", "face.jpg"))
    fault = f"{folder / 'lies.jpg'}: not a picture that can be decoded"

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 70))
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.predict", str(folder)],
        cwd=ROOT,
        env=os.environ | {"FACE_MODEL": "fer_resnet"},
        stdout=theirs if stdout_too else subprocess.PIPE,
        stderr=theirs,
    ) as tool:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # so Linux tells that nobody writes any more
            while part := os.read(ours, 4096):
                written += part
        printed = None if tool.stdout is None else tool.stdout.read().decode()
    os.close(ours)
    assert tool.returncode == 1
    assert printed in (None, tables)
    told = written.decode()

    while_it_ran, in_the_end, without_bars = Terminal(70), Terminal(70), Terminal(70)
    while_it_ran.write(told[: re.search(r"[\d.]+/3\.0 s  both\.mp4", told).end()])  # type: ignore[union-attr]
    assert re.search(r"  0%\|.*\| 0/3 \[.*\n +\d+%\|.*\| [\d.]+/3\.0 s  both\.mp4$", str(while_it_ran))
    in_the_end.write(told)
    without_bars.write(f"{tables if stdout_too else ''}{fault}".replace("\n", "\r\n"))
    assert str(in_the_end) == str(without_bars)


def test_json_on_the_standard_output_is_alone_there(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, files / "face.jpg", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["answers"][0]["face"]["state"] == "ok"


def test_camera_and_microphone_may_be_files(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--camera", files / "both.mp4", "--seconds", 0.5) == 0
    out = capsys.readouterr().out
    assert "0.5 s of sound (the whole: 1 window of 0.5 s); face: in 1 of 1 picture" in out


def test_the_fusion_may_be_a_model(
    files: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(weights))
    monkeypatch.setenv("FUSION", "concat")
    assert run(monkeypatch, "--camera", files / "both.mp4", "--seconds", 0.5, "--json", "-") == 0
    read = json.loads(capsys.readouterr().out)
    assert (read["models"]["fusion"], read["answers"][0]["used"]["fusion"]) == ("concat", "concat")
    assert run(monkeypatch, files / "face.jpg", "--fusion", "late", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["models"]["fusion"] == "late"
    assert run(monkeypatch, files / "face.jpg", "--fusion", "none_such") == 1
    assert "no model 'none_such'" in capsys.readouterr().err


def test_devices_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--camera", 97, "--microphone", "gone.wav") == 1
    told = capsys.readouterr().err
    assert "no camera 97" in told
    assert "A video file will do as well: --camera FILE\n" in told
    assert "gone.wav: there is no such file" in told


def test_wrong_command_lines_and_models(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, files / "face.jpg", "--camera", 0) == 2
    assert "--camera: for camera and microphone" in capsys.readouterr().err
    assert run(monkeypatch, "--seconds", "0.1") == 2
    assert run(monkeypatch, files / "face.jpg", "--face-model", "none_such") == 1
    assert "no model 'none_such'" in capsys.readouterr().err
    assert run(monkeypatch, files / "gone.jpg") == 1
    assert capsys.readouterr().err == f"{files / 'gone.jpg'}: there is no such file\n"


def test_ctrl_c_writes_what_is_there(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, asked = Predictor.file, []

    def file(self: Predictor, path: Path, watch: Callable[[float], object]) -> Answer | Fault:
        asked.append(path)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, path, watch)

    monkeypatch.setattr(Predictor, "file", file)
    status = run(monkeypatch, files / "face.jpg", files / "voice.wav", "--json", tmp_path / "x.json")
    assert status == 130
    assert len(json.loads((tmp_path / "x.json").read_text())["answers"]) == 1
