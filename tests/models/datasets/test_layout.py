"""The search in a tree, and tables, whatever is in them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models.datasets import affectnet, crema_d, fer2013, meld
from models.datasets.layout import DataLayoutError, files_below, find_below, read_table
from tests.models.datasets.trees import write_picture

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ANYTHING = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@ANYTHING
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5))
def test_a_table_is_read_as_it_was_written(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b", "c"), *rows])
    assert [tuple(row.values()) for row in read_table(path, ("c", "a"))] == rows


def test_short_rows_marks_and_blanks_are_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfa, b\n1, caf\xe9\n2\n")
    assert list(read_table(path, ("a", "b"))) == [{"a": "1", "b": "caf\ufffd"}, {"a": "2", "b": ""}]


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n")
    with pytest.raises(DataLayoutError, match="expected the columns a, c"):
        list(read_table(path, ("a", "c")))
    path.write_text("a\n" + "x" * (csv.field_size_limit() + 1))
    with pytest.raises(DataLayoutError, match="field larger than field limit"):
        list(read_table(path, ("a",)))


HEADINGS = {
    "fer2013.csv": ("emotion", "pixels", "Usage"),
    "training.csv": ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression"),
    "train_sent_emo.csv": ("Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"),
    "VideoDemographics.csv": ("ActorID", "Age", "Sex"),
}
PLAUSIBLE = st.sampled_from(["0", "1", "6", "10", "-1", "40", "nan", "1e9", "a.png", "Training", "joy", "1001", "Male"])


@ANYTHING
@given(rows=st.lists(st.lists(PLAUSIBLE | CELLS, max_size=7), max_size=5), headed=st.booleans())
@example(rows=[["a.png", "0", "0", "nan", "nan", "1"], ["a.png", "0", "0", "1e9", "1e9", "1"]], headed=True)
@example(rows=[["Ross", "joy", "0", "0"], ["Ross"]], headed=True)
def test_whatever_a_table_says_the_answer_is_examples_or_a_layout_error(
    tmp_path: Path, rows: list[list[str]], headed: bool
) -> None:
    write_picture(tmp_path / affectnet.IMAGES / "a.png")
    (tmp_path / "train_splits").mkdir(exist_ok=True)
    (tmp_path / "train_splits" / "dia0_utt0.mp4").touch()
    for name, heading in HEADINGS.items():
        text = io.StringIO()
        csv.writer(text).writerows([heading, *rows] if headed else rows)
        (tmp_path / name).write_text(text.getvalue(), encoding="utf-8")
    for load in (
        lambda: fer2013.load(tmp_path, "train"),
        lambda: affectnet.load(tmp_path, "train"),
        lambda: meld.clips(tmp_path, "train"),
        lambda: crema_d.people(tmp_path),
    ):
        try:
            found = load()
        except DataLayoutError:
            continue
        assert len(found) <= len(rows)


def test_a_name_is_found_at_most_two_folders_down_the_nearest_first(tmp_path: Path) -> None:
    for folder in ("a/b/c", "a/b", "z"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{folder.count('/')}.csv").touch()
    (tmp_path / "z" / "1.csv").touch()
    assert find_below(tmp_path, "2.csv") is None
    assert find_below(tmp_path, "1.csv") == tmp_path / "z" / "1.csv"
    assert find_below(tmp_path / "a", "2.csv") == tmp_path / "a" / "b" / "c" / "2.csv"


def test_files_are_listed_in_order_and_hidden_ones_not_at_all(tmp_path: Path) -> None:
    for name in ("b/2.WAV", "a/1.wav", "a/._1.wav", "a/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in files_below(tmp_path, (".wav",))] == ["1.wav", "2.WAV"]
