"""Data sets, on tiny trees of the published layouts."""

import csv
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from models.datasets import fer2013, speech
from models.datasets.layout import DataLayoutError
from models.labels import LABELS


def write_sound(path: Path, seconds: float = 0.2, rate: int = 48_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 300 * times), rate)


def test_ravdess_reads_label_speaker_and_gender_from_the_name(tmp_path: Path) -> None:
    for name in ("03-01-05-01-01-01-01", "03-01-02-01-01-01-02", "03-01-08-02-02-02-02"):
        write_sound(tmp_path / f"Actor_{name[-2:]}" / f"{name}.wav")
    write_sound(tmp_path / "Actor_01" / "03-02-05-01-01-01-01.wav")  # song, not speech
    clips = speech.ravdess(tmp_path)
    assert {(c.label, c.speaker, c.gender) for c in clips} == {
        ("angry", "ravdess-01", "male"),
        ("neutral", "ravdess-02", "female"),  # calm
        ("surprise", "ravdess-02", "female"),
    }
    assert {c.speaker for c in speech.ravdess(tmp_path, actors=[1])} == {"ravdess-01"}


def test_ravdess_takes_the_actor_from_the_name_and_a_clip_once(tmp_path: Path) -> None:
    write_sound(tmp_path / "Actor_01" / "03-01-05-01-01-01-01.wav")
    write_sound(tmp_path / "Actor_02" / "03-01-05-01-01-01-01.wav")
    (clip,) = speech.ravdess(tmp_path)
    assert clip.speaker == "ravdess-01"


@pytest.mark.parametrize("name", ["DC_sa01.flac", "DC/sa01.wav"])
def test_savee_in_both_layouts(tmp_path: Path, name: str) -> None:
    write_sound(tmp_path / name)
    (clip,) = speech.savee(tmp_path)
    assert (clip.label, clip.speaker) == ("sad", "savee-dc")


@pytest.mark.parametrize(
    ("name", "label", "speaker"),
    [
        ("TESS Toronto emotional speech set data/OAF_angry/OAF_back_angry.wav", "angry", "tess-oaf"),
        ("YAF_pleasant_surprised/YAF_bar_ps.wav", "surprise", "tess-yaf"),
        ("OA_bite_neutral.wav", "neutral", "tess-oaf"),  # published without its F
        ("9testOAF_young_fear4.wav", "fear", "tess-oaf"),
    ],
)
def test_tess_in_the_names_that_are_in_circulation(tmp_path: Path, name: str, label: str, speaker: str) -> None:
    write_sound(tmp_path / name)
    (clip,) = speech.tess(tmp_path)
    assert (clip.label, clip.speaker, clip.gender) == (label, speaker, "female")


def test_tess_within_itself_is_listed_once(tmp_path: Path) -> None:
    for folder in ("OAF_angry", "TESS Toronto emotional speech set data/OAF_angry"):
        write_sound(tmp_path / folder / "OAF_back_angry.wav")
        write_sound(tmp_path / folder / "OAF_bar_angry.wav")
    assert len(speech.tess(tmp_path)) == 2


def test_an_empty_root_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"03-01-01-01-01-01-01\.wav"):
        speech.ravdess(tmp_path)
    with pytest.raises(DataLayoutError, match="DC"):
        speech.savee(tmp_path)
    with pytest.raises(DataLayoutError, match=r"OAF_back_angry\.wav"):
        speech.tess(tmp_path)
    with pytest.raises(DataLayoutError, match=r"fer2013\.csv"):
        fer2013.load(tmp_path, "test")


def test_sound_is_resampled_to_16_khz_mono(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    stereo = np.stack([np.full(48_000, 0.5), np.full(48_000, 0.25)], axis=1)
    soundfile.write(path, stereo, 48_000)
    sound = speech.read_sound(path)
    assert len(sound) == 16_000
    assert sound[8_000] == pytest.approx(0.375 * 32768, abs=40)


def test_a_damaged_clip_is_named_and_the_rest_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_sound(tmp_path / "Actor_01" / "03-01-05-01-01-01-01.wav")
    (tmp_path / "Actor_01" / "03-01-06-01-01-01-01.wav").write_bytes(b"not a sound")
    with caplog.at_level(logging.WARNING):
        sounds = list(speech.read_clips(speech.ravdess(tmp_path)))
    assert [clip.label for clip, _ in sounds] == ["angry"]
    assert "03-01-06" in caplog.text


def faces_tree(root: Path, per_label: int = 3) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in LABELS:
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(per_label):
                cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (48, 48), dtype=np.uint8))


def test_fer2013_folders_and_csv_hold_the_same(tmp_path: Path) -> None:
    faces_tree(tmp_path / "folders")
    from_folders = fer2013.load(tmp_path / "folders", "test")
    table = tmp_path / "fer2013.csv"
    numbers = {
        label: number
        for number, label in enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
    }
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        writer.writerow([0, " ".join(["7"] * 48 * 48), "PrivateTest"])
        writer.writerow([0, "1 2 3", "PublicTest"])  # damaged: left out
        for image, label in zip(from_folders.images, from_folders.labels, strict=True):
            writer.writerow([numbers[LABELS[label]], " ".join(map(str, image.ravel())), "PublicTest"])
    from_csv = fer2013.load(tmp_path, "test")
    np.testing.assert_array_equal(from_csv.images, from_folders.images)
    np.testing.assert_array_equal(from_csv.labels, from_folders.labels)
    assert len(fer2013.load(tmp_path, "final")) == 1


def test_fer2013_draws_at_most_so_many_of_each_label(tmp_path: Path) -> None:
    faces_tree(tmp_path)
    drawn = fer2013.load(tmp_path, "test", per_class=2)
    assert np.bincount(drawn.labels).tolist() == [2] * 7


def test_pictures_that_the_held_out_split_has_too_are_left_out(tmp_path: Path) -> None:
    faces_tree(tmp_path)
    train, test = fer2013.load(tmp_path, "train"), fer2013.load(tmp_path, "test")
    train.images[0] = test.images[5]
    train.images[1] = test.images[6][:, ::-1]
    assert len(fer2013.without_duplicates(train, test)) == len(train) - 2
