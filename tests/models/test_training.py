"""The training loop, and the two training commands on tiny data sets, through to a served artefact."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from models.artefact import ArtefactError
from models.labels import LABELS
from models.loading import load_face, load_voice
from models.training import Batch, Recipe, fit, mixup, soft_targets
from scripts import train_face, train_voice
from tests.models.datasets.trees import faces_tree

CENTRES = torch.eye(7).repeat(1, 2)


def examples(epoch: int, count: int = 6) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(count):
        labels = torch.randint(7, (32,), generator=generator)
        yield CENTRES[labels] + 0.3 * torch.randn(32, 14, generator=generator), soft_targets(labels, 7, 0.1)


def accuracy(network: nn.Module) -> dict[str, float]:
    with torch.inference_mode():
        right = network(CENTRES).argmax(dim=1) == torch.arange(7)
    return {"top1": right.float().mean().item(), "uar": right.float().mean().item()}


def classifier() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(14, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 7))


RECIPE = Recipe(epochs=8, lr=2e-2, warmup_epochs=0.5, ema_decay=0.9, device="cpu")


def test_training_learns_and_leaves_its_curves(tmp_path: Path) -> None:
    best = fit(classifier(), examples, 6, accuracy, RECIPE, tmp_path, {})
    assert best["uar"] >= 6 / 7
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) >= 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = classifier()
    fit(whole, examples, 6, accuracy, RECIPE, tmp_path / "whole", {})

    def dies(epoch: int) -> Iterator[Batch]:
        if epoch == 3:
            raise KeyboardInterrupt
        return examples(epoch)

    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), dies, 6, accuracy, RECIPE, tmp_path / "killed", {})
    resumed = classifier()
    fit(resumed, examples, 6, accuracy, RECIPE, tmp_path / "killed", {})
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    fit(classifier(), examples, 6, accuracy, RECIPE, tmp_path, {"fold": 0})
    for recipe, about in ((RECIPE, {"fold": 1}), (Recipe(epochs=9, device="cpu"), {"fold": 0})):
        with pytest.raises(ValueError, match="another run"):
            fit(classifier(), examples, 6, accuracy, recipe, tmp_path, about)


def test_training_stops_early_where_nothing_gets_better(tmp_path: Path) -> None:
    recipe = Recipe(epochs=50, patience=3, device="cpu")
    fit(classifier(), examples, 6, lambda _: {"top1": 0.1, "uar": 0.1}, recipe, tmp_path, {})
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + 1 + 3


def test_mixup_keeps_targets_a_distribution() -> None:
    inputs, targets = next(examples(0))
    mixed, blended = mixup(inputs, targets, 0.4, torch.Generator().manual_seed(1))
    assert mixed.shape == inputs.shape
    torch.testing.assert_close(blended.sum(dim=1), torch.ones(32))
    assert mixup(inputs, targets, 0.0, torch.Generator())[0] is inputs


def run(module: object, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(module.__file__), *map(str, arguments)])  # type: ignore[attr-defined]
    module.main()  # type: ignore[attr-defined]


def test_train_face_publishes_an_artefact_that_both_engines_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces_tree(tmp_path / "fer", per_label=5)
    weights = tmp_path / "weights"
    run(train_face, monkeypatch, "--fer2013", tmp_path / "fer", "--run", tmp_path / "run", "--weights", weights,
        "--width", 8, "--epochs", 1, "--batch-size", 16, "--name", "tiny_face")  # fmt: skip
    crops = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    onnx, torch_ = (load_face("tiny_face", engine=engine, weights_dir=weights) for engine in ("onnx", "torch"))
    np.testing.assert_allclose(onnx.predict(crops), torch_.predict(crops), atol=1e-4)
    np.testing.assert_allclose(onnx.predict(crops).sum(axis=1), 1.0, atol=1e-5)
    assert onnx.geometry == torch_.geometry
    card = (weights / "tiny_face.md").read_text()
    assert "scripts.train_face --fer2013" in card
    assert "| held-out examples |" in card
    with pytest.raises(ArtefactError, match="expected a voice model"):
        load_voice("tiny_face", engine="onnx", weights_dir=weights)


def test_train_voice_publishes_an_artefact_that_both_engines_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for actor in range(2, 8):
        for emotion in range(1, 9):
            path = tmp_path / "ravdess" / f"Actor_{actor:02d}" / f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.standard_normal(20_000), 16_000)
    weights = tmp_path / "weights"
    run(train_voice, monkeypatch, "--ravdess", tmp_path / "ravdess", "--run", tmp_path / "run", "--weights", weights,
        "--epochs", 1, "--batches", 2, "--batch-size", 8, "--name", "tiny_voice")  # fmt: skip
    onnx, torch_ = (load_voice("tiny_voice", engine=engine, weights_dir=weights) for engine in ("onnx", "torch"))
    for seconds in (0.5, 1.0, 4.0):
        windows = (rng.standard_normal((3, round(seconds * 16_000))) * 3000).astype(np.int16)
        np.testing.assert_allclose(onnx.predict(windows), torch_.predict(windows), atol=1e-4)
    assert onnx.heard == {f"ravdess-{actor:02d}" for actor in range(2, 8)}
    with pytest.raises(ArtefactError, match="expected a face model"):
        load_face("tiny_voice", engine="onnx", weights_dir=weights)
    with pytest.raises(ArtefactError, match=r"models of this kind: tiny_voice$"):
        load_voice("no_such", engine="onnx", weights_dir=weights)


def test_folds_are_apart_and_cover_all_actors() -> None:
    folds = [train_voice.fold_actors(fold) for fold in range(5)]
    assert sorted(speaker for fold in folds for speaker in fold) == [f"ravdess-{a:02d}" for a in train_voice.ACTORS]


def test_no_speaker_is_in_two_splits(tmp_path: Path) -> None:
    from models.datasets.speech import Clip

    clips = [Clip(tmp_path, label, f"ravdess-{a:02d}", "") for a in train_voice.ACTORS for label in LABELS]
    for fold in (None, 0, 1, 2, 3, 4):
        train, validation, test = ({c.speaker for c in part} for part in train_voice.split(clips, fold))
        assert not train & validation and not train & test and not validation & test
        assert len(validation) == 2
        assert len(train | validation | test) == 19


def test_a_pickle_is_not_an_artefact(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ArtefactError, match="not an artefact"):
        load_voice("evil", engine="torch", weights_dir=tmp_path)
    assert not (tmp_path / "ran").exists()
