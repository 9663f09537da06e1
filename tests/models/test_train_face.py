"""Face networks of the registry through the one training command, to the live stream."""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from app.inference.loading import load_models
from app.settings import Settings
from app.viewer.session import Session
from models.crop import AFFECTNET, FER2013
from models.datasets import own
from models.datasets.faces import FaceFiles
from models.face_batches import FaceCrops
from models.labels import LABELS
from models.registry import entry
from models.torch_engine import Calibrated
from models.training import Recipe, soft_targets
from scripts import train_face
from tests.models.datasets.trees import faces_tree, random_picture, write_picture

SHIPPED = Path(__file__).resolve().parents[2] / "weights"
FOUR = ("sad", "angry", "neutral", "happy")


def train(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Path:
    """Train for an epoch; return the folder of the artefact."""
    given = ["--epochs", 1, "--batch-size", 8, "--weights", root / "weights", "--run", root / "run",
             "--overwrite", *arguments]  # fmt: skip
    monkeypatch.setattr(sys, "argv", [str(train_face.__file__), *map(str, given)])
    train_face.main()
    return root / "weights"


@pytest.fixture
def fer(tmp_path: Path) -> Path:
    faces_tree(tmp_path / "fer", per_label=4)
    return tmp_path / "fer"


def test_the_usual_run_is_named_as_ever(fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path, monkeypatch, "--fer2013", fer, "--width", 8)
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    for part in ("examples to train on", "examples held out"):
        assert len(known.pop(part)) == 64
    assert known == asdict(Recipe(epochs=1, batch_size=8, lr=2e-3, mixup=0.0, patience=45)) | {
        "network": {"width": 8}, "balance": 0.4, "pictures": [28, 28], "start": None, "teacher": None, "trust": 0.3,
        "small": 0.6,
    }  # fmt: skip
    figures = json.loads((tmp_path / "run" / "figures.json").read_text())
    assert figures["n"] == np.sum(figures["confusion"]) == 28
    assert (tmp_path / "run" / "confusion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_network_of_four_labels_runs_in_the_stream(
    fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut_jpeg: bytes, engine: str
) -> None:
    weights = train(tmp_path, monkeypatch, "--model", "mini_xception", "--data", "fer2013", fer,
                    "--labels", ",".join(FOUR), "--name", "four", "--option", "width=8")  # fmt: skip
    info = Calibrated.load(weights / "four.pt").info
    assert (info.network, info.options, info.labels) == ("mini_xception", {"width": 8, "classes": 4}, FOUR)
    assert (info.size, info.channels, info.geometry) == (48, 1, FER2013)
    assert len(info.neutral) == 7 and info.neutral[LABELS.index("fear")] == 0
    card = (weights / "four.md").read_text()
    assert "Labels: sad, angry, neutral, happy" in card
    assert "on the 16 pictures of the split `test` of a folder that holds not PublicTest alone, which" in card
    assert "never reads usage PrivateTest" not in card

    for path in SHIPPED.glob("audio_bilstm.*"):
        shutil.copy(path, weights)
    settings = Settings(_env_file=None, face_model="four", weights_dir=weights, inference_engine=engine)
    voice, face, fusion, fallback, _ = load_models(settings)
    assert fusion is None and fallback is None and voice.traits.labels == LABELS
    session = Session(settings, 0.0, voice.traits, face.model.traits)
    sound = (np.random.default_rng(0).standard_normal(16_000) * 3000).astype(np.int16)
    session.receive_audio(sound, 1, 1.0)
    session.receive_frame(astronaut_jpeg, 1, 1.0)
    window, picture = session.take_window(1.0), session.take_frame(1.0)
    assert window is not None and picture is not None
    session.heard(window, voice.predict(window.samples[None])[0], 1.0)
    (reading,) = face.analyse([picture.jpeg])
    face.close()
    session.saw(picture, reading, 1.0)
    result = session.result(1.0)
    said, seen, fused = result.voice.probs, result.face.probs, result.fused.probs
    assert result.fused.state == "ok" and sum(seen.values()) == pytest.approx(1.0, abs=1e-3)
    weight, share = settings.fusion_weight, sum(said[label] for label in FOUR)
    for label in LABELS:
        if label in FOUR:
            assert seen[label] > 0
            assert fused[label] == pytest.approx(weight * said[label] + (1 - weight) * share * seen[label], abs=1e-3)
        else:
            assert seen[label] == 0
            assert fused[label] == pytest.approx(said[label], abs=1e-3)


def test_colour_networks_take_affectnet_in_their_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(7):
            for number in range(2):
                path = tmp_path / "data" / split / str(label) / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), random_picture(rng, 40))
    weights = train(tmp_path, monkeypatch, "--model", "mobilevit_xxs", "--data", "AffectNet", tmp_path / "data",
                    "--option", "size=32")  # fmt: skip
    info = Calibrated.load(weights / "mobilevit_xxs.pt").info
    assert (info.size, info.channels, info.geometry) == (32, 3, AFFECTNET)
    assert "AffectNet (Mollahosseini et al. 2017), 14 pictures" in (weights / "mobilevit_xxs.md").read_text()
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    assert (known["model"], known["data"], known["size"]) == ("mobilevit_xxs", "affectnet", 32)


