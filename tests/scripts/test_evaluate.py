"""The evaluation command: what it refuses, what it counts, and what it prints and writes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
import soundfile
import torch

from app.protocol import Calibrate
from app.quick_check import stream_clip
from app.settings import ROOT, Settings
from app.viewer.calibration import VOICE_STRENGTH
from app.viewer.session import Session
from models.artefact import METADATA_KEY, ArtefactError, ArtefactInfo
from models.crop import FER2013
from models.datasets import fer2013
from models.datasets.clips import UNKNOWN
from models.datasets.speech import Clip, ravdess, read_clips
from models.export import export_onnx
from models.inference import Box, FaceReading, Float32, Int16, Traits, UInt8
from models.labels import LABELS
from models.registry import build
from models.torch_engine import Calibrated
from scripts.evaluate import blocks, calibration, face, fusion, gains, no_voice, tables, voice
from scripts.evaluate.__main__ import main
from scripts.evaluate.answers import Answers, LeakageError, ask, refuse_namesakes, unheard_clips
from scripts.evaluate.card import Card
from scripts.evaluate.live import learn, one_after_another, picture_events, play, sound_events, stream
from scripts.evaluate.voices import KnownFace, KnownVoice, Remembering
from tests.models.datasets.trees import faces_tree

ORDER = ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")  # RAVDESS 01 to 08
SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]


OFTEN_NEUTRAL = (0.05, 0.05, 0.05, 0.05, 0.7, 0.05, 0.05)


class LoudnessVoice:
    """Tells the label by how loud the tone is: the trees below make each label its own amplitude."""

    def __init__(self, *heard: str, name: str = "loudness", neutral: tuple[float, ...] | None = None) -> None:
        self.name, self.heard, self.traits = name, frozenset(heard), Traits(neutral=neutral)

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        return self.predict(windows, references), None

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        return self._answer(self._loudness(windows))

    def _loudness(self, windows: Int16) -> Float32:
        """Tenths of full scale."""
        return np.asarray(np.abs(windows.astype(np.int32)).max(axis=1) / 3276.8, np.float32)

    def _answer(self, loudness: Float32) -> Float32:
        probs = np.full((len(loudness), 7), 0.05, np.float32)
        probs[np.arange(len(loudness)), np.clip(np.round(loudness).astype(int) - 1, 0, 6)] = 0.7
        return probs


class LearningVoice(LoudnessVoice):
    """The same, told by the first number of a reference how much louder than others somebody is when neutral.

    A session gives it a part of what it learnt, and this model knows which.
    """

    def __init__(self, *heard: str, name: str = "learning") -> None:
        super().__init__(*heard, name=name)
        self.traits = Traits(adaptive=True)

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        return self.predict(windows, references), self._statistics(windows)

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        louder = 0.0 if references is None else references[:, 0] / VOICE_STRENGTH
        return self._answer(self._loudness(windows) - louder)

    def _statistics(self, windows: Int16) -> Float32:
        statistics = np.zeros((len(windows), 80), np.float32)
        statistics[:, 0] = self._loudness(windows) - (LABELS.index("neutral") + 1)
        statistics[:, 40:] = np.square(statistics[:, :40]) + 1.0
        return statistics


class FirstByteFaces:
    """A face path whose answer is the third byte of what it is sent: 255 is no face."""

    name = "bytes"

    def __init__(self, neutral: tuple[float, ...] | None = None) -> None:
        self.model: Any = SimpleNamespace(name=self.name, traits=Traits(neutral=neutral))

    def close(self) -> None:
        pass

    def analyse(self, jpegs: list[bytes], traces: Sequence[object] = ()) -> list[FaceReading]:
        return [self._read(payload[2]) for payload in jpegs]

    def _read(self, label: int) -> FaceReading:
        if label == 255:
            return FaceReading()
        return FaceReading(Box(0, 0, 1, 1), np.eye(7, dtype=np.float32)[label] * 0.65 + 0.05)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAVDESS of three actors: a second and a half of a tone for each label, between short pauses."""
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in (1, 2, 3):
        for number, label in enumerate(ORDER, 1):
            amplitude = (LABELS.index(label) + 1) / 10
            path = folder / f"Actor_{actor:02d}" / f"03-01-{number:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(exist_ok=True)
            tone = amplitude * np.sin(np.arange(24_000) * (0.05 + 0.01 * actor))
            soundfile.write(path, np.pad(tone, 4_000), 16_000)
    return folder


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAVDESS of actors 01 and 03, four neutral clips each; 03 is louder than 01 by a label, whatever is acted."""
    folder = tmp_path_factory.mktemp("lively")
    names = [f"01-01-{part}" for part in ("01-01", "01-02", "02-01", "02-02")]
    names += [f"{number:02d}-01-01-01" for number in range(2, 9)]
    for actor, louder in ((1, 0), (3, 1)):
        for name in names:
            amplitude = (LABELS.index(ORDER[int(name[:2]) - 1]) + 1 + louder) / 10
            path = folder / f"Actor_{actor:02d}" / f"03-01-{name}-{actor:02d}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, np.pad(amplitude * np.sin(np.arange(24_000) * 0.06), 4_000), 16_000)
    return folder


def meeting_of(model: LoudnessVoice, root: Path, *actors: int) -> calibration.Meeting:
    clips = ravdess(root, actors)
    neutral = calibration.neutral_items(clips, lambda clip: clip.path.stem, 4)
    read = {speaker: list(read_clips(theirs)) for speaker, theirs in neutral.items()}
    return calibration.Meeting(voice.Subject(model, sounds_of(root, *actors)), read)


def sounds_of(root: Path, *actors: int) -> list[tuple[Clip, Int16]]:
    return list(read_clips(ravdess(root, actors)))


# --- leakage ---


def test_one_model_is_measured_on_whom_it_has_not_heard(root: Path) -> None:
    (part,) = unheard_clips([LoudnessVoice("ravdess-02")], ravdess(root))
    assert {clip.speaker for clip in part} == {"ravdess-01", "ravdess-03"}


def test_in_a_cross_validation_each_speaker_counts_once(root: Path) -> None:
    folds = [LoudnessVoice("ravdess-02", "x"), LoudnessVoice("ravdess-03", "x")]
    parts = unheard_clips(folds, ravdess(root))
    assert [{clip.speaker for clip in part} for part in parts] == [{"ravdess-03"}, {"ravdess-02"}]


def test_nobody_left_and_an_unknown_past_are_refused(root: Path) -> None:
    clips = ravdess(root)
    with pytest.raises(LeakageError, match="nobody is left"):
        unheard_clips([LoudnessVoice("ravdess-01", "ravdess-02", "ravdess-03")], clips)
    with pytest.raises(LeakageError, match="does not say"):
        unheard_clips([LoudnessVoice()], clips)


def test_models_of_one_name_are_not_told_apart_and_refused() -> None:
    refuse_namesakes([LoudnessVoice(name="fold0"), LoudnessVoice(name="fold1")])
    with pytest.raises(ArtefactError, match=r"calls itself fold0$"):
        refuse_namesakes([LoudnessVoice(name=name) for name in ("fold0", "fold1", "fold0")])


def test_a_heard_speaker_is_never_put_to_a_model(root: Path) -> None:
    model = LoudnessVoice("ravdess-02")
    with pytest.raises(LeakageError, match="ravdess-02"):
        ask(model, sounds_of(root, 1, 2), {"shown": voice.smoothed(SETTINGS)})
    scene = fusion.Scene("clip", "happy", "ravdess-02", list)
    with pytest.raises(LeakageError, match="ravdess-02"):
        fusion.watch(SETTINGS, scene, model, FirstByteFaces())  # type: ignore[arg-type]


# --- voice ---


def test_figures_are_pooled_and_told_by_model_and_gender(root: Path) -> None:
    wrong = LoudnessVoice("ravdess-02", name="fold1")
    wrong.predict = lambda windows, _=None: np.roll(LoudnessVoice.predict(wrong, windows), 1, axis=1)  # type: ignore[method-assign]
    subjects = [
        voice.Subject(LoudnessVoice("ravdess-01", name="fold0"), sounds_of(root, 2)),
        voice.Subject(wrong, sounds_of(root, 1)),
    ]
    figures, pooled = voice.accuracy(SETTINGS, subjects)
    assert set(figures["pooled"]) == {
        "0.5 s window",
        "1 s window",
        "2 s window",
        "3 s window",
        "4 s window",
        voice.STREAM,
        voice.WHOLE,
    }
    for name, part in figures["pooled"].items():
        assert part["uar"] == pytest.approx(0.5), name
        assert part["speaker_interval"] == pytest.approx((0.0, 1.0))
        assert part["by_gender"]["female"]["uar"] == 1.0
        assert part["gender_gap"] == 1.0
    assert figures["by_model"]["fold0"][voice.STREAM]["uar"] == 1.0
    assert figures["by_model"]["fold1"][voice.STREAM]["uar"] == 0.0
    assert figures["over_models"][voice.STREAM] == {"mean": 0.5, "deviation": pytest.approx(0.5**0.5)}
    assert figures["pooled"]["1 s window"]["confidence"] == pytest.approx(0.7)
    assert figures["not_sharpened"] is None
    assert len(pooled[voice.STREAM]) == len(pooled[voice.WHOLE]) == 16
    assert "(above 10)" in tables.genders(figures["pooled"])
    assert "50.0% ± 70.7" in tables.folds(figures["by_model"], figures["over_models"])


def answers_of(*genders: str) -> Answers:
    """Return three answers to happy people of each gender: of the first all are right, of the next two, and so on."""
    right = [answer < 3 - number for number in range(len(genders)) for answer in range(3)]
    probs = np.where(np.array(right)[:, None], np.eye(7)[LABELS.index("happy")], np.eye(7)[LABELS.index("sad")])
    labels = np.full(len(probs), LABELS.index("happy"))
    who = np.repeat(genders, 3)
    return Answers(probs.astype(np.float32), labels, np.char.add("ravdess-", who), who, np.char.add("clip-", who))


def test_people_of_unknown_gender_make_no_gap_between_genders() -> None:
    figures = answers_of("female", "male", UNKNOWN).figures()
    assert figures["gender_gap"] == pytest.approx(1 / 3)
    assert figures["by_gender"][UNKNOWN]["uar"] == pytest.approx(1 / 3)
    assert answers_of(UNKNOWN, "male").figures()["gender_gap"] is None
    assert answers_of(UNKNOWN).figures()["gender_gap"] is None
    assert figures["gender_gap_interval"] is None  # one speaker of each


def test_the_gap_of_genders_and_the_calibration_error_are_told_with_what_chance_does() -> None:
    answers = answers_of("female", "male")
    who = np.array(["f1", "f2", "f2", "m1", "m1", "m2"])  # m2 alone is not understood
    figures = replace(answers, speakers=who).figures()
    assert figures["gender_gap_interval"] == pytest.approx((0.0, 1.0))
    assert "**33.3 (above 10)** [0.0, 100.0]" in tables.genders({"stream": figures})
    # Always quite sure, and wrong in one of six: of the four speakers, each with all they said.
    assert (figures["ece"], figures["ece_by_chance"]) == (pytest.approx(1 / 6), 0.0)
    low, high = figures["ece_interval"]
    assert low == 0.0
    assert 1 / 3 <= high <= 3 / 4
    assert f"| 0.167 [0.000, {high:.3f}] (0.000) |" in tables.sureness({"stream": figures})


def test_a_long_clip_is_heard_whole_in_windows_of_two_seconds() -> None:
    lengths = []

    class Listener(LoudnessVoice):
        def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
            lengths.append(windows.shape)
            return super().predict(windows)

    whole = voice.views(SETTINGS)[voice.WHOLE]
    clip = Clip(Path("clip.wav"), "happy", "ravdess-01", "male")
    for seconds in (0.2, 2.0, 5.0):
        assert whole(Listener(), clip, np.full(round(seconds * 16_000), 9_000, np.int16)).shape == (1, 7)
    assert lengths == [(1, 8_000), (1, 32_000), (13, 32_000)]


def test_what_sharpening_does_is_told_and_changes_no_label(root: Path) -> None:
    model = LoudnessVoice("ravdess-02")
    model.traits = Traits(sharpening=1.0)
    figures, pooled = voice.accuracy(SETTINGS, [voice.Subject(model, sounds_of(root, 1))])
    shown, blunt = figures["pooled"][voice.STREAM], figures["not_sharpened"]
    assert blunt["confidence"] == pytest.approx(0.7)
    assert shown["confidence"] > 0.95  # three windows: the third power
    assert (shown["top1"], shown["uar"]) == (blunt["top1"], blunt["uar"])
    assert set(pooled) == set(voice.views(SETTINGS))
    assert "| not sharpened | 8 |" in "".join(blocks.accuracy(figures))


def test_no_window_of_a_clip_is_answered_twice(root: Path) -> None:
    class Counting(LoudnessVoice):
        asked = 0

        def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
            self.asked += len(windows)
            return super().predict(windows, references)

    counting, sounds = Counting("ravdess-02"), sounds_of(root, 1)
    ways = {name: voice.views(SETTINGS)[name] for name in ("1 s window", voice.STREAM)}
    said = ask(counting, sounds, ways)
    assert counting.asked == len(said["1 s window"])
    for name, view in ways.items():
        alone = np.concatenate([view(LoudnessVoice(), clip, sound) for clip, sound in sounds])
        np.testing.assert_array_equal(said[name].probs, alone)


def test_the_same_window_of_another_speaker_is_another_question() -> None:
    model = Remembering(LearningVoice())
    windows = np.full((1, 16_000), 9_000, np.int16)
    louder = np.concatenate([[2.0 * VOICE_STRENGTH], np.zeros(79)]).astype(np.float32)[None]
    answers = [model.predict(windows, who).argmax() for who in (None, louder, np.zeros((1, 80), np.float32))]
    assert answers == [2, 0, 2]


def test_conditions_are_judged_on_the_moments_that_hold_voice_in_clean_sound(root: Path) -> None:
    model, sounds = LoudnessVoice("ravdess-02"), sounds_of(root, 1)
    table = voice.robustness(SETTINGS, [voice.Subject(model, sounds)], sounds_of(root, 1, 2, 3))
    assert {row["window"]["n"] for row in table.values()} == {table["clean"]["window"]["n"]}
    assert table["clean"]["stream"] | {"lost": 0.0} == table["clean"]["stream"]
    assert table["clean"]["stream"]["uar"] == 1.0
    assert {
        f"{noise}, {snr} dB" for noise in ("babble", "street (synthetic)", "white noise") for snr in (20, 10, 0)
    } < set(table)
    cost = voice.cost_of_noise(table, 10)
    assert cost["white noise"]["stream"] == table["white noise, 10 dB"]["stream"]["lost"]
    assert list(cost) == ["babble", "street (synthetic)", "white noise"]
    assert "| 1 window |" in tables.cost_of_noise(cost, 10)
    # Twice as loud is another label to a model that goes by loudness; a tenth is below its first.
    assert table["gain +6 dB"]["stream"]["lost"] > 0.5
    assert table["gain -20 dB"]["stream"]["uar"] == pytest.approx(1 / 7)
    assert "| gain -20 dB |" in tables.voice_conditions(table)


def test_what_is_lost_is_against_the_clean_answers_to_the_clips_that_were_answered(root: Path) -> None:
    class HardOfHearing(LoudnessVoice):
        """Takes every quiet tone for the quietest."""

        def _answer(self, loudness: Float32) -> Float32:
            return super()._answer(np.where(loudness < 3.5, 1.0, loudness))

    # 20 dB down, what is loud enough for the gate are the tones that are heard right when clean.
    settings = SETTINGS.model_copy(update={"silence_rms": 0.025})
    subject = voice.Subject(HardOfHearing("ravdess-02"), sounds_of(root, 1))
    table = voice.robustness(settings, [subject], sounds_of(root, 1, 2, 3))
    clean, quiet = table["clean"]["stream"], table["gain -20 dB"]
    assert clean["uar"] == pytest.approx(5 / 7)
    assert (quiet["answered"], quiet["stream"]["n"]) == (5 / 8, 5)  # two clips are neutral
    assert (quiet["stream"]["uar"], quiet["stream"]["lost"]) == (0.0, 1.0)


def test_babble_is_of_others_and_the_same_each_time(root: Path) -> None:
    (clip, sound), *_ = sounds_of(root, 1)
    alter = voice.alterations(sounds_of(root, 1, 2))["babble, 0 dB"]
    np.testing.assert_array_equal(alter(clip, sound), alter(clip, sound))
    added = alter(clip, sound)[:4_000].astype(np.float64)  # before the speech begins
    strongest = np.abs(np.fft.rfft(added)).argmax() * 2 * np.pi / len(added)
    assert strongest == pytest.approx(0.07, abs=0.002)  # the tone of actor 02
    assert "babble, 0 dB" not in voice.alterations(sounds_of(root, 1))


def test_sounds_without_a_voice_are_silence_below_the_gate_and_counted_above() -> None:
    table = no_voice.measure(SETTINGS, [LoudnessVoice()], seconds=5)
    assert table["silence (±1 of 32768)"]["gated"] == 1.0
    assert table["hum 50 Hz, -55 dBFS"] == {
        "rms": pytest.approx(10 ** (-55 / 20), rel=0.01),
        "gated": 1.0,
        "sure": None,
        "surest": None,
        "label": None,
    }
    assert table["hum 50 Hz, -25 dBFS"]["gated"] == 0.0
    assert table["hum 50 Hz, -25 dBFS"]["sure"] == 1.0
    assert 0.6 < table["hum 50 Hz, -25 dBFS"]["surest"] <= 1.0
    kinds = ("hiss above", "noise rising", "knocks", "siren", "organ", "plucked strings", "motor", "applause")
    strange = {name for name in table if name.startswith(kinds)}
    assert len(strange) == 16
    assert all(table[name]["gated"] == 0.0 for name in strange)
    for name in strange:
        assert table[name]["rms"] == pytest.approx(10 ** (float(name.split()[-2]) / 20), rel=0.05)


# --- face ---


def test_pictures_of_a_photograph_that_was_trained_on_are_told_apart(tmp_path: Path) -> None:
    faces_tree(tmp_path)
    train, test = fer2013.load(tmp_path, "train"), fer2013.load(tmp_path, "test")
    picture = next((tmp_path / "train" / LABELS[train.labels[0]]).iterdir())
    cv2.imwrite(str(picture), test.images[0])  # the very same: was left out of every training
    train.images[4] = test.images[9][:, ::-1] // 2  # mirrored, and darker
    assert len(face.trained_on(tmp_path)) == len(train) - 1
    probs = np.eye(7, dtype=np.float32)[test.labels]
    probs[9] = np.roll(probs[9], 1)
    figures = face.by_photograph(probs, test, train)
    assert (figures["new"]["n"], figures["new"]["top1"]) == (len(test) - 1, 1.0)
    assert (figures["seen"]["n"], figures["seen"]["top1"]) == (1, 0.0)
    assert "| photograph not in training | 20 | 100.0% [" in "".join(blocks.by_photograph(figures))
    assert face.by_photograph(probs, test, train.select(train.labels == 9))["seen"] is None


# --- calibration of voices ---


def test_calm_is_not_learnt_from_where_there_is_neutral() -> None:
    def clip(name: str, speaker: str) -> Clip:
        return Clip(Path(name), "neutral" if name[:2] == "n0" or name[6:8] in ("01", "02") else "sad", speaker, "male")

    names = ("03-01-02-01-01-01-01", "03-01-01-01-02-01-01", "03-01-04-01-01-01-01", "03-01-01-01-01-01-01")
    clips = [
        *(clip(f"{name}.wav", "ravdess-01") for name in names),
        clip("03-01-02-01-01-01-02.wav", "ravdess-02"),
        *(clip(f"n0{number}.wav", "savee-dc") for number in (2, 1, 3)),
        clip("sa01.wav", "savee-je"),
    ]
    chosen = calibration.neutral_items(clips, lambda clip: clip.path.stem, 2)
    assert {speaker: [clip.path.stem for clip in theirs] for speaker, theirs in chosen.items()} == {
        "ravdess-01": ["03-01-01-01-01-01-01", "03-01-01-01-02-01-01"],
        "ravdess-02": ["03-01-02-01-01-01-02"],
        "savee-dc": ["n01", "n02"],
    }


def shown_after_calibration(model: LoudnessVoice, neutral: Int16, sound: Int16) -> Float32:
    """What a session shows last of a sound that was calibrated on another one before, as a viewer would do it."""
    session = Session(SETTINGS, now=0.0, voice=model.traits)
    session.calibrate(Calibrate(action="start"), 0.0)
    *_, (end, _) = play(SETTINGS, session, sound_events(neutral), model, None)
    while session.calibration.state == "collecting":
        end += SETTINGS.result_interval
        session.result(end)
    began = end + SETTINGS.stale_after  # a pause, so that nothing of the one is left in the other
    events = [(began + at, kind, payload) for at, kind, payload in sound_events(sound)]
    *_, (_, last) = play(SETTINGS, session, events, model, None, began=began)
    return np.array([last.voice.probs[label] for label in LABELS], np.float32)


@pytest.mark.parametrize("model", [LearningVoice(), LoudnessVoice(neutral=OFTEN_NEUTRAL)])
def test_what_a_session_learns_serves_as_the_calibrated_session_does(lively: Path, model: LoudnessVoice) -> None:
    neutral = [sound for clip, sound in sounds_of(lively, 3) if clip.path.stem[6:8] == "01"]
    learnt = learn(SETTINGS, sound_events(np.concatenate(neutral)), voice=model)
    assert (learnt.reference is None, learnt.voice is None) == (not model.traits.adaptive, model.traits.adaptive)
    known, changed = KnownVoice(model, learnt), 0
    for _, sound in sounds_of(lively, 3):
        expected = shown_after_calibration(model, np.concatenate(neutral), sound)
        plain = stream_clip(SETTINGS, model, sound)
        shown = stream_clip(SETTINGS, known, sound)
        assert plain is not None
        assert shown is not None
        np.testing.assert_allclose(shown, expected, atol=1e-4)
        changed += not np.allclose(plain, expected, atol=1e-2)
    assert changed


def test_too_little_to_learn_from_teaches_nothing_and_a_fixed_model_is_not_asked(lively: Path) -> None:
    (_, sound), *_ = sounds_of(lively, 3)
    assert learn(SETTINGS, sound_events(sound), voice=LearningVoice()).reference is None
    fixed = learn(SETTINGS, sound_events(np.tile(sound, 9)), voice=LoudnessVoice())
    assert (fixed.reference, fixed.voice, fixed.face) == (None, None, None)


def test_a_speaker_who_is_always_loud_is_understood_once_known(lively: Path) -> None:
    """Actor 03 says everything louder by one label; who speaks as all others do loses nothing."""
    meetings = [
        meeting_of(LearningVoice("ravdess-02", "ravdess-03", name="fold0"), lively, 1),
        meeting_of(LearningVoice("ravdess-01", "ravdess-02", name="fold1"), lively, 3),
    ]
    _, pooled = voice.accuracy(SETTINGS, [meeting.subject for meeting in meetings])
    figures = calibration.measure(SETTINGS, meetings, pooled)
    assert figures["clips"] == 4
    assert list(figures["views"]) == list(calibration.VIEWS)
    for name, row in figures["views"].items():
        assert row["plain"]["uar"] < 0.7, name
        assert row["calibrated"]["uar"] == 1.0, name
        low, high = row["gain"]["speaker_interval"]
        assert low == 0.0  # actor 01 alone
        assert high == pytest.approx(row["gain"]["uar"] * 2)  # actor 03 alone
    stream_row = figures["views"][voice.STREAM]
    assert stream_row["plain"]["n"] == stream_row["calibrated"]["n"] == 14  # calm and six labels of each
    assert stream_row["calibrated"]["recall"]["neutral"] == 1.0  # calm
    assert figures["by_model"]["fold0"]["gain"] == {
        "uar": 0.0, "interval": (0.0, 0.0), "speaker_interval": None, "by_gender": {"male": 0.0},
    }  # fmt: skip
    assert figures["by_model"]["fold1"]["gain"]["uar"] > 0.5
    counts = figures["by_clips"]
    assert {count: row["learnt"] for count, row in counts.items()} == {"1": 0, "2": 2, "4": 2}  # one has 3 windows
    assert counts["1"]["gain"]["uar"] == 0.0
    assert counts["1"]["speech"] == pytest.approx(1.5, abs=0.05)
    assert counts["4"]["speech"] == pytest.approx(6.0, abs=0.2)
    assert {row["plain"]["n"] for row in counts.values()} == {14}
    printed = "".join(blocks.calibrated_voice(figures))
    assert "2 of 2 speakers learnt, from at most 4 clips each, 6.1 s of speech" in printed
    assert "| 1 | 1.5 | 0 of 2 |" in printed


def test_speakers_who_cannot_be_learnt_are_in_neither_figure(lively: Path) -> None:
    whole = meeting_of(LearningVoice("ravdess-02"), lively, 1, 3)
    one = calibration.Meeting(whole.subject, {"ravdess-03": whole.neutral["ravdess-03"]})
    assert {clip.speaker for clip, _ in one.rest()} == {"ravdess-03"}
    assert not {clip for clip, _ in one.rest()} & {clip for clip, _ in one.neutral["ravdess-03"]}


def test_a_gain_is_of_pairs_about_the_same_clips(root: Path) -> None:
    ways = {"right": voice.smoothed(SETTINGS), "wrong": lambda model, clip, sound: np.roll(
        voice.smoothed(SETTINGS)(model, clip, sound), int(clip.speaker == "ravdess-01"), axis=1)}  # fmt: skip
    said = ask(LoudnessVoice("x"), sounds_of(root, 1, 2, 3), ways)
    up, down = gains.gain(said["right"], said["wrong"]), gains.gain(said["wrong"], said["right"])
    assert up["uar"] == pytest.approx(1 / 3)
    assert up["by_gender"] == {"female": 0.0, "male": 0.5}
    assert down["speaker_interval"] == tuple(-bound for bound in reversed(up["speaker_interval"]))
    assert up["speaker_interval"] == pytest.approx((0.0, 1.0))  # three people: all may be 01, or none
    assert up["interval"][0] > 0.1
    with pytest.raises(ValueError, match="same clips"):
        gains.gain(said["right"], said["wrong"].select(said["wrong"].speakers == "ravdess-01"))
    with pytest.raises(ValueError, match="at least two"):
        gains.paired_speaker_interval(*([said["right"].probs] * 2), said["right"].labels, np.full(24, "one"))


# --- live ---


def test_a_streamed_sound_ends_as_the_quick_check_ends(root: Path) -> None:
    for _, sound in sounds_of(root, 1):
        *_, last = stream(SETTINGS, sound_events(sound), voice=LoudnessVoice())
        expected = stream_clip(SETTINGS, LoudnessVoice(), sound)
        assert expected is not None
        assert [last.voice.probs[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-4)
        assert last.t == len(sound) / 16_000


def test_pictures_come_at_their_time_and_the_newest_is_looked_at() -> None:
    events = list(picture_events([bytes([255, 216, label]) for label in (0, 1, 2, 3)], 2.0))
    assert [at for at, _, _ in events] == [0.25, 0.75, 1.25, 1.75]
    results = list(stream(SETTINGS, events, face=FirstByteFaces()))  # type: ignore[arg-type]
    assert [result.t for result in results] == [0.5, 1.0, 1.5, 1.75]
    assert [result.face.label for result in results[:2]] == ["angry", "angry"]  # the mean of two: the first wins
    assert results[-1].face.probs["surprise"] == pytest.approx(0.05)
    assert results[-1].dropped.frames == 0


def test_recordings_follow_each_other_in_time() -> None:
    sound = np.ones(4_000, np.int16)
    events = list(one_after_another([sound_events(sound), picture_events([b"a"], 0.5), sound_events(sound)]))
    assert [at for at, _, _ in events] == pytest.approx([0.1, 0.2, 0.25, 0.5, 0.6, 0.7, 0.75])


# --- fusion ---


def add_faces(folder: Path, root: Path, actor: int) -> None:
    """Pictures of each clip: the face is right about surprise, and takes everything else for angry."""
    for clip in ravdess(root, [actor]):
        pictures = folder / "faces" / clip.path.stem
        pictures.mkdir(parents=True)
        answer = 6 if clip.label == "surprise" else 0
        for number in range(4):
            (pictures / f"{number:02d}.jpg").write_bytes(bytes([255, 216, 255 if number == 0 else answer]))


def test_fusion_of_real_scenes(root: Path, tmp_path: Path) -> None:
    add_faces(tmp_path, root, 1)
    scenes = fusion.face_crop_scenes(tmp_path, root)
    assert len(scenes) == 8
    drawn: dict[str, Float32] = {}
    seen = fusion.watch_all(SETTINGS, scenes, LoudnessVoice("ravdess-02"), FirstByteFaces())
    figures = fusion.real(SETTINGS, seen, lambda name, probs, labels: drawn.update({name: probs}))
    assert {name: probs.shape for name, probs in drawn.items()} == dict.fromkeys(("voice", "face", "fused"), (8, 7))
    assert figures["both_paths_answered"] == 8
    assert 0.5 < figures["face_found"] < 1.0
    assert figures["voice"]["uar"] == 1.0
    assert figures["face"]["uar"] == pytest.approx(2 / 7)
    assert figures["fused"]["uar"] == 1.0
    assert figures["gain"] == {"over": "voice", "uar": 0.0, "interval": (0.0, 0.0)}
    assert figures["sweep"]["0.0"] == figures["face"]["uar"]
    assert figures["sweep"]["1.0"] == figures["voice"]["uar"]
    assert figures["sweep"]["0.6"] == figures["fused"]["uar"]
    assert {"scene", "label", "voice", "face", "fused"} == set(figures["each"][0])


class SeesWhatIsHeard:
    """Fuses by the label that the crop's first pixel names, whatever is heard."""

    name, size, channels, traits = "both", 8, 1, Traits()

    def __init__(self, *heard: str) -> None:
        self.heard = frozenset(heard)

    def predict(self, windows: Int16, crops: UInt8) -> Float32:
        return (np.eye(7, dtype=np.float32) * 0.65 + 0.05)[crops[:, 0, 0, 0]]


