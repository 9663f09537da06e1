"""CREMA-D on tiny trees of the published layout."""

from pathlib import Path

import pytest

from models.datasets import crema_d
from models.datasets.clips import UNKNOWN, read_clips
from models.datasets.layout import DataLayoutError
from models.datasets.media import read_frames
from tests.models.datasets.trees import write_film, write_sound

PEOPLE = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n1091,,"Female","",""\n'


def crema_tree(root: Path, people: bool = True) -> Path:
    for name in ("1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1091_TIE_NEU_XX", "1040_ITH_SAD_X"):
        write_sound(root / "AudioWAV" / f"{name}.wav", rate=16_000)
    for name in ("1001_DFA_ANG_XX", "1091_TIE_NEU_XX", "1002_DFA_DIS_XX"):
        write_film(root / "VideoFlash" / f"{name}.flv", seconds=0.2)
    if people:
        (root / "VideoDemographics.csv").write_text(PEOPLE)
    return root


def test_label_speaker_gender_and_age(tmp_path: Path) -> None:
    clips = crema_d.clips(crema_tree(tmp_path))
    assert {(c.label, c.speaker, c.gender, c.age) for c in clips} == {
        ("angry", "crema_d-1001", "male", 51),
        ("happy", "crema_d-1001", "male", 51),
        ("neutral", "crema_d-1091", "female", None),
        ("sad", "crema_d-1040", UNKNOWN, None),  # not in this table; published with one X
    }
    assert len(list(read_clips(clips))) == 4


def test_the_table_of_people_is_found_beside_the_folder_of_sounds(tmp_path: Path) -> None:
    crema_tree(tmp_path)
    assert "male" in {clip.gender for clip in crema_d.clips(tmp_path / "AudioWAV")}


def test_without_the_table_genders_are_unknown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = crema_d.clips(crema_tree(tmp_path / "crema", people=False))
    assert {(clip.gender, clip.age) for clip in clips} == {(UNKNOWN, None)}
    assert "no VideoDemographics.csv" in caplog.text


def test_sound_and_film_are_paired_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scenes = crema_d.pairs(crema_tree(tmp_path))
    assert {(s.sound.name, s.video.name, s.label, s.gender) for s in scenes} == {
        ("1001_DFA_ANG_XX.wav", "1001_DFA_ANG_XX.flv", "angry", "male"),
        ("1091_TIE_NEU_XX.wav", "1091_TIE_NEU_XX.flv", "neutral", "female"),
    }
    assert "left out 3 CREMA-D files" in caplog.text
    assert read_frames(scenes[0].video, 2).shape == (2, 48, 64, 3)


@pytest.mark.parametrize(
    "name", ["1092_DFA_ANG_XX.wav", "1000_DFA_ANG_XX.wav", "1001_DFA_SUR_XX.flac", "happy-0849.wav"]
)
def test_other_names_are_none_of_it(tmp_path: Path, name: str) -> None:
    write_sound(tmp_path / name)
    with pytest.raises(DataLayoutError, match=r"AudioWAV/1001_DFA_ANG_XX\.wav"):
        crema_d.clips(tmp_path)


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    write_sound(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    with pytest.raises(DataLayoutError, match=r"VideoFlash/1001_DFA_ANG_XX\.flv"):
        crema_d.pairs(tmp_path)
    write_film(tmp_path / "VideoFlash" / "1002_DFA_ANG_XX.flv")
    with pytest.raises(DataLayoutError, match="of one name"):
        crema_d.pairs(tmp_path)
    (tmp_path / "VideoDemographics.csv").write_text("actor;years\n1001;51\n")
    with pytest.raises(DataLayoutError, match="ActorID, Age, Sex"):
        crema_d.clips(tmp_path)


def test_the_pointers_of_git_lfs_are_told_from_sounds(tmp_path: Path) -> None:
    pointer = tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav"
    pointer.parent.mkdir()
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 73000\n")
    with pytest.raises(DataLayoutError, match="git lfs pull"):
        crema_d.clips(tmp_path)
