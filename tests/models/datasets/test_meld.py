"""MELD on tiny trees of the published layout."""

import csv
from pathlib import Path

import pytest

from models.datasets import meld
from models.datasets.clips import SEVERAL, UNKNOWN, read_clips
from models.datasets.layout import DataLayoutError
from models.datasets.splits import split_by_speaker
from tests.models.datasets.trees import write_film

COLUMNS = (
    "Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
    "StartTime", "EndTime",
)  # fmt: skip
SAID = [
    ("Chandler", "neutral"), ("The Interviewer", "joy"), ("Monica and Rachel", "surprise"), ("Joey/Drake", "anger"),
    ("Ursula", "disgust"), ("All", "fear"), ("Phoebe Sr.", "sadness"), ("Mr. Treeger", "neutral"),
]  # fmt: skip


def meld_tree(root: Path, where: str = "{folder}", tables: str = "") -> Path:
    for split, folder in meld.FOLDERS.items():
        path = root / tables.format(split=split) / f"{split}_sent_emo.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for number, (speaker, emotion) in enumerate(SAID):
                row = (number, "Hi, you\x92re «here»", speaker, emotion, "neutral", 3, number, 8, 21, "0:1", "0:2")
                writer.writerow(row)
                film = root / where.format(split=split, folder=folder) / f"dia3_utt{number}.mp4"
                film.parent.mkdir(parents=True, exist_ok=True)
                film.touch()
    return root


def test_label_speaker_and_gender(tmp_path: Path) -> None:
    clips = meld.clips(meld_tree(tmp_path), "dev")
    assert [(c.label, c.speaker, c.gender) for c in clips] == [
        ("neutral", "meld-chandler", "male"),
        ("happy", "meld-the-interviewer", UNKNOWN),
        ("surprise", SEVERAL, UNKNOWN),
        ("angry", "meld-joey", "male"),  # in a role
        ("disgust", "meld-phoebe", "female"),  # the same actress
        ("fear", SEVERAL, UNKNOWN),
        ("sad", "meld-phoebe-sr", UNKNOWN),
        ("neutral", "meld-mr-treeger", UNKNOWN),
    ]
    assert {clip.path.parent.name for clip in clips} == {"dev_splits_complete"}


@pytest.mark.parametrize(
    ("where", "tables"),
    [("{folder}", ""), ("{split}/{folder}", "{split}"), ("MELD.Raw/{split}/{folder}", "data/MELD")],
)
def test_the_archives_may_be_unpacked_into_folders_of_their_own(tmp_path: Path, where: str, tables: str) -> None:
    clips = meld.clips(meld_tree(tmp_path, where, tables))
    assert len(clips) == 3 * len(SAID)


def test_missing_films_are_counted_and_broken_ones_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = meld_tree(tmp_path) / "train_splits"
    for number in range(2, len(SAID)):
        (folder / f"dia3_utt{number}.mp4").unlink()
    write_film(folder / "dia3_utt0.mp4", seconds=0.3)
    (folder / "dia3_utt1.mp4").write_bytes(b"a film without its index")
    write_film(folder / "final_videos_testdia3_utt5.mp4")  # such leftovers are published, too
    clips = meld.clips(tmp_path, "train")
    assert len(clips) == 2
    assert "left out 6 utterances without a film (dia3_utt2 ...)" in caplog.text
    ((clip, sound),) = read_clips(clips)
    assert clip.speaker == "meld-chandler"
    assert len(sound) > 4_000
    assert "dia3_utt1.mp4" in caplog.text


def test_sound_and_pictures_of_a_scene_are_of_one_film(tmp_path: Path) -> None:
    scenes = meld.pairs(meld_tree(tmp_path), "test")
    assert len(scenes) == len(SAID)
    assert all(scene.sound == scene.video for scene in scenes)


def test_the_official_splits_share_speakers_and_the_alternative_does_not(tmp_path: Path) -> None:
    root = meld_tree(tmp_path)
    speakers = {split: {clip.speaker for clip in meld.clips(root, split)} for split in meld.FOLDERS}
    assert speakers["train"] & speakers["test"]
    split = split_by_speaker(meld.clips(root))
    split.check_speakers()
    assert len(split.train) + len(split.validation) + len(split.test) == 3 * (len(SAID) - 2)  # without SEVERAL


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"dev_sent_emo\.csv and dev_splits_complete/dia0_utt0\.mp4"):
        meld.clips(tmp_path, "dev")
    meld_tree(tmp_path)
    with pytest.raises(ValueError, match="train, dev, test"):
        meld.clips(tmp_path, "val")
    for film in (tmp_path / "dev_splits_complete").iterdir():
        film.unlink()
    with pytest.raises(DataLayoutError, match="no MELD film"):
        meld.clips(tmp_path, "dev")
    table = tmp_path / "test_sent_emo.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("surprise", "boredom"))
    with pytest.raises(DataLayoutError, match="boredom"):
        meld.clips(tmp_path, "test")
    table.write_text("Speaker,Emotion\n")
    with pytest.raises(DataLayoutError, match="Dialogue_ID"):
        meld.clips(tmp_path, "test")