class CroppingFaces(FirstByteFaces):
    """The same faces with a crop, which shows the label that is two further."""

    def _read(self, label: int) -> FaceReading:
        reading = super()._read(label)
        crop = np.full((8, 8, 1), (label + 2) % 7, np.uint8)
        return reading if reading.box is None else reading._replace(crop=crop)


def test_a_model_that_hears_and_sees_at_once_is_put_beside_late_fusion(root: Path, tmp_path: Path) -> None:
    add_faces(tmp_path, root, 1)
    scenes, ears = fusion.face_crop_scenes(tmp_path, root), LoudnessVoice("ravdess-02")
    late = fusion.watch_all(SETTINGS, scenes, ears, CroppingFaces())
    together = fusion.watch_all(SETTINGS, scenes, ears, CroppingFaces(), together=SeesWhatIsHeard("ravdess-02"))
    drawn: list[str] = []
    figures = fusion.beside(late, together, lambda name, probs, labels: drawn.append(name))
    assert (figures["scenes"], figures["both_paths_answered"], len(drawn)) == (8, 8, 1)
    assert figures["late"]["uar"] == 1.0
    said = np.array(figures["together"]["confusion"]).sum(axis=0)  # `surprise` shows the second label, others the third
    assert said.tolist() == [0, 1, 7, 0, 0, 0, 0]
    assert figures["gain"]["uar"] == pytest.approx(1 / 7 - 1)
    assert figures["gain"]["interval"] == pytest.approx((1 / 7 - 1,) * 2)  # every clip of a label is lost, or none
    assert "both over late fusion: -85.7 points UAR" in "".join(blocks.together("both", figures))
    for heard in ((), ("ravdess-01",)):
        with pytest.raises(LeakageError, match="both was trained on or chosen by ravdess-01"):
            fusion.watch_all(SETTINGS, scenes, ears, CroppingFaces(), together=SeesWhatIsHeard(*heard))
    assert fusion.beside([], [], lambda *_: None)["both_paths_answered"] == 0


