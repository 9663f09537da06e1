"""The training loop, and the two training commands on tiny data sets, through to a served artefact."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.artefact import ArtefactError
from models.calibration import reference
from models.checkpoint import DamagedRunError
from models.datasets import fer2013
from models.distillation import Teachers
from models.face_batches import FaceCrops
from models.labels import LABELS
from models.loading import load_face, load_voice
from models.torch_engine import Calibrated
from models.training import Batch, DivergedError, Kept, Recipe, fit, mixup, soft_targets
from scripts import train_face, train_voice
from tests.models.datasets.trees import faces_tree
from tests.models.voices import ravdess_tree

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


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 5)])
def test_the_best_epoch_is_kept_or_the_last(tmp_path: Path, keep: Kept, kept: int) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def judged(network: nn.Module) -> dict[str, float]:
        seen.append({name: values.clone() for name, values in network.state_dict().items()})
        return {"top1": 0.5, "uar": [0.2, 0.6, 0.5, 0.4, 0.3][len(seen) - 1]}

    network, recipe = classifier(), replace(RECIPE, epochs=5)
    best = fit(network, examples, 6, judged, recipe, tmp_path, {}, keep=keep)
    assert best["epoch"] == kept
    for name, values in network.state_dict().items():
        torch.testing.assert_close(values, seen[kept - 1][name])


@pytest.mark.parametrize("keep", ["best", "last"])
def test_patience_ends_it_whichever_epoch_is_kept(tmp_path: Path, keep: Kept) -> None:
    judged: list[float] = []

    def worse_and_worse(network: nn.Module) -> dict[str, float]:
        judged.append(0.5 - len(judged) / 100)
        return {"top1": 0.5, "uar": judged[-1]}

    best = fit(classifier(), examples, 6, worse_and_worse, replace(RECIPE, patience=2), tmp_path, {}, keep=keep)
    assert len(judged) == 3
    assert best["epoch"] == {"best": 1, "last": 3}[keep]


def test_a_training_that_diverges_ends_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"diverged in epoch 1: .* lower --lr"):
        fit(classifier(), examples, 6, accuracy, replace(RECIPE, lr=1e30), tmp_path, {})


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


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    fit(classifier(), examples, 6, accuracy, replace(RECIPE, epochs=1), tmp_path, {})
    whole = (tmp_path / "last.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"nothing"):
        (tmp_path / "last.pt").write_bytes(content)
        with pytest.raises(DamagedRunError, match=r"last\.pt is no checkpoint that can be read: remove it"):
            fit(classifier(), examples, 6, accuracy, replace(RECIPE, epochs=1), tmp_path, {})


def test_training_stops_early_where_nothing_gets_better(tmp_path: Path) -> None:
    recipe = Recipe(epochs=50, patience=3, device="cpu")
    fit(classifier(), examples, 6, lambda _: {"top1": 0.1, "uar": 0.1}, recipe, tmp_path, {})
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + 1 + 3


class Shifted(nn.Module):
    """Classifies what is left of its first input when its second one is taken off."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = classifier()

    def forward(self, inputs: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        rest: torch.Tensor = self.rest(inputs - shift)
        return rest


def test_a_network_may_have_several_inputs(tmp_path: Path) -> None:
    def pairs(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(epoch)
        for inputs, targets in examples(epoch):
            assert isinstance(inputs, torch.Tensor)
            shift = 9 * torch.randn(inputs.shape, generator=generator)
            yield (inputs + shift, shift), targets

    network = Shifted()
    best = fit(network, pairs, 6, lambda average: accuracy(average.rest), RECIPE, tmp_path, {})  # type: ignore[arg-type]
    assert best["uar"] >= 6 / 7
    assert accuracy(network.rest)["uar"] == best["uar"]


class Attentive(nn.Module):
    """Notes in which mode it was used when gradients were wanted, as in training."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: set[bool] = set()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            self.modes.add(self.training)
        return inputs


def test_what_is_frozen_neither_moves_nor_drops_anything_out(tmp_path: Path) -> None:
    body = nn.Sequential(nn.Linear(14, 16), nn.BatchNorm1d(16), nn.ReLU(), Attentive())
    head = nn.Sequential(Attentive(), nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 7))
    network = nn.Sequential(nn.BatchNorm1d(14, affine=False), body, head)
    with torch.no_grad():
        network.train()(5 + torch.randn(64, 14))  # statistics that these examples do not have
    before = {key: value.clone() for key, value in network.state_dict().items()}

    def moved() -> set[str]:
        return {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(value, before[key])}

    recipe = Recipe(epochs=2, lr=2e-2, ema_decay=0.5, device="cpu")
    body.requires_grad_(False)
    fit(network, examples, 6, accuracy, recipe, tmp_path / "head", {})
    assert moved() == {"2"}
    assert (body[3].modes, head[0].modes) == ({False}, {True})
    body.requires_grad_(True)
    fit(network, examples, 6, accuracy, recipe, tmp_path / "all", {})
    assert moved() == {"0", "1", "2"}
    assert True in body[3].modes


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


class Faces:
    """Trains one epoch on a tiny tree after another, each into a folder of its own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._monkeypatch = root, monkeypatch
        faces_tree(root / "fer", per_label=5)

    def train(self, name: str, *arguments: object) -> Path:
        """Return the artefact."""
        run(train_face, self._monkeypatch, "--fer2013", self.root / "fer", "--run", self.root / name,
            "--weights", self.root, "--width", 8, "--epochs", 1, "--batch-size", 16, "--name", name,
            "--overwrite", *arguments)  # fmt: skip
        return self.root / f"{name}.pt"

    def loss(self, name: str) -> float:
        with (self.root / name / "metrics.csv").open() as file:
            (row,) = csv.DictReader(file)
        return float(row["loss"])


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faces:
    return Faces(tmp_path, monkeypatch)


def parameters(path: Path) -> dict[str, torch.Tensor]:
    return dict(Calibrated.load(path).network.named_parameters())


def test_train_face_goes_on_from_another_networks_weights(faces: Faces) -> None:
    first = faces.train("first")
    stands, fresh = faces.train("stands", "--start", first, "--lr", 0), faces.train("fresh", "--lr", 0, "--seed", 1)
    torch.testing.assert_close(parameters(stands), parameters(first), rtol=0, atol=0)
    assert any(not torch.equal(mine, parameters(first)[name]) for name, mine in parameters(fresh).items())
    with pytest.raises(SystemExit, match="another run"):  # that began elsewhere
        faces.train("stands", "--start", fresh, "--lr", 0)


def test_train_face_learns_from_a_teacher_as_far_as_it_trusts_it(faces: Faces) -> None:
    teacher = faces.train("teacher", "--lr", 0)
    faces.train("alone", "--lr", 0, "--seed", 1)
    faces.train("deaf", "--lr", 0, "--seed", 1, "--teacher", teacher, "--trust", 0)
    faces.train("pupil", "--lr", 0, "--seed", 1, "--teacher", teacher, "--trust", 1)
    assert faces.loss("deaf") == pytest.approx(faces.loss("alone"), abs=1e-6)
    assert abs(faces.loss("pupil") - faces.loss("alone")) > 0.01
    with pytest.raises(SystemExit, match="another run"):
        faces.train("pupil", "--lr", 0, "--seed", 1, "--teacher", teacher, "--trust", 0.5)
    with pytest.raises(SystemExit):
        faces.train("fool", "--teacher", teacher, "--trust", 1.5)


def test_several_teachers_say_their_mean_about_the_very_crops(faces: Faces) -> None:
    paths = [faces.train(name, "--lr", 0, "--seed", seed) for seed, name in enumerate(("first", "second"))]
    torch.manual_seed(0)
    crops, targets = torch.rand(3, 1, 40, 40) * 255, torch.full((3, 7), 1 / 7)
    ((seen, taught),) = Teachers(paths, "face", LABELS, torch.device("cpu"), 1).teach([(crops, targets)], 0.5)
    assert seen is crops
    large = torch.nn.functional.interpolate(crops, (48, 48), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        mean = torch.stack([Calibrated.load(path)(large) for path in paths]).mean(dim=0)
    torch.testing.assert_close(taught, (targets + mean) / 2)


def test_a_teacher_may_see_each_picture_once_as_it_is_and_mirrored(faces: Faces, tmp_path: Path) -> None:
    teacher, other = (faces.train(name, "--lr", 0, "--seed", seed) for seed, name in enumerate(("teacher", "other")))
    train = FaceCrops(fer2013.load(faces.root / "fer", "train"), LABELS, 48, 1)
    crops, _ = train.read(np.arange(len(train)))

    def asked(path: Path) -> torch.Tensor:
        teachers = Teachers([path], "face", LABELS, torch.device("cpu"), 1)
        return teachers.about_pictures(train, tmp_path / "run" / "taught.npz", "these")

    for path in (teacher, other):  # what one said is not taken for what the other says
        with torch.inference_mode():
            said, of_mirrored = (Calibrated.load(path)(way) for way in (crops, crops.flip(3)))
        torch.testing.assert_close(asked(path), (said + of_mirrored) / 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FaceCrops, "read", None)
        asked(other)  # remembers

    faces.train("alone", "--lr", 0, "--seed", 1)
    faces.train("once", "--lr", 0, "--seed", 1, "--teacher", teacher, "--trust", 1, "--teach-once")
    assert abs(faces.loss("once") - faces.loss("alone")) > 0.01
    with pytest.raises(SystemExit, match="another run"):
        faces.train("once", "--lr", 0, "--seed", 1, "--teacher", teacher, "--trust", 1)
    with pytest.raises(SystemExit):
        faces.train("untaught", "--teach-once")


def test_a_teacher_of_other_pictures_or_labels_is_refused(faces: Faces) -> None:
    teacher = faces.train("teacher", "--lr", 0)
    for labels, channels in ((LABELS, 3), (LABELS[::-1], 1)):
        with pytest.raises(ArtefactError, match=r"does not tell|of 1 channels, not of 3"):
            Teachers([teacher], "face", labels, torch.device("cpu"), channels)
    with pytest.raises(SystemExit, match="nowhere"):
        faces.train("pupil", "--teacher", faces.root / "nowhere.pt")


def test_train_face_says_what_neutral_faces_look_like_to_it(faces: Faces) -> None:
    faces.train("plain")
    onnx, torch_ = (load_face("plain", engine=engine, weights_dir=faces.root) for engine in ("onnx", "torch"))
    assert onnx.traits == torch_.traits
    neutral = fer2013.load(faces.root / "fer", "test")
    crops = neutral.images[neutral.labels == LABELS.index("neutral")][..., None]
    mean = np.exp(np.log(torch_.predict(crops)).mean(axis=0))
    assert onnx.traits.neutral == pytest.approx(tuple(mean / mean.sum()), abs=1e-4)
    assert not onnx.traits.adaptive


def test_small_crops_are_as_small_as_asked_for(tmp_path: Path) -> None:
    faces_tree(tmp_path, per_label=2)
    train = fer2013.load(tmp_path, "train")
    recipe = Recipe(batch_size=4, device="cpu")
    soft = soft_targets(torch.from_numpy(train.labels), 7, 0.1)
    framed = FaceCrops(train, LABELS, 48, 1)
    for side, seen in ((40, 40), (None, 48)):
        batches = list(framed.epoch(soft, recipe, 0, 0.4, side))
        assert len(batches) == framed.steps(recipe) == 3
        for crops, targets in batches:
            assert isinstance(crops, torch.Tensor)
            assert crops.shape == (4, 1, seen, seen)
            torch.testing.assert_close(targets.sum(dim=1), torch.ones(4))


def test_train_voice_publishes_an_adaptive_artefact_that_both_engines_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ravdess_tree(tmp_path / "ravdess", range(2, 8))
    weights = tmp_path / "weights"
    run(train_voice, monkeypatch, "--ravdess", tmp_path / "ravdess", "--run", tmp_path / "run", "--weights", weights,
        "--epochs", 1, "--batches", 2, "--batch-size", 8, "--channels", 16, "--hidden", 12,
        "--name", "tiny_voice")  # fmt: skip
    onnx, torch_ = (load_voice("tiny_voice", engine=engine, weights_dir=weights) for engine in ("onnx", "torch"))
    rng = np.random.default_rng(0)
    for seconds in (0.5, 1.0, 4.0):
        windows = (rng.standard_normal((3, round(seconds * 16_000))) * 3000).astype(np.int16)
        who = np.stack([reference([row]) for row in onnx.answer(windows)[1]])
        np.testing.assert_allclose(onnx.predict(windows), torch_.predict(windows), atol=1e-4)
        np.testing.assert_allclose(onnx.predict(windows, who), torch_.predict(windows, who), atol=1e-4)
    assert onnx.heard == {f"ravdess-{actor:02d}" for actor in range(2, 8)}

    info = Calibrated.load(weights / "tiny_voice.pt").info
    assert onnx.traits == torch_.traits == info.traits
    assert info.adaptive and info.temperature != 1.0
    assert 0.0 <= info.sharpening <= 1.5
    assert len(info.neutral) == 7 and sum(info.neutral) == pytest.approx(1.0)
    card = (weights / "tiny_voice.md").read_text()
    assert f"Temperature: {info.temperature:.3f}; sharpening of answers in a row: {info.sharpening:.2f}" in card
    with (tmp_path / "run" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert {"top1", "uar", "uar_known"} <= row.keys()

    pupil = ["--ravdess", tmp_path / "ravdess", "--run", tmp_path / "pupil", "--weights", tmp_path, "--epochs", 1,
             "--batches", 2, "--batch-size", 8, "--channels", 16, "--hidden", 12, "--lr", 0,
             "--teacher", weights / "tiny_voice.pt", "--trust", 1]  # fmt: skip
    run(train_voice, monkeypatch, *pupil, "--start", weights / "tiny_voice.pt", "--name", "pupil")
    with (tmp_path / "pupil" / "metrics.csv").open() as file:
        (taught,) = csv.DictReader(file)
    assert abs(float(taught["loss"]) - float(row["loss"])) > 1e-3
    cards = [(folder / f"{name}.md").read_text() for folder, name in ((weights, "tiny_voice"), (tmp_path, "pupil"))]
    assert ["never trained on" in card for card in cards] == [True, False]
    assert "some of whom the network it learnt from was trained on or chosen by" in cards[1]
    assert "epoch and temperature chosen" in cards[1]
    assert "--teacher tiny_voice.pt" in cards[1]
    assert str(tmp_path) not in cards[1]
    further = [*pupil[:2], "--run", tmp_path / "further", *pupil[4:-6], "--lr", 1e-3, "--start"]
    for name, share in (("there", 1), ("between", 0.25)):
        run(train_voice, monkeypatch, *further, weights / "tiny_voice.pt", "--share", share, "--name", name,
            "--keep", "last")  # fmt: skip
    began, ended, between = (
        Calibrated.load(path).network.state_dict()
        for path in (weights / "tiny_voice.pt", tmp_path / "there.pt", tmp_path / "between.pt")
    )
    weight = "lstm.weight_hh_l0"
    assert not torch.equal(began[weight], ended[weight])
    torch.testing.assert_close(between[weight], 0.75 * began[weight] + 0.25 * ended[weight])
    assert "- Protocol: temperature chosen on" in (tmp_path / "between.md").read_text()
    with pytest.raises(SystemExit, match="of another run"):  # whose best epoch was to be kept
        run(train_voice, monkeypatch, *further, weights / "tiny_voice.pt", "--name", "other")
    with pytest.raises(SystemExit):
        run(train_voice, monkeypatch, *further[:2], "--run", tmp_path / "unsaid", *further[4:-1], "--share", 0.5)
    assert "--share is of the way from --start" in capsys.readouterr().err
    for forebear in ("--teacher", "--start"):
        with pytest.raises(SystemExit, match="heard speakers who are set aside: ravdess-02"):
            run(train_voice, monkeypatch, *pupil[:-4], "--fold", 0, forebear, weights / "tiny_voice.pt")

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
