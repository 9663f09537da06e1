"""Training feature fusion: from films, and from voices and faces of one label; to artefacts that both engines serve."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.artefact import ArtefactInfo
from models.crop import FER2013, CropGeometry
from models.inference import UInt8
from models.labels import LABELS
from models.loading import load_fusion
from models.registry import build
from models.torch_engine import Calibrated
from scripts import train_fusion
from tests.models.datasets.trees import faces_tree, write_film, write_picture, write_sound
from tests.models.voices import ravdess_tree

SMALL = ["--option", "voice=cnn_mfcc", "--option", "face=mini_xception", "--option", 'face_options={"width": 8}',
         "--option", "hidden=16"]  # fmt: skip


def train(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Path:
    """Train for an epoch of few batches; return the folder of the artefact."""
    given = ["--weights", root / "weights", "--run", root / "run", "--batch-size", 4, "--windows", 1,
             "--overwrite", *arguments]  # fmt: skip
    monkeypatch.setattr(sys, "argv", [str(train_fusion.__file__), *map(str, given)])
    train_fusion.main()
    return root / "weights"


def parts(root: Path) -> list[object]:
    """Write an artefact of a voice and one of a face; return the options that name them."""
    torch.manual_seed(0)
    voice = {"channels": 16, "hidden": 12, "layers": 1, "adaptive": True}
    infos = (
        ArtefactInfo("ears", "voice", "audio_bilstm", voice, heard=("savee-dc",), adaptive=True),
        ArtefactInfo("eyes", "face", "mini_xception", {"width": 8, "classes": 4}, labels=LABELS[:4], size=40,
                     channels=1, geometry=CropGeometry(1.3)),
    )  # fmt: skip
    for info in infos:
        Calibrated(build(info.network, info.options), info).save(root / f"{info.name}.pt")
    return ["--voice", root / "ears.pt", "--face", root / "eyes.pt"]


def synthetic(root: Path) -> list[object]:
    """Write the voices and faces of `--synthetic`, with people among them who are none of its; return its options."""
    ravdess_tree(root / "ravdess", range(1, 7))
    ravdess_tree(root / "ravdess", range(21, 23))
    faces_tree(root / "fer", per_label=2)
    return ["--synthetic", "--ravdess", root / "ravdess", "--fer2013", root / "fer"]


def assert_both_engines_agree(name: str, weights: Path) -> None:
    onnx, torch_ = (load_fusion(name, engine=engine, weights_dir=weights) for engine in ("onnx", "torch"))
    rng = np.random.default_rng(0)
    for count, samples in ((1, 8_000), (3, 23_456)):
        windows = (rng.standard_normal((count, samples)) * 3000).astype(np.int16)
        crops = rng.integers(0, 256, (count, onnx.size, onnx.size, onnx.channels), dtype=np.uint8)
        probs = onnx.predict(windows, crops)
        np.testing.assert_allclose(probs, torch_.predict(windows, crops), atol=1e-4)
        np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    assert onnx.traits == torch_.traits and onnx.geometry == torch_.geometry and onnx.heard == torch_.heard


def state(path: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["network"]
    return loaded


def assert_features_stand(path: Path, root: Path) -> None:
    """Not even the batch norms of the two networks have moved; what comes after them has."""
    now = state(path)
    for name in ("ears", "eyes"):
        network, kind = Calibrated.load(root / f"{name}.pt").network, {"ears": "voice", "eyes": "face"}[name]
        kept = {key: value for key, value in network.state_dict().items() if f"{kind}.network.{key}" in now}
        assert len(kept) > len(network.state_dict()) - 3  # all but the classifier
        for key, value in kept.items():
            torch.testing.assert_close(now[f"{kind}.network.{key}"], value, rtol=0, atol=0)
    assert not torch.equal(now["norm_face.weight"], torch.ones_like(now["norm_face.weight"]))


def test_films_are_trained_on_by_speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: UInt8) -> None:
    for actor in range(1001, 1005):
        for emotion in ("HAP", "SAD", "ANG"):
            name = f"{actor}_DFA_{emotion}_XX"
            write_sound(tmp_path / "crema" / "AudioWAV" / f"{name}.wav", seconds=1.2, hertz=200 + actor)
            if emotion != "ANG":
                write_film(tmp_path / "crema" / "VideoFlash" / f"{name}.flv", seconds=0.3, still=astronaut)
    write_sound(tmp_path / "crema" / "AudioWAV" / "1001_IEO_SAD_XX.wav", seconds=1.2)
    write_film(tmp_path / "crema" / "VideoFlash" / "1001_IEO_SAD_XX.flv", seconds=0.2)  # of nobody
    weights = train(tmp_path, monkeypatch, *SMALL, "--data", "CREMA-D", tmp_path / "crema", "--labels", "sad,happy",
                    "--epochs", 1, "--frames", 2, "--name", "pair")  # fmt: skip
    info = Calibrated.load(weights / "pair.pt", "fusion").info
    assert (info.network, info.labels, info.options["classes"]) == ("concat", ("sad", "happy"), 2)
    assert (info.size, info.channels, info.geometry) == (48, 1, FER2013)
    assert len(info.heard) == 3 and all(speaker.startswith("crema_d-100") for speaker in info.heard)  # one is for tests
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    assert known["data"] == "crema_d" and known["scenes"] == [4, 2]  # the film of nobody is none
    assert set(known["heard"]) < set(info.heard)
    assert_both_engines_agree("pair", weights)
    card = (weights / "pair.md").read_text()
    assert "CREMA-D (Cao et al. 2014)" in card and "synthetic" not in card
    assert "Labels: sad, happy" in card


def test_pairs_of_one_label_are_called_synthetic_and_leave_the_features_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = train(tmp_path, monkeypatch, *parts(tmp_path), *synthetic(tmp_path), "--epochs", 1)
    assert_features_stand(tmp_path / "run" / "last.pt", tmp_path)
    info = Calibrated.load(weights / "concat.pt").info
    assert info.heard == (*(f"ravdess-{actor:02d}" for actor in range(2, 7)), "savee-dc")
    assert (info.size, info.channels, info.geometry) == (40, 1, CropGeometry(1.3))
    assert info.options["voice_options"]["adaptive"] and info.options["face_options"] == {"width": 8, "classes": 4}
    assert info.temperature != 1.0 and info.labels == LABELS
    assert_both_engines_agree("concat", weights)
    known = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["identity"]
    assert known["heard"] == ["ravdess-04", "ravdess-05", "ravdess-06"]  # 02 and 03 are those to choose by
    card, said = (weights / "concat.md").read_text(), capsys.readouterr().out
    assert "Data: synthetic: 24 clips of 3 speakers" in card and "synthetic pairs of ravdess-02, ravdess-03" in card
    assert "synthetic scenes" in said
    assert "Started from: `ears` and `eyes`, left as they are" in card
    write_picture(tmp_path / "fer" / "test" / "sad" / "0.png")
    with pytest.raises(SystemExit, match="is of another run, with other examples held out: remove it"):
        train(tmp_path, monkeypatch, "--voice", tmp_path / "ears.pt", "--face", tmp_path / "eyes.pt", "--synthetic",
              "--ravdess", tmp_path / "ravdess", "--fer2013", tmp_path / "fer", "--epochs", 1)  # fmt: skip


def test_everything_is_trained_in_a_second_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = train(tmp_path, monkeypatch, *parts(tmp_path), *synthetic(tmp_path), "--finetune",
                    "--epochs", 1, "--lr", 1e-3, 1e-2, "--labels", "sad,happy")  # fmt: skip
    assert_features_stand(tmp_path / "run" / "head" / "last.pt", tmp_path)
    head, whole = (state(tmp_path / "run" / phase / "last.pt") for phase in ("head", "all"))
    for network in ("voice.network.", "face.network."):
        moved = [key for key in head if key.startswith(network) and not torch.equal(head[key], whole[key])]
        assert any("running_mean" in key for key in moved) and any(key.endswith("weight") for key in moved)
    assert "then trained with the rest" in (weights / "concat.md").read_text()


def test_who_has_been_heard_flatters_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = parts(tmp_path)
    stored = torch.load(tmp_path / "ears.pt", weights_only=True)
    info = ArtefactInfo.from_json(stored["info"])
    known = ArtefactInfo(info.name, info.kind, info.network, info.options, heard=("ravdess-03",), adaptive=True)
    torch.save({**stored, "info": known.to_json()}, tmp_path / "ears.pt")
    weights = train(tmp_path, monkeypatch, *options, *synthetic(tmp_path), "--epochs", 1, "--labels", "sad,happy")
    assert "`ears` was trained on or chosen by 1 of these speakers" in (weights / "concat.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--model", "resnet18"], "no fusion network"),
        (["--option", "voice=resnet18"], "no voice network"),
        (["--option", "hiden=3"], "concat takes no option hiden"),
        (["--labels", "happy,calm"], "no label calm"),
        (["--voice", "ears.pt"], "--voice and --face go together"),
        (["--voice", "eyes.pt", "--face", "eyes.pt"], "is a face model, expected a voice model"),
        (["--voice", "ears.pt", "--face", "none.pt"], "none.pt"),
        (["--voice", "ears.pt", "--face", "eyes.pt", "--option", "face=cnn48"], "the artefacts say so already"),
        (["--voice", "ears.pt", "--face", "eyes.pt", "--pretrained"], "leave --pretrained and --start out"),
        (["--voice", "ears.pt", "--face", "eyes.pt", "--size", "48"], "takes crops of 40 pixels"),
        (["--finetune"], "--finetune is for what starts from"),
        (["--mixup", "0.2"], "--mixup is not for pairs"),
        (["--data", "fer2013", "."], "not allowed with argument"),
        (["--epochs", "1", "2"], "--epochs takes one number\n"),
        (["--option", "face_options=big"], "face_options=big: it takes an object"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], why: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    parts(tmp_path)
    with pytest.raises(SystemExit) as refused:
        train(tmp_path, monkeypatch, "--synthetic", "--ravdess", tmp_path, "--fer2013", tmp_path, *arguments)
    assert why in f"{refused.value} {capsys.readouterr().err}"
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--data", "tess", "."], "tess has no films: there are ravdess, crema_d, meld"),
        (["--data", "tesss", "."], "no data set 'tesss'"),
        (["--data", "crema_d", "."], "no CREMA-D"),
        (["--synthetic", "--ravdess", "."], "--synthetic takes --ravdess DIR and --fer2013 DIR"),
        (["--data", "crema_d", ".", "--ravdess", "."], "--synthetic takes --ravdess DIR and --fer2013 DIR"),
    ],
)
def test_data_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], why: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as refused:
        train(tmp_path, monkeypatch, *SMALL, *arguments)
    assert why in f"{refused.value} {capsys.readouterr().err}"