def test_the_sweep_fuses_as_the_session_does_when_a_path_lacks_labels(root: Path, tmp_path: Path) -> None:
    add_faces(tmp_path, root, 1)
    model, path = LoudnessVoice("ravdess-02"), FirstByteFaces()
    path.model.traits = Traits(labels=tuple(label for label in LABELS if label != "disgust"))
    seen = fusion.watch_all(SETTINGS, fusion.face_crop_scenes(tmp_path, root), model, path)
    figures = fusion.real(SETTINGS, seen, lambda *_: None, (model.traits.labels, path.model.traits.labels))
    assert figures["sweep"]["0.6"] == figures["fused"]["uar"]
    assert figures["sweep"]["0.0"] > figures["face"]["uar"]  # disgust is heard, whatever the weight


def test_calibrated_fusion_learns_voice_and_face_from_scenes_that_it_leaves_out(lively: Path, tmp_path: Path) -> None:
    add_faces(tmp_path, lively, 3)
    scenes = fusion.face_crop_scenes(tmp_path, lively)
    model, path = LearningVoice("ravdess-02"), FirstByteFaces(neutral=OFTEN_NEUTRAL)
    neutral = calibration.neutral_items(scenes, lambda scene: scene.name, 4)
    plain = fusion.watch_all(SETTINGS, scenes, model, path)
    drawn: dict[str, Float32] = {}
    figures = fusion.calibrated(
        SETTINGS, plain, neutral, model, path, lambda name, probs, _: drawn.update({name: probs})
    )
    assert figures["learnt_from"] == [f"03-01-01-01-{part}-03" for part in ("01-01", "01-02", "02-01", "02-02")]
    assert figures["learnt"] == {"voice": 1, "face": 1}
    assert figures["scenes"] == figures["both_paths_answered"] == 7
    paths = figures["paths"]
    assert paths["voice"]["plain"]["uar"] < paths["voice"]["calibrated"]["uar"] == 1.0
    assert paths["voice"]["gain"]["uar"] == pytest.approx(1.0 - paths["voice"]["plain"]["uar"])
    # Neutral faces are taken for angry: once known, that counts for less.
    assert paths["face"]["calibrated"]["confidence"] < paths["face"]["plain"]["confidence"]
    assert set(drawn) == {"voice, calibrated", "face, calibrated", "fused, calibrated"}
    assert "Of 1 speakers the voice of 1 and the face of 1 learnt" in blocks.calibrated_fusion(figures)[0]

    # A session that is calibrated on the same scenes and goes on with another shows the same.
    rest = next(scene for scene in scenes if scene.label == "surprise")
    session = Session(SETTINGS, now=0.0, voice=model.traits, face=path.model.traits)
    session.calibrate(Calibrate(action="start"), 0.0)
    *_, (ended, _) = play(SETTINGS, session, one_after_another(s.events() for s in neutral["ravdess-03"]), model, path)
    while session.calibration.state == "collecting":
        ended += 0.5
        session.result(ended)
    pause = np.ceil(ended) + 10
    later = ((at + pause, kind, payload) for at, kind, payload in rest.events())
    *_, (_, shown) = play(SETTINGS, session, later, model, path, began=pause)
    known = fusion.watch(SETTINGS, rest, KnownVoice(model, session.learnt), KnownFace(path, session.learnt))
    for part in fusion.PATHS:
        expected = [getattr(shown, part).probs[label] for label in LABELS]
        assert getattr(known, part).tolist() == pytest.approx(expected, abs=2e-4), part


