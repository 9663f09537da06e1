"""The table of trained models: who is measured on what, and what a line says."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013
from models.export import export_onnx
from models.labels import LABELS
from models.registry import build
from models.torch_engine import Calibrated
from scripts.compare import HEADS, main, models_of
from tests.models.voices import ravdess_tree

FOUR = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face model of four labels, and a voice model in two folds, with random weights."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    face = {"hidden": 16, "classes": 4}
    infos = [
        ArtefactInfo("moods", "face", "cnn48", face, labels=FOUR, size=48, channels=1, geometry=FER2013),
        ArtefactInfo("ears_fold0", "voice", "cnn_mfcc", {}, heard=("ravdess-03", "ravdess-04")),
        ArtefactInfo("ears_fold1", "voice", "cnn_mfcc", {}, heard=("ravdess-02", "ravdess-04")),
    ]
    for info in infos:
        export_onnx(Calibrated(build(info.network, info.options), info).eval(), folder / f"{info.name}.onnx")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four actors of RAVDESS, and two pictures of each label of FER-2013."""
    folder = tmp_path_factory.mktemp("data")
    ravdess_tree(folder / "ravdess", range(2, 5))
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for label in LABELS:
            (folder / "fer2013" / part / label).mkdir(parents=True)
            for number in range(2):
                picture = rng.integers(0, 256, (48, 48), dtype=np.uint8)
                cv2.imwrite(str(folder / "fer2013" / part / label / f"{number}.jpg"), picture)
    return folder


def table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> list[dict[str, str]]:
    monkeypatch.setattr("sys.argv", ["compare", *map(str, words)])
    main()
    lines = capsys.readouterr().out.strip().splitlines()
    return [dict(zip(HEADS, (cell.strip() for cell in line.strip("|").split("|")), strict=True)) for line in lines[2:]]


def test_a_model_is_measured_on_what_it_knows_and_has_not_heard(
    weights: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    face, voice = table(
        capsys, monkeypatch, "moods", "ears_fold0", "ears_fold1", "--weights", weights,
        "--ravdess", data / "ravdess", "--fer2013", data / "fer2013",
    )  # fmt: skip
    assert face["model"] == "moods"
    assert face["labels"] == "angry, happy, neutral, sad"
    assert face["n"] == "8"  # two pictures of four labels
    assert "96 %" in face["its source says"]
    assert int(face["parameters"].replace(",", "")) > 1000
    assert voice["model"] == "ears"
    assert voice["measured on"] == "RAVDESS, 2 speakers"  # actor 04 was heard by both
    assert voice["n"] == "16"
    assert float(voice["ms on one core"]) > 0


def test_only_folds_are_joined() -> None:
    assert models_of(["a", "b_fold0", "b_fold1", "c", "d_fold3", "b_fold2"]) == [
        ("a", ["a"]), ("b", ["b_fold0", "b_fold1", "b_fold2"]), ("c", ["c"]), ("d", ["d_fold3"])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ears_fold0", "nobody"], "nobody.onnx"),
        (["moods", "--fer2013", "/nowhere"], "/nowhere"),
        (["ears_fold0", "ears_fold0"], "not heard"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    words: list[str], told: str, weights: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["compare", *words, "--weights", str(weights), "--ravdess", str(data / "ravdess")])
    if "nobody" in words:  # it is told before anything is measured
        monkeypatch.setattr("scripts.compare.measure_voice", None)
    with pytest.raises(SystemExit, match=told):
        main()
