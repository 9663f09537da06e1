"""The quick accuracy check, on tiny data sets whose answers are known."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from app.quick_check import PARTS, Accuracy, quick_check, stream_clip
from app.settings import ROOT, Settings
from models.inference import Float32, Int16, UInt8
from models.labels import LABELS

DATA = ROOT.parent / "shared" / "data"
RAVDESS = Path(os.environ.get("RAVDESS_ROOT") or DATA / "ravdess")
FER2013 = Path(os.environ.get("FER2013_ROOT") or DATA / "fer2013")
ORDER = ("neutral", "neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")  # RAVDESS 01 to 08


class LoudnessVoice:
    """Tells the label by how loud the tone is: the trees below make each label its own amplitude."""

    name = "loudness"
    heard = frozenset({"ravdess-03"})

    def predict(self, windows: Int16) -> Float32:
        loudest = np.abs(windows.astype(np.int32)).max(axis=1) / 32768
        probs = np.full((len(windows), 7), 0.05, np.float32)
        probs[np.arange(len(windows)), np.clip(np.round(loudest * 10).astype(int) - 1, 0, 6)] = 0.7
        return probs


class BrightnessFace:
    """Tells the label by how bright the picture is, and takes one label for another: sad for angry."""

    name, size, channels = "brightness", 64, 3

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
    return quick_check(Settings(_env_file=None, **settings), LoudnessVoice(), BrightnessFace())  # type: ignore[call-arg]


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
    environment = {**os.environ, "FACE_MODEL": "fer_resnet"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "03-01-01-01-01-01-01.wav" in done.stderr
    refused = subprocess.run([*command, "--per-class", "-3"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "'-3' is not a whole number from 0 up" in refused.stderr


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