def test_films_with_their_sound_are_scenes_and_a_folder_without_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    assert fusion.video_scenes(tmp_path) == []
    assert "RAVDESS video" in caplog.text
    for name in ("01-01-08-01-01-01-05", "02-01-08-01-01-01-05", "02-01-03-01-01-01-06", "01-01-09-01-01-01-01"):
        (folder / f"{name}.mp4").touch()
    (scene,) = fusion.video_scenes(tmp_path)
    assert (scene.name, scene.label, scene.speaker) == ("01-01-08-01-01-01-05", "surprise", "ravdess-05")


# --- the command ---


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["evaluate", *arguments])
        main()

    return run


def assert_tables_are_whole(printed: str) -> None:
    """Every line of a table has as many cells as its head."""
    for block in printed.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1, block


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artefacts that know nothing: voices that take a reference, or say their neutral answer, or neither; a face."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    heard = ("ravdess-01",)
    for name, traits in {
        "adaptive": {"adaptive": True, "heard": ("ravdess-03",)},
        "offset": {"neutral": OFTEN_NEUTRAL, "heard": heard, "sharpening": 0.5},
        "fixed": {"heard": ("ravdess-02",)},
    }.items():
        options = {"channels": 8, "hidden": 8, "adaptive": traits.get("adaptive", False)}
        info = ArtefactInfo(name, "voice", "audio_bilstm", options, **traits)  # type: ignore[arg-type]
        export_onnx(Calibrated(build(info.network, options), info).eval(), folder / f"{name}.onnx")
    parts = {"voice": "cnn_mfcc", "face": "mini_xception", "face_options": {"width": 8}, "hidden": 8}
    both = ArtefactInfo("both", "fusion", "concat", parts, size=48, channels=1, geometry=FER2013, heard=("ravdess-02",))
    export_onnx(Calibrated(build(both.network, both.options), both).eval(), folder / "both.onnx")
    graph = onnx.load(ROOT / "weights" / "fer_resnet.onnx")
    said = {entry.key: entry.value for entry in graph.metadata_props}
    face = replace(ArtefactInfo.from_json(said[METADATA_KEY]), neutral=OFTEN_NEUTRAL)
    onnx.helper.set_model_props(graph, {**said, METADATA_KEY: face.to_json()})
    onnx.save(graph, folder / "fer_resnet.onnx")
    return folder


