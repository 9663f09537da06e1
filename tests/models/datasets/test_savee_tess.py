"""SAVEE and TESS on tiny trees of the layouts that are in circulation."""

from pathlib import Path

import pytest

from models.datasets import speech
from models.datasets.layout import DataLayoutError
from tests.models.datasets.trees import write_sound


@pytest.mark.parametrize("name", ["DC_sa01.flac", "DC/sa01.wav", "AudioData/DC/sa01.wav", "dc_sa01.WAV"])
def test_savee_in_all_layouts(tmp_path: Path, name: str) -> None:
    write_sound(tmp_path / name)
    (clip,) = speech.savee(tmp_path)
    assert (clip.label, clip.speaker, clip.gender) == ("sad", "savee-dc", "male")


def test_savee_lists_a_sentence_once_and_only_its_four_speakers(tmp_path: Path) -> None:
    for name in ("DC/sa01.wav", "all/DC_sa01.wav", "JE/sa01.wav", "JE/su01.wav", "elsewhere/a01.wav"):
        write_sound(tmp_path / name)
    assert sorted((clip.speaker, clip.label) for clip in speech.savee(tmp_path)) == [
        ("savee-dc", "sad"),
        ("savee-je", "sad"),
        ("savee-je", "surprise"),
    ]


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
    assert clip.age == {"tess-oaf": 64, "tess-yaf": 26}[speaker]


def test_tess_within_itself_is_listed_once(tmp_path: Path) -> None:
    for folder in ("OAF_angry", "TESS Toronto emotional speech set data/OAF_angry"):
        write_sound(tmp_path / folder / "OAF_back_angry.wav")
        write_sound(tmp_path / folder / "OAF_bar_angry.wav")
    assert len(speech.tess(tmp_path)) == 2


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    write_sound(tmp_path / "elsewhere" / "a01.wav")
    with pytest.raises(DataLayoutError, match=r"DC/a01\.wav or DC_a01\.wav"):
        speech.savee(tmp_path)
    with pytest.raises(DataLayoutError, match=r"OAF_angry/OAF_back_angry\.wav"):
        speech.tess(tmp_path)
