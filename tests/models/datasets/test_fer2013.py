"""FER-2013 on tiny trees of its two layouts."""

import csv
from pathlib import Path

import numpy as np
import pytest

from models.datasets import fer2013
from models.datasets.faces import without_duplicates
from models.datasets.layout import DataLayoutError
from models.labels import LABELS
from tests.models.datasets.trees import faces_tree

NUMBERS = {
    label: number for number, label in enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
}


@pytest.mark.parametrize(
    ("name", "heading"),
    [("fer2013.csv", ["emotion", "pixels", "Usage"]), ("icml_face_data.csv", ["emotion", " pixels", " Usage"])],
)
def test_folders_and_table_hold_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, heading: list[str]
) -> None:
    faces_tree(tmp_path / "folders")
    from_folders = fer2013.load(tmp_path / "folders", "test")
    with (tmp_path / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        writer.writerow([0, " ".join(["7"] * 48 * 48), "PrivateTest"])
        writer.writerow([0, "1 2 3", "PublicTest"])  # damaged: left out
        writer.writerow(["x", "1 2 3", "PublicTest"])
        for image, label in zip(from_folders.images, from_folders.labels, strict=True):
            writer.writerow([NUMBERS[LABELS[label]], " ".join(map(str, image.ravel())), "PublicTest"])
    from_table = fer2013.load(tmp_path, "test")
    assert "line 4: the emotion 'x' is none of 0-6; line 3: " in caplog.text
    assert from_table.public and not from_folders.public  # it holds 21 pictures
    np.testing.assert_array_equal(from_table.images, from_folders.images)
    np.testing.assert_array_equal(from_table.labels, from_folders.labels)
    assert len(fer2013.load(tmp_path / name, "final")) == 1


def test_a_draw_takes_at_most_so_many_of_each_label(tmp_path: Path) -> None:
    faces_tree(tmp_path)
    drawn = fer2013.load(tmp_path, "test", per_class=2)
    assert np.bincount(drawn.labels).tolist() == [2] * 7


def test_pictures_that_the_held_out_split_has_too_are_left_out(tmp_path: Path) -> None:
    faces_tree(tmp_path)
    train, test = fer2013.load(tmp_path, "train"), fer2013.load(tmp_path, "test")
    train.images[0] = test.images[5]
    train.images[1] = test.images[6][:, ::-1]
    assert len(without_duplicates(train, test)) == len(train) - 2


def test_pictures_of_a_photograph_that_is_held_out_are_left_out_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faces_tree(tmp_path)
    train, test = fer2013.load(tmp_path, "train"), fer2013.load(tmp_path, "test")
    shades = np.linspace(0, 160, 48)
    photograph = (shades + 30 * np.sin(np.outer(np.arange(48), np.arange(48)) / 90)).clip(0, 255).astype(np.uint8)
    test.images[5] = photograph
    train.images[0] = np.roll(photograph, 1, axis=0)  # cut a pixel higher
    train.images[1] = photograph[:, ::-1] // 2 + 20  # mirrored, darker and flatter
    train.images[2] = photograph
    train.images[3] = np.rot90(photograph)  # another one
    train.images[4] = 90
    kept = without_duplicates(train, test)
    np.testing.assert_array_equal(kept.images, train.images[3:])
    assert "left out 1 training pictures that the held-out split has too, and 2 of the same photographs" in caplog.text


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"fer2013\.csv or test/angry/\*\.jpg"):
        fer2013.load(tmp_path, "test")
    with pytest.raises(ValueError, match="train, test, final"):
        fer2013.load(tmp_path, "validation")
    table = tmp_path / "fer2013.csv"
    table.write_text("label,pixels\n")
    with pytest.raises(DataLayoutError, match="expected the columns emotion, pixels, Usage"):
        fer2013.load(tmp_path, "test")
    table.write_text("emotion,pixels,Usage\n7,1 2 3,PublicTest\n")
    with pytest.raises(DataLayoutError, match="no picture of usage PublicTest that can be used"):
        fer2013.load(tmp_path, "test")


def test_folders_are_known_by_other_names_and_those_that_are_not_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faces_tree(tmp_path)
    whole = fer2013.load(tmp_path, "train")
    for old, new in (("fear", "Fearful"), ("sad", "Sad"), ("happy", "joy")):
        (tmp_path / "train" / old).rename(tmp_path / "train" / new)
    known = fer2013.load(tmp_path, "train")
    np.testing.assert_array_equal(known.images, whole.images[whole.labels != LABELS.index("happy")])
    assert "what is in folders that are no label: joy" in caplog.text
    assert "train has no picture of happy" in caplog.text


def test_public_test_is_called_so_where_it_has_its_number_of_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces_tree(tmp_path)
    both = fer2013.load(tmp_path, "test", per_class=1)
    assert both.usage == "split `test` of a folder, 21 pictures"
    assert "test is not usage PublicTest, or not alone: it has 21 pictures instead of 3589" in caplog.text
    monkeypatch.setattr(fer2013, "PUBLIC", 21)
    public = fer2013.load(tmp_path, "test", per_class=1)
    assert public.told == "the 7 pictures of the split `test` (usage PublicTest in fer2013.csv)"