def test_the_command_measures_calibration_where_the_models_allow_it(
    lively: Path, weights: Path, tmp_path: Path, evaluate: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    picture = cv2.cvtColor(skimage.data.astronaut()[68:188, 164:284], cv2.COLOR_RGB2GRAY)
    for clip in ravdess(lively, [1]):
        folder = tmp_path / "av" / "faces" / clip.path.stem
        folder.mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(folder / f"{number:02d}.jpg"), cv2.resize(picture, (224, 224)))

    def run(*arguments: str) -> tuple[dict[str, Any], str]:
        evaluate(*arguments, "--ravdess", str(lively), "--weights", str(weights), "--quick",
                 "--json", str(tmp_path / "card.json"))  # fmt: skip
        printed = capsys.readouterr().out
        assert_tables_are_whole(printed)
        return json.loads((tmp_path / "card.json").read_text()), printed

    card, printed = run("voice", "--folds", "adaptive", "offset", "--voice-model", "fixed")
    assert set(card["voice"]["not_a_voice_served"]) == set(card["voice"]["not_a_voice"])
    assert "## Sounds that are no voice, as viewers of fixed see them" in printed
    figures = card["voice"]["calibrated"]
    assert figures["views"][voice.STREAM]["plain"]["speakers"] == ["ravdess-01", "ravdess-03"]
    assert figures["views"][voice.STREAM]["plain"]["n"] == 14  # one of each label; the neutral ones are calm
    assert set(figures["by_model"]) == {"adaptive", "offset"}
    assert {count: row["learnt"] for count, row in figures["by_clips"].items()} == {"1": 0, "2": 2, "4": 2}
    assert card["voice"]["accuracy"]["not_sharpened"]["n"] == 14
    assert "## Voice, calibrated on the speaker's own neutral clips" in printed
    assert "| not sharpened | 14 |" in printed
    assert not [note for note in card["notes"] if "calibrat" in note]

    card, printed = run("voice", "fusion", "--voice-model", "fixed", "--ravdess-av", str(tmp_path / "av"),
                        "--concat", "both")  # fmt: skip
    together = card["fusion"]["faces and sound, together"]
    assert (together["fusion"], together["together"]["n"]) == ("both", card["fusion"]["faces and sound"]["fused"]["n"])
    assert "both over late fusion: " in printed
    assert "calibrated" not in card["voice"]
    assert [note for note in card["notes"] if note.startswith("voice: fixed cannot be calibrated to a speaker")]
    assert "fusion: fixed cannot be calibrated to a person" in card["notes"]
    figures = card["fusion"]["faces and sound, calibrated"]
    assert figures["learnt"] == {"voice": 0, "face": 1}
    assert figures["paths"]["voice"]["gain"]["uar"] == 0.0
    assert figures["both_paths_answered"] == 7

    card, _ = run("voice", "--voice-model", "adaptive", "--neutral-clips", "0")
    assert "voice: calibration not measured, --neutral-clips is 0" in card["notes"]
    with pytest.raises(SystemExit):
        run("voice", "--neutral-clips", "-1")