def test_published_weights_are_trained_in_two_phases(
    fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache holds the published architecture with random weights: nothing can be fetched here."""
    import timm
    from huggingface_hub import constants
    from safetensors.torch import save_file

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    known = entry("mobilevit_xxs")
    assert known.weights is not None
    repository = tmp_path / "hub" / f"models--{known.weights.hub.replace('/', '--')}"
    files = repository / "snapshots" / ("0" * 40)
    files.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    published = timm.create_model(known.weights.hub.removeprefix("timm/")).state_dict()
    save_file(published, files / "model.safetensors")

    weights = train(tmp_path, monkeypatch, "--model", "mobilevit_xxs", "--pretrained", "--data", "fer2013", fer,
                    "--size", 32, "--option", "size=32", "--lr", 1e-3, 0)  # fmt: skip
    runs = [torch.load(tmp_path / "run" / name / "last.pt", weights_only=True) for name in ("head", "all")]
    assert [run["identity"]["lr"] for run in runs] == [1e-3, 0]
    assert [run["identity"]["phase"] for run in runs] == ["head", "all"]
    stem = "backbone.stem.conv.weight"
    torch.testing.assert_close(runs[0]["network"][stem], published["stem.conv.weight"], rtol=0, atol=0)
    assert len(runs[0]["optimizer"]["state"]) == 2  # the classifier's weight and bias
    assert len(runs[1]["optimizer"]["state"]) > 2
    card = (weights / "mobilevit_xxs.md").read_text()
    assert f"Started from: huggingface.co/{known.weights.hub}" in card
    assert "pretrained" not in Calibrated.load(weights / "mobilevit_xxs.pt").info.options


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--model", "resnet81"], "did you mean resnet18"),
        (["--model", "cnn_mfcc"], "no face network"),
        (["--labels", "happy,calm"], "no label calm"),
        (["--labels", "happy"], "not two or more"),
        (["--option", "hiden=3"], "face_resnet takes no option hiden"),
        (["--option", "hidden"], "not NAME=VALUE"),
        (["--pretrained"], "nobody publishes weights for face_resnet"),
        (["--epochs", "1", "2"], "--epochs takes one number\n"),
        (["--width", "0"], "argument --width: '0' is not a whole number from 1 on"),
        (["--option", "width=0"], "width=0: it is a number of things, from 1 on"),
        (["--epochs", "0"], "'0' is not a whole number from 1 on"),
        (["--batch-size", "-8"], "'-8' is not a whole number from 1 on"),
        (["--threads", "-1"], "'-1' is not a whole number from 1 on"),
        (["--seed", "-1"], "'-1' is not a whole number from 1 on"),
        (["--lr", "inf"], "invalid rate value: 'inf'"),
        (["--device", "teapot"], "'teapot' cannot be used: Expected one of cpu, cuda"),
        (["--model", "resnet18", "--option", "size=abc"], "size=abc is no side in pixels"),
        (["--start", SHIPPED / "fer_resnet.pt", "--model", "cnn48"], "is a face_resnet, and no cnn48 to go on from"),
        (["--model", "cnn48", "--size", "64"], "cnn48 does not take crops of 64 pixels"),
        (["--model", "cnn48", "--small", "0.5"], "cnn48 does not take crops of 40 pixels"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[object], why: str,
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as refused:
        train(tmp_path, monkeypatch, "--fer2013", fer, *arguments)
    assert why in f"{refused.value} {capsys.readouterr().err}"
    assert not (tmp_path / "weights").exists()


def test_a_label_without_pictures_is_named(fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(fer / "train" / "disgust")
    with pytest.raises(SystemExit, match="no picture to train on of disgust"):
        train(tmp_path, monkeypatch, "--fer2013", fer)


def test_pictures_that_cannot_be_read_take_their_targets_with_them(tmp_path: Path) -> None:
    paths = tuple(tmp_path / f"{number}.png" for number in range(6))
    for number in (0, 1, 3, 5):
        write_picture(paths[number], 40 * number)
    faces = FaceCrops(FaceFiles(paths, np.array([3, 5, 3, 5, 3, 5])), ("sad", "happy"), 24, 3)
    assert faces.targets.tolist() == [1, 0, 1, 0, 1, 0]
    crops, kept = faces.read(np.arange(6))
    assert crops.shape == (4, 3, 24, 24) and kept.tolist() == [0, 1, 3, 5]
    assert crops[:, 0, 0, 0].tolist() == [0, 40, 120, 200]
    (batch,) = faces.epoch(soft_targets(faces.targets, 2, 0.0), Recipe(batch_size=6, mixup=0.0), 0, 0.0, None)
    assert sorted(batch[1].argmax(dim=1).tolist()) == [0, 0, 0, 1]


def test_photographs_are_trained_on_as_well(
    fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut_jpeg: bytes
) -> None:
    (tmp_path / "photos" / "happiness").mkdir(parents=True)
    (tmp_path / "photos" / "happiness" / "a.jpg").write_bytes(astronaut_jpeg)
    weights = train(tmp_path, monkeypatch, "--fer2013", fer, "--width", 8, "--photographs", tmp_path / "photos")
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    assert known["pictures"] == [29, 28]
    (tmp_path / "photos" / "happiness").rename(tmp_path / "photos" / "sadness")
    with pytest.raises(SystemExit, match="is of another run, with other examples to train on: remove it"):
        train(tmp_path, monkeypatch, "--fer2013", fer, "--width", 8, "--photographs", tmp_path / "photos")
    shutil.move(fer / "test" / "sad" / "0.png", fer / "test" / "fear" / "9.png")
    with pytest.raises(SystemExit, match="with other examples to train on, examples held out: remove it"):
        train(tmp_path, monkeypatch, "--fer2013", fer, "--width", 8, "--photographs", tmp_path / "photos")
    assert (
        "29 pictures of usage Training (those that `test` has too left out) and of photographs (photos)"
        in (weights / "fer_resnet.md").read_text()
    )


def test_what_is_judged_by_is_not_trained_on_whatever_way_it_comes(
    fer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    astronaut: np.ndarray,
) -> None:  # fmt: skip
    face = cv2.cvtColor(cv2.resize(astronaut[:200, 130:330], (48, 48)), cv2.COLOR_RGB2GRAY)
    for turn, picture in enumerate((face, face[:, ::-1])):  # one of the photographs is the mirror of one held out
        path = tmp_path / "photos" / "happy" / f"{turn}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), picture)
    train(tmp_path, monkeypatch, "--fer2013", fer, "--width", 8, "--photographs", tmp_path / "photos")
    assert "train 30, held out 28" in capsys.readouterr().out
    assert cv2.imwrite(str(fer / "test" / "happy" / "new.png"), face)
    train(tmp_path / "again", monkeypatch, "--fer2013", fer, "--width", 8, "--photographs", tmp_path / "photos")
    assert "train 28, held out 29" in capsys.readouterr().out


def test_pictures_of_ones_own_are_cut_to_the_size_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], astronaut: np.ndarray
) -> None:
    for shift, place in enumerate(("train/happy", "train/sadness", "val/happy", "val/sadness")):
        path = tmp_path / "own" / place / "1.png"
        path.parent.mkdir(parents=True)
        assert cv2.imwrite(str(path), cv2.cvtColor(np.roll(astronaut, 10 * shift, axis=1), cv2.COLOR_RGB2BGR))
    sides = []
    load = own.faces
    monkeypatch.setattr(own, "faces", lambda *args, **named: sides.append(named["side"]) or load(*args, **named))
    given = ("--data", "own", tmp_path / "own", "--width", 8, "--labels", "happy,sad", "--batch-size", 2)
    weights = train(tmp_path, monkeypatch, *given)
    info = Calibrated.load(weights / "face_resnet.pt").info  # and not the name of what ships
    assert (info.size, info.labels, info.geometry) == (48, ("happy", "sad"), FER2013)
    assert sides == [48, 48]
    assert "train 2, held out 2" in capsys.readouterr().out
