"""What the voice network is trained on: who is drawn how often, and what is told of them."""

from collections import Counter
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.augment_voice import Channel, Noise, Others
from models.calibration import REFERENCE
from models.datasets.clips import Clip
from models.distillation import Teachers
from models.inference import SAMPLE_RATE
from models.labels import LABELS
from models.networks.cepstral import CnnMfcc
from models.networks.voice import AudioBiLSTM
from models.training import Batch, Recipe
from models.voice_batches import CHANNELS, Mix, Sounds, SpeechBatches, set_population, speaker_reference
from models.windows import stream_windows
from tests.models.voices import people, small_network

RECIPE = Recipe(batch_size=32, mixup=0.0, seed=4, device="cpu")
SPOKEN = {
    "ravdess-02": ["neutral", "neutral", "happy", "happy", "happy", "happy", "happy", "happy"],
    "ravdess-03": ["neutral", "happy", "happy"],
    "tess-oaf": ["happy", "sad"],  # never neutral
}


@pytest.fixture(scope="module")
def network() -> AudioBiLSTM:
    known = small_network()
    set_population(known, people(SPOKEN))
    return known


@pytest.fixture
def plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every line as clear as it can be, so that a window shows what was cut."""
    monkeypatch.setattr(Channel, "draw", classmethod(lambda cls, rng: cls()))


def epoch(network: AudioBiLSTM, sounds: Sounds, mix: Mix, recipe: Recipe = RECIPE, number: int = 0) -> list[Batch]:
    return list(SpeechBatches(sounds, recipe, mix, network).epoch(number))


def levels() -> Sounds:
    """Return the clips of `SPOKEN`, each of its own constant amplitude: the amplitude of clip k is (k + 1) / 100."""
    sounds = []
    for speaker, labels in SPOKEN.items():
        for label in labels:
            level = np.full(SAMPLE_RATE * 2, 328 * (len(sounds) + 1), np.int16)
            sounds.append((Clip(Path("clip.wav"), label, speaker, "male"), level))
    return sounds


@pytest.fixture
def drawn(network: AudioBiLSTM, plain_lines: None) -> Counter[tuple[str, str, int]]:
    """Return how often each clip is drawn, as (label, speaker, number), among some thousands."""
    sounds = levels()
    counts: Counter[tuple[str, str, int]] = Counter()
    for (windows, *_), targets in epoch(network, sounds, Mix(150, known=0.0, non_speech=0.0)):
        numbers = np.rint(windows.numpy().max(axis=1) * 32768 / 328).astype(int) - 1
        for number, label in zip(numbers, targets.argmax(dim=1).tolist(), strict=True):
            clip = sounds[number][0]
            assert LABELS[label] == clip.label
            counts[clip.label, clip.speaker, number] += 1
    return counts


def share(counts: Counter[tuple[str, str, int]], *wanted: object) -> float:
    """Return the share of the draws that have these values in this order, from the label on."""
    return sum(count for key, count in counts.items() if key[: len(wanted)] == wanted) / counts.total()


def test_labels_are_drawn_alike_and_in_each_the_speakers_and_their_clips(
    drawn: Counter[tuple[str, str, int]],
) -> None:
    for label in ("neutral", "happy", "sad"):
        assert share(drawn, label) == pytest.approx(1 / 3, abs=0.03)
    for speaker in ("ravdess-02", "ravdess-03"):
        assert share(drawn, "neutral", speaker) == pytest.approx(1 / 6, abs=0.02)
    for speaker in SPOKEN:
        assert share(drawn, "happy", speaker) == pytest.approx(1 / 9, abs=0.02)
    for number in range(2, 8):
        assert share(drawn, "happy", "ravdess-02", number) == pytest.approx(1 / 54, abs=0.01)


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_the_same_seed_and_epoch_give_the_same_batches(network: AudioBiLSTM, mixup: float) -> None:
    def first(seed: int, number: int) -> Batch:
        recipe = replace(RECIPE, seed=seed, mixup=mixup)
        return epoch(network, people(SPOKEN), Mix(1), recipe, number)[0]

    (inputs, targets), (again, what) = first(4, 2), first(4, 2)
    for one, other in (*zip(inputs, again, strict=True), (targets, what)):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    for seed, number in ((4, 3), (5, 2)):
        (different, *_), _ = first(seed, number)
        assert different.shape != inputs[0].shape or not torch.allclose(different, inputs[0])


class Listening(Teachers):
    """A teacher that is sure of one label, and remembers what it was asked about."""

    def __init__(self, label: str) -> None:
        super().__init__([], "voice", LABELS, torch.device("cpu"))
        self.label, self.asked = LABELS.index(label), []

    def __bool__(self) -> bool:
        return True

    def _answer(self, inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
        self.asked.append(inputs)
        first = inputs if isinstance(inputs, torch.Tensor) else inputs[0]
        return torch.eye(len(LABELS))[self.label].expand(len(first), -1)


@pytest.mark.parametrize("noisy", [False, True])
def test_teachers_hear_in_quiet_what_the_pupil_hears_in_noise(
    network: AudioBiLSTM, monkeypatch: pytest.MonkeyPatch, noisy: bool
) -> None:
    noise = Noise(0, 0.0, 0.0) if noisy else None
    monkeypatch.setattr(Channel, "draw", classmethod(lambda cls, rng: cls(noise=noise, snr_db=5.0, tract=1.05)))
    teacher = Listening("disgust")
    drawn = SpeechBatches(levels(), RECIPE, Mix(3, known=0.5, non_speech=0.0), network, LABELS, teacher, 0.25)
    batches = list(drawn.epoch(0))
    assert len(teacher.asked) == 3
    for ((windows, references, tracts), targets), (quiet, quiet_references, same) in zip(
        batches, teacher.asked, strict=True
    ):
        assert (quiet[:, -1000:].std(dim=1) < 1e-6).all()  # a level, and nothing else
        assert torch.equal(windows, quiet) is not noisy
        assert torch.equal(references, quiet_references) is not noisy
        known = references.abs().sum(dim=1) > 0
        assert torch.equal(known, quiet_references.abs().sum(dim=1) > 0)
        assert 0 < known.sum() < len(known)
        assert torch.equal(tracts, same) and tracts.unique().tolist() == pytest.approx([1.05])
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(len(targets)))
        assert (targets[:, teacher.label] > 0.25).all() and (targets.max(dim=1).values > 0.6).all()


def test_teachers_of_a_pupil_that_is_told_nothing_are_told_nothing() -> None:
    teacher = Listening("disgust")
    pupil = CnnMfcc()
    ((windows, targets),) = SpeechBatches(
        people(SPOKEN), RECIPE, Mix(1, non_speech=0.5), pupil, LABELS, teacher, 1.0
    ).epoch(0)
    (quiet,) = teacher.asked
    assert isinstance(quiet, torch.Tensor) and quiet.shape == windows.shape
    no_voice = (targets - 1 / len(LABELS)).abs().max(dim=1).values < 1e-6  # of these no teacher is asked
    assert 0 < no_voice.sum() < len(targets)
    assert (targets[~no_voice, teacher.label] == 1).all()


def test_a_batch_has_one_length_and_half_of_them_have_a_second(network: AudioBiLSTM) -> None:
    recipe = replace(RECIPE, batch_size=2)
    batches = epoch(network, people(SPOKEN), Mix(80), recipe)
    assert len(batches) == 80
    lengths = []
    for (windows, references, tracts), targets in batches:
        assert windows.dtype == references.dtype == tracts.dtype == targets.dtype == torch.float32
        assert references.shape == (2, REFERENCE)
        assert tracts.shape == (2, 1)
        assert targets.shape == (2, len(LABELS))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(2))
        assert windows.abs().max() <= 1.0
        lengths.append(windows.shape[1] / SAMPLE_RATE)
    drawn = np.array([seconds for seconds in lengths if seconds != 1.0])
    assert len(drawn) / len(lengths) == pytest.approx(0.5, abs=0.17)
    assert drawn.min() >= 0.6 and drawn.max() <= 3.0
    for below, share in ((0.9, 0.252), (1.34, 0.5), (2.0, 0.748)):  # log-uniform
        assert np.mean(drawn < below) == pytest.approx(share, abs=0.2)


def test_a_short_window_is_a_part_of_the_clip_and_a_long_one_all_of_it_after_silence(
    network: AudioBiLSTM, plain_lines: None
) -> None:
    """As a stream cuts them; each sample of the speech has a value of its own, and is much louder than the rest."""
    quiet, speech = np.arange(1, 9_601) % 50 + 1, np.arange(10_000, 30_000)
    sound = np.concatenate([quiet, speech, quiet]).astype(np.int16)
    clip = Clip(Path("clip.wav"), "happy", "x", "male")
    lengths, starts, shares = [], set(), []
    for (windows, *_), _ in epoch(network, [(clip, sound)], Mix(60, non_speech=0.0), replace(RECIPE, batch_size=4)):
        for window in np.rint(windows.numpy() * 32768).astype(np.int16):
            lengths.append(len(window))
            if len(window) >= len(sound):
                np.testing.assert_array_equal(window, stream_windows(sound, len(window) / SAMPLE_RATE)[0])
            else:
                loudest = int(window.argmax())
                start = len(quiet) + int(window[loudest]) - 10_000 - loudest
                np.testing.assert_array_equal(window, sound[start : start + len(window)])
                spoken = (window > 50).sum() + SAMPLE_RATE / 50
                assert spoken >= min(0.28 * len(window), len(speech))
                shares.append(spoken / len(window))
                starts.add(start)
    assert min(lengths) < 16_000 and max(lengths) > len(sound) + 2_000
    assert len(starts) > 60
    assert min(shares) < 0.5 < np.median(shares)  # somebody begins, or has ended


def test_nobody_is_in_the_babble_beside_their_own_voice(network: AudioBiLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds, met = levels(), set()

    def speaker(sound: np.ndarray) -> str:
        return sounds[round(float(sound.max()) * 32768 / 328) - 1][0].speaker

    def listen(channel: Channel, clip: np.ndarray, others: Others, rng: np.random.Generator) -> np.ndarray:
        talk = others(3)
        assert len(talk) == 3
        met.update((speaker(clip), speaker(other)) for other in talk)
        return clip

    monkeypatch.setattr(Channel, "apply", listen)
    epoch(network, sounds, Mix(4, non_speech=0.0))
    assert met == set(permutations(SPOKEN, 2))


@pytest.mark.parametrize("known", [0.0, 0.3, 1.0])
def test_so_many_speakers_are_known_as_was_asked_for(network: AudioBiLSTM, known: float) -> None:
    sounds = [(clip, sound) for clip, sound in people(SPOKEN) if clip.speaker != "tess-oaf"]
    batches = epoch(network, sounds, Mix(20, known=known))
    told = torch.cat([references.any(dim=1) for (_, references, _), _ in batches])
    assert told.float().mean().item() == pytest.approx(known, abs=0.06 if 0 < known < 1 else 0)


def test_a_speaker_has_one_reference_for_each_line(network: AudioBiLSTM) -> None:
    sounds = [(clip, sound) for clip, sound in people(SPOKEN) if clip.speaker == "ravdess-02"]
    batches = epoch(network, sounds, Mix(10, known=1.0))
    references = torch.cat([references for (_, references, _), _ in batches])
    assert len(references.unique(dim=0)) == CHANNELS


def test_a_reference_is_made_of_the_speakers_neutral_clips(network: AudioBiLSTM, plain_lines: None) -> None:
    sounds = people({"ravdess-02": ["neutral", "neutral", "happy"], "ravdess-03": ["neutral", "sad"], "x": ["fear"]})
    first, second = (
        speaker_reference(network, [sound for clip, sound in sounds if (clip.speaker, clip.label) == (who, "neutral")])
        for who in ("ravdess-02", "ravdess-03")
    )
    assert np.abs(first - second).max() > 0.1
    whose = {"happy": first, "sad": second, "fear": np.zeros(REFERENCE)}  # each label is one speaker's
    told = set()
    for (_, references, _), targets in epoch(network, sounds, Mix(4, known=1.0, non_speech=0.0)):
        for row, label in zip(references.numpy(), targets.argmax(dim=1).tolist(), strict=True):
            if LABELS[label] in whose:
                np.testing.assert_allclose(row, whose[LABELS[label]], atol=2e-3)  # the clips went through Int16 again
                told.add(LABELS[label])
    assert told == whose.keys()


def test_a_reference_is_made_over_the_line_that_the_voice_comes_over(
    network: AudioBiLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half as loud a line moves the reference by as much as it moves the speech: coefficient 0 is the level."""
    sounds = [(clip, sound) for clip, sound in people(SPOKEN) if clip.speaker == "ravdess-02"]
    monkeypatch.setattr(Channel, "draw", classmethod(lambda cls, rng: cls(gain=0.5)))
    ((_, references, _), _), = epoch(network, sounds, Mix(1, known=1.0))  # fmt: skip
    halved = [sound // 2 for clip, sound in sounds if clip.label == "neutral"]
    np.testing.assert_allclose(references[0], speaker_reference(network, halved), atol=0.02)


def test_a_vocal_tract_is_a_lines_own_in_the_voice_and_in_its_reference(
    network: AudioBiLSTM, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw(cls: type[Channel], rng: np.random.Generator) -> Channel:
        drawn.append(cls(tract=float(rng.uniform(0.9, 1.1))))
        return drawn[-1]

    monkeypatch.setattr(Channel, "draw", classmethod(draw))
    sounds = [(clip, sound) for clip, sound in people(SPOKEN) if clip.speaker == "ravdess-02"]
    neutral = [sound for clip, sound in sounds if clip.label == "neutral"]
    lines = set()
    for (_, references, tracts), _ in epoch(network, sounds, Mix(4, known=1.0)):
        for row, tract in zip(references.numpy(), tracts[:, 0].tolist(), strict=True):
            np.testing.assert_allclose(row, speaker_reference(network, neutral, tract), atol=0.02)
            lines.add(tract)
    assert sorted(lines) == pytest.approx(sorted(channel.tract for channel in drawn)) and len(lines) == CHANNELS
    other = speaker_reference(network, neutral)
    assert max(np.abs(speaker_reference(network, neutral, tract) - other).max() for tract in lines) > 0.1


def test_who_is_never_neutral_is_never_known(network: AudioBiLSTM) -> None:
    sounds = [(clip, sound) for clip, sound in people(SPOKEN) if clip.speaker == "tess-oaf"]
    for (windows, references, _), _ in epoch(network, sounds, Mix(2, known=1.0)):
        assert windows.any(dim=1).all()
        assert not references.any()


@pytest.mark.parametrize("plain", [small_network(adaptive=False), CnnMfcc(classes=3)])
def test_networks_that_are_not_adaptive_are_given_waveforms_alone(plain: nn.Module) -> None:
    labels = ("sad", "neutral", "happy")  # in an order of their own
    sounds = levels()
    told = set()
    batches = SpeechBatches(sounds, RECIPE, Mix(4, known=1.0, non_speech=0.25), plain, labels)
    for windows, targets in batches.epoch(0):
        assert isinstance(windows, torch.Tensor) and windows.shape[0] == 32
        assert targets.shape == (32, 3)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(32))
        told |= {round(value, 3) for value in targets.max(dim=1).values.tolist()}
    assert told == {0.333, 0.933}  # no voice, and a voice with smoothed targets


def test_targets_are_in_the_networks_order(network: AudioBiLSTM, plain_lines: None) -> None:
    labels = ("sad", "neutral", "happy")
    sounds = levels()
    batches = SpeechBatches(sounds, RECIPE, Mix(4, known=0.0, non_speech=0.0), network, labels)
    for (windows, *_), targets in batches.epoch(0):
        numbers = np.rint(windows.numpy().max(axis=1) * 32768 / 328).astype(int) - 1
        assert [labels[row] for row in targets.argmax(dim=1)] == [sounds[number][0].label for number in numbers]


def test_sounds_without_a_voice_are_no_label_more_than_another(network: AudioBiLSTM, plain_lines: None) -> None:
    rows, voices = [], []
    for (windows, *_), targets in epoch(network, levels(), Mix(30, non_speech=0.25)):
        is_level = (windows == windows.max(dim=1, keepdim=True).values).float().mean(dim=1) > 0.5
        uniform = (targets == 1 / len(LABELS)).all(dim=1)
        torch.testing.assert_close(uniform, ~is_level)  # a fan or a hiss, where there was a constant
        rows.append(uniform)
        voices.append(targets[is_level])
    assert torch.cat(rows).float().mean().item() == pytest.approx(0.25, abs=0.05)
    spoken = torch.cat(voices)
    torch.testing.assert_close(spoken.max(dim=1).values, torch.full((len(spoken),), 0.9 + 0.1 / 7))


def test_a_population_of_clips_has_mean_nought_and_deviation_one() -> None:
    """Of clips of just a second, which are all that is measured; and telling it twice changes nothing."""
    sounds = [(clip, sound[8_000:24_000]) for clip, sound in people(SPOKEN)]
    given = torch.from_numpy(np.stack([sound for _, sound in sounds]) / np.float32(32768))
    model = small_network()
    for _ in range(2):
        set_population(model, sounds)
        mean, square = model.describe(given).mean(dim=0).chunk(2)
        torch.testing.assert_close(mean, torch.zeros(40), rtol=0, atol=1e-3)
        torch.testing.assert_close(square, torch.ones(40), rtol=0, atol=1e-3)
