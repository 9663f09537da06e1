"""What feature fusion is trained on: sound and face of one moment, of the right label, the same for the same seed."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from models.crop import FER2013, Framing
from models.datasets.clips import Pair
from models.datasets.fer2013 import Faces
from models.detection import FaceDetector
from models.inference import SAMPLE_RATE, UInt8
from models.labels import LABELS
from models.registry import build
from models.scene_batches import HeldOutScenes, SceneBatches
from models.scenes import Scene, film_scenes, settle, synthetic_scenes
from models.training import Recipe
from tests.models.datasets.trees import write_film, write_sound
from tests.models.voices import people, say

FRAMING = Framing(48, 1, FER2013)
LABELS_HERE = ("sad", "happy")


def faces_of(*shades: int, size: int = 48) -> UInt8:
    return np.stack([np.full((size, size, 1), shade, np.uint8) for shade in shades])


def scene(label: str, speaker: str = "x-1", moments: tuple[float, ...] | None = None, **given: object) -> Scene:
    shades = (50, 100, 200) if moments is None else tuple(range(10, 10 + len(moments)))
    when = None if moments is None else np.array(moments, np.float32)
    return Scene(label, speaker, "female", say(label, 150), faces_of(*shades), when)


def test_a_film_gives_its_sound_and_the_faces_in_it(
    tmp_path: Path, astronaut: UInt8, caplog: pytest.LogCaptureFixture
) -> None:
    write_film(tmp_path / "face.mp4", seconds=0.6, still=astronaut)
    write_film(tmp_path / "nobody.mp4", seconds=0.6)
    write_film(tmp_path / "blind.mp4", pictures=False)
    write_sound(tmp_path / "apart.wav", seconds=0.5)
    pairs = [
        Pair("happy", "x-1", "female", tmp_path / sound, tmp_path / f"{film}.mp4")
        for sound, film in (("face.mp4", "face"), ("apart.wav", "face"), ("face.mp4", "nobody"), ("face.mp4", "blind"))
    ]
    detector = FaceDetector()
    with caplog.at_level(logging.WARNING):
        own, apart = film_scenes(pairs, detector, FRAMING, 3)
    detector.close()
    assert len(apart.sound) == SAMPLE_RATE // 2 and abs(len(own.sound) - 0.6 * SAMPLE_RATE) < 0.1 * SAMPLE_RATE
    assert own.faces.shape == (3, 48, 48, 1)
    assert own.moments is not None
    np.testing.assert_allclose(own.moments, [1 / 6, 1 / 2, 5 / 6], rtol=1e-6)
    assert np.std(own.faces[0]) > 20  # a face, and not the wall
    assert "nobody.mp4: no face in 3 pictures" in caplog.text and "blind.mp4: no picture in it" in caplog.text


def test_a_window_goes_with_a_face_that_was_seen_meanwhile() -> None:
    film = scene("sad", moments=(0.1, 0.5, 0.9))
    assert film.seen(0.0, 0.5).tolist() == [0, 1]
    assert film.seen(0.55, 0.7).tolist() == [1]  # none: the nearest to the middle
    assert film.seen(0.8, 1.7).tolist() == [2]
    assert scene("sad").seen(0.55, 0.6).tolist() == [0, 1, 2]


def test_synthetic_pairs_have_the_label_in_common() -> None:
    labels = np.array([LABELS.index(label) for label in ("sad", "happy", "sad")])
    faces = Faces(np.stack([np.full((48, 48), shade, np.uint8) for shade in (10, 20, 30)]), labels)
    sounds = people({"ravdess-02": ["sad", "happy", "fear"], "ravdess-03": ["sad"]})
    scenes = synthetic_scenes(sounds, faces, FRAMING)
    assert [(one.label, one.speaker) for one in scenes] == [
        ("sad", "ravdess-02"), ("happy", "ravdess-02"), ("sad", "ravdess-03")
    ]  # fmt: skip
    assert [one.faces[:, 0, 0, 0].tolist() for one in scenes] == [[10, 30], [20], [10, 30]]
    assert scenes[0].faces is scenes[2].faces  # one copy, however many voices
    settled = settle(scenes, 4)
    assert [len(one.faces) for one in settled] == [1] * 12
    again = settle(scenes, 4)
    assert [one.faces.tolist() for one in settled] == [one.faces.tolist() for one in again]
    assert len({int(one.faces[0, 0, 0, 0]) for one in settled[:4]}) == 2


def test_batches_follow_the_seed_and_carry_the_label_of_their_scene() -> None:
    scenes = [scene("happy", "x-1"), scene("sad", "x-1"), scene("sad", "x-2"), scene("sad", "x-2")]
    recipe = Recipe(batch_size=64, label_smoothing=0.0, mixup=0.0, seed=3)
    batches = SceneBatches(scenes, LABELS_HERE, recipe, windows=40)
    assert batches.steps == 2
    first, again, next_ = list(batches.epoch(0)), list(batches.epoch(0)), list(batches.epoch(1))
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert first[0][0][0].shape != next_[0][0][0].shape or not torch.equal(first[0][0][0], next_[0][0][0])
    happy = torch.cat([targets for _, targets in first])[:, 1].mean()
    assert 0.35 < happy < 0.65  # one scene of four, but one label of two
    for (waveforms, crops), targets in first:
        assert 8_000 <= waveforms.shape[1] <= 64_000 and waveforms.dtype == torch.float32
        assert waveforms.abs().max() <= 1.0 and waveforms.std(dim=1).min() > 0
        assert crops.shape == (64, 1, 48, 48)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(64))


def test_held_out_windows_keep_scene_label_and_face() -> None:
    film = scene("sad", moments=(0.05, 0.35, 0.65, 0.95))
    held_out = HeldOutScenes([film, scene("happy")], LABELS_HERE)
    assert len(held_out) == len(held_out.scenes) > 4
    assert held_out.targets.tolist() == [int(number) for number in held_out.scenes]  # sad is 0 here, and happy 1
    assert [LABELS[label] for label in held_out.labels[[0, -1]]] == ["sad", "happy"]

    class Shades(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, waveforms: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
            assert waveforms.shape[1] == SAMPLE_RATE
            return torch.stack([crops.mean(dim=(1, 2, 3)), torch.zeros(len(crops))], dim=1)

    logits = held_out.logits(Shades())
    theirs = logits[: int((held_out.scenes == 0).sum()), 0].tolist()
    assert theirs == sorted(theirs) and theirs[0] < theirs[-1]  # the later the window, the later the face
    probs = held_out.probabilities(logits)
    assert probs.shape == (len(held_out), 7)
    assert set(np.flatnonzero(probs.sum(axis=0))) == {LABELS.index("happy"), LABELS.index("sad")}


def test_frozen_features_are_those_that_are_served() -> None:
    torch.manual_seed(0)
    options = {"voice": "audio_bilstm", "voice_options": {"channels": 16, "hidden": 12}, "face": "mini_xception"}
    network = build("concat", {**options, "face_options": {"width": 8}, "dropout": 0.0})
    given = torch.randn(4, SAMPLE_RATE) * 0.1, torch.rand(4, 1, 48, 48) * 255
    served = network.eval()(*given)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.freeze()
    answer = network.train()(*given)
    torch.testing.assert_close(answer, served)
    answer.sum().backward()
    learnt = {name for name, value in network.named_parameters() if value.grad is not None}
    assert learnt and not [name for name in learnt if name.startswith(("voice.", "face."))]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    network.freeze(frozen=False)
    network(*given)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert any("running_mean" in name for name in moved)
