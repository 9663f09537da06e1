"""Validation as in a stream: which windows count, and what is known of who speaks."""

import numpy as np
import pytest
import torch

from models.calibration import REFERENCE
from models.held_out import HeldOut
from models.labels import LABELS
from models.metrics import top_k, uar
from models.networks.cepstral import CnnMfcc
from models.networks.voice import AudioBiLSTM
from models.voice_batches import Sounds, set_population, speaker_reference
from models.windows import stream_windows
from tests.models.voices import people, small_network

SOUNDS = people(
    {
        "ravdess-02": ["happy", "neutral", "neutral", "neutral", "sad"],
        "ravdess-03": ["angry", "neutral", "fear"],
        "tess-oaf": ["sad", "happy"],  # never neutral
    }
)
CALIBRATION = [1, 2, 6]
"""The clips that references are made of: the first two that are neutral of each, as far as there are."""


@pytest.fixture(scope="module")
def network() -> AudioBiLSTM:
    known = small_network()
    set_population(known, SOUNDS)
    return known


@pytest.fixture(scope="module")
def held_out(network: AudioBiLSTM) -> HeldOut:
    return HeldOut(network, SOUNDS)


def references(network: AudioBiLSTM, sounds: Sounds) -> list[np.ndarray]:
    """Return the reference that each clip's speaker should be known by."""
    theirs = {
        "ravdess-02": speaker_reference(network, [sounds[1][1], sounds[2][1]]),
        "ravdess-03": speaker_reference(network, [sounds[6][1]]),
        "tess-oaf": np.zeros(REFERENCE, np.float32),
    }
    return [theirs[clip.speaker] for clip, _ in sounds]


def test_a_row_is_a_window_of_the_stream(held_out: HeldOut) -> None:
    rows = [len(stream_windows(sound)) for _, sound in SOUNDS]
    assert min(rows) >= 2
    np.testing.assert_array_equal(held_out.clips, np.repeat(range(len(SOUNDS)), rows))
    assert [LABELS[label] for label in held_out.labels] == [SOUNDS[clip][0].label for clip in held_out.clips]


def test_clips_that_a_reference_is_made_of_are_not_measured_by_it(held_out: HeldOut) -> None:
    np.testing.assert_array_equal(held_out.unused, ~np.isin(held_out.clips, CALIBRATION))
    assert held_out.labels[held_out.unused & (held_out.clips == 3)].tolist()  # the third neutral clip still is


@pytest.mark.parametrize("known", [False, True])
@torch.inference_mode()
def test_answers_are_those_of_the_whole_network(network: AudioBiLSTM, held_out: HeldOut, known: bool) -> None:
    direct = []
    for (_, sound), who in zip(SOUNDS, references(network, SOUNDS), strict=True):
        windows = torch.from_numpy(stream_windows(sound) / np.float32(32768))
        direct.append(network(windows, torch.from_numpy(who).expand(len(windows), -1) if known else None))
    torch.testing.assert_close(held_out.logits(network, known=known), torch.cat(direct), rtol=0, atol=1e-4)


def test_who_is_never_neutral_is_answered_as_nobody_known(network: AudioBiLSTM, held_out: HeldOut) -> None:
    plain, known = held_out.logits(network), held_out.logits(network, known=True)
    changed = (plain - known).abs().amax(dim=1).numpy() > 1e-6
    speakers = np.array([SOUNDS[clip][0].speaker for clip in held_out.clips])
    np.testing.assert_array_equal(changed, speakers != "tess-oaf")


def test_metrics_are_of_single_windows(network: AudioBiLSTM, held_out: HeldOut) -> None:
    probs = held_out.logits(network).softmax(dim=1).numpy()
    known = held_out.logits(network, known=True).softmax(dim=1).numpy()[held_out.unused]
    assert held_out.metrics(network) == {
        "top1": top_k(probs, held_out.labels, 1),
        "uar": uar(probs, held_out.labels),
        "uar_known": uar(known, held_out.labels[held_out.unused]),
    }


