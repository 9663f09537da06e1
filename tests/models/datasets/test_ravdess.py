"""RAVDESS as sound, as film and as both, on tiny trees of the published layout."""

import logging
from pathlib import Path

import pytest

from models.datasets import ravdess, speech
from models.datasets.layout import DataLayoutError
from models.datasets.media import read_frames, read_sound
from tests.models.datasets.trees import write_film, write_sound

SCENE = "01-05-01-01-01-01"


def film_of(root: Path, modality: str, scene: str = SCENE) -> Path:
    actor = scene[-2:]
    path = root / f"Video_Speech_Actor_{actor}" / f"Actor_{actor}" / f"{modality}-{scene}.mp4"
    write_film(path, seconds=0.2, sound=modality == "01")
    return path


def sound_of(root: Path, scene: str = SCENE, ending: str = "wav") -> Path:
    path = root / f"Actor_{scene[-2:]}" / f"03-{scene}.{ending}"
    write_sound(path)
    return path


def test_label_speaker_and_gender_are_in_the_name(tmp_path: Path) -> None:
    for scene in ("01-05-01-01-01-01", "01-02-01-01-01-02", "01-08-02-02-02-02"):
        sound_of(tmp_path, scene)
    write_sound(tmp_path / "Actor_01" / "03-02-05-01-01-01-01.wav")  # song, not speech
    write_sound(tmp_path / "Actor_01" / "._03-01-06-01-01-01-01.wav")  # what an archiver left
    write_sound(tmp_path / "Actor_25" / "03-01-05-01-01-01-25.wav")  # there are 24 actors
    clips = speech.ravdess(tmp_path)
    assert {(c.label, c.speaker, c.gender) for c in clips} == {
        ("angry", "ravdess-01", "male"),
        ("neutral", "ravdess-02", "female"),  # calm
        ("surprise", "ravdess-02", "female"),
    }
    assert {c.speaker for c in speech.ravdess(tmp_path, actors=[1])} == {"ravdess-01"}


def test_the_actor_is_that_of_the_name_and_a_clip_is_listed_once(tmp_path: Path) -> None:
    sound_of(tmp_path)
    write_sound(tmp_path / "Actor_02" / f"03-{SCENE}.wav")
    (clip,) = speech.ravdess(tmp_path)
    assert clip.speaker == "ravdess-01"


def test_of_the_two_films_of_a_scene_that_with_sound_is_listed(tmp_path: Path) -> None:
    film_of(tmp_path, "02")
    with_sound = film_of(tmp_path, "01")
    alone = film_of(tmp_path, "02", "01-03-02-01-02-02")
    clips = ravdess.videos(tmp_path)
    assert {(c.path, c.label, c.speaker) for c in clips} == {
        (with_sound, "angry", "ravdess-01"),
        (alone, "happy", "ravdess-02"),
    }
    assert [c.path for c in ravdess.videos(tmp_path, actors=[2])] == [alone]


@pytest.mark.parametrize("modality", ["01", "02"])
def test_film_and_sound_are_paired_by_the_rest_of_the_name(tmp_path: Path, modality: str) -> None:
    film, sound = film_of(tmp_path, modality), sound_of(tmp_path, ending="flac")
    sound_of(tmp_path, "01-06-01-01-01-01")
    (scene,) = ravdess.pairs(tmp_path)
    assert (scene.video, scene.sound) == (film, sound)
    assert (scene.label, scene.speaker, scene.gender) == ("angry", "ravdess-01", "male")
    assert len(read_frames(scene.video, 1)) == 1
    assert len(read_sound(scene.sound))


def test_a_film_without_its_sound_file_is_heard_itself_or_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = film_of(tmp_path / "films", "01")
    film_of(tmp_path / "films", "02", "01-06-01-01-01-01")
    (tmp_path / "sounds").mkdir()
    (scene,) = ravdess.pairs(tmp_path / "films", tmp_path / "sounds")
    assert scene.sound == scene.video == heard
    assert "left out 1 RAVDESS films" in caplog.text


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"Actor_01/03-01-01-01-01-01-01\.wav"):
        speech.ravdess(tmp_path)
    with pytest.raises(DataLayoutError, match="no such folder"):
        speech.ravdess(tmp_path / "nowhere")
    sound_of(tmp_path)
    with pytest.raises(DataLayoutError, match=r"Video_Speech_Actor_01/Actor_01/01-01-01-01-01-01-01\.mp4"):
        ravdess.pairs(tmp_path)
    film_of(tmp_path / "films", "02")
    with pytest.raises(DataLayoutError, match=r"sound .* expected Actor_01/03-01"):
        ravdess.pairs(tmp_path / "films")


def test_a_damaged_clip_is_named_and_the_rest_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sound_of(tmp_path)
    (tmp_path / "Actor_01" / "03-01-06-01-01-01-01.wav").write_bytes(b"not a sound")
    with caplog.at_level(logging.WARNING):
        sounds = list(speech.read_clips(speech.ravdess(tmp_path)))
    assert [clip.label for clip, _ in sounds] == ["angry"]
    assert "03-01-06" in caplog.text
