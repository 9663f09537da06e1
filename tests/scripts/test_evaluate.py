"""The evaluation command: what it refuses, what it counts, and what it prints and writes."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
import soundfile

from app.quick_check import stream_clip
from app.settings import Settings
from models.datasets.clips import UNKNOWN
from models.datasets.speech import Clip, ravdess, read_clips
from models.inference import Box, FaceReading, Float32, Int16, Traits
from models.labels import LABELS
from scripts.evaluate import fusion, tables, voice
from scripts.evaluate.__main__ import main
from scripts.evaluate.answers import Answers, LeakageError, ask, unheard_clips
from scripts.evaluate.live import picture_events, sound_events, stream

ORDER = ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")  # RAVDESS 01 to 08
SETTINGS = Settings(_env_file=None)  # type: ignore[call-arg]


class LoudnessVoice:
    """Tells the label by how loud the tone is: the tree below makes each label its own amplitude."""

    traits = Traits()

    def __init__(self, *heard: str, name: str = "loudness") -> None:
        self.name, self.heard = name, frozenset(heard)

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        loudest = np.abs(windows.astype(np.int32)).max(axis=1) / 32768
        probs = np.full((len(windows), 7), 0.05, np.float32)
        probs[np.arange(len(windows)), np.clip(np.round(loudest * 10).astype(int) - 1, 0, 6)] = 0.7
        return probs


class FirstByteFaces:
    """A face path whose answer is the third byte of what it is sent: 255 is no face."""

    name, model = "bytes", SimpleNamespace(traits=Traits())

    def analyse(self, jpegs: list[bytes]) -> list[FaceReading]:
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


def test_a_heard_speaker_is_never_put_to_a_model(root: Path) -> None:
    model = LoudnessVoice("ravdess-02")
    with pytest.raises(LeakageError, match="ravdess-02"):
        ask(model, sounds_of(root, 1, 2), voice.smoothed(SETTINGS))
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
    assert figures["over_models"][voice.STREAM] == {"mean": 0.5, "deviation": 0.5}
    assert len(pooled[voice.STREAM]) == len(pooled[voice.WHOLE]) == 16
    assert "(above 10)" in tables.genders(figures["pooled"])
    assert "50.0% ± 50.0" in tables.folds(figures["by_model"], figures["over_models"])


def answers_of(*genders: str) -> Answers:
    """Return three answers to happy people of each gender: of the first all are right, of the next two, and so on."""
    right = [answer < 3 - number for number in range(len(genders)) for answer in range(3)]
    probs = np.where(np.array(right)[:, None], np.eye(7)[LABELS.index("happy")], np.eye(7)[LABELS.index("sad")])
    labels = np.full(len(probs), LABELS.index("happy"))
    who = np.repeat(genders, 3)
    return Answers(probs.astype(np.float32), labels, np.char.add("ravdess-", who), who)


def test_people_of_unknown_gender_make_no_gap_between_genders() -> None:
    figures = answers_of("female", "male", UNKNOWN).figures()
    assert figures["gender_gap"] == pytest.approx(1 / 3)
    assert figures["by_gender"][UNKNOWN]["uar"] == pytest.approx(1 / 3)
    assert answers_of(UNKNOWN, "male").figures()["gender_gap"] is None
    assert answers_of(UNKNOWN).figures()["gender_gap"] is None


def test_a_long_clip_is_heard_whole_in_windows_of_four_seconds() -> None:
    lengths = []

    class Listener(LoudnessVoice):
        def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
            lengths.append(windows.shape)
            return super().predict(windows)

    whole = voice.views(SETTINGS)[voice.WHOLE]
    clip = Clip(Path("clip.wav"), "happy", "ravdess-01", "male")
    for seconds in (0.2, 2.0, 5.0):
        assert whole(Listener(), clip, np.full(round(seconds * 16_000), 9_000, np.int16)).shape == (1, 7)
    assert lengths == [(1, 8_000), (1, 32_000), (3, 64_000)]


def test_conditions_are_judged_on_the_moments_that_hold_voice_in_clean_sound(root: Path) -> None:
    model, sounds = LoudnessVoice("ravdess-02"), sounds_of(root, 1)
    table = voice.robustness(SETTINGS, [voice.Subject(model, sounds)], sounds_of(root, 1, 2, 3))
    assert {row["window"]["n"] for row in table.values()} == {table["clean"]["window"]["n"]}
    assert table["clean"]["stream"] | {"lost": 0.0} == table["clean"]["stream"]
    assert table["clean"]["stream"]["uar"] == 1.0
    assert {
        f"{noise}, {snr} dB" for noise in ("babble", "street (synthetic)", "white noise") for snr in (20, 10, 0)
    } < set(table)
    # Twice as loud is another label to a model that goes by loudness; a tenth is below its first.
    assert table["gain +6 dB"]["stream"]["lost"] > 0.5
    assert table["gain -20 dB"]["stream"]["uar"] == pytest.approx(1 / 7)
    assert "| gain -20 dB |" in tables.voice_conditions(table)


def test_babble_is_of_others_and_the_same_each_time(root: Path) -> None:
    (clip, sound), *_ = sounds_of(root, 1)
    alter = voice.alterations(sounds_of(root, 1, 2))["babble, 0 dB"]
    np.testing.assert_array_equal(alter(clip, sound), alter(clip, sound))
    added = alter(clip, sound)[:4_000].astype(np.float64)  # before the speech begins
    strongest = np.abs(np.fft.rfft(added)).argmax() * 2 * np.pi / len(added)
    assert strongest == pytest.approx(0.07, abs=0.002)  # the tone of actor 02
    assert "babble, 0 dB" not in voice.alterations(sounds_of(root, 1))


def test_sounds_without_a_voice_are_silence_below_the_gate_and_counted_above() -> None:
    table = voice.not_a_voice(SETTINGS, [LoudnessVoice()], seconds=5)
    assert table["silence (±1 of 32768)"]["gated"] == 1.0
    assert table["hum 50 Hz, -55 dBFS"] == {
        "rms": pytest.approx(10 ** (-55 / 20), rel=0.01),
        "gated": 1.0,
        "sure": None,
        "label": None,
    }
    assert table["hum 50 Hz, -25 dBFS"]["gated"] == 0.0
    assert table["hum 50 Hz, -25 dBFS"]["sure"] == 1.0


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


# --- fusion ---


def test_fusion_of_real_scenes(root: Path, tmp_path: Path) -> None:
    for clip in ravdess(root, [1]):
        pictures = tmp_path / "faces" / clip.path.stem
        pictures.mkdir(parents=True)
        # The face is right about surprise, and takes everything else for angry.
        answer = 6 if clip.label == "surprise" else 0
        for number in range(4):
            (pictures / f"{number:02d}.jpg").write_bytes(bytes([255, 216, 255 if number == 0 else answer]))
    scenes = fusion.face_crop_scenes(tmp_path, root)
    assert len(scenes) == 8
    drawn: dict[str, Float32] = {}
    figures = fusion.real(
        SETTINGS, scenes, LoudnessVoice("ravdess-02"), FirstByteFaces(),  # type: ignore[arg-type]
        lambda name, probs, labels: drawn.update({name: probs}),
    )  # fmt: skip
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


# --- the command ---


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["evaluate", *arguments])
        main()

    return run


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
    assert any("left out ravdess-02, ravdess-03" in note for note in card["notes"])
    assert printed.count("\n## ") == 8
    assert f"| {voice.STREAM} | 7 |" in printed
    for block in printed.split("\n\n"):  # every line of a table has as many cells as its head
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1, block
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {
        "face_crops.png", "voice_whole_clip.png", "fusion_faces_and_sound_fused.png",
    }  # fmt: skip


def test_the_command_refuses_heard_actors_and_tells_what_is_missing(
    root: Path, evaluate: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^trained on or chosen by: ravdess-02$"):
        evaluate("voice", "--ravdess", str(root), "--actors", "1", "2")
    with pytest.raises(SystemExit, match="no model 'nothing'"):
        evaluate("voice", "--ravdess", str(root), "--voice-model", "nothing")
    with pytest.raises(SystemExit, match=r"expected fer2013\.csv"):
        evaluate("face", "--fer2013", str(root))
    evaluate("face", "fusion")
    printed = capsys.readouterr().out
    assert "face: not measured, --fer2013 is not given" in printed
    assert "fusion: not measured, --ravdess-av is not given" in printed