def test_a_network_in_training_is_asked_as_one_that_is_not(network: AudioBiLSTM, held_out: HeldOut) -> None:
    before = held_out.metrics(network)
    network.train()
    assert held_out.metrics(network) == before
    assert not network.training


def test_more_windows_than_are_asked_about_at_once_keep_their_order(network: AudioBiLSTM) -> None:
    many = SOUNDS * 12
    held_out = HeldOut(network, many)
    assert len(held_out.clips) > 256
    once = HeldOut(network, SOUNDS).logits(network)
    torch.testing.assert_close(held_out.logits(network), once.repeat(12, 1), rtol=0, atol=1e-4)


def test_the_neutral_answer_is_the_geometric_mean_over_neutral_windows(held_out: HeldOut) -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(7), len(held_out.labels)).astype(np.float32)
    neutral = held_out.labels == LABELS.index("neutral")
    said = held_out.neutral(probs)
    expected = np.prod(probs[neutral].astype(np.float64), axis=0) ** (1 / neutral.sum())
    assert said == pytest.approx(tuple(expected / expected.sum()), rel=1e-4)
    assert sum(said) == pytest.approx(1.0)
    assert all(isinstance(share, float) for share in said)  # plain numbers, for the artefact's JSON


def test_an_answer_of_nought_leaves_a_neutral_answer_above_it(held_out: HeldOut) -> None:
    certain = np.tile(np.eye(7, dtype=np.float32)[0], (len(held_out.labels), 1))
    said = held_out.neutral(certain)
    assert min(said) > 0
    assert said[0] == pytest.approx(1.0, abs=1e-4)


NAMES = ("sad", "neutral", "happy", "fear")
SOME = [(clip, sound) for clip, sound in SOUNDS if clip.label in NAMES]


@pytest.fixture(scope="module")
def plain() -> CnnMfcc:
    torch.manual_seed(0)
    return CnnMfcc(channels=8, hidden=8, classes=4).eval()


@torch.inference_mode()
def test_networks_that_are_not_adaptive_are_asked_about_waveforms_alone(plain: CnnMfcc) -> None:
    held_out = HeldOut(plain, SOME, NAMES)
    windows = torch.from_numpy(np.concatenate([stream_windows(sound) for _, sound in SOME]) / np.float32(32768))
    logits = held_out.logits(plain)
    torch.testing.assert_close(logits, plain(windows), rtol=0, atol=1e-4)
    torch.testing.assert_close(held_out.logits(plain, known=True), logits, rtol=0, atol=0)
    assert held_out.unused.all()
    probs = held_out.probs(logits)
    assert held_out.metrics(plain) == {"top1": top_k(probs, held_out.labels, 1), "uar": uar(probs, held_out.labels)}


def test_a_part_of_the_labels_is_judged_among_all(plain: CnnMfcc) -> None:
    held_out = HeldOut(plain, SOME, NAMES)
    assert [NAMES[target] for target in held_out.targets] == [LABELS[label] for label in held_out.labels]
    logits = held_out.logits(plain)
    probs = held_out.probs(logits)
    for name, column in zip(LABELS, probs.T, strict=True):
        if name in NAMES:
            np.testing.assert_allclose(column, logits.softmax(dim=1)[:, NAMES.index(name)], atol=1e-6)
        else:
            assert not column.any()
    neutral = held_out.neutral(probs)
    assert [share > 0 for share in neutral] == [name in NAMES for name in LABELS]
    assert sum(neutral) == pytest.approx(1.0)


def test_without_a_neutral_clip_nothing_is_said_of_neutral_people(plain: CnnMfcc) -> None:
    held_out = HeldOut(plain, [(clip, sound) for clip, sound in SOME if clip.label != "neutral"], NAMES)
    assert held_out.neutral(held_out.probs(held_out.logits(plain))) == ()
