"""A voice artefact is put into integers, at a cost that is measured on people whom it has not heard."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models.artefact import ArtefactInfo
from models.checksums import SUMS
from models.datasets import own
from models.export import export_onnx
from models.loading import load_voice
from models.torch_engine import Calibrated
from scripts import quantise_voice
from tests.models.datasets.trees import write_sound
from tests.models.voices import ravdess_tree, say, small_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of two small networks, of which each has heard one of four actors more than the other."""
    ravdess_tree(tmp_path / "ravdess", range(2, 6))
    for name, heard in (("one", (2, 3, 4)), ("other", (2, 3, 5)), ("stranger", (21, 22))):
        info = ArtefactInfo(
            name, "voice", "audio_bilstm", {"channels": 16, "hidden": 12, "layers": 1, "adaptive": True},
            heard=tuple(f"ravdess-{actor:02d}" for actor in heard), adaptive=True,
        )  # fmt: skip
        export_onnx(Calibrated(small_network(), info).eval(), tmp_path / f"{name}.onnx")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["quantise_voice", *arguments, "--ravdess", str(folder / "ravdess"),
                                      "--weights", str(folder)])  # fmt: skip
    quantise_voice.main()


def test_it_is_served_under_its_new_name_with_a_card_and_a_checksum(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise_voice, "MOST_LOST", 1.0)  # what untrained networks say is all but chance
    run(monkeypatch, folder, "one", "--folds", "one", "other")
    before, after = (load_voice(name, engine="onnx", weights_dir=folder) for name in ("one", "one_int8"))
    windows = np.stack([say("happy", pitch)[4_000:20_000] for pitch in (120, 180, 240)])
    assert (after.name, after.traits, after.heard) == ("one_int8", before.traits, before.heard)
    assert 0 < np.abs(after.predict(windows) - before.predict(windows)).max() < 0.05
    card = (folder / "one_int8.md").read_text()
    assert "one_int8" in (folder / SUMS).read_text()
    # Of actors 4 and 5, sixteen clips, whom one of the two has not heard.
    assert "1 s window, 48 answers: UAR" in card and "smoothed stream, 16 answers: UAR" in card
    assert "a window each of 24 clips" in card


def test_what_costs_too_much_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise_voice, "MOST_LOST", -1.0)
    with pytest.raises(SystemExit, match=r"it loses too much: 1 s window, 24 answers"):
        run(monkeypatch, folder, "one")
    assert not list(folder.glob("*_int8*"))


def test_who_has_heard_nobody_there_is_told_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no clip of anybody whom the artefact has heard"):
        run(monkeypatch, folder, "stranger")
    assert not list(folder.glob("*_int8*"))


def test_one_of_ones_own_is_measured_on_ones_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise_voice, "MOST_LOST", 1.0)
    for speaker in ("anna", "ben"):
        for label in ("happy", "sad"):
            write_sound(folder / "own" / speaker / label / "1.wav", seconds=1.6, hertz=200)
    (anna,) = {clip.speaker for clip in own.clips(folder / "own") if "anna" in clip.speaker}
    options = {"channels": 16, "hidden": 12, "layers": 1, "adaptive": True}
    info = ArtefactInfo("mine", "voice", "audio_bilstm", options, heard=(anna,), adaptive=True)
    export_onnx(Calibrated(small_network(), info).eval(), folder / "mine.onnx")
    command = ["quantise_voice", "mine", "--data", "own", str(folder / "own"), "--weights", str(folder)]
    monkeypatch.setattr(sys, "argv", command)
    quantise_voice.main()
    card = (folder / "mine_int8.md").read_text()
    assert "of recordings or pictures of one's own" in card
    assert "smoothed stream, 2 answers" in card  # Ben's
