"""The data sets by name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.datasets import catalogue
from models.datasets.catalogue import UnknownDataSetError
from models.datasets.layout import DataLayoutError
from models.datasets.splits import TooFewSpeakersError
from models.labels import LABELS
from tests.models.datasets.test_affectnet import annotated_tree
from tests.models.datasets.test_meld import SAID, meld_tree
from tests.models.datasets.trees import faces_tree, write_film, write_sound


def test_no_framework_and_no_decoder_is_imported_before_it_is_needed() -> None:
    asked = "import sys, models.datasets.catalogue; print({'av', 'torch', 'librosa', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_each_kind_has_its_data_sets() -> None:
    assert catalogue.names("speech") == ["ravdess", "crema_d", "meld", "savee", "tess", "own"]
    assert catalogue.names("face") == ["fer2013", "affectnet", "own"]
    assert catalogue.names("audio-visual") == ["ravdess", "crema_d", "meld", "own"]
    assert len(catalogue.names()) == 8


@pytest.mark.parametrize("name", catalogue.names())
def test_an_entry_says_what_a_user_must_know(name: str) -> None:
    entry = catalogue.find(name)
    assert entry.kinds
    assert all((entry.title, entry.licence, entry.home, entry.layout))
    assert set(entry.labels) <= set(LABELS)
    assert ("surprise" in entry.labels) == (name != "crema_d")


@pytest.mark.parametrize("name", ["CREMA-D", "crema_d", "cremad", "Crema D"])
def test_a_name_may_be_written_as_people_do(name: str) -> None:
    assert catalogue.find(name).name == "crema_d"


def test_wrong_names_are_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownDataSetError, match="no data set 'iemocap': there are ravdess, crema_d, meld"):
        catalogue.find("iemocap")
    with pytest.raises(UnknownDataSetError, match="fer2013 is no speech data set: those are ravdess"):
        catalogue.split_speech("fer2013", tmp_path)
    with pytest.raises(UnknownDataSetError, match="savee is no audio-visual data set"):
        catalogue.split_scenes("savee", tmp_path)
    with pytest.raises(UnknownDataSetError, match="tess is no face data set"):
        catalogue.load_faces("tess", tmp_path, "train")
    with pytest.raises(UnknownDataSetError, match="ravdess has no official split"):
        catalogue.split_speech("ravdess", tmp_path, official=True)
    with pytest.raises(UnknownDataSetError, match="affectnet has no part test: it has train, validation"):
        catalogue.load_faces("affectnet", tmp_path, "test")


@pytest.mark.parametrize("name", catalogue.names("speech"))
def test_every_speech_loader_names_its_layout_on_an_empty_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataLayoutError, match="expected"):
        catalogue.split_speech(name, tmp_path)


def test_speech_and_scenes_are_split_by_speaker(tmp_path: Path) -> None:
    for actor in range(1, 9):
        scene = f"01-05-01-01-01-{actor:02d}"
        write_sound(tmp_path / f"Actor_{actor:02d}" / f"03-{scene}.wav")
        write_film(tmp_path / f"Actor_{actor:02d}" / f"02-{scene}.mp4", seconds=0.1, sound=False)
    for split in (catalogue.split_speech("ravdess", tmp_path), catalogue.split_scenes("ravdess", tmp_path, seed=1)):
        split.check_speakers()
        assert len(split.train) + len(split.validation) + len(split.test) == 8


def test_meld_is_split_by_speaker_unless_the_official_split_is_asked_for(tmp_path: Path) -> None:
    meld_tree(tmp_path)
    catalogue.split_speech("meld", tmp_path).check_speakers()
    official = catalogue.split_speech("meld", tmp_path, official=True)
    assert [len(part) for part in (official.train, official.validation, official.test)] == [len(SAID)] * 3
    assert {clip.path.parent.name for clip in official.validation} == {"dev_splits_complete"}
    scenes = catalogue.split_scenes("meld", tmp_path, official=True)
    assert {scene.video.parent.name for scene in scenes.test} == {"output_repeated_splits_test"}


def test_tess_has_too_few_speakers_for_three_parts(tmp_path: Path) -> None:
    write_sound(tmp_path / "OAF_back_angry.wav")
    write_sound(tmp_path / "YAF_back_angry.wav")
    with pytest.raises(TooFewSpeakersError):
        catalogue.split_speech("tess", tmp_path)


def test_faces_of_either_data_set_are_had_alike(tmp_path: Path) -> None:
    faces_tree(tmp_path / "fer2013")
    annotated_tree(tmp_path / "affectnet")
    for name, side in (("FER-2013", 48), ("AffectNet", 224)):
        root = tmp_path / catalogue.find(name).name
        for part in ("train", "validation"):
            faces = catalogue.load_faces(name, root, part, per_class=1)  # type: ignore[arg-type]
            images, labels = faces.batch(np.arange(len(faces)), side, 3)
            assert images.shape == (7, side, side, 3)
            assert sorted(labels.tolist()) == list(range(7))
