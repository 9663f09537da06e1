"""The quick accuracy check, on tiny data sets whose answers are known."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

from app.quick_check import PARTS, Accuracy, find_examples, quick_check, stream_clip, synthetic_pairs
from app.settings import ROOT, Settings
from app.viewer.fusion import late_fusion
from models.inference import Float32, Int16, Traits, UInt8
from models.labels import LABELS
from scripts.quick_check import count

DATA = ROOT.parent / "shared" / "data"
RAVDESS = Path(os.environ.get("RAVDESS_ROOT") or DATA / "ravdess")
FER2013 = Path(os.environ.get("FER2013_ROOT") or DATA / "fer2013")
ORDER = ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")  # RAVDESS 01 to 08


class LoudnessVoice:
    """Tells the label by how loud the tone is: the trees below make each label its own amplitude."""

    name, traits = "loudness", Traits()
    heard = frozenset({"ravdess-03"})

    def answer(self, windows: Int16, references: Float32 | None = None) -> tuple[Float32, Float32 | None]:
        return self.predict(windows, references), None

    def predict(self, windows: Int16, references: Float32 | None = None) -> Float32:
        loudest = np.abs(windows.astype(np.int32)).max(axis=1) / 32768
        probs = np.full((len(windows), 7), 0.05, np.float32)
        probs[np.arange(len(windows)), np.clip(np.round(loudest * 10).astype(int) - 1, 0, 6)] = 0.7
        return probs


class BrightnessFace:
    """Tells the label by how bright the picture is, and takes one label for another: sad for angry."""

    name, traits, size, channels = "brightness", Traits(), 64, 3

    def predict(self, crops: UInt8) -> Float32:
        assert crops.shape[1:] == (64, 64, 3)
        label = np.round(crops.mean(axis=(1, 2, 3)) / 30).astype(int) - 1
        label[label == LABELS.index("sad")] = LABELS.index("angry")
        probs = np.full((len(crops), 7), 0.05, np.float32)
        probs[np.arange(len(crops)), label] = 0.7
        return probs


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    for actor in (1, 2, 3):
        for number, label in enumerate(ORDER, 1):
            amplitude = (LABELS.index(label) + 1) / 10
            path = tmp_path / "ravdess" / f"Actor_{actor:02d}" / f"03-01-{number:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, amplitude * np.sin(np.arange(32_000) * 0.1), 16_000)
    return tmp_path / "ravdess"


@pytest.fixture
def fer2013(tmp_path: Path) -> Path:
    for index, label in enumerate(LABELS):
        folder = tmp_path / "fer2013" / "test" / label
        folder.mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 48), (index + 1) * 30, np.uint8))
    return tmp_path / "fer2013"


def check(**settings: object) -> Accuracy:
    read = Settings(_env_file=None, **settings)  # type: ignore[call-arg]
    return quick_check(read, find_examples(read), LoudnessVoice(), BrightnessFace())


def test_figures_are_those_of_the_models(ravdess: Path, fer2013: Path) -> None:
    accuracy = check(ravdess_root=ravdess, fer2013_root=fer2013, quick_check_per_class=0)
    assert accuracy.reports["voice"].top1 == 1.0
    assert accuracy.reports["face"].uar == pytest.approx(6 / 7)
    assert accuracy.reports["face"].recall["sad"] == 0.0
    # 0.6 * 0.7 from a voice that is right outweighs 0.4 * 0.7 from a face that is wrong.
    assert accuracy.reports["fused"].top1 == 1.0
    assert "synthetic" in " ".join(accuracy.notes)


def test_actors_that_the_model_was_trained_on_do_not_count(ravdess: Path) -> None:
    accuracy = check(ravdess_root=ravdess, quick_check_per_class=0)
    assert accuracy.reports["voice"].n == 16
    assert any("left out 8 clips" in note for note in accuracy.notes)


def test_at_most_so_many_of_each_label(ravdess: Path, fer2013: Path) -> None:
    accuracy = check(ravdess_root=ravdess, fer2013_root=fer2013, quick_check_per_class=1)
    assert {name: accuracy.reports[name].n for name in PARTS} == dict.fromkeys(PARTS, 7)


def among(model: type, labels: tuple[str, ...]) -> Any:
    """Let a model say some labels alone."""

    class Subset(model):  # type: ignore[misc]
        traits = Traits(labels=labels)

        def predict(self, inputs: Any, *others: Any) -> Float32:
            kept = np.where(np.isin(LABELS, labels), super().predict(inputs, *others), 0)
            return np.asarray(kept / kept.sum(axis=1, keepdims=True), np.float32)

    return Subset()


def test_labels_that_no_model_knows_are_left_out_and_named(ravdess: Path, fer2013: Path) -> None:
    settings = Settings(_env_file=None, ravdess_root=ravdess, fer2013_root=fer2013)  # type: ignore[call-arg]
    voice = among(LoudnessVoice, ("angry", "happy", "neutral"))
    face = among(BrightnessFace, ("happy", "neutral", "surprise"))
    accuracy = quick_check(settings, find_examples(settings), voice, face)
    assert "left out, because no model knows them: disgust, fear, sad" in accuracy.notes
    known = {"angry", "happy", "neutral", "surprise"}
    for part in PARTS:
        assert set(accuracy.reports[part].recall) == known
    # What one of the two does not know stays, as the miss that it is.
    assert accuracy.reports["voice"].recall == {"angry": 1.0, "happy": 1.0, "neutral": 1.0, "surprise": 0.0}
    assert accuracy.reports["face"].recall == {"angry": 0.0, "happy": 1.0, "neutral": 1.0, "surprise": 1.0}
    assert accuracy.reports["voice"].n == 10  # of two actors, each neutral twice


def test_models_that_know_nothing_of_the_data_measure_nothing(fer2013: Path) -> None:
    for label in LABELS[:6]:
        shutil.rmtree(fer2013 / "test" / label)
    settings = Settings(_env_file=None, fer2013_root=fer2013)  # type: ignore[call-arg]
    two = "angry", "sad"
    models = among(LoudnessVoice, two), among(BrightnessFace, two)
    accuracy = quick_check(settings, find_examples(settings), *models)
    assert not accuracy.reports
    assert any("surprise" in note for note in accuracy.notes)


def test_pairs_are_fused_by_the_labels_that_each_model_knows() -> None:
    voice = np.array([[0.5, 0, 0, 0.5, 0, 0, 0]], np.float32)
    face = np.array([[0, 0, 0, 0.1, 0, 0, 0.9]], np.float32)
    label, rng = np.array([3]), np.random.default_rng(0)
    known = ("angry", "happy"), ("happy", "surprise")
    fused, labels = synthetic_pairs((voice, label), (face, label), 0.6, rng, known)
    assert labels.tolist() == [3]
    expected = late_fusion(voice[0], face[0], 0.6, *known)
    assert expected is not None
    assert fused[0].tolist() == expected.tolist()
    plain, _ = synthetic_pairs((voice, label), (face, label), 0.6, rng)
    assert plain.tolist() != fused.tolist()


def test_missing_roots_are_notes_and_null(tmp_path: Path) -> None:
    accuracy = check(ravdess_root=tmp_path, fer2013_root=None)
    assert {name: accuracy.as_dict()[name] for name in PARTS} == dict.fromkeys(PARTS)
    assert len(accuracy.notes) == 2
    json.dumps(accuracy.as_dict())
    assert "03-01-01-01-01-01-01.wav" in accuracy.notes[0]


def test_data_sets_without_a_common_label_cost_the_fused_figure_alone(ravdess: Path, fer2013: Path) -> None:
    for label in LABELS[1:]:
        shutil.rmtree(fer2013 / "test" / label)
    for clip in ravdess.rglob("03-01-05-*"):  # angry, the one label that is left among the faces
        clip.unlink()
    accuracy = check(ravdess_root=ravdess, fer2013_root=fer2013)
    assert set(accuracy.reports) == {"voice", "face"}
    assert any("no label in common" in note for note in accuracy.notes)


def test_a_check_that_measured_nothing_says_why_and_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.quick_check", "--ravdess", str(tmp_path), "--fer2013", str(tmp_path)]
    # No model is loaded, or even downloaded, for that.
    environment = {**os.environ, "FACE_MODEL": "nonsense"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    voice, face = done.stderr.splitlines()
    assert "03-01-01-01-01-01-01.wav" in voice
    assert "fer2013.csv" in face


def test_clips_of_known_actors_alone_measure_nothing(ravdess: Path, tmp_path: Path) -> None:
    for actor in (1, 3):
        shutil.rmtree(ravdess / f"Actor_{actor:02d}")
    command = [sys.executable, "-m", "scripts.quick_check", "--ravdess", str(ravdess), "--fer2013", str(tmp_path)]
    environment = {**os.environ, "FACE_MODEL": "fer_resnet"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no clip was left" in done.stderr


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_what_can_be_measured_is_and_what_cannot_is_named(
    fer2013: Path, tmp_path: Path, json_option: list[str]
) -> None:
    command = [
        sys.executable,
        "-m",
        "scripts.quick_check",
        "--ravdess",
        str(tmp_path / "no"),
        "--fer2013",
        str(fer2013),
    ]
    environment = {**os.environ, "FACE_MODEL": "fer_resnet"}
    done = subprocess.run(
        [*command, *json_option], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    assert "voice not checked: no RAVDESS speech below" in done.stdout
    assert "face" in done.stdout


@pytest.mark.parametrize("text", ["-3", "100001", "many", "9" * 5000])
def test_how_many_files_is_a_number_within_bounds(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number from 0 to 100000"):
        count(text)
    assert [count("0"), count("100000")] == [0, 100_000]


def test_nothing_measured_is_no_empty_table() -> None:
    assert check(ravdess_root=None, fer2013_root=None).table() == "nothing was measured"


def test_the_table_has_a_line_for_each_part(ravdess: Path, fer2013: Path) -> None:
    lines = check(ravdess_root=ravdess, fer2013_root=fer2013).table().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == list(PARTS)
    assert "100.0%" in lines[1]


def test_a_clip_below_the_gate_has_no_answer() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert stream_clip(settings, LoudnessVoice(), np.zeros(32_000, np.int16)) is None
    short = (8_000 * np.sin(np.arange(9_000) * 0.1)).astype(np.int16)
    assert stream_clip(settings, LoudnessVoice(), short) is not None


@pytest.mark.data
@pytest.mark.skipif(
    not (RAVDESS.is_dir() and FER2013.is_dir()), reason="needs the data sets: RAVDESS_ROOT, FER2013_ROOT"
)
def test_the_shipped_models_beat_chance_by_far_on_unseen_people() -> None:
    command = [sys.executable, "-m", "scripts.quick_check", "--json", "--per-class", "40"]
    roots = ["--ravdess", str(RAVDESS), "--fer2013", str(FER2013)]
    environment = {**os.environ, "FACE_MODEL": "fer_resnet"}
    done = subprocess.run([*command, *roots], cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    figures = json.loads(done.stdout)
    # Well above the 35-40 % and 50 % that this project started from, with room for the sample's chance.
    assert figures["voice"]["uar"] > 0.45
    assert figures["face"]["uar"] > 0.55
    assert figures["fused"]["uar"] > max(figures["voice"]["uar"], figures["face"]["uar"]) - 0.05
