"""AffectNet on tiny trees of its three layouts."""

import csv
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.datasets import affectnet
from models.datasets.layout import DataLayoutError
from models.labels import LABELS
from tests.models.datasets.trees import write_picture

SHADES = {"neutral": 10, "happy": 40, "sad": 70, "surprise": 100, "fear": 130, "disgust": 160, "angry": 190}
"""Of the pictures of each label, by which a test knows them again."""
HEADING = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip


def shade_of(number: int) -> int:
    return SHADES.get(affectnet.EXPRESSIONS[number], 250)


def annotated_tree(root: Path) -> None:
    for split in ("train_set", "val_set"):
        (root / split / "annotations").mkdir(parents=True)
        for picture in range(16):
            number = picture % 8
            write_picture(root / split / "images" / f"{picture}.jpg", shade_of(number), (224, 224))
            # As published: a text in an array, beside valence, arousal and landmarks.
            np.save(root / split / "annotations" / f"{picture}_exp.npy", np.array(str(number)))
            np.save(root / split / "annotations" / f"{picture}_val.npy", np.array("0.5"))


def labelled_tree(root: Path, names: tuple[str, ...], splits: tuple[str, str] = ("train", "val")) -> None:
    for split in splits:
        for number, name in enumerate(names):
            for picture in range(2):
                write_picture(root / split / name / f"{number}_{picture}.jpg", shade_of(number), (96, 96))


def tabled_tree(
    root: Path, *, heading: bool = True, lists: str = "", images: str = "Manually_Annotated_Images"
) -> None:
    for name in ("training.csv", "validation.csv"):
        table = root / lists / name
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            if heading:
                writer.writerow(HEADING)
            for picture in range(22):
                number = picture % 11
                path = f"{number}/{picture}.jpg"
                box = ("NULL",) * 4 if number == 10 else (20, 10, 40, 40)
                writer.writerow((path, *box, "1.0;2.0", number, 0.1, -0.2))
                whole = np.full((80, 100), 255, np.uint8)
                whole[10:50, 20:60] = shade_of(number)
                if number < 8:
                    (root / images / path).parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(root / images / path), whole)


def hold_what_was_written(root: Path, split: str, per_label: int = 2) -> None:
    faces = affectnet.load(root, split)
    assert np.bincount(faces.labels, minlength=7).tolist() == [per_label] * 7
    images, labels = faces.batch(np.arange(len(faces)), 32, 1)
    assert images.shape == (7 * per_label, 32, 32, 1)
    for image, label in zip(images, labels, strict=True):
        assert image[8:24, 8:24].mean() == pytest.approx(SHADES[LABELS[label]], abs=3)


@pytest.mark.parametrize("split", ["train", "val"])
def test_annotations_in_folders(tmp_path: Path, split: str, caplog: pytest.LogCaptureFixture) -> None:
    annotated_tree(tmp_path)
    with caplog.at_level(logging.INFO):
        hold_what_was_written(tmp_path, split)
    assert "contempt 2" in caplog.text


@pytest.mark.parametrize(
    "names",
    [
        tuple(map(str, range(8))),
        ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"),
        ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt"),
    ],
)
@pytest.mark.parametrize("splits", [("train", "val"), ("Train", "Validation")])
def test_label_folders(tmp_path: Path, names: tuple[str, ...], splits: tuple[str, str]) -> None:
    labelled_tree(tmp_path, names, splits)
    for split in ("train", "val"):
        hold_what_was_written(tmp_path, split)


@pytest.mark.parametrize("heading", [True, False])
@pytest.mark.parametrize(
    ("lists", "images"),
    [
        ("", "Manually_Annotated_Images"),
        ("Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_Images"),
    ],
)
def test_tables_with_boxes(tmp_path: Path, heading: bool, lists: str, images: str) -> None:
    tabled_tree(tmp_path, heading=heading, lists=lists, images=images)
    for split in ("train", "val"):
        hold_what_was_written(tmp_path, split)


def test_what_a_table_names_and_nobody_has_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tabled_tree(tmp_path)
    (tmp_path / "Manually_Annotated_Images" / "1" / "12.jpg").unlink()
    table = tmp_path / "training.csv"
    table.write_text(
        table.read_text().replace("0/0.jpg,20,10,40,40", "0/0.jpg,20,10,0,0").replace("2/2.jpg,20", "2/2.jpg,NULL")
    )
    with caplog.at_level(logging.INFO):
        faces = affectnet.load(tmp_path, "train")
    assert len(faces) == 14 - 3
    assert "left out 1 pictures" in caplog.text
    assert "0/0.jpg" in caplog.text
    assert "2/2.jpg" in caplog.text
    assert "contempt 2, no face 2, none 2, uncertain 2" in caplog.text


def test_a_picture_without_a_usable_annotation_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    annotated_tree(tmp_path)
    notes = tmp_path / "train_set" / "annotations"
    (notes / "0_exp.npy").unlink()
    (notes / "1_exp.npy").write_bytes(b"")
    (notes / "2_exp.npy").write_bytes(b"not an array")
    assert len(affectnet.load(tmp_path, "train")) == 14 - 3
    assert "left out 1 pictures" in caplog.text
    assert "1_exp.npy" in caplog.text
    assert "2_exp.npy" in caplog.text


def test_a_draw_takes_at_most_so_many_of_each_label_and_is_repeatable(tmp_path: Path) -> None:
    annotated_tree(tmp_path)
    drawn = affectnet.load(tmp_path, "train", per_class=1, seed=3)
    assert np.bincount(drawn.labels).tolist() == [1] * 7
    assert drawn.paths == affectnet.load(tmp_path, "train", per_class=1, seed=3).paths


def test_a_wrong_tree_is_told_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"train_set/images/0\.jpg .* or train/0/.* or training\.csv"):
        affectnet.load(tmp_path, "train")
    with pytest.raises(ValueError, match="train, val"):
        affectnet.load(tmp_path, "test")
    labelled_tree(tmp_path / "strange", ("boredom",))
    with pytest.raises(DataLayoutError, match="boredom is none of AffectNet's expressions"):
        affectnet.load(tmp_path / "strange", "train")
    write_picture(tmp_path / "contempt" / "val" / "7" / "a.jpg")
    with pytest.raises(DataLayoutError, match="no picture of the seven labels"):
        affectnet.load(tmp_path / "contempt", "val")
    tabled_tree(tmp_path / "tables")
    (tmp_path / "tables" / "Manually_Annotated_Images").rename(tmp_path / "tables" / "pictures")
    with pytest.raises(DataLayoutError, match="Manually_Annotated_Images"):
        affectnet.load(tmp_path / "tables", "train")
    (tmp_path / "tables" / "training.csv").write_text("path,emotion\n0/0.jpg,1\n")
    (tmp_path / "tables" / "pictures").rename(tmp_path / "tables" / "Manually_Annotated_Images")
    with pytest.raises(DataLayoutError, match="expected the columns subDirectory_filePath"):
        affectnet.load(tmp_path / "tables", "train")