def test_the_command_prints_and_writes_what_the_shipped_models_do(
    root: Path, tmp_path: Path, evaluate: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    face = cv2.cvtColor(skimage.data.astronaut()[68:188, 164:284], cv2.COLOR_RGB2GRAY)
    for label in LABELS:
        folder = tmp_path / "fer2013" / "test" / label
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "1.png"), cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA))
    for clip in ravdess(root, [1]):
        folder = tmp_path / "av" / "faces" / clip.path.stem
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "00.jpg"), cv2.resize(face, (224, 224)))
    evaluate(
        "--ravdess", str(root), "--fer2013", str(tmp_path / "fer2013"), "--ravdess-av", str(tmp_path / "av"), "--quick",
        "--json", str(tmp_path / "out" / "card.json"), "--figures", str(tmp_path / "figures"),
    )  # fmt: skip
    printed = capsys.readouterr().out
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["voice"]["accuracy"]["pooled"][voice.WHOLE]["speakers"] == ["ravdess-01"]  # it has heard 02 and 03
    assert card["voice"]["accuracy"]["pooled"][voice.WHOLE]["n"] == 7
    assert card["face"]["accuracy"]["n"] == 7
    assert card["face"]["accuracy"]["uar"] == pytest.approx(1 / 7)  # one and the same face
    assert card["face"]["conditions"]["clean"]["found"] == 1.0
    assert card["fusion"]["faces and sound"]["face_found"] == 1.0
    assert card["fusion"]["synthetic"]["fused"]["n"] == 7
    assert card["speed"]["audio_bilstm"]["parameters"] > 100_000
    assert card["speed"]["audio_bilstm"]["ms"]["1 s window"] > 0
    assert any(note.endswith(r"expected fer2013.csv or train/angry/*.jpg") for note in card["notes"])
    assert any("left out ravdess-02, ravdess-03" in note for note in card["notes"])
    assert printed.count("\n## ") >= 8
    assert f"| {voice.STREAM} | 7 |" in printed
    assert_tables_are_whole(printed)
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {
        "face_crops.png", "voice_whole_clip.png", "fusion_faces_and_sound_fused.png",
    }  # fmt: skip


def test_the_command_refuses_heard_actors_and_tells_what_is_missing(
    root: Path, evaluate: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"^trained on or chosen by: ravdess-02$"):
        evaluate("voice", "--ravdess", str(root), "--actors", "1", "2")
    with pytest.raises(SystemExit, match="no model 'nothing'"):
        evaluate("voice", "--ravdess", str(root), "--voice-model", "nothing")
    with pytest.raises(SystemExit, match=r"expected fer2013\.csv"):
        evaluate("face", "--fer2013", str(root))
    with pytest.raises(SystemExit):
        evaluate("face", "fusion", "speed")
    assert "face needs --fer2013; fusion needs --ravdess-av" in capsys.readouterr().err
    monkeypatch.setattr(Card, "_speed", lambda self: None)
    evaluate()
    printed = capsys.readouterr().out
    assert "face: not measured, --fer2013 is not given" in printed
    assert "fusion: not measured, --ravdess-av is not given" in printed
